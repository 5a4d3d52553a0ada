"""What the paper's claims say of a study: contrasts that must be above zero, part by part.

Each function finds in a study the parts of it that a claim speaks of, and gives for each the
contrasts of cells that the claim says are above zero.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations, product

import numpy as np

from noise_resistance.analysis.cells import Cell, Cells, Values
from noise_resistance.analysis.checks import Part, difference_of, part
from noise_resistance.analysis.listing import records, row_title
from noise_resistance.analysis.published import KEYS, published
from noise_resistance.study.architectures import depth_of
from noise_resistance.study.numbers import format_number
from noise_resistance.study.optimizers import OPTIMIZERS

__all__ = [
    "About",
    "ClaimTest",
    "Tests",
    "above_the_sweet_spot",
    "adaptive_better",
    "at_the_lowest_rates",
    "baseline_at_the_lowest_rates",
    "baseline_better_above",
    "baseline_hardly_moves",
    "below_the_sweet_spot",
    "best_as_published",
    "best_is_low",
    "easier_better",
    "falls_above",
    "falls_with_depth",
    "falls_with_noise",
    "falls_with_rate",
]

# The sweet spot, both ends included, and what the paper calls low rates (Section III-5).
SWEET_SPOT = (0.0005, 0.001)
LOW_RATES = 0.00005
_LOW, _HIGH = SWEET_SPOT
# The largest spread of a row of Table II, which the paper calls not substantial.
_LARGEST_SPREAD = 0.0315

# A part of the study: (dataset, model, optimizer, learning rate), None where any.
About = tuple[str | None, str | None, str | None, float | None]


@dataclass(frozen=True)
class ClaimTest:
    """One claim on one part of the study: all contrasts of at least one group are above zero.

    Attributes:
        where: the part's name for people.
        groups: the contrasts.
        about: the part, to tell which cells that were left out belong to it.
    """

    where: str
    groups: Sequence[Sequence[Part]]
    about: About = (None, None, None, None)


Tests = Callable[[Cells], Iterator[ClaimTest]]


def best_as_published(cells: Cells) -> Iterator[ClaimTest]:
    """Compare the rate that leads a row of Table III with every other rate of that row."""
    paper = published("average_normalized_accuracy", "Table III")
    best = paper.loc[paper.groupby(["dataset", "model"], sort=False)["value"].idxmax()]
    for row in records(best):
        cell: Cell = tuple(row[key] for key in KEYS)
        others = [one for one in cells.rows("learning_rate").get(cell[:3], []) if one != cell]
        if cell in cells.average and others:
            where = f"{_title(cells, cell[:3])}: {format_number(cell[3])}"
            parts = [difference_of(cells.average, [cell], [one]) for one in others]
            yield ClaimTest(where, (parts,), (*cell[:3], None))


def best_is_low(cells: Cells) -> Iterator[ClaimTest]:
    """Compare each of the two lowest rates with all higher ones; one of the two must lead."""
    for key, row in cells.rows("learning_rate").items():
        if len(row) < 3:
            continue
        lowest, others = row[:2], row[2:]
        groups = [[difference_of(cells.average, [a], [b]) for b in others] for a in lowest]
        yield ClaimTest(_title(cells, key), groups, (*key, None))


def falls_with_rate(cells: Cells) -> Iterator[ClaimTest]:
    """Compare the lowest rate with the highest."""
    for key, row in cells.rows("learning_rate").items():
        if len(row) > 1:
            yield _one(cells, key, difference_of(cells.average, row[:1], row[-1:]))


def falls_above(cells: Cells) -> Iterator[ClaimTest]:
    """Compare neighbouring rates from 0.001 on, at noise level 0.1."""
    values = cells.at(0.1)
    for key, row in cells.rows("learning_rate", "tradeoff").items():
        high = [cell for cell in row if cell[3] >= _HIGH and cell in values]
        if len(high) > 1:
            parts = [difference_of(values, [a], [b]) for a, b in pairwise(high)]
            yield ClaimTest(_title(cells, key), (parts,), (*key, None))


def falls_with_noise(cells: Cells) -> Iterator[ClaimTest]:
    """Compare neighbouring noise levels, the same trainings and draws at both."""
    levels = sorted(level for level in cells.outline.noise_levels if level > 0)
    at_level = [cells.at(level) for level in levels]
    for key, row in cells.rows("learning_rate").items():
        parts = [
            Part((lower[cell] - higher[cell])[np.newaxis], np.ones(1))
            for cell in row
            for lower, higher in pairwise(at_level)
        ]
        yield ClaimTest(_title(cells, key), (parts,), (*key, None))


def falls_with_depth(cells: Cells) -> Iterator[ClaimTest]:
    """Compare the shallowest model with the deepest at each rate from 0.001 on."""
    row_of = cells.rows("learning_rate")
    models = sorted({key[1] for key in row_of}, key=depth_of)
    for dataset in dict.fromkeys(key[0] for key in row_of):
        parts = [
            difference_of(cells.average, [cell], [deep])
            for key, row in row_of.items()
            if key[:2] == (dataset, models[0]) and len(models) > 1
            for cell in row
            if cell[3] >= _HIGH and (deep := (dataset, models[-1], *cell[2:])) in cells.average
        ]
        title = cells.outline.datasets[dataset].title
        yield ClaimTest(title, (parts,), (dataset, None, None, None))


def baseline_hardly_moves(cells: Cells) -> Iterator[ClaimTest]:
    """Compare the difference of any two rates with the largest that the paper has."""
    for key, row in cells.rows("learning_rate").items():
        parts = [
            part(cells.baseline, {a: 1.0, b: -1.0}, constant=_LARGEST_SPREAD)
            for a, b in permutations(row, 2)
        ]
        yield ClaimTest(_title(cells, key), (parts,), (*key, None))


def baseline_better_above(cells: Cells) -> Iterator[ClaimTest]:
    """Compare the mean baseline from 0.001 on with that below."""
    for key, row in cells.rows("learning_rate").items():
        above = [cell for cell in row if cell[3] >= _HIGH]
        below = [cell for cell in row if cell[3] < _HIGH]
        if above and below:
            yield _one(cells, key, difference_of(cells.baseline, above, below))


def above_the_sweet_spot(cells: Cells) -> Iterator[ClaimTest]:
    """Compare the sweet spot's mean with that of all rates above it."""
    yield from _against_the_sweet_spot(cells, cells.average, lambda rate: rate > _HIGH)


