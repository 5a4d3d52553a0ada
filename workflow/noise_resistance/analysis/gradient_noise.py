"""Equation (2) measured: the bound alpha^2 C / B beside the noise of batch gradients."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from noise_resistance.analysis.diagnostics import read_diagnostics
from noise_resistance.analysis.labels import MISSING, rate_in_force
from noise_resistance.analysis.listing import records, row_title, write_listing
from noise_resistance.analysis.markup import Cell
from noise_resistance.study.numbers import format_number
from noise_resistance.study.outline import Outline

__all__ = ["gradient_noise_of", "write"]

_TRAINING = ["dataset", "model", "optimizer", "learning_rate", "seed", "epochs"]
_MODES = {"fixed": "", "batch": "_batch"}
_MOST_NAMED = 4


def write(outline: Outline, diagnostics: Path, stem: Path) -> None:
    """Write by training and point both sides of equation (2), and whether it holds.

    Args:
        outline: the study.
        diagnostics: its ``diagnostics.h5``.
        stem: the files' path without its ending; ``.csv``, ``.md`` and ``.tex`` are written. The
            CSV has one row a training, point and mode.

    Raises:
        DataError: the file is missing or damaged.
    """
    values = gradient_noise_of(read_diagnostics(diagnostics))
    several = len(outline.seeds) > 1
    rows = []
    for _, point in values.groupby(_TRAINING, sort=False):
        fixed, batch = records(point)
        rows.append(
            (
                row_title(outline, fixed),
                format_number(fixed["learning_rate"]),
                *([str(fixed["seed"])] if several else []),
                str(fixed["epochs"]),
                rate_in_force(fixed["learning_rate_now"]),
                *(_short(fixed[name]) for name in ("C", "bound")),
                *_measured(fixed),
                *_measured(batch),
            )
        )
    headings = (
        *("Network", "Learning rate", *(["Seed"] if several else []), "Epochs", "Rate then"),
        *("C", "Bound", "Moving: measured", "over bound", "holds"),
        *("Batch: measured", "over bound", "holds"),
    )
    alignment = "lr" + "r" * several + "rrrrrrlrrl"
    table = values.assign(learning_rate=[format_number(one) for one in values["learning_rate"]])
    write_listing(stem, table, _caption(values), headings, rows, alignment)


def gradient_noise_of(diagnostics: pd.DataFrame) -> pd.DataFrame:
    """Return one row a training, point and mode.

    Args:
        diagnostics: columns of `analysis.diagnostics.COLUMNS`.

    Returns: ``mode``, ``C``, ``bound``, ``measured`` and its standard error ``measured_error``
        (both sides of equation (2), with the learning rate in force), their ``ratio`` and its
        standard error ``ratio_error``, and ``holds``: yes, no, or empty where nothing was measured.
    """
    rows = []
    for row in records(diagnostics):
        for mode, ending in _MODES.items():
            noise, error = row[f"gradient_noise{ending}"], row[f"gradient_noise{ending}_error"]
            squared = row["learning_rate_now"] ** 2
            ratio = noise / row["gradient_bound"] if row["gradient_bound"] else math.nan
            relative = np.hypot(error / noise, row["C_error"] / row["C"]) if ratio else 0.0
            rows.append(
                {
                    **{name: row[name] for name in (*_TRAINING, "learning_rate_now")},
                    "mode": mode,
                    **{name: row[name] for name in ("C", "C_error", "bound")},
                    "measured": squared * noise,
                    "measured_error": squared * error,
                    "ratio": ratio,
                    "ratio_error": ratio * relative,
                    "holds": _verdict(noise, row[f"bound_holds{ending}"]),
                }
            )
    return pd.DataFrame(rows)


def _verdict(noise: float, holds: float) -> str:
    if math.isnan(noise):
        return ""
    return "yes" if holds else "no"


def _measured(row: Mapping[str, Any]) -> tuple[Cell | str, ...]:
    ratio = row["ratio"]
    shown = MISSING if math.isnan(ratio) else f"{ratio:.2f}"
    spread = "" if math.isnan(ratio) else f"{2 * row['ratio_error']:.2f}"
    return _short(row["measured"]), Cell(shown, spread), row["holds"] or MISSING


def _short(value: float) -> str:
    return MISSING if math.isnan(value) else f"{value:.3g}"


def _caption(values: pd.DataFrame) -> str:
    fixed, batch = (values[values["mode"] == mode] for mode in _MODES)
    return (
        "Equation (2), measured on the training images without augmentation: the bound, "
        "α² C / B with C of equation (3), and α² E||g_B - g_D||². Epochs: finished epochs, 0 is "
        "the start; rate then: α, the learning rate in force. ±: two standard errors of the "
        "ratio. Holds: the noise is not above the bound by more than two standard errors. "
        "Moving: BatchNorm's moving statistics, where a batch's loss is the mean of its images' "
        f"losses and (2) follows; it holds in {_counts(fixed)}. Batch: the batch's own "
        f"statistics, as in training; it holds in {_counts(batch)}. These statistics couple the "
        "images of a batch, so its loss is no mean over images and (2) follows from nothing."
    )


def _counts(values: pd.DataFrame) -> str:
    known = values[values["holds"] != ""]
    text = f"{(known['holds'] == 'yes').sum()} of {len(known)} cases"
    fails = known[known["holds"] == "no"]
    if fails.empty:
        return text
    points = fails["epochs"].unique()
    if len(points) > _MOST_NAMED:
        return f"{text} and fails at {len(points)} points of the trainings"
    named = [
        f"{(fails['epochs'] == epochs).sum()} of {(known['epochs'] == epochs).sum()} "
        f"{'at the start' if epochs == 0 else f'at epoch {epochs}'}"
        for epochs in sorted(points)
    ]
    return f"{text} and fails in {', '.join(named)}"
