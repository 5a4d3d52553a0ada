"""Equations (7) to (9) and their intervals, from the tidy table of a study.

The table has the columns of `analysis.summary.COLUMNS`, one row an observation (one draw of one
training at one noise level under one scope). Every function here returns one row a training cell:
a training without its seed, under one scope. Its columns are the keys, then

- ``value``: the mean over seeds of the values that the equations give for each seed;
- ``low``, ``high``: the 95 % interval of `estimate`, NaN where there is none;
- ``seeds``, ``draws``: how many of each are in the value.

Everything is a fraction. A cell that lacks a seed, draw or noise level which the others have is NaN
rather than a mean over what happens to be there.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from noise_resistance.analysis.crossed import contrast

__all__ = [
    "CELL",
    "CONFIDENCE",
    "TRAINING_CELL",
    "accuracy",
    "average_normalized_accuracy",
    "averages",
    "baseline_accuracy",
    "describe_interval",
    "difference",
    "estimate",
    "normalized_accuracy",
    "normalized_chance",
    "values_by",
]

CONFIDENCE = 0.95
TRAINING_CELL = ["dataset", "model", "optimizer", "learning_rate"]
CELL = [*TRAINING_CELL, "scope"]


def estimate(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean of a quantity and its 95 % interval: the one place that decides the method.

    The interval is for the mean over all trainings of this kind and all draws of noise: seeds and
    draws are crossed random effects (`analysis.crossed.contrast`). With one seed it covers draws
    only: how exactly N draws measure this one trained network, and nothing of how another training
    would have turned out. With one draw, as for a baseline, it is Student's t over seeds.

    Args:
        values: by (seed, draw), complete.

    Returns:
        mean, lower and upper limit; the limits are NaN where fewer than two values are there to
        tell the spread from. Limits can lie outside of [0, 1]: they are not cut.
    """
    one = contrast(values[np.newaxis], np.ones(1))
    low, high = one.limits(CONFIDENCE)
    return float(one.value), float(low), float(high)


def difference(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Return the difference of two cells' means and its 95 % interval.

    Draws are paired, since draw 7 is the same z for both; seeds are not, since two trainings that
    bear the same seed are different trainings.

    Args:
        first: by (seed, draw), complete.
        second: the same seeds and draws, of the cell that is subtracted.
    """
    one = contrast(np.stack([first, second]), np.array([1.0, -1.0]))
    low, high = one.limits(CONFIDENCE)
    return float(one.value), float(low), float(high)


def describe_interval(seeds: int, draws: int) -> str:
    """Say what the intervals of `estimate` cover, for captions; empty where there are none."""
    if seeds > 1:
        return f"95 % interval over {'seeds and draws' if draws > 1 else 'seeds'}"
    return "95 % interval over draws" if draws > 1 else ""


def baseline_accuracy(table: pd.DataFrame) -> pd.DataFrame:
    """Return a_o by `TRAINING_CELL`; with one seed it has no interval."""
    trainings = table.drop_duplicates([*TRAINING_CELL, "seed"])
    return _estimates(trainings.assign(draw=0), TRAINING_CELL, "baseline_accuracy").drop(
        columns="draws"
    )


def accuracy(table: pd.DataFrame) -> pd.DataFrame:
    """Return a^x, equation (7), by `CELL` and ``noise_level``."""
    return _estimates(table, [*CELL, "noise_level"], "accuracy")


def normalized_accuracy(table: pd.DataFrame) -> pd.DataFrame:
    """Return A^x = a^x / a_o, equation (8), by `CELL` and ``noise_level``.

    Each seed's accuracy is divided by that seed's own baseline.
    """
    return _estimates(table, [*CELL, "noise_level"], "normalized_accuracy")


def average_normalized_accuracy(table: pd.DataFrame, noise_levels: Iterable[float]) -> pd.DataFrame:
    """Return A_avr, equation (9), by `CELL`: the mean of A^x over the noise levels that are not 0.

    The draws are common to all noise levels (draw 7 is the same z at each), so levels are not
    independent: the average is taken over levels within each draw first, and the interval over
    those averages.

    Args:
        table: the tidy table.
        noise_levels: those of the study; a cell without one of them is NaN.
    """
    return _in_order_of(table, _estimates(averages(table, noise_levels), CELL, "average"))


def averages(
    table: pd.DataFrame, noise_levels: Iterable[float], column: str = "normalized_accuracy"
) -> pd.DataFrame:
    """Return equation (9) of each draw: `CELL`, ``seed``, ``draw`` and ``average``.

    Args:
        table: the tidy table.
        noise_levels: those of the study; a draw without one of them is NaN.
        column: what is averaged.
    """
    levels = [level for level in noise_levels if level != 0]
    by_level = table.pivot(index=[*CELL, "seed", "draw"], columns="noise_level", values=column)
    average = by_level.reindex(columns=levels).mean(axis=1, skipna=False)
    return average.rename("average").reset_index()


def normalized_chance(classes: int, baseline: float) -> float:
    """Return the normalized accuracy of guessing: one over the classes, over the baseline."""
    return 1 / classes / baseline


def values_by(
    table: pd.DataFrame, keys: Sequence[str], column: str
) -> dict[tuple[Any, ...], np.ndarray]:
    """Return a column by (seed, draw) for each value of the keys; NaN where one is missing."""
    all_seeds, all_draws = table["seed"].unique(), table["draw"].unique()
    return {
        key: group.pivot(index="seed", columns="draw", values=column)
        .reindex(index=all_seeds, columns=all_draws)
        .to_numpy(dtype=np.float64)
        for key, group in table.groupby(list(keys), sort=False)
    }


def _estimates(table: pd.DataFrame, keys: Sequence[str], column: str) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for key, values in values_by(table, keys, column).items():
        value, low, high = estimate(values)
        of_group = dict(zip(keys, key, strict=True))
        seeds, draws = values.shape
        rows.append(
            of_group | {"value": value, "low": low, "high": high, "seeds": seeds, "draws": draws}
        )
    return pd.DataFrame(rows, columns=[*keys, "value", "low", "high", "seeds", "draws"])


def _in_order_of(table: pd.DataFrame, estimates: pd.DataFrame) -> pd.DataFrame:
    """Pivoting sorts; give the cells the order in which the study has them."""
    return table[CELL].drop_duplicates().merge(estimates, on=CELL, how="left")
