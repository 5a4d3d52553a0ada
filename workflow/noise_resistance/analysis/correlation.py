"""Rank correlation over trainings of which several are replicates of one cell.

Trainings of one cell differ by their seed alone, so they are no further evidence on what tells
cells apart: they are averaged, and the cells are what is ranked, permuted and counted.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd
from scipy import special

from noise_resistance.analysis.statistics import CONFIDENCE

__all__ = ["FEWEST_FOR_INTERVAL", "Correlation", "rank_correlation"]

# Cells from which on the interval covers what it says (`docs/uncertainty.md` has the simulation).
FEWEST_FOR_INTERVAL = 10
_FEWEST = 4
_EXACT = 7  # cells up to which all orders are tried
_PERMUTATIONS = 9999


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of cells.

    Attributes:
        value: NaN where fewer than four cells are known or one quantity is constant.
        low, high: the 95 % interval; NaN below `FEWEST_FOR_INTERVAL` cells.
        p: of the two-sided permutation test that there is none; NaN where `value` is.
        cells: how many were ranked.
    """

    value: float
    low: float
    high: float
    p: float
    cells: int


def rank_correlation(
    x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray, groups: Sequence[Hashable]
) -> Correlation:
    """Return Spearman's rank correlation over cells, with an interval and a permutation test.

    The interval is Fisher's z with the variance of Bonett and Wright, Psychometrika 65 (2000)
    23-28, (1 + r^2 / 2) / (cells - 3). The test permutes whole cells: all orders of few cells, a
    seeded sample of the orders of many.

    Args:
        x: one value a training; a training with a value that is not finite is left out.
        y: likewise.
        groups: the cell of each training, such as its (dataset, model, optimizer, learning rate);
            the trainings of a cell are averaged.
    """
    first, second = _by_cell(x, y, groups)
    cells = len(first)
    hole = float("nan")
    if cells < _FEWEST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Correlation(hole, hole, hole, hole, cells)
    ranks = _unit_ranks(first), _unit_ranks(second)
    value = float(np.clip(ranks[0] @ ranks[1], -1, 1))
    low, high = _limits(value, cells)
    return Correlation(value, low, high, _p_value(*ranks, value), cells)


def _by_cell(
    x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray, groups: Sequence[Hashable]
) -> tuple[np.ndarray, np.ndarray]:
    pairs: dict[Hashable, list[tuple[float, float]]] = {}
    for one, other, group in zip(x, y, groups, strict=True):
        if np.isfinite(one) and np.isfinite(other):
            pairs.setdefault(group, []).append((float(one), float(other)))
    means = np.array([np.mean(of_cell, axis=0) for of_cell in pairs.values()]).reshape(-1, 2)
    return means[:, 0], means[:, 1]


def _unit_ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks of mean 0 and length 1; what differs by rounding alone is tied."""
    ranks = pd.Series(np.round(values, 12)).rank().to_numpy()
    ranks = ranks - ranks.mean()
    return np.asarray(ranks / max(np.linalg.norm(ranks), 1e-300))


def _limits(value: float, cells: int) -> tuple[float, float]:
    if cells < FEWEST_FOR_INTERVAL:
        return float("nan"), float("nan")
    # The next lower correlation of so many ranks is 12 / (n^3 - n) below 1: half a step keeps
    # Fisher's z finite where all ranks agree.
    largest = 1 - 6 / (cells**3 - cells)
    kept = float(np.clip(value, -largest, largest))
    half = special.ndtri((1 + CONFIDENCE) / 2) * np.sqrt((1 + kept**2 / 2) / (cells - 3))
    low, high = np.tanh(np.arctanh(kept) + half * np.array([-1, 1]))
    return min(float(low), value), max(float(high), value)


def _p_value(first: np.ndarray, second: np.ndarray, value: float) -> float:
    cells = len(first)
    nearly = abs(value) - 1e-12
    if cells <= _EXACT:
        orders = second[np.array(list(permutations(range(cells))))]
        return float((abs(orders @ first) >= nearly).mean())
    orders = np.random.default_rng(0).permuted(np.tile(second, (_PERMUTATIONS, 1)), axis=1)
    return float(((abs(orders @ first) >= nearly).sum() + 1) / (_PERMUTATIONS + 1))
