"""Training curves: test accuracy and training loss by epoch, one panel a network."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from noise_resistance.analysis.figures.style import categories, sequence
from noise_resistance.analysis.flags import at_chance
from noise_resistance.analysis.labels import count, model_title
from noise_resistance.analysis.statistics import TRAINING_CELL
from noise_resistance.storage.hdf5 import read_record
from noise_resistance.study.grid import Training
from noise_resistance.study.numbers import format_number
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.outline import Outline

__all__ = ["Chart", "Curve", "Panel", "Tick", "training_panels"]

# Of the drawing area, in units of the chart's picture.
_WIDTH, _HEIGHT = 240.0, 100.0
_DASHES = ("", "7 3", "2 3", "9 3 2 3")
_TICKS = 4


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where it stands, and what it says."""

    at: float
    label: str


@dataclass(frozen=True)
class Curve:
    """One training: its place in the legend, and the points of an SVG polyline."""

    label: str
    colour: str
    dashes: str
    points: str


@dataclass(frozen=True)
class Chart:
    """One quantity by epoch."""

    title: str
    curves: tuple[Curve, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    alternative: str


@dataclass(frozen=True)
class Panel:
    """Test accuracy and training loss of one network."""

    title: str
    legend: tuple[Curve, ...]
    charts: tuple[Chart, ...]
    caption: str


def training_panels(outline: Outline, table: pd.DataFrame) -> list[Panel]:
    """Read the histories of all trainings.

    Args:
        outline: the study; its paths are relative to the working directory.
        table: the tidy table of the summary, which tells what is at chance and has settled.
    """
    groups: dict[tuple[str, str, str], list[Training]] = {}
    for training in outline.trainings:
        key = (training.dataset, training.model, training.optimizer)
        groups.setdefault(key, []).append(training)
    return [_panel(outline, table, key, trainings) for key, trainings in groups.items()]


def _panel(
    outline: Outline, table: pd.DataFrame, key: tuple[str, str, str], trainings: Sequence[Training]
) -> Panel:
    dataset, model, optimizer = key
    rates = sorted({one.learning_rate for one in trainings})
    colours = sequence(len(rates)) if len(rates) > 1 else categories(1)
    looks = {
        rate: (format_number(rate), colour, _DASHES[index % len(_DASHES)])
        for index, (rate, colour) in enumerate(zip(rates, colours, strict=True))
    }
    histories = {
        one: read_record(path, "history", ["test_accuracy", "loss"])
        for one in trainings
        if Path(path := outline.paths.fill(outline.paths.history, one)).exists()
    }
    accuracy = {one: record["test_accuracy"] for one, record in histories.items()}
    loss = {one: record["loss"] for one, record in histories.items()}
    label = OPTIMIZERS[optimizer].label
    title = f"{model_title(model)}, {outline.datasets[dataset].title}, {label}"
    whole = max([outline.epochs, *map(len, accuracy.values())])
    across = _epochs(whole)
    listing = ", ".join(format_number(rate) for rate in rates)
    lines = f"a line for each training at learning rate {listing}"
    return Panel(
        title=title,
        legend=tuple(Curve(*look, points="") for look in looks.values()),
        charts=(
            Chart(
                "Test accuracy, %",
                _curves(accuracy, looks, whole, 0, 1, float),
                across,
                tuple(Tick(_up(value, 0, 1), f"{100 * value:g}") for value in (0, 0.5, 1)),
                f"Line chart of {title}: test accuracy from 0 to 100 % by epoch, {lines}.",
            ),
            _loss_chart(
                loss,
                looks,
                whole,
                across,
                f"Line chart of {title}: training loss by epoch on a logarithmic axis, {lines}.",
            ),
        ),
        caption=_caption(outline, table, key, trainings, accuracy),
    )


def _loss_chart(
    loss: dict[Training, np.ndarray],
    looks: dict[float, tuple[str, str, str]],
    whole: int,
    across: tuple[Tick, ...],
    alternative: str,
) -> Chart:
    positive = [one[np.isfinite(one) & (one > 0)] for one in loss.values()]
    values = np.concatenate([*positive, np.empty(0)])
    if not values.size:
        return Chart("Training loss", (), across, (), alternative)
    low, high = math.log10(values.min()), math.log10(values.max())
    # A flat curve keeps its axis.
    low, high = (low, high) if high - low > 0.1 else (low - 0.05, high + 0.05)
    steps = [
        factor * 10.0**power
        for power in range(math.floor(low), math.ceil(high) + 1)
        for factor in (1, 2, 5)
        if low <= math.log10(factor * 10.0**power) <= high
    ] or [float(values.max())]
    thinned = steps[:: max(1, math.ceil(len(steps) / _TICKS))]
    ticks = tuple(Tick(_up(math.log10(value), low, high), f"{value:g}") for value in thinned)
    curves = _curves(loss, looks, whole, low, high, math.log10)
    return Chart("Training loss", curves, across, ticks, alternative)


def _curves(
    values: dict[Training, np.ndarray],
    looks: dict[float, tuple[str, str, str]],
    whole: int,
    low: float,
    high: float,
    scaled: Callable[[float], float],
) -> tuple[Curve, ...]:
    return tuple(
        Curve(
            *looks[training.learning_rate],
            points=" ".join(
                f"{_across(epoch, whole):.1f},{_up(scaled(float(value)), low, high):.1f}"
                for epoch, value in enumerate(series, start=1)
                if np.isfinite(value) and (scaled is float or value > 0)
            ),
        )
        for training, series in values.items()
    )


def _epochs(whole: int) -> tuple[Tick, ...]:
    marked = sorted({1, (whole + 1) // 2, whole})
    return tuple(Tick(_across(epoch, whole), str(epoch)) for epoch in marked)


def _across(epoch: int, whole: int) -> float:
    return _WIDTH * (epoch - 1) / max(1, whole - 1)


def _up(value: float, low: float, high: float) -> float:
    return _HEIGHT * (1 - (value - low) / (high - low))


def _caption(
    outline: Outline,
    table: pd.DataFrame,
    key: tuple[str, str, str],
    trainings: Sequence[Training],
    accuracy: dict[Training, np.ndarray],
) -> str:
    dataset, model, optimizer = key
    if not accuracy:
        return "Not trained yet."
    last = {one: float(values[-1]) for one, values in accuracy.items()}
    best, worst = max(last, key=lambda one: last[one]), min(last, key=lambda one: last[one])
    parts = [
        f"Test accuracy after the last epoch: {_of(last, best)}"
        + (f", the lowest {_of(last, worst)}" if worst != best else "")
    ]
    rows = table[
        (table["dataset"] == dataset)
        & (table["model"] == model)
        & (table["optimizer"] == optimizer)
    ].drop_duplicates([*TRAINING_CELL, "seed"])
    settled = rows["settled"].dropna()
    if len(settled):
        parts.append(f"The loss had settled in {int(settled.sum())} of {len(settled)}")
    if lost := at_chance(rows, outline):
        parts.append(f"At chance: {_lost(lost, len(outline.seeds))}")
    if holes := len(trainings) - len(accuracy):
        parts.append(f"Not trained yet: {holes} of {count(len(trainings), 'training')}")
    return ". ".join(parts) + "."


def _of(last: dict[Training, float], one: Training) -> str:
    return f"{100 * last[one]:.1f} % at {format_number(one.learning_rate)}"


def _lost(lost: dict[tuple[str, str, str, float], int], seeds: int) -> str:
    return ", ".join(
        format_number(cell[3]) + (f" ({number} of {seeds} seeds)" if seeds > 1 else "")
        for cell, number in lost.items()
    )
