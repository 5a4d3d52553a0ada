"""What each file of a study is made from: the requests of its jobs.

The grid says which files there are; this says what decides their numbers besides their place in the
grid. Once for a study, whatever its size: the rest of a file's parameters is in its path.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from noise_resistance.study.grid import Evaluation, Training
from noise_resistance.study.paths import LAYER_SCOPE
from noise_resistance.study.recipe import Recipe
from noise_resistance.study.request import TrainingRequest

__all__ = ["Specification"]


@dataclass(frozen=True)
class Specification:
    """All that decides a study's numbers besides the grid, as plain values.

    Attributes:
        recipe: of every training.
        optimizers: Keras class and arguments by the optimizer's name.
        datasets: what tells each dataset's content from another's, by name.
        noise: the noise settings of the study.
        readings: ``arrays`` and ``settings`` by the name of a noise scope.
        layer_scope: which arrays receive noise where one layer alone does.
        diagnostics: ``images``, ``batches`` and ``epochs``, the finished epochs that are diagnosed
            besides the last.
    """

    recipe: Mapping[str, Any]
    optimizers: Mapping[str, Mapping[str, Any]]
    datasets: Mapping[str, Mapping[str, Any]]
    noise: Mapping[str, Any]
    readings: Mapping[str, Mapping[str, Any]]
    layer_scope: str
    diagnostics: Mapping[str, Any]

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Specification":
        """Make a specification from plain values, as `as_mapping` gives them."""
        return cls(**values)

    def as_mapping(self) -> dict[str, Any]:
        """Return plain values, as they are after a way through JSON."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values

    def training(self, one: Training) -> dict[str, Any]:
        """Return the request of a training."""
        return TrainingRequest(
            dataset=self.datasets[one.dataset],
            model=one.model,
            optimizer=one.optimizer,
            optimizer_definition=self.optimizers[one.optimizer],
            learning_rate=one.learning_rate,
            seed=one.seed,
            recipe=Recipe.from_mapping(self.recipe),
        ).parameters()

    def baseline(self, one: Training) -> dict[str, Any]:
        """Return the request of a baseline, or of that of a snapshot."""
        place = {"model": one.model, "training": self.training(one)}
        return {**place, "precision": self.noise["precision"]}

    def evaluation(self, one: Evaluation) -> dict[str, Any]:
        """Return the request of a noisy evaluation, or of that of a snapshot."""
        if one.scope.startswith(LAYER_SCOPE):
            layer = one.scope.removeprefix(LAYER_SCOPE)
            arrays, settings = f"{self.layer_scope}@{layer}", self.noise
        else:
            reading = self.readings[one.scope]
            arrays, settings = reading["arrays"], reading["settings"]
        place = {"model": one.training.model, "training": self.training(one.training)}
        return {**place, "scope": arrays, "noise_level": one.noise_level, **settings}

    def diagnosis(self, one: Training) -> dict[str, Any]:
        """Return the request of a training's diagnostics."""
        return {"model": one.model, "training": self.training(one), **self.diagnostics}
