"""The paper's testable claims, each decided from the study's own results.

A claim is tested on every dataset and model of the study that it can speak of; where the paper
names a cell, such as the best learning rate of ResNet20 on CIFAR10, it is tested on that cell
alone. A claim that the study cannot test says what it needs.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, permutations, product
from pathlib import Path

import pandas as pd

from noise_resistance.analysis.cells import Cell, Cells, Values
from noise_resistance.analysis.checks import Part, Result, decide, difference_of, part
from noise_resistance.analysis.labels import MISSING
from noise_resistance.analysis.listing import covers, in_percent, records, row_title, write_listing
from noise_resistance.analysis.markup import Cell as Entry
from noise_resistance.analysis.published import KEYS, published
from noise_resistance.analysis.summary import read_summary
from noise_resistance.study.architectures import depth_of
from noise_resistance.study.numbers import format_number
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.outline import Outline

__all__ = ["claims_of", "write"]

# The paper's sweet spot (Section III-5), both ends included.
_LOW, _HIGH = 0.0005, 0.001
# The largest spread of a row of Table II, which the paper calls not substantial.
_LARGEST_SPREAD = 0.0315
_NUMBERS = ["value", "low", "high"]
_ANY = "any"  # the scope of what does not depend on noise


@dataclass(frozen=True)
class _Test:
    """One claim on one part of the study: all contrasts of at least one group are above zero."""

    where: str
    groups: Sequence[Sequence[Part]]


@dataclass(frozen=True)
class _Claim:
    name: str
    section: str
    statement: str
    statistic: str
    tests: Callable[[Cells], Iterator[_Test]]
    needs: str
    about_baseline: bool = field(default=False)


def write(outline: Outline, summary_file: Path, stem: Path) -> None:
    """Write every claim with its statistic, interval and verdict, under each noise scope.

    Args:
        outline: the study.
        summary_file: its ``summary.h5``.
        stem: the files' path without its ending; ``.csv``, ``.md`` and ``.tex`` are written.

    Raises:
        DataError: the summary is missing or damaged.
    """
    table = read_summary(summary_file)
    scopes = list(dict.fromkeys(table["scope"]))
    values = pd.concat([claims_of(Cells(table, outline, scope)) for scope in scopes])
    # What is said of baselines is the same under every scope that has the experiment.
    of_baselines = values["scope"] == _ANY
    tested = set(values.loc[of_baselines & (values["verdict"] != "not tested"), "claim"])
    untested = of_baselines & (values["verdict"] == "not tested") & values["claim"].isin(tested)
    values = values[~untested].drop_duplicates(["claim", "scope", "where"])
    rows = [
        (
            row["statement"],
            row["scope"],
            row["where"],
            Entry(row["verdict"], bold=row["verdict"] in ("holds", "fails")),
            _number(row),
        )
        for row in records(values)
    ]
    caption = (
        "The paper's claims on this study. Every statistic is in points and is above zero where "
        "the claim holds; in brackets its 95 % interval, for all comparisons of a claim at once. "
        "Holds: the interval is above zero; fails: below; undecided: it holds zero, or there is no "
        f"interval. The CSV says what each statistic is. {covers(outline, table)}"
    )
    headings = ("Claim", "Scope", "Where", "Verdict", "Statistic")
    write_listing(stem, in_percent(values, _NUMBERS), caption, headings, rows, "plplp")


def claims_of(cells: Cells) -> pd.DataFrame:
    """Return one row a claim and part of the study; fractions.

    Columns: ``claim``, ``section``, ``statement``, ``scope``, ``where``, ``statistic``, ``value``,
    ``low``, ``high``, ``verdict`` (holds, fails, undecided, not tested), ``comparisons``, ``note``.
    """
    rows = []
    for claim in _CLAIMS:
        tests = [test for test in claim.tests(cells) if any(test.groups)]
        for test in tests or [_Test(MISSING, ())]:
            result = decide(test.groups)
            note = _note(result, claim.needs, len(cells.outline.seeds))
            rows.append(
                {
                    "claim": claim.name,
                    "section": claim.section,
                    "statement": claim.statement,
                    "scope": _ANY if claim.about_baseline else cells.scope,
                    "where": test.where,
                    "statistic": claim.statistic,
                    "value": result.value,
                    "low": result.low,
                    "high": result.high,
                    "verdict": result.verdict,
                    "comparisons": result.parts,
                    "note": note,
                }
            )
    return pd.DataFrame(rows)


def _note(result: Result, needs: str, seeds: int) -> str:
    if math.isnan(result.value):
        return f"needs {needs}"
    if math.isnan(result.low):
        return "no interval: needs several seeds"
    return "draws only" if seeds == 1 else ""


def _number(row: dict[str, object]) -> str:
    value, low, high = (100 * float(str(row[name])) for name in _NUMBERS)
    if math.isnan(value):
        return str(row["note"])
    limits = "(no interval)" if math.isnan(low) else f"[{low:+.2f}, {high:+.2f}]"
    return f"{value:+.2f} {limits}"


def _title(cells: Cells, key: tuple[str, str, str]) -> str:
    names = ("dataset", "model", "optimizer")
    return row_title(cells.outline, dict(zip(names, key, strict=True)))


def _best_as_published(cells: Cells) -> Iterator[_Test]:
    paper = published("average_normalized_accuracy", "Table III")
    best = paper.loc[paper.groupby(["dataset", "model"], sort=False)["value"].idxmax()]
    for row in records(best):
        cell = tuple(row[key] for key in KEYS)
        others = [one for one in cells.rows("learning_rate").get(cell[:3], []) if one != cell]
        if cell in cells.average and others:
            where = f"{_title(cells, cell[:3])}: {format_number(cell[3])}"
            parts = [difference_of(cells.average, [cell], [one]) for one in others]
            yield _Test(where, (parts,))


def _best_is_low(cells: Cells) -> Iterator[_Test]:
    for key, row in cells.rows("learning_rate").items():
        if len(row) < 3:
            continue
        lowest, others = row[:2], row[2:]
        groups = [[difference_of(cells.average, [a], [b]) for b in others] for a in lowest]
        yield _Test(_title(cells, key), groups)


def _falls_with_rate(cells: Cells) -> Iterator[_Test]:
    for key, row in cells.rows("learning_rate").items():
        if len(row) > 1:
            yield _one(_title(cells, key), difference_of(cells.average, row[:1], row[-1:]))


def _falls_above(cells: Cells) -> Iterator[_Test]:
    values = cells.at(0.1)
    for key, row in cells.rows("learning_rate", "tradeoff").items():
        high = [cell for cell in row if cell[3] >= _HIGH and cell in values]
        if len(high) > 1:
            parts = [difference_of(values, [a], [b]) for a, b in pairwise(high)]
            yield _Test(_title(cells, key), (parts,))


def _falls_with_depth(cells: Cells) -> Iterator[_Test]:
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
        yield _Test(cells.outline.datasets[dataset].title, (parts,))


def _baseline_hardly_moves(cells: Cells) -> Iterator[_Test]:
    for key, row in cells.rows("learning_rate").items():
        parts = [
            part(cells.baseline, {a: 1.0, b: -1.0}, constant=_LARGEST_SPREAD)
            for a, b in permutations(row, 2)
        ]
        yield _Test(_title(cells, key), (parts,))


def _baseline_better_above(cells: Cells) -> Iterator[_Test]:
    for key, row in cells.rows("learning_rate").items():
        above = [cell for cell in row if cell[3] >= _HIGH]
        below = [cell for cell in row if cell[3] < _HIGH]
        if above and below:
            yield _one(_title(cells, key), difference_of(cells.baseline, above, below))


def _region(name: str, side: int) -> Callable[[Cells], Iterator[_Test]]:
    """Compare the sweet spot's mean with that of the rates below it (-1) or above it (1)."""

    def tests(cells: Cells) -> Iterator[_Test]:
        values: Values = getattr(cells, name)
        for key, row in cells.rows("learning_rate", "tradeoff").items():
            inside = [cell for cell in row if _LOW <= cell[3] <= _HIGH]
            outside = [cell for cell in row if (cell[3] > _HIGH if side > 0 else cell[3] < _LOW)]
            if inside and outside:
                yield _one(_title(cells, key), difference_of(values, inside, outside))

    return tests


