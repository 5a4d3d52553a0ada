"""Baseline and average normalized accuracy by length of training, as a table for people."""

from pathlib import Path

from noise_resistance.analysis.labels import describe_run, rate_in_force
from noise_resistance.analysis.lengths import cells_by_length
from noise_resistance.analysis.listing import (
    ONE_SEED,
    in_percent,
    percent,
    records,
    row_title,
    with_interval,
    write_listing,
)
from noise_resistance.analysis.settling import SETTLED_BELOW, describe_schedule
from noise_resistance.analysis.statistics import describe_interval
from noise_resistance.study.numbers import format_number
from noise_resistance.study.outline import Outline

__all__ = ["write"]


def write(outline: Outline, lengths: Path, scope: str, stem: Path) -> None:
    """Write by cell and number of finished epochs what the model resists.

    Args:
        outline: the study.
        lengths: its ``lengths.h5``.
        scope: a noise scope.
        stem: the files' path without its ending; ``.csv``, ``.md`` and ``.tex`` are written.

    Raises:
        DataError: the file is missing or damaged, or holds nothing of this scope.
    """
    values = cells_by_length(lengths, scope).assign(scope=scope)
    rows = [
        (
            row_title(outline, row),
            format_number(row["learning_rate"]),
            str(row["epochs"]),
            rate_in_force(row["learning_rate_now"]),
            percent(row["baseline_accuracy"]),
            with_interval(row["value"], row["low"], row["high"]),
            f"{row['settled']} of {row['seeds']}",
        )
        for row in records(values)
    ]
    interval = describe_interval(len(outline.seeds), outline.draws)
    caption = " ".join(
        [
            f"Baseline and average normalized accuracy in %, noise scope '{scope}', by finished",
            f"epochs of one training. {describe_run(outline)}; {describe_schedule(outline)}.",
            "A row before the last is the training's state on its way, with the rate then in",
            "force: no training of that length, whose schedule would have run to its end.",
            *([f"±: half of the {interval}."] if interval else []),
            *([ONE_SEED] if len(outline.seeds) == 1 and interval else []),
            "Settled: trainings whose loss changed by less than",
            f"{100 * SETTLED_BELOW:g} % over the last tenth of those epochs; small rates force it.",
        ]
    )
    headings = ("Cell", "Learning rate", "Epochs", "Rate then", "Baseline", "Average", "Settled")
    fractions = ["baseline_accuracy", "value", "low", "high"]
    write_listing(stem, in_percent(values, fractions), caption, headings, rows, "lrrrrrr")