def below_the_sweet_spot(name: str) -> Tests:
    """Compare the sweet spot's mean of one of the values of `Cells` with that of lower rates."""

    def tests(cells: Cells) -> Iterator[ClaimTest]:
        yield from _against_the_sweet_spot(cells, getattr(cells, name), lambda rate: rate < _LOW)

    return tests


def at_the_lowest_rates(cells: Cells) -> Iterator[ClaimTest]:
    """Compare at noise level 0.1, of which Section III-5 speaks."""
    yield from _against_the_sweet_spot(cells, cells.at(0.1), _is_lowest)


def baseline_at_the_lowest_rates(cells: Cells) -> Iterator[ClaimTest]:
    """Compare the sweet spot's mean baseline with that of the lowest rates."""
    yield from _against_the_sweet_spot(cells, cells.baseline, _is_lowest)


def _is_lowest(rate: float) -> bool:
    return rate <= LOW_RATES


def _against_the_sweet_spot(
    cells: Cells, values: Values, is_outside: Callable[[float], bool]
) -> Iterator[ClaimTest]:
    """Compare the sweet spot's mean with that of other rates."""
    for key, row in cells.rows("learning_rate", "tradeoff").items():
        known = [cell for cell in row if cell in values]
        inside = [cell for cell in known if _LOW <= cell[3] <= _HIGH]
        outside = [cell for cell in known if is_outside(cell[3])]
        if inside and outside:
            yield _one(cells, key, difference_of(values, inside, outside))


def adaptive_better(name: str) -> Tests:
    """Compare every adaptive optimizer with every fixed one by one of the values of `Cells`."""

    def tests(cells: Cells) -> Iterator[ClaimTest]:
        values: Values = getattr(cells, name)
        here = cells.of_experiment("optimizer")
        for dataset, model, rate in dict.fromkeys((one[0], one[1], one[3]) for one in here):
            same = [cell for cell in here if (cell[0], cell[1], cell[3]) == (dataset, model, rate)]
            adaptive = [cell for cell in same if OPTIMIZERS[cell[2]].adaptive]
            fixed = [cell for cell in same if not OPTIMIZERS[cell[2]].adaptive]
            pairs = [difference_of(values, [a], [b]) for a, b in product(adaptive, fixed)]
            where = f"{_title(cells, (dataset, model, 'adam'))}: {format_number(rate)}"
            yield ClaimTest(where, (pairs,), (dataset, model, None, rate))

    return tests


def easier_better(name: str) -> Tests:
    """Compare the dataset of the fewest classes with that of the most, cell by cell."""

    def tests(cells: Cells) -> Iterator[ClaimTest]:
        values: Values = getattr(cells, name)
        here = cells.of_experiment("learning_rate")
        known = cells.outline.datasets
        names = sorted({cell[0] for cell in here}, key=lambda one: (known[one].classes, one))
        if len(names) < 2 or known[names[0]].classes == known[names[-1]].classes:
            return
        parts = [
            difference_of(values, [cell], [harder])
            for cell in here
            if cell[0] == names[0] and (harder := _on(names[-1], cell)) in values
        ]
        yield ClaimTest(f"{known[names[0]].title} against {known[names[-1]].title}", (parts,))

    return tests


def _on(dataset: str, cell: Cell) -> Cell:
    return dataset, *cell[1:]


def _one(cells: Cells, key: tuple[str, str, str], single: Part) -> ClaimTest:
    return ClaimTest(_title(cells, key), ((single,),), (*key, None))


def _title(cells: Cells, key: tuple[str, str, str]) -> str:
    names = ("dataset", "model", "optimizer")
    return row_title(cells.outline, dict(zip(names, key, strict=True)))
