"""What the analysis must know of a study, as one plain value that fits on a command line."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from noise_resistance.study.grid import (
    Evaluation,
    Experiment,
    Training,
    evaluations_of,
    trainings_of,
)
from noise_resistance.study.paths import Paths

__all__ = ["DatasetOutline", "Outline"]


@dataclass(frozen=True)
class DatasetOutline:
    """A dataset's name for people and its number of classes; chance is one over that."""

    title: str
    classes: int


@dataclass(frozen=True)
class Outline:
    """The grid of a study and the names of what is in it.

    Attributes:
        study: the study's name.
        experiments: the grids, in the order of the configuration.
        seeds: training seeds.
        noise_levels: eta, in the order of the configuration.
        draws: N of equation (7).
        epochs: length of every training.
        datasets: by name, those the experiments use.
        schedule: pairs (epoch, factor) of the learning rate, as in `study.recipe.Recipe`.
    """

    study: str
    experiments: tuple[Experiment, ...]
    seeds: tuple[int, ...]
    noise_levels: tuple[float, ...]
    draws: int
    epochs: int
    datasets: dict[str, DatasetOutline]
    schedule: tuple[tuple[int, float], ...] = ()

    @property
    def paths(self) -> Paths:
        """Where the study's files are."""
        return Paths(self.study)

    @property
    def trainings(self) -> list[Training]:
        """All trainings, each once."""
        return trainings_of(self.experiments, self.seeds)

    @property
    def evaluations(self) -> list[Evaluation]:
        """All noisy evaluations, each once."""
        return evaluations_of(self.experiments, self.seeds, self.noise_levels)

    def experiment(self, name: str) -> Experiment | None:
        """Return the experiment of this name, if the study has it."""
        return next((one for one in self.experiments if one.name == name), None)

    def to_json(self) -> str:
        """Write the outline as JSON, keys sorted."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Outline":
        """Read what `to_json` wrote."""
        return cls.from_mapping(json.loads(text))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Outline":
        """Make an outline from the plain values in its JSON."""
        experiments = tuple(
            Experiment(**_with_tuples(experiment)) for experiment in values["experiments"]
        )
        datasets = {name: DatasetOutline(**one) for name, one in values["datasets"].items()}
        made = {
            "experiments": experiments,
            "datasets": datasets,
            "schedule": tuple((epoch, factor) for epoch, factor in values.get("schedule", ())),
        }
        return cls(**{**_with_tuples(values), **made})


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(one) if isinstance(one, list) else one for key, one in values.items()}
