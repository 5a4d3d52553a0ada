"""How far the study lies from the paper, and under which noise scope it is nearest."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from noise_resistance.analysis.cells import Cell, Cells, Values
from noise_resistance.analysis.correlation import FEWEST_FOR_INTERVAL, rank_correlation
from noise_resistance.analysis.crossed import further_training
from noise_resistance.analysis.flags import describe_left_out
from noise_resistance.analysis.labels import MISSING, model_title
from noise_resistance.analysis.listing import (
    covers,
    in_percent,
    percent,
    records,
    row_title,
    with_interval,
    write_listing,
)
from noise_resistance.analysis.published import KEYS, noise_levels, published
from noise_resistance.analysis.statistics import CONFIDENCE, estimate
from noise_resistance.analysis.summary import read_summary
from noise_resistance.study.numbers import format_number
from noise_resistance.study.outline import Outline

__all__ = ["compare", "readings_of", "write", "write_readings"]

_NUMBERS = ["paper", "value", "low", "high", "difference", "single_low", "single_high"]
_READING = [
    *("spearman", "spearman_low", "spearman_high", "p"),
    *("rmse", "rmse_low", "rmse_high", "bias"),
]


def write(outline: Outline, summary_file: Path, scope: str, stem: Path) -> None:
    """Write each published value beside the study's, and what is missing.

    Args:
        outline: the study.
        summary_file: its ``summary.h5``.
        scope: the noise scope.
        stem: the files' path without its ending; ``.csv``, ``.md`` and ``.tex`` are written. The
            CSV has a row for each published value, the others only where the study has it too, and
            a row a source that says what is missing.

    Raises:
        DataError: the summary is missing or damaged.
    """
    table = read_summary(summary_file)
    cells = Cells(table, outline, scope, with_chance=True)
    values = compare(cells)
    rows = []
    for source, group in values.groupby("source", sort=False):
        for row in records(group):
            if row["agrees"] != "missing":
                rows.append(_row(outline, row))
        missing = group[group["agrees"] == "missing"]
        if len(missing):
            said = f"{len(missing)} of {len(group)} missing: needs {_needs(missing, cells)}"
            rows.append((str(source), said, *[MISSING] * 5))
    levels = ", ".join(map(format_number, noise_levels()))
    caption = (
        f"The paper's values and the study's in %, noise scope '{scope}', ±: half of the 95 % "
        f"interval. Averages are over the paper's noise levels, {levels}. Agrees: the paper's "
        "value lies in the 95 % interval for one further training with as many draws of its own "
        "as the study has (the paper does not say how many it had); with one seed in that for as "
        "many other draws of the same training. "
        + "At chance: a training of the cell guesses, so its value is compared with none. "
        * bool((values["agrees"] == "at chance").any())
        + covers(outline, table)
    )
    headings = ("Source", "Cell", "Learning rate", "Paper", "This study", "Difference", "Agrees")
    write_listing(stem, in_percent(values, _NUMBERS), caption, headings, rows, "lprrrrl")


def compare(cells: Cells) -> pd.DataFrame:
    """Return the paper's values with the study's: fractions, ``agrees`` and ``missing``.

    ``agrees`` is ``yes``, ``no``, ``no interval``, ``at chance`` or ``missing``; ``missing`` says
    what fills it. The averages of equation (9) are over exactly the paper's noise levels.

    Args:
        cells: of the study under one scope; those at chance are shown if it has them.
    """
    table = published()
    by_level = {level: cells.at(level) for level in noise_levels()}
    found = {
        "baseline_accuracy": cells.baseline,
        "average_normalized_accuracy": cells.average_over(noise_levels()),
    }
    rows = [
        _compare(cells, row, found.get(row["quantity"], by_level.get(row["noise_level"], {})))
        for row in records(table)
    ]
    return pd.DataFrame(rows)


def write_readings(outline: Outline, summary_file: Path, stem: Path) -> None:
    """Write how near each noise scope comes to Table III.

    Args:
        outline: the study.
        summary_file: its ``summary.h5``.
        stem: the files' path without its ending; ``.csv``, ``.md`` and ``.tex`` are written.

    Raises:
        DataError: the summary is missing or damaged.
    """
    table = read_summary(summary_file)
    by_scope = [Cells(table, outline, scope) for scope in dict.fromkeys(table["scope"])]
    values = pd.DataFrame([readings_of(cells) for cells in by_scope])
    lost = {cell: count for cells in by_scope for cell, count in cells.at_chance.items()}
    rows = [
        (
            row["scope"],
            str(row["cells"]),
            _range(row["spearman"], row["spearman_low"], row["spearman_high"], 1),
            MISSING if np.isnan(row["p"]) else f"{row['p']:.2g}",
            _range(row["rmse"], row["rmse_low"], row["rmse_high"], 100),
            percent(row["bias"], sign=True),
        )
        for row in records(values)
    ]
    caption = (
        "Which reading of the paper fits: Table III against the study's average normalized "
        "accuracies over the paper's noise levels, by noise scope. Cells: those that both have. "
        "Spearman's rank correlation with the p-value of a permutation test that there is none, "
        "and root mean square and mean difference (study less paper) in points, with 95 % "
        f"intervals over cells from {FEWEST_FOR_INTERVAL} cells on. "
        + ("" if values["cells"].any() else _why_none(outline))
        + (f"{describe_left_out(lost, outline)}. " if lost else "")
        + covers(outline, table)
    )
    headings = ("Scope", "Cells", "Rank correlation", "p", "RMSE", "Mean difference")
    write_listing(
        stem,
        in_percent(values, ["rmse", "rmse_low", "rmse_high", "bias"]),
        caption,
        headings,
        rows,
        "lrrrrr",
    )


def readings_of(cells: Cells) -> dict[str, Any]:
    """Return rank correlation, RMSE and bias against Table III under one scope; fractions.

    The study's averages are over exactly the paper's noise levels.
    """
    averages = cells.average_over(noise_levels())
    table = records(published("average_normalized_accuracy", "Table III"))
    paper = {tuple(row[key] for key in KEYS): row["value"] for row in table}
    both = [cell for cell in paper if cell in averages]
    first = np.array([averages[cell].mean() for cell in both])
    second = np.array([paper[cell] for cell in both])
    correlation = rank_correlation(first, second, both)
    found = dict.fromkeys(_READING, float("nan"))
    found |= {
        "spearman": correlation.value,
        "spearman_low": correlation.low,
        "spearman_high": correlation.high,
        "p": correlation.p,
    }
    if both:
        found["bias"] = float((first - second).mean())
        found |= _root_mean_square(first - second)
    return {"scope": cells.scope, "cells": len(both), **found}


def _why_none(outline: Outline) -> str:
    lacking = _levels_lacking(outline, noise_levels())
    return f"None: needs {lacking[0]}. " if lacking else "The study has no cell of Table III. "


def _root_mean_square(differences: np.ndarray) -> dict[str, float]:
    """Return the RMSE with Student's t on its logarithm, from as many cells on as a correlation."""
    squares = differences**2
    count, mean = len(squares), float(squares.mean())
    found = {"rmse": float(np.sqrt(mean))}
    if count < FEWEST_FOR_INTERVAL or mean == 0:
        return found
    error = squares.std(ddof=1) / np.sqrt(count) / mean / 2
    factor = float(np.exp(special.stdtrit(count - 1, (1 + CONFIDENCE) / 2) * error))
    return {**found, "rmse_low": found["rmse"] / factor, "rmse_high": found["rmse"] * factor}


