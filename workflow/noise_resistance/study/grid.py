"""From experiments to trainings to evaluations, each made once."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

__all__ = ["EXPERIMENTS", "Evaluation", "Experiment", "Training", "evaluations_of", "trainings_of"]

EXPERIMENTS = {
    "learning_rate": "Tables II and III, Figures 1 and 2",
    "optimizer": "Figure 3",
    "tradeoff": "Figure 4",
}


@dataclass(frozen=True, order=True)
class Training:
    """One trained model."""

    dataset: str
    model: str
    optimizer: str
    learning_rate: float
    seed: int


@dataclass(frozen=True, order=True)
class Evaluation:
    """One trained model at one noise level under one noise scope."""

    training: Training
    scope: str
    noise_level: float


@dataclass(frozen=True)
class Experiment:
    """A grid of trainings, and the noise scopes they are evaluated under.

    Attributes:
        name: a key of `EXPERIMENTS`; it decides which tables and figures are made.
    """

    name: str
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    optimizers: tuple[str, ...]
    learning_rates: tuple[float, ...]
    scopes: tuple[str, ...]

    def trainings(self, seeds: Iterable[int]) -> list[Training]:
        """Return the trainings of this experiment, the first dataset's first."""
        return [
            Training(*cell)
            for cell in product(
                self.datasets, self.models, self.optimizers, self.learning_rates, seeds
            )
        ]


def trainings_of(experiments: Iterable[Experiment], seeds: Iterable[int]) -> list[Training]:
    """Return the union of the experiments' trainings, each once, in the order of first mention."""
    seeds = tuple(seeds)
    return list(
        dict.fromkeys(one for experiment in experiments for one in experiment.trainings(seeds))
    )


def evaluations_of(
    experiments: Iterable[Experiment], seeds: Iterable[int], noise_levels: Iterable[float]
) -> list[Evaluation]:
    """Return the union of the experiments' evaluations, each once."""
    seeds, noise_levels = tuple(seeds), tuple(noise_levels)
    wanted = (
        Evaluation(training, scope, level)
        for experiment in experiments
        for training in experiment.trainings(seeds)
        for scope in experiment.scopes
        for level in noise_levels
    )
    return list(dict.fromkeys(wanted))
