"""A study's values by cell, as arrays by (seed, draw), under one noise scope."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from noise_resistance.analysis.flags import at_chance
from noise_resistance.analysis.statistics import CELL, TRAINING_CELL, averages, values_by
from noise_resistance.study.outline import Outline

__all__ = ["Cell", "Cells", "Values"]

Cell = tuple[str, str, str, float]
Values = dict[Cell, np.ndarray]


@dataclass(frozen=True)
class Cells:
    """What `TRAINING_CELL` names, in the study's order; incomplete cells are left out.

    So are cells of which a training ended at chance: noise takes nothing from a network that
    guesses, so its normalized accuracy is 1 and would win every comparison.

    Attributes:
        table: the tidy table, all scopes.
        outline: the study.
        scope: the noise scope.
        with_chance: keep the cells at chance too; only the chance-corrected value, which divides
            by what the baseline is above chance, is without them then.
    """

    table: pd.DataFrame
    outline: Outline
    scope: str
    with_chance: bool = False

    @cached_property
    def at_chance(self) -> dict[Cell, int]:
        """How many trainings of a cell ended at chance, where there are any."""
        return {_cell(key): count for key, count in at_chance(self._here, self.outline).items()}

    def left_out(self, *experiments: str) -> dict[Cell, int]:
        """Return the cells at chance of some experiments, with the number of such trainings."""
        cells = dict.fromkeys(one for name in experiments for one in self._planned(name))
        return {cell: self.at_chance[cell] for cell in cells if cell in self.at_chance}

    @cached_property
    def baseline(self) -> Values:
        """The baseline accuracy a_o by (seed, 1)."""
        trainings = self._here.drop_duplicates([*TRAINING_CELL, "seed"]).assign(draw=0)
        return self._comparable(values_by(trainings, TRAINING_CELL, "baseline_accuracy"))

    @cached_property
    def average(self) -> Values:
        """The average normalized accuracy, equation (9), by (seed, draw)."""
        return self.average_over(self.outline.noise_levels)

    def average_over(self, noise_levels: Iterable[float]) -> Values:
        """Return equation (9) over these noise levels; empty where the study lacks one."""
        levels = tuple(noise_levels)
        if not set(levels) <= set(self.outline.noise_levels):
            return {}
        return self._comparable(self._averages(self._here, levels))

    @cached_property
    def corrected(self) -> Values:
        """The chance-corrected average normalized accuracy: 0 is chance, 1 is no loss."""
        chance = self._here["dataset"].map(
            {name: 1 / one.classes for name, one in self.outline.datasets.items()}
        )
        corrected = (self._here["accuracy"] - chance) / (self._here["baseline_accuracy"] - chance)
        table = self._here.assign(normalized_accuracy=corrected)
        values = self._averages(table, self.outline.noise_levels)
        return {cell: one for cell, one in values.items() if cell not in self.at_chance}

    def at(self, noise_level: float) -> Values:
        """Return the normalized accuracy, equation (8), at one noise level by (seed, draw)."""
        at_level = self._here[np.isclose(self._here["noise_level"], noise_level)]
        return self._comparable(values_by(at_level, TRAINING_CELL, "normalized_accuracy"))

    def of_experiment(self, name: str) -> list[Cell]:
        """Return an experiment's cells that were evaluated, in its order; none where it is not."""
        planned = self._planned(name)
        return [cell for cell in planned if cell in self.average and cell in self.baseline]

    def rows(self, *experiments: str) -> dict[tuple[str, str, str], list[Cell]]:
        """Return the cells of some experiments by (dataset, model, optimizer), rates rising."""
        rows: dict[tuple[str, str, str], list[Cell]] = {}
        for cell in dict.fromkeys(one for name in experiments for one in self.of_experiment(name)):
            rows.setdefault(cell[:3], []).append(cell)
        return {key: sorted(row, key=lambda cell: cell[3]) for key, row in rows.items()}

    @cached_property
    def _here(self) -> pd.DataFrame:
        return self.table[self.table["scope"] == self.scope]

    def _planned(self, name: str) -> list[Cell]:
        experiment = self.outline.experiment(name)
        if experiment is None or self.scope not in experiment.scopes:
            return []
        trainings = experiment.trainings(self.outline.seeds)
        return list(
            dict.fromkeys(
                (one.dataset, one.model, one.optimizer, one.learning_rate) for one in trainings
            )
        )

    def _averages(self, table: pd.DataFrame, noise_levels: Iterable[float]) -> Values:
        if table.empty:
            return {}
        by_cell = values_by(averages(table, noise_levels), CELL, "average")
        return _complete({key[:4]: values for key, values in by_cell.items()})

    def _comparable(self, values: Mapping[Any, np.ndarray]) -> Values:
        complete = _complete(values)
        if self.with_chance:
            return complete
        return {cell: one for cell, one in complete.items() if cell not in self.at_chance}


def _complete(values: Mapping[Any, np.ndarray]) -> Values:
    return {_cell(key): one for key, one in values.items() if np.isfinite(one).all()}


def _cell(key: Sequence[object]) -> Cell:
    dataset, model, optimizer, rate = key
    return str(dataset), str(model), str(optimizer), float(str(rate))