def _adaptive_better(name: str) -> Callable[[Cells], Iterator[_Test]]:
    def tests(cells: Cells) -> Iterator[_Test]:
        values: Values = getattr(cells, name)
        here = cells.of_experiment("optimizer")
        for dataset, model, rate in dict.fromkeys((one[0], one[1], one[3]) for one in here):
            same = [cell for cell in here if (cell[0], cell[1], cell[3]) == (dataset, model, rate)]
            adaptive = [cell for cell in same if OPTIMIZERS[cell[2]].adaptive]
            fixed = [cell for cell in same if not OPTIMIZERS[cell[2]].adaptive]
            pairs = [difference_of(values, [a], [b]) for a, b in product(adaptive, fixed)]
            where = f"{_title(cells, (dataset, model, 'adam'))}: {format_number(rate)}"
            yield _Test(where, (pairs,))

    return tests


def _easier_better(name: str) -> Callable[[Cells], Iterator[_Test]]:
    """Compare the dataset of the fewest classes with that of the most, cell by cell."""

    def tests(cells: Cells) -> Iterator[_Test]:
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
        yield _Test(f"{known[names[0]].title} against {known[names[-1]].title}", (parts,))

    return tests


def _on(dataset: str, cell: Cell) -> Cell:
    return (dataset, *cell[1:])


