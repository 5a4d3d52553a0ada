"""What the explorer of the report shows: every curve of the study, and the paper's beside it."""

from typing import Any

import pandas as pd

from noise_resistance.analysis.figures.style import categories, markers, sequence
from noise_resistance.analysis.labels import model_title
from noise_resistance.analysis.published import published
from noise_resistance.analysis.statistics import CELL, normalized_accuracy, normalized_chance
from noise_resistance.study.grid import Evaluation, Training
from noise_resistance.study.numbers import format_number
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.outline import Outline

__all__ = ["explorer_data"]


def explorer_data(table: pd.DataFrame, outline: Outline) -> dict[str, Any]:
    """Return plain values for the page's script.

    Returns:
        ``curves``: one a (dataset, model, optimizer, scope, learning rate) with what guessing
        gives and its points, each a noise level with mean, interval, number of draws and seeds,
        and the first seed's file;
        ``paper``: the printed values at single noise levels, by the same keys;
        ``titles``: names for people; ``colours`` and ``markers`` by learning rate.
    """
    values = normalized_accuracy(table).dropna(subset="value")
    rates = sorted({float(rate) for rate in table["learning_rate"]})
    optimizers = dict.fromkeys(table["optimizer"])
    palette = sequence(len(rates)) if len(rates) > 1 else categories(1)
    baselines = table.groupby(CELL, sort=False)["baseline_accuracy"].mean().to_dict()
    return {
        "curves": [
            {
                **dict(zip(CELL, key, strict=True)),
                "learning_rate": format_number(float(str(key[3]))),
                "chance": _number(
                    normalized_chance(outline.datasets[str(key[0])].classes, baselines[key])
                ),
                "points": [_point(row, outline) for row in group.to_dict("records")],
            }
            for key, group in values.groupby(CELL, sort=False)
        ],
        "paper": [
            {
                **{name: str(row[name]) for name in ("dataset", "model", "optimizer")},
                "learning_rate": format_number(row["learning_rate"]),
                "noise_level": row["noise_level"],
                "value": row["value"],
            }
            for row in published("normalized_accuracy").to_dict("records")
        ],
        "titles": {
            **{name: one.title for name, one in outline.datasets.items()},
            **{model: model_title(model) for model in dict.fromkeys(table["model"])},
            **{name: OPTIMIZERS[name].label for name in optimizers if name in OPTIMIZERS},
        },
        "colours": dict(zip(map(format_number, rates), palette, strict=True)),
        "markers": dict(zip(map(format_number, rates), markers(len(rates)), strict=True)),
    }


def _point(row: dict[Any, Any], outline: Outline) -> dict[str, Any]:
    training = Training(
        row["dataset"], row["model"], row["optimizer"], row["learning_rate"], outline.seeds[0]
    )
    evaluation = Evaluation(training, row["scope"], row["noise_level"])
    number = {name: _number(row[name]) for name in ("value", "low", "high")}
    return {
        "noise_level": row["noise_level"],
        **number,
        "seeds": int(row["seeds"]),
        "draws": int(row["draws"]),
        "file": outline.paths.fill(outline.paths.noise, evaluation),
    }


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else round(float(value), 6)
