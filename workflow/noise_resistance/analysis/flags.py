"""What a reader must know of single cells: trainings at chance, and what has not been measured."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from scipy import special

from noise_resistance.analysis.labels import model_title
from noise_resistance.analysis.statistics import CELL, TRAINING_CELL
from noise_resistance.study.grid import Evaluation, Training
from noise_resistance.study.numbers import format_number
from noise_resistance.study.outline import Outline

__all__ = [
    "AT_CHANCE",
    "at_chance",
    "cell_title",
    "describe_holes",
    "describe_left_out",
    "missing_files",
    "trainings_at_chance",
]

AT_CHANCE = "†"  # marks a cell in tables for people
_CHANCE_LEVEL = 0.01
_NAMED = 3

_Cell = tuple[str, str, str, float]


def trainings_at_chance(table: pd.DataFrame, outline: Outline) -> pd.DataFrame:
    """Return the trainings whose baseline accuracy guessing could have reached.

    A one-sided binomial test of the right predictions against one over the classes, at 1 %.

    Args:
        table: the tidy table.
        outline: the study.
    """
    trainings = table.drop_duplicates([*TRAINING_CELL, "seed"])
    chance = trainings["dataset"].map(
        {name: 1 / one.classes for name, one in outline.datasets.items()}
    )
    images = trainings["test_images"]
    right = (trainings["baseline_accuracy"] * images).round()
    probability = special.bdtrc(right - 1, images, chance)
    return trainings[probability > _CHANCE_LEVEL]


def at_chance(table: pd.DataFrame, outline: Outline) -> dict[_Cell, int]:
    """Count the trainings at chance by (dataset, model, optimizer, learning rate)."""
    counts = trainings_at_chance(table, outline).groupby(TRAINING_CELL, sort=False).size()
    return {_cell(key): int(count) for key, count in counts.items()}


def describe_left_out(lost: Mapping[_Cell, int], outline: Outline) -> str:
    """Say which cells are compared with none since trainings ended at chance; empty if none did."""
    if not lost:
        return ""
    named = [cell_title(cell, outline) for cell in list(lost)[:_NAMED]]
    rest = len(lost) - len(named)
    more = f"; and {rest} more" if rest else ""
    return f"Left out since a training ended at chance accuracy: {'; '.join(named)}{more}"


def missing_files(
    table: pd.DataFrame, outline: Outline, scope: str | None = None
) -> dict[_Cell, list[str]]:
    """Return the files that are missing, by (dataset, model, optimizer, learning rate).

    Each is what Snakemake takes as a target: its job makes it, and what it needs before.

    Args:
        table: the tidy table.
        outline: the study.
        scope: a noise scope whose evaluations are looked at too; without one, baselines alone.
    """
    paths = outline.paths
    found: dict[_Cell, list[str]] = {}
    without = table[table["baseline_accuracy"].isna()].drop_duplicates([*TRAINING_CELL, "seed"])
    for row in without.to_dict("records"):
        found.setdefault(_cell_of(row), []).append(paths.fill(paths.baseline, _training(row)))
    holes = table[table["accuracy"].isna() & (table["scope"] == scope)]
    for row in holes.drop_duplicates([*CELL, "seed", "noise_level"]).to_dict("records"):
        evaluation = Evaluation(_training(row), row["scope"], row["noise_level"])
        found.setdefault(_cell_of(row), []).append(paths.fill(paths.noise, evaluation))
    return found


def describe_holes(missing: dict[_Cell, list[str]], outline: Outline) -> str:
    """Say in a caption which cells are holes and what makes them."""
    named = [
        f"{cell_title(cell, outline)}: {files[0]}"
        + (f" and {len(files) - 1} more" if len(files) > 1 else "")
        for cell, files in list(missing.items())[:_NAMED]
    ]
    rest = len(missing) - len(named)
    return (
        f"–: not measured yet ({len(missing)} {'cells' if len(missing) > 1 else 'cell'}). "
        f"snakemake makes what is missing: {'; '.join(named)}"
        + (f"; and {rest} cells more, in the column 'missing' of the CSV file" if rest else "")
        + "."
    )


def cell_title(cell: _Cell, outline: Outline) -> str:
    """Return a cell's name for people: ``ResNet20 on CIFAR10, adam, 0.001``."""
    dataset, model, optimizer, rate = cell
    title = outline.datasets[dataset].title
    return f"{model_title(model)} on {title}, {optimizer}, {format_number(rate)}"


def _cell(key: Any) -> _Cell:
    dataset, model, optimizer, rate = key
    return str(dataset), str(model), str(optimizer), float(rate)


def _cell_of(row: Mapping[Any, Any]) -> _Cell:
    return _cell([row[name] for name in TRAINING_CELL])


def _training(row: Mapping[Any, Any]) -> Training:
    return Training(*_cell_of(row), int(row["seed"]))
