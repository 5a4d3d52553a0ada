"""A study's values by cell, as arrays by (seed, draw), under one noise scope."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from noise_resistance.analysis.statistics import CELL, TRAINING_CELL, averages, values_by
from noise_resistance.study.outline import Outline

__all__ = ["Cell", "Cells", "Values"]

Cell = tuple[str, str, str, float]
Values = dict[Cell, np.ndarray]


@dataclass(frozen=True)
class Cells:
    """What `TRAINING_CELL` names, in the study's order; incomplete cells are left out.

    Attributes:
        table: the tidy table, all scopes.
        outline: the study.
        scope: the noise scope.
    """

    table: pd.DataFrame
    outline: Outline
    scope: str

    @cached_property
    def baseline(self) -> Values:
        """The baseline accuracy a_o by (seed, 1)."""
        trainings = self._here.drop_duplicates([*TRAINING_CELL, "seed"]).assign(draw=0)
        return _complete(values_by(trainings, TRAINING_CELL, "baseline_accuracy"))

    @cached_property
    def average(self) -> Values:
        """The average normalized accuracy, equation (9), by (seed, draw)."""
        return self._averages(self._here)

    @cached_property
    def corrected(self) -> Values:
        """The chance-corrected average normalized accuracy: 0 is chance, 1 is no loss."""
        chance = self._here["dataset"].map(
            {name: 1 / one.classes for name, one in self.outline.datasets.items()}
        )
        corrected = (self._here["accuracy"] - chance) / (self._here["baseline_accuracy"] - chance)
        return self._averages(self._here.assign(normalized_accuracy=corrected))

    def at(self, noise_level: float) -> Values:
        """Return the normalized accuracy, equation (8), at one noise level by (seed, draw)."""
        at_level = self._here[np.isclose(self._here["noise_level"], noise_level)]
        return _complete(values_by(at_level, TRAINING_CELL, "normalized_accuracy"))

    def of_experiment(self, name: str) -> list[Cell]:
        """Return an experiment's cells that were evaluated, in its order; none where it is not."""
        experiment = self.outline.experiment(name)
        if experiment is None or self.scope not in experiment.scopes:
            return []
        wanted = dict.fromkeys(
            (one.dataset, one.model, one.optimizer, one.learning_rate)
            for one in experiment.trainings(self.outline.seeds)
        )
        return [cell for cell in wanted if cell in self.average and cell in self.baseline]

    def rows(self, *experiments: str) -> dict[tuple[str, str, str], list[Cell]]:
        """Return the cells of some experiments by (dataset, model, optimizer), rates rising."""
        rows: dict[tuple[str, str, str], list[Cell]] = {}
        for cell in dict.fromkeys(one for name in experiments for one in self.of_experiment(name)):
            rows.setdefault(cell[:3], []).append(cell)
        return {key: sorted(row, key=lambda cell: cell[3]) for key, row in rows.items()}

    @cached_property
    def _here(self) -> pd.DataFrame:
        return self.table[self.table["scope"] == self.scope]

    def _averages(self, table: pd.DataFrame) -> Values:
        if table.empty:
            return {}
        found = averages(table, self.outline.noise_levels)
        by_cell = values_by(found, CELL, "average")
        return _complete({key[:4]: values for key, values in by_cell.items()})


def _complete(values: dict[tuple[object, ...], np.ndarray]) -> Values:
    return {_cell(key): one for key, one in values.items() if np.isfinite(one).all()}


def _cell(key: Sequence[object]) -> Cell:
    dataset, model, optimizer, rate = key
    return str(dataset), str(model), str(optimizer), float(str(rate))