def _compare(cells: Cells, row: dict[str, Any], values: Values) -> dict[str, Any]:
    cell: Cell = tuple(row[key] for key in KEYS)
    told = {key: row[key] for key in ("source", "quantity", *KEYS, "noise_level")}
    told |= {"scope": cells.scope, "paper": row["value"]}
    if cell not in values:
        hole = dict.fromkeys(_NUMBERS[1:], float("nan"))
        return {**told, **hole, "agrees": "missing", "missing": _what_fills(cells, row, cell)}
    value, low, high = estimate(values[cell])
    further = further_training(values[cell])
    half = float(special.stdtrit(further.freedom, (1 + CONFIDENCE) / 2) * further.error)
    limits = {"single_low": value - half, "single_high": value + half}
    numbers = {"value": value, "low": low, "high": high, "difference": value - row["value"]}
    agrees = "at chance" if cell in cells.at_chance else _agrees(row["value"], **limits)
    return {**told, **numbers, **limits, "agrees": agrees, "missing": ""}


def _what_fills(cells: Cells, row: dict[str, Any], cell: Cell) -> str:
    parts = []
    if cell not in cells.baseline:
        *names, rate = cell
        parts += [*names, f"learning rate {format_number(rate)}"]
    needed = {"baseline_accuracy": (), "normalized_accuracy": (row["noise_level"],)}
    levels = needed.get(row["quantity"], noise_levels())
    parts += _levels_lacking(cells.outline, levels)
    return ", ".join(parts) or "evaluations of this cell"


def _levels_lacking(outline: Outline, levels: Sequence[float]) -> list[str]:
    lacking = [level for level in levels if level not in outline.noise_levels]
    if not lacking:
        return []
    noun = "noise level" if len(lacking) == 1 else "noise levels"
    return [f"{noun} {', '.join(map(format_number, lacking))}"]


def _agrees(paper: float, single_low: float, single_high: float) -> str:
    if np.isnan(single_low):
        return "no interval"
    return "yes" if single_low <= paper <= single_high else "no"


def _row(outline: Outline, row: dict[str, Any]) -> tuple[Any, ...]:
    title = row_title(outline, row)
    if row["quantity"] == "baseline_accuracy":
        title += ", baseline"
    elif row["quantity"] == "normalized_accuracy":
        title += f", η = {format_number(row['noise_level'])}"
    return (
        row["source"],
        title,
        format_number(row["learning_rate"]),
        percent(row["paper"]),
        with_interval(row["value"], row["low"], row["high"]),
        percent(row["difference"], sign=True),
        row["agrees"],
    )


def _needs(missing: pd.DataFrame, cells: Cells) -> str:
    """Say in a few words what would fill the holes."""
    parts = []
    here = [tuple(row[key] for key in KEYS) in cells.baseline for row in records(missing)]
    absent = missing[~np.array(here)]
    if len(absent):
        parts.append(", ".join(dict.fromkeys(absent["dataset"])))
        parts.append(", ".join(model_title(one) for one in dict.fromkeys(absent["model"])))
        if absent["optimizer"].nunique() > 1:
            parts.append(", ".join(dict.fromkeys(absent["optimizer"])))
        rates = sorted(absent["learning_rate"].unique())
        parts.append(f"learning rates {', '.join(map(format_number, rates))}")
    of_averages = "average_normalized_accuracy" in set(missing["quantity"])
    wanted = noise_levels() if of_averages else missing["noise_level"].dropna().unique()
    parts += _levels_lacking(cells.outline, sorted(wanted))
    return "; ".join(parts) or "evaluations of these cells"


def _range(value: float, low: float, high: float, factor: float) -> str:
    if np.isnan(value):
        return MISSING
    text = f"{factor * value:.2f}"
    return text if np.isnan(low) else f"{text} ({factor * low:.2f} to {factor * high:.2f})"
