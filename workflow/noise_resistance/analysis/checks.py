"""How a claim is decided: contrasts of cells, an interval, and one of three verdicts.

A claim says that every one of some contrasts is above zero, or that this is so for one of several
groups of them. The statistic is the smallest contrast (of the best group). Its interval is from the
intervals of all contrasts at once, by Bonferroni's inequality: the smallest lower and the smallest
upper limit, so it covers the statistic's true value at least 95 times in 100.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from noise_resistance.analysis.cells import Cell, Values
from noise_resistance.analysis.crossed import contrast
from noise_resistance.analysis.statistics import CONFIDENCE

__all__ = ["Part", "Result", "decide", "difference_of", "part"]


@dataclass(frozen=True)
class Part:
    """A contrast of cells plus a constant, which the claim says is above zero.

    Attributes:
        values: by (cell, seed, draw).
        weights: by cell.
        constant: added to the contrast.
    """

    values: np.ndarray
    weights: np.ndarray
    constant: float = 0.0


@dataclass(frozen=True)
class Result:
    """What the study says of a claim.

    Attributes:
        value: the statistic; NaN where it was not tested.
        low, high: its interval.
        verdict: ``holds``, ``fails``, ``undecided`` or ``not tested``.
        parts: how many contrasts it is made of.
    """

    value: float
    low: float
    high: float
    verdict: str
    parts: int


def part(values: Values, weights: dict[Cell, float], constant: float = 0.0) -> Part:
    """Make a contrast from the weights of some cells."""
    stacked = np.stack([values[cell] for cell in weights])
    return Part(stacked, np.array(list(weights.values())), constant)


def difference_of(values: Values, first: Sequence[Cell], second: Sequence[Cell]) -> Part:
    """Make the mean over some cells less the mean over others."""
    weights = dict.fromkeys(first, 1 / len(first))
    return part(values, weights | dict.fromkeys(second, -1 / len(second)))


def decide(groups: Sequence[Sequence[Part]]) -> Result:
    """Decide a claim that all contrasts of at least one group are above zero."""
    count = sum(len(group) for group in groups)
    if count == 0:
        hole = float("nan")
        return Result(hole, hole, hole, "not tested", 0)
    confidence = 1 - (1 - CONFIDENCE) / count
    values, lows, highs = [], [], []
    for group in groups:
        found = [contrast(one.values, one.weights) for one in group]
        limits = [one.limits(confidence) for one in found]
        constants = [one.constant for one in group]
        values.append(min(float(one.value) + c for one, c in zip(found, constants, strict=True)))
        # NumPy's minimum keeps NaN: without an interval nothing is decided.
        lows.append(np.min([low + c for (low, _), c in zip(limits, constants, strict=True)]))
        highs.append(np.min([high + c for (_, high), c in zip(limits, constants, strict=True)]))
    value, low, high = max(values), float(np.max(lows)), float(np.max(highs))
    verdict = "holds" if low > 0 else "fails" if high < 0 else "undecided"
    return Result(value, low, high, verdict, count)
