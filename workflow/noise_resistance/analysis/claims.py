"""The paper's testable claims, each decided from the study's own results.

A claim is tested on every dataset and model of the study that it can speak of; where the paper
names a cell, such as the best learning rate of ResNet20 on CIFAR10, it is tested on that cell
alone. A claim that the study cannot test says what it needs.
"""

import math
from pathlib import Path

import pandas as pd

from noise_resistance.analysis.cells import Cell, Cells
from noise_resistance.analysis.checks import Result, decide
from noise_resistance.analysis.claim_list import CLAIMS, Claim
from noise_resistance.analysis.claim_tests import ClaimTest
from noise_resistance.analysis.flags import describe_left_out
from noise_resistance.analysis.labels import MISSING
from noise_resistance.analysis.listing import covers, in_percent, records, write_listing
from noise_resistance.analysis.markup import Cell as Entry
from noise_resistance.analysis.summary import read_summary
from noise_resistance.study.outline import Outline

__all__ = ["claims_of", "write"]

_NUMBERS = ["value", "low", "high"]
_ANY = "any"  # the scope of what does not depend on noise
_DECIDED = ("holds", "fails")
_ONE_SEED = (
    "These trainings: with one seed the interval is over draws, so the verdict is on these very "
    "trainings and not on their learning rates. "
)


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
    by_scope = [Cells(table, outline, scope) for scope in dict.fromkeys(table["scope"])]
    values = pd.concat([claims_of(cells) for cells in by_scope])
    lost = {cell: count for cells in by_scope for cell, count in cells.at_chance.items()}
    is_single = len(outline.seeds) == 1
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
            _verdict(row["verdict"], is_single=is_single),
            _number(row),
        )
        for row in records(values)
    ]
    caption = (
        "The paper's claims on this study. Every statistic is in points and is above zero where "
        "the claim holds; in brackets its 95 % interval, for all comparisons of a claim at once. "
        "Holds: the interval is above zero; fails: below; undecided: it holds zero, or there is no "
        "interval. "
        + (_ONE_SEED if is_single else "")
        + (f"{describe_left_out(lost, outline)}. " if lost else "")
        + f"The CSV says what each statistic is. {covers(outline, table)}"
    )
    headings = ("Claim", "Scope", "Where", "Verdict", "Statistic")
    write_listing(stem, in_percent(values, _NUMBERS), caption, headings, rows, "plplp")


def claims_of(cells: Cells) -> pd.DataFrame:
    """Return one row a claim and part of the study; fractions.

    Columns: ``claim``, ``section``, ``statement``, ``scope``, ``where``, ``statistic``, ``value``,
    ``low``, ``high``, ``verdict`` (holds, fails, undecided, not tested), ``comparisons``, ``note``.
    """
    rows = []
    for claim in CLAIMS:
        tests = [test for test in claim.tests(cells) if any(test.groups)]
        for test in tests or [ClaimTest(MISSING, ())]:
            result = decide(test.groups)
            note = _note(result, claim, len(cells.outline.seeds))
            lost = _left_out(claim, test, cells)
            said = describe_left_out(lost, cells.outline)
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
                    "note": f"{note}. {said}" if note and said else note or said,
                }
            )
    return pd.DataFrame(rows)


def _left_out(claim: Claim, test: ClaimTest, cells: Cells) -> dict[Cell, int]:
    """Return the cells at chance that the test would have compared."""
    return {
        cell: count
        for cell, count in cells.left_out(*claim.experiments).items()
        if all(
            wanted is None or wanted == one for wanted, one in zip(test.about, cell, strict=True)
        )
    }


def _note(result: Result, claim: Claim, seeds: int) -> str:
    if math.isnan(result.value):
        return f"needs {claim.needs}"
    if math.isnan(result.low):
        return "no interval: needs several seeds"
    return "these trainings only: one seed, interval over draws" if seeds == 1 else ""


def _verdict(verdict: str, *, is_single: bool) -> Entry:
    """Write a verdict; that of one seed is not set off, and says what it is about."""
    if verdict in _DECIDED and is_single:
        return Entry(f"{verdict} (these trainings)")
    return Entry(verdict, bold=verdict in _DECIDED)


def _number(row: dict[str, object]) -> str:
    value, low, high = (100 * float(str(row[name])) for name in _NUMBERS)
    if math.isnan(value):
        return str(row["note"])
    limits = "(no interval)" if math.isnan(low) else f"[{low:+.2f}, {high:+.2f}]"
    return f"{value:+.2f} {limits}"
