"""How sure each average normalized accuracy is, and which rate is the best: tables by scope."""

from pathlib import Path

import numpy as np
import pandas as pd

from noise_resistance.analysis.cells import Cells
from noise_resistance.analysis.crossed import variance_parts
from noise_resistance.analysis.labels import experiment_named, scope_of
from noise_resistance.analysis.listing import (
    covers,
    in_percent,
    percent,
    records,
    row_title,
    with_interval,
    write_listing,
)
from noise_resistance.analysis.markup import Cell
from noise_resistance.analysis.statistics import estimate
from noise_resistance.analysis.summary import read_summary
from noise_resistance.study.numbers import format_number
from noise_resistance.study.outline import Outline

__all__ = ["uncertainty_of", "write"]

_VALUES = ["value", "low", "high", "sd_seeds", "sd_draws", "sd_both", "test_set_error"]


def write(outline: Outline, summary_file: Path, scope: str, stem: Path) -> None:
    """Write by cell the average normalized accuracy and what its spread is made of.

    Args:
        outline: the study.
        summary_file: its ``summary.h5``.
        scope: a noise scope of the learning-rate experiment.
        stem: the files' path without its ending; ``.csv``, ``.md`` and ``.tex`` are written.

    Raises:
        ConfigurationError: the study has no such experiment or scope.
        DataError: a file is missing or damaged.
    """
    scope_of(experiment_named(outline, "learning_rate"), scope)
    table = read_summary(summary_file)
    by_dataset = table.groupby("dataset")["test_images"].max()
    images = {str(name): int(count) for name, count in by_dataset.items()}
    values = uncertainty_of(Cells(table, outline, scope), images)
    rows: list[tuple[Cell | str, ...]] = [
        (
            row_title(outline, row),
            format_number(row["learning_rate"]),
            with_interval(row["value"], row["low"], row["high"]),
            *(percent(row[name]) for name in _VALUES[3:]),
        )
        for row in records(values)
    ]
    caption = (
        f"Average normalized accuracy in %, noise scope '{scope}', ±: half of the 95 % interval, "
        "and standard deviations in points of a single value: between trainings, between draws, "
        "and of a training and a draw together (with one seed it is in that of draws). Test set: "
        "the most that the choice of test images gives, a standard error that no seed or draw "
        f"makes smaller and that the interval leaves out. {covers(outline, table)}"
    )
    headings = (
        "Cell",
        "Learning rate",
        "Value",
        "SD seeds",
        "SD draws",
        "SD both",
        "Test set",
    )
    write_listing(stem, in_percent(values, _VALUES), caption, headings, rows, "lrrrrrr")


def uncertainty_of(cells: Cells, images: dict[str, int]) -> pd.DataFrame:
    """Return one row a cell: value, limits, standard deviations by source, test set error.

    Args:
        cells: of the study under one scope.
        images: test images by dataset.
    """
    rows = []
    for cell in cells.of_experiment("learning_rate"):
        values = cells.average[cell]
        value, low, high = estimate(values)
        parts = variance_parts(values)
        baseline = float(cells.baseline[cell].mean())
        # As if noise only took away right predictions: then A is a share of the n a_o images that
        # the clean model has right. The square root is concave, so levels together have no more.
        share = min(max(value, 0.0), 1.0)
        error = np.sqrt(share * (1 - share) / (images[cell[0]] * baseline))
        rows.append(
            {
                **dict(zip(("dataset", "model", "optimizer", "learning_rate"), cell, strict=True)),
                "scope": cells.scope,
                "value": value,
                "low": low,
                "high": high,
                "sd_seeds": float(np.sqrt(parts.seeds)),
                "sd_draws": float(np.sqrt(parts.draws)),
                "sd_both": float(np.sqrt(parts.both)),
                "test_set_error": float(error),
                "seeds": values.shape[0],
                "draws": values.shape[1],
            }
        )
    return pd.DataFrame(rows)
