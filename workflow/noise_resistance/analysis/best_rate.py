"""The probability that each learning rate is the most resistant, and the Pareto front."""

from pathlib import Path

import numpy as np
import pandas as pd

from noise_resistance.analysis.cells import Cells
from noise_resistance.analysis.flags import describe_left_out
from noise_resistance.analysis.labels import MISSING
from noise_resistance.analysis.listing import (
    covers,
    in_percent,
    records,
    row_title,
    with_interval,
    write_listing,
)
from noise_resistance.analysis.markup import Cell
from noise_resistance.analysis.ranking import probability_best
from noise_resistance.analysis.statistics import difference, estimate
from noise_resistance.analysis.summary import read_summary
from noise_resistance.study.numbers import format_number
from noise_resistance.study.outline import Outline

__all__ = ["pareto_front", "rates_of", "write"]

_VALUES = ["baseline", "baseline_low", "baseline_high", "average", "average_low", "average_high"]
_BEHIND = ["behind_best", "behind_best_low", "behind_best_high"]


def write(outline: Outline, summary_file: Path, scope: str, stem: Path) -> None:
    """Write by learning rate: both accuracies, the probability to be best, and the Pareto front.

    Args:
        outline: the study; its learning-rate and trade-off experiments are taken together.
        summary_file: its ``summary.h5``.
        scope: a noise scope of one of these experiments.
        stem: the files' path without its ending; ``.csv``, ``.md`` and ``.tex`` are written.

    Raises:
        DataError: the summary is missing or damaged.
    """
    summary = read_summary(summary_file)
    cells = Cells(summary, outline, scope)
    values = rates_of(cells)
    lost = cells.left_out("learning_rate", "tradeoff")
    about = (
        "that this very training is the most resistant of its row, over all draws; it says nothing "
        "of another training at the same rate"
        if len(outline.seeds) == 1
        else "that the rate is the most resistant of its row"
    )
    rows = [
        (
            row_title(outline, row),
            format_number(row["learning_rate"]),
            with_interval(row["baseline"], row["baseline_low"], row["baseline_high"]),
            with_interval(row["average"], row["average_low"], row["average_high"]),
            with_interval(row["behind_best"], row["behind_best_low"], row["behind_best_high"])
            if row["behind_best"]
            else MISSING,
            Cell(_whole(row["probability_best"]), bold=row["is_likeliest"]),
            "yes" if row["on_front"] else "",
        )
        for row in records(values)
    ]
    caption = (
        "The sweet spot: baseline accuracy and average normalized accuracy in % by learning rate, "
        f"noise scope '{scope}', ±: half of the 95 % interval. Behind best: average normalized "
        "accuracy of the row's best rate less this one's, draws paired; the best is chosen by the "
        f"same values, so its lead is on the high side. Probability: in %, {about}. Front: no "
        "other rate of the row is better in one of the two and at least as good in the other. "
        + (f"{describe_left_out(lost, outline)}. " if lost else "")
        + covers(outline, summary)
    )
    headings = (
        "Cell",
        "Learning rate",
        "Baseline",
        "Average normalized",
        "Behind best",
        "Probability best",
        "Front",
    )
    table = in_percent(
        values.drop(columns="is_likeliest", errors="ignore"),
        [*_VALUES, *_BEHIND, "probability_best"],
    )
    write_listing(stem, table, caption, headings, rows, "lrrrrrl")


def rates_of(cells: Cells) -> pd.DataFrame:
    """Return one row a cell; fractions.

    Rows of one rate only have no best. The cells at chance are those that `cells` has: by default
    none, so that a network which guesses is never the best.
    """
    found = []
    for key, row in cells.rows("learning_rate", "tradeoff").items():
        averages = np.stack([cells.average[cell] for cell in row])
        baselines = np.stack([cells.baseline[cell] for cell in row])
        chances = probability_best(averages) if len(row) > 1 else np.full(1, np.nan)
        best = int(averages.mean((1, 2)).argmax())
        front = pareto_front(np.stack([baselines.mean((1, 2)), averages.mean((1, 2))], axis=1))
        for index, cell in enumerate(row):
            numbers = [*estimate(baselines[index]), *estimate(averages[index])]
            behind = difference(averages[best], averages[index]) if index != best else (0.0,) * 3
            found.append(
                {
                    **dict(zip(("dataset", "model", "optimizer"), key, strict=True)),
                    "learning_rate": cell[3],
                    "scope": cells.scope,
                    **dict(zip(_VALUES, numbers, strict=True)),
                    **dict(zip(_BEHIND, behind, strict=True)),
                    "probability_best": chances[index],
                    "is_likeliest": bool(chances[index] == chances.max()),
                    "on_front": bool(front[index]),
                    "seeds": averages.shape[1],
                    "draws": averages.shape[2],
                }
            )
    return pd.DataFrame(found)


def _whole(probability: float) -> str:
    """Write a probability in whole percent; the simulation knows none to be 0 or 100."""
    if np.isnan(probability):
        return MISSING
    return (
        "<1"
        if probability < 0.005
        else ">99"
        if probability > 0.995
        else f"{100 * probability:.0f}"
    )


def pareto_front(points: np.ndarray) -> np.ndarray:
    """Return which points no other dominates: none is as good in all and better in one.

    Args:
        points: by (point, quantity); more is better.
    """
    at_least = (points[:, None] >= points[None]).all(-1)
    better = (points[:, None] > points[None]).any(-1)
    return np.asarray(~(at_least & better).any(0))
