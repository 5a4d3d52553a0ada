"""The words that tables and figures share: names for people, and what a run consisted of."""

import re
from collections.abc import Iterable

from noise_resistance.errors import ConfigurationError, suggest
from noise_resistance.study.grid import EXPERIMENTS, Experiment
from noise_resistance.study.numbers import format_number
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.outline import Outline

__all__ = [
    "MISSING",
    "count",
    "dataset_of",
    "describe_run",
    "experiment_named",
    "model_title",
    "rate_in_force",
    "row_titles",
    "scope_of",
]

MISSING = "–"


def model_title(model: str) -> str:
    """Return a model's name for people: ``resnet20`` is ResNet20, others keep their name."""
    return re.sub(r"^resnet(?=\d+$)", "ResNet", model)


def rate_in_force(rate: float) -> str:
    """Write a learning rate that a schedule has multiplied, without the product's rounding."""
    return format_number(float(f"{rate:.6g}"))


def row_titles(experiment: Experiment) -> dict[tuple[str, str], str]:
    """Return a title for each (model, optimizer) of an experiment, in the configuration's order.

    The optimizer is named only where the experiment has several.
    """
    pairs = [
        (model, optimizer) for model in experiment.models for optimizer in experiment.optimizers
    ]
    if len(experiment.optimizers) == 1:
        return {pair: model_title(pair[0]) for pair in pairs}
    return {pair: f"{model_title(pair[0])}, {OPTIMIZERS[pair[1]].label}" for pair in pairs}


def describe_run(outline: Outline, *, draws: bool = True) -> str:
    """Say how long and how often: ``200 epochs, 1 seed, 25 draws``."""
    parts = [count(outline.epochs, "epoch"), count(len(outline.seeds), "seed")]
    return ", ".join([*parts, count(outline.draws, "draw")] if draws else parts)


def experiment_named(outline: Outline, name: str) -> Experiment:
    """Return the experiment of this name.

    Raises:
        ConfigurationError: the study has none.
    """
    experiment = outline.experiment(name)
    if experiment is None:
        raise ConfigurationError(
            f"study {outline.study} has no experiment '{name}', which makes {EXPERIMENTS[name]}; "
            "add it to the experiments of its configuration"
        )
    return experiment


def scope_of(experiment: Experiment, scope: str) -> str:
    """Return the noise scope after checking that the experiment was evaluated under it.

    Raises:
        ConfigurationError: it was not.
    """
    return _one_of(experiment.scopes, scope, f"experiment {experiment.name} has no noise scope")


def dataset_of(experiment: Experiment, dataset: str) -> str:
    """Return the dataset after checking that the experiment has it.

    Raises:
        ConfigurationError: it has not.
    """
    return _one_of(experiment.datasets, dataset, f"experiment {experiment.name} has no dataset")


def _one_of(known: Iterable[str], name: str, complaint: str) -> str:
    known = list(known)
    if name not in known:
        raise ConfigurationError(f"{complaint} '{name}'; {suggest(name, known)}")
    return name


def count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 seed``, ``2 seeds``, ``1,200 entries``."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"
