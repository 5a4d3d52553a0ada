"""How far the study lies from the paper, and under which noise scope it is nearest."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from noise_resistance.analysis.cells import Cells, Values
from noise_resistance.analysis.crossed import contrast, variance_parts
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
from noise_resistance.analysis.published import KEYS, published
from noise_resistance.analysis.statistics import CONFIDENCE
from noise_resistance.analysis.summary import read_summary
from noise_resistance.study.numbers import format_number
from noise_resistance.study.outline import Outline

__all__ = ["compare", "readings_of", "write", "write_readings"]

_FEWEST = 4  # cells from which a correlation has an interval
_NUMBERS = ["paper", "value", "low", "high", "difference", "single_low", "single_high"]
_READING = ["spearman", "spearman_low", "spearman_high", "rmse", "rmse_low", "rmse_high", "bias"]


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
    values = compare(Cells(table, outline, scope))
    rows = []
    for source, group in values.groupby("source", sort=False):
        for row in records(group):
            if row["agrees"] != "missing":
                rows.append(_row(outline, row))
        missing = group[group["agrees"] == "missing"]
        if len(missing):
            said = f"{len(missing)} of {len(group)} missing: needs {_needs(missing)}"
            rows.append((str(source), said, *[MISSING] * 5))
    caption = (
        f"The paper's values and the study's in %, noise scope '{scope}', ±: half of the 95 % "
        "interval. Agrees: the paper's value, which is of one training, lies in the 95 % interval "
        "for one further training where there are several seeds, and in the interval over draws "
        f"where there is one. {covers(outline, table)}"
    )
    headings = ("Source", "Cell", "Learning rate", "Paper", "This study", "Difference", "Agrees")
    write_listing(stem, in_percent(values, _NUMBERS), caption, headings, rows, "lprrrrl")


def compare(cells: Cells) -> pd.DataFrame:
    """Return the paper's values with the study's: fractions, ``agrees`` and ``missing``.

    ``agrees`` is ``yes``, ``no``, ``no interval`` or ``missing``; ``missing`` says what fills it.
    """
    table = published()
    levels = {level: cells.at(level) for level in table["noise_level"].dropna().unique()}
    rows = [_compare(cells, row, levels) for row in records(table)]
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
    scopes = dict.fromkeys(table["scope"])
    values = pd.DataFrame([readings_of(Cells(table, outline, scope)) for scope in scopes])
    rows = [
        (
            row["scope"],
            str(row["cells"]),
            _range(row["spearman"], row["spearman_low"], row["spearman_high"], 1),
            _range(row["rmse"], row["rmse_low"], row["rmse_high"], 100),
            percent(row["bias"], sign=True),
        )
        for row in records(values)
    ]
    caption = (
        "Which reading of the paper fits: Table III against the study's average normalized "
        "accuracies by noise scope. Cells: those that both have. Spearman's rank correlation, and "
        "root mean square and mean difference (study less paper) in points, with 95 % bootstrap "
        f"intervals over cells from {_FEWEST} cells on. "
        + ("" if values["cells"].any() else "The study has no cell of Table III. ")
        + covers(outline, table)
    )
    headings = ("Scope", "Cells", "Rank correlation", "RMSE", "Mean difference")
    write_listing(
        stem,
        in_percent(values, ["rmse", "rmse_low", "rmse_high", "bias"]),
        caption,
        headings,
        rows,
        "lrrrr",
    )


def readings_of(cells: Cells) -> dict[str, Any]:
    """Return Spearman's correlation, RMSE and bias against Table III under one scope; fractions."""
    ours, paper = [], []
    for row in records(published("average_normalized_accuracy", "Table III")):
        values = cells.average.get(tuple(row[key] for key in KEYS))
        if values is not None:
            ours.append(float(values.mean()))
            paper.append(row["value"])
    found = dict.fromkeys(_READING, float("nan"))
    first, second = np.array(ours), np.array(paper)
    if ours:
        found |= {"rmse": _rmse(first, second), "bias": float((first - second).mean())}
    if len(ours) >= _FEWEST:
        found["spearman"] = _spearman(first, second)
        found |= _bootstrap(first, second)
    return {"scope": cells.scope, "cells": len(ours), **found}


def _compare(cells: Cells, row: dict[str, Any], levels: dict[float, Values]) -> dict[str, Any]:
    cell = tuple(row[key] for key in KEYS)
    by_quantity = {
        "baseline_accuracy": cells.baseline,
        "average_normalized_accuracy": cells.average,
        "normalized_accuracy": levels.get(row["noise_level"], {}),
    }
    values = by_quantity[row["quantity"]].get(cell)
    told = {key: row[key] for key in ("source", "quantity", *KEYS, "noise_level")}
    told |= {"scope": cells.scope, "paper": row["value"]}
    if values is None:
        needs = f"{row['dataset']}, {row['model']}, {row['optimizer']}, learning rate "
        needs += format_number(row["learning_rate"])
        if not np.isnan(row["noise_level"]):
            needs += f", noise level {format_number(row['noise_level'])}"
        hole = dict.fromkeys(_NUMBERS[1:], float("nan"))
        return {**told, **hole, "agrees": "missing", "missing": needs}
    one = contrast(values[np.newaxis], np.ones(1))
    low, high = one.limits(CONFIDENCE)
    # One further training deviates from the mean by the seeds' variance besides.
    further = float(np.nan_to_num(variance_parts(values).seeds))
    half = stats.t.ppf((1 + CONFIDENCE) / 2, one.freedom) * np.sqrt(one.error**2 + further)
    value = float(one.value)
    limits = {"single_low": float(value - half), "single_high": float(value + half)}
    numbers = {"value": value, "low": float(low), "high": float(high)}
    numbers |= {"difference": value - row["value"], **limits}
    return {**told, **numbers, "agrees": _agrees(row["value"], **limits), "missing": ""}


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


def _needs(missing: pd.DataFrame) -> str:
    """Say in a few words what would fill the holes."""
    parts = [", ".join(dict.fromkeys(missing["dataset"]))]
    parts.append(", ".join(model_title(one) for one in dict.fromkeys(missing["model"])))
    if missing["optimizer"].nunique() > 1:
        parts.append(", ".join(dict.fromkeys(missing["optimizer"])))
    rates = sorted(missing["learning_rate"].unique())
    parts.append(f"learning rates {', '.join(map(format_number, rates))}")
    if missing["noise_level"].notna().any():
        levels = sorted(missing["noise_level"].unique())
        parts.append(f"noise levels {', '.join(map(format_number, levels))}")
    return "; ".join(parts)


def _range(value: float, low: float, high: float, factor: float) -> str:
    if np.isnan(value):
        return MISSING
    text = f"{factor * value:.2f}"
    return text if np.isnan(low) else f"{text} ({factor * low:.2f} to {factor * high:.2f})"


def _rmse(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.sqrt(((first - second) ** 2).mean()))


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    ranks = stats.rankdata(first), stats.rankdata(second)
    if min(np.ptp(ranks[0]), np.ptp(ranks[1])) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def _bootstrap(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Resample cells 2,000 times; the limits are the percentiles."""
    chosen = np.random.default_rng(0).integers(len(first), size=(2000, len(first)))
    limits: dict[str, float] = {}
    for name, measure in (("spearman", _spearman), ("rmse", _rmse)):
        found = [measure(first[one], second[one]) for one in chosen]
        low, high = np.nanquantile(found, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        limits |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return limits
