"""What the explorer of the report shows: every curve of the study, and the paper's beside it."""

from typing import Any

import pandas as pd

from noise_resistance.analysis.figures.style import categories, markers, sequence
from noise_resistance.analysis.flags import at_chance
from noise_resistance.analysis.labels import model_title
from noise_resistance.analysis.published import KEYS, published
from noise_resistance.analysis.statistics import (
    CELL,
    average_normalized_accuracy,
    normalized_accuracy,
    normalized_chance,
)
from noise_resistance.study.grid import Evaluation, Training
from noise_resistance.study.numbers import format_number
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.outline import Outline

__all__ = ["explorer_data"]


def explorer_data(table: pd.DataFrame, outline: Outline) -> dict[str, Any]:
    """Return plain values for the page's script.

    Returns:
        ``curves``: one a (dataset, model, optimizer, scope, learning rate) with what guessing
        gives, how many of its trainings are at chance accuracy, its average normalized accuracy
        with interval, the one of Table III (null where the paper has none), and its points: each a
        noise level with mean, interval, numbers of draws, of draws with outputs that were not
        finite and of seeds, and each seed's file, relative to the page;
        ``paper``: the curves it prints, by the same keys without the scope: noise levels and
        values, from the clean model on where there are several;
        ``titles``: names for people; ``colours`` and ``markers`` by learning rate.
    """
    values = normalized_accuracy(table).dropna(subset="value")
    rates = sorted({float(rate) for rate in table["learning_rate"]})
    optimizers = dict.fromkeys(table["optimizer"])
    palette = sequence(len(rates)) if len(rates) > 1 else categories(1)
    baselines = table.groupby(CELL, sort=False)["baseline_accuracy"].mean().to_dict()
    found = average_normalized_accuracy(table, outline.noise_levels).to_dict("records")
    averages = {tuple(one[name] for name in CELL): one for one in found}
    in_paper = published("average_normalized_accuracy", "Table III").set_index(KEYS)["value"]
    lost = {tuple(cell): number for cell, number in at_chance(table, outline).items()}
    spoiled = (
        (table["nonfinite"] > 0).groupby([table[one] for one in (*CELL, "noise_level")]).sum()
    ).to_dict()
    return {
        "curves": [
            {
                **dict(zip(CELL, key, strict=True)),
                "learning_rate": format_number(float(str(key[3]))),
                "chance": _number(
                    normalized_chance(outline.datasets[str(key[0])].classes, baselines[key])
                ),
                "at_chance": lost.get(key[:4], 0),
                "average": {
                    name: _number(averages[key][name]) for name in ("value", "low", "high")
                },
                "table3": _number(in_paper.get(key[:4])),
                "points": [
                    _point(row, outline, spoiled[(*key, row["noise_level"])])
                    for row in group.to_dict("records")
                ],
            }
            for key, group in values.groupby(CELL, sort=False)
        ],
        "paper": _paper(),
        "titles": {
            **{name: one.title for name, one in outline.datasets.items()},
            **{model: model_title(model) for model in dict.fromkeys(table["model"])},
            **{name: OPTIMIZERS[name].label for name in optimizers if name in OPTIMIZERS},
        },
        "colours": dict(zip(map(format_number, rates), palette, strict=True)),
        "markers": dict(zip(map(format_number, rates), markers(len(rates)), strict=True)),
    }


def _paper() -> list[dict[str, Any]]:
    curves = []
    printed = published("normalized_accuracy").drop_duplicates([*KEYS, "noise_level"])
    for key, rows in printed.groupby(KEYS, sort=False):
        points = {float(row["noise_level"]): float(row["value"]) for row in rows.to_dict("records")}
        if len(points) > 1:
            # Without noise equation (8) is 1.
            points.setdefault(0.0, 1.0)
        curves.append(
            {
                **dict(zip(KEYS[:3], key[:3], strict=True)),
                "learning_rate": format_number(float(str(key[3]))),
                "points": [
                    {"noise_level": level, "value": round(value, 6)}
                    for level, value in sorted(points.items())
                ],
            }
        )
    return curves


def _point(row: dict[Any, Any], outline: Outline, spoiled: int) -> dict[str, Any]:
    cell = (row["dataset"], row["model"], row["optimizer"], row["learning_rate"])
    paths = outline.paths
    files = {
        seed: paths.fill(
            paths.noise, Evaluation(Training(*cell, seed), row["scope"], row["noise_level"])
        ).removeprefix(f"{paths.root}/")
        for seed in outline.seeds
    }
    return {
        "noise_level": row["noise_level"],
        **{name: _number(row[name]) for name in ("value", "low", "high")},
        "seeds": int(row["seeds"]),
        "draws": int(row["draws"]),
        "nonfinite": int(spoiled),
        "files": [{"seed": seed, "file": file} for seed, file in files.items()],
    }


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else round(float(value), 6)
