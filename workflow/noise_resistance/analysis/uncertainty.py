"""How sure each average normalized accuracy is, and which rate is the best: tables by scope."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from noise_resistance.analysis.cells import Cells
from noise_resistance.analysis.crossed import variance_parts
from noise_resistance.analysis.flags import AT_CHANCE
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

__all__ = ["error_of_test_set", "uncertainty_of", "write"]

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
    values = uncertainty_of(Cells(table, outline, scope, with_chance=True), images)
    is_flagged = not values.empty and bool(values["at_chance"].any())
    rows: list[tuple[Cell | str, ...]] = [
        (
            row_title(outline, row),
            format_number(row["learning_rate"]),
            _flagged(with_interval(row["value"], row["low"], row["high"]), row["at_chance"]),
            *(percent(row[name]) for name in _VALUES[3:]),
        )
        for row in records(values)
    ]
    caption = (
        f"Average normalized accuracy in %, noise scope '{scope}', ±: half of the 95 % interval, "
        "and standard deviations in points of a single value: between trainings, between draws, "
        "and of a training and a draw together (with one seed it is in that of draws). Test set: "
        "the standard error that the choice of test images gives at most; no seed or draw makes it "
        "smaller, and the interval leaves it out. "
        + (f"{AT_CHANCE}: a training of this cell ended at chance accuracy. " if is_flagged else "")
        + covers(outline, table)
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
        error = error_of_test_set(values.mean(1), cells.baseline[cell][:, 0], images[cell[0]])
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
                "test_set_error": error,
                "seeds": values.shape[0],
                "draws": values.shape[1],
                "at_chance": cells.at_chance.get(cell, 0),
            }
        )
    return pd.DataFrame(rows)


def error_of_test_set(averages: np.ndarray, baselines: np.ndarray, images: int) -> float:
    """Return the largest standard error that the choice of test images can give a cell's value.

    An image that the clean network has right (c = 1) or wrong (c = 0) is right in a share p of all
    draws and noise levels. To first order the variance of A = mean p / mean c over test sets of n
    images is E[(p - A c)^2] / (n a_o^2). The files hold no p; of all p in [0, 1] with mean A a_o
    the largest value has every p at 0 or 1 and as many right again of the wrong ones as there can
    be, u = min(1 - a_o, A a_o): (a_o A (1 - A) + 2 A u) / (n a_o^2). Several trainings share the
    images, so their errors may all have the same sign: the mean of the bounds is their bound.

    Args:
        averages: A by training.
        baselines: a_o by training, above 0.
        images: n, of the test set.
    """
    right_again = np.minimum(1 - baselines, averages * baselines)
    largest = baselines * averages * (1 - averages) + 2 * averages * right_again
    return float(np.sqrt(largest / (images * baselines**2)).mean())


def _flagged(value: Cell, at_chance: int) -> Cell:
    return replace(value, text=value.text + AT_CHANCE) if at_chance else value
