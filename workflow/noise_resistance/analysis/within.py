"""Rank correlation inside groups: what is left when what tells the groups apart is taken out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["WithinCorrelation", "correlation_within"]

_FEWEST = 4
_PERMUTATIONS = 4999


@dataclass(frozen=True)
class WithinCorrelation:
    """A rank correlation inside groups.

    Attributes:
        value: NaN where fewer than four cells stand in groups of two or more, or none differ.
        p: of the two-sided permutation test, in which cells change places inside their group
            only; NaN where `value` is.
        cells: how many were ranked, those alone in their group left out.
    """

    value: float
    p: float
    cells: int


def correlation_within(
    cells: pd.DataFrame, x: str, y: str, groups: Sequence[str]
) -> WithinCorrelation:
    """Correlate the ranks that cells have inside their group, each group's mean rank taken off.

    Args:
        cells: one row a cell.
        x: a column.
        y: another; cells where either is not finite are left out.
        groups: the columns that tell groups apart.
    """
    known = cells[np.isfinite(cells[x]) & np.isfinite(cells[y])]
    by_group = known.groupby(list(groups))
    known = known[by_group[x].transform("size") > 1]
    hole = float("nan")
    if len(known) < _FEWEST:
        return WithinCorrelation(hole, hole, len(known))
    by_group = known.groupby(list(groups))
    size = by_group[x].transform("size").to_numpy()
    # From -0.5 to 0.5 in each group, so that a large one does not outweigh the others.
    first, second = (
        ((by_group[name].rank().to_numpy() - (size + 1) / 2) / (size - 1)) for name in (x, y)
    )
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    if length == 0:
        return WithinCorrelation(hole, hole, len(known))
    value = float(first @ second) / length
    number = by_group.ngroup().to_numpy()
    generator = np.random.default_rng(0)
    # Sorting by group, then by a random number, shuffles inside each group.
    home = np.argsort(number, kind="stable")
    shuffled = np.lexsort(
        (generator.random((_PERMUTATIONS, len(first))), np.tile(number, (_PERMUTATIONS, 1)))
    )
    found = second[shuffled] @ first[home] / length
    reached = int((np.abs(found) >= abs(value) - 1e-12).sum())
    return WithinCorrelation(value, (reached + 1) / (_PERMUTATIONS + 1), len(known))