def _one(where: str, single: Part) -> _Test:
    return _Test(where, ((single,),))


_CLAIMS = (
    _Claim(
        "best_rate_published",
        "III-3",
        "The learning rate that the paper names is the most noise-resistant",
        "smallest lead in A_avr of the named rate over any other",
        _best_as_published,
        "CIFAR10 or CIFAR100 with ResNet20, 32, 44 or 56 at 0.0005 or 0.000625 and another rate",
    ),
    _Claim(
        "best_rate_low",
        "III-3",
        "One of the two lowest learning rates is the most noise-resistant",
        "smallest lead in A_avr of the better of the two lowest rates over any higher one",
        _best_is_low,
        "three learning rates",
    ),
    _Claim(
        "resistance_falls_with_rate",
        "V",
        "The highest learning rate is less noise-resistant than the lowest",
        "A_avr at the lowest rate less that at the highest",
        _falls_with_rate,
        "two learning rates",
    ),
    _Claim(
        "resistance_falls_above",
        "III-5",
        "From 0.001 on, accuracy at noise level 0.1 falls with the learning rate",
        "smallest fall of normalized accuracy at 0.1 between neighbouring rates",
        _falls_above,
        "noise level 0.1 and two learning rates from 0.001 on",
    ),
    _Claim(
        "resistance_falls_with_depth",
        "Table III",
        "From 0.001 on, the deepest model is less noise-resistant than the shallowest",
        "smallest A_avr of the shallowest model less that of the deepest at the same rate",
        _falls_with_depth,
        "two models and a learning rate from 0.001 on",
    ),
    _Claim(
        "baseline_spread_small",
        "III-1",
        "The learning rate gives the baseline no substantial advantage (under 3.15 points)",
        "3.15 points less the largest difference between two rates' baselines",
        _baseline_hardly_moves,
        "two learning rates",
        about_baseline=True,
    ),
    _Claim(
        "baseline_better_above",
        "III-5",
        "Learning rates from 0.001 on have the better baseline",
        "mean baseline from 0.001 on less that below",
        _baseline_better_above,
        "learning rates on both sides of 0.001",
        about_baseline=True,
    ),
    _Claim(
        "sweet_spot_above",
        "III-5, V",
        "Rates in 0.0005 to 0.001 are more noise-resistant than those above",
        "mean A_avr in the region less that above it",
        _region("average", 1),
        "learning rates inside 0.0005 to 0.001 and above",
    ),
    _Claim(
        "low_rates_less_resistant",
        "III-5, V",
        "Rates below 0.0005 are less noise-resistant than those in 0.0005 to 0.001",
        "mean A_avr in the region less that below it",
        _region("average", -1),
        "learning rates inside 0.0005 to 0.001 and below (experiment tradeoff)",
    ),
    _Claim(
        "low_rates_worse_baseline",
        "III-5, V",
        "Rates below 0.0005 have a worse baseline than those in 0.0005 to 0.001",
        "mean baseline in the region less that below it",
        _region("baseline", -1),
        "learning rates inside 0.0005 to 0.001 and below (experiment tradeoff)",
        about_baseline=True,
    ),
    _Claim(
        "adaptive_more_resistant",
        "III-4",
        "Every adaptive optimizer is more noise-resistant than every fixed one",
        "smallest A_avr of an adaptive optimizer less that of a fixed one",
        _adaptive_better("average"),
        "experiment optimizer with adaptive and fixed ones under this scope",
    ),
    _Claim(
        "adaptive_better_baseline",
        "III-4",
        "Every adaptive optimizer has a better baseline than every fixed one",
        "smallest baseline of an adaptive optimizer less that of a fixed one",
        _adaptive_better("baseline"),
        "experiment optimizer with adaptive and fixed ones",
        about_baseline=True,
    ),
    _Claim(
        "easier_task_better_baseline",
        "III-1",
        "The task of fewer classes has the better baseline in every cell",
        "smallest baseline difference between the tasks over models and rates",
        _easier_better("baseline"),
        "two datasets that differ in classes",
        about_baseline=True,
    ),
    _Claim(
        "easier_task_more_resistant",
        "III-6",
        "The task of fewer classes is more noise-resistant in every cell",
        "smallest difference of A_avr between the tasks over models and rates",
        _easier_better("average"),
        "two datasets that differ in classes",
    ),
    _Claim(
        "easier_task_more_resistant_corrected",
        "III-6",
        "The same with both corrected for chance",
        "smallest difference of chance-corrected A_avr between the tasks over models and rates",
        _easier_better("corrected"),
        "two datasets that differ in classes",
    ),
)
