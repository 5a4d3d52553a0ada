"""Figure 4: baseline and average normalized accuracy against the learning rate."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from noise_resistance.analysis.figures import style
from noise_resistance.analysis.labels import describe_run, experiment_named, row_titles, scope_of
from noise_resistance.analysis.published import noise_levels, published
from noise_resistance.analysis.statistics import (
    average_normalized_accuracy,
    baseline_accuracy,
    describe_interval,
    normalized_chance,
)
from noise_resistance.analysis.summary import read_summary
from noise_resistance.study.numbers import format_number
from noise_resistance.study.outline import Outline

__all__ = ["draw", "figure_of"]

_BASELINE, _AVERAGE = "baseline accuracy", "average normalized accuracy"
_DASHES: dict[str, Any] = {_BASELINE: "-", _AVERAGE: (0, (4, 1.6))}
_CHANCE: dict[str, Any] = {_BASELINE: (0, (1, 1.5)), _AVERAGE: (0, (4, 1.5, 1, 1.5))}


def draw(outline: Outline, summary_file: Path, scope: str, stem: Path) -> None:
    """Draw Figure 4, as PNG, SVG and PDF.

    Args:
        outline: the study.
        summary_file: its ``summary.h5``.
        scope: a noise scope of the trade-off experiment.
        stem: the files' path without its ending.

    Raises:
        ConfigurationError: the study has no such experiment or scope.
        DataError: the summary is missing or damaged.
    """
    table = read_summary(summary_file)
    with style.styled():
        title = f"Baseline and average normalized accuracy by learning rate, scope {scope}"
        style.save(figure_of(table, outline, scope), stem, title)


def figure_of(table: pd.DataFrame, outline: Outline, scope: str) -> Figure:
    """Draw one panel a dataset, one colour and marker a model, one kind of line a quantity.

    Args:
        table: the study's tidy table, columns of `analysis.summary.COLUMNS`.
        outline: the study.
        scope: a noise scope of the trade-off experiment.
    """
    experiment = experiment_named(outline, "tradeoff")
    rates = sorted(experiment.learning_rates)
    table = table[
        (table["scope"] == scope_of(experiment, scope)) & table["learning_rate"].isin(rates)
    ]
    values = {
        _BASELINE: baseline_accuracy(table).sort_values("learning_rate"),
        _AVERAGE: average_normalized_accuracy(table, outline.noise_levels).sort_values(
            "learning_rate"
        ),
    }
    series = row_titles(experiment)
    sources = {_BASELINE: "Table II"}
    if set(outline.noise_levels) - {0} == set(noise_levels()):
        sources[_AVERAGE] = "Table III"  # else the paper's average is over other noise levels
    is_printed = False
    figure, grid = style.new_figure(len(experiment.datasets), panel_height=2.1, extra_height=0.9)
    for axes, dataset in zip(grid, experiment.datasets, strict=True):
        here = {name: one[one["dataset"] == dataset] for name, one in values.items()}
        _draw_panel(axes, here, series)
        is_printed |= _draw_paper(axes, series, dataset, rates, sources)
        _draw_chance(axes, here[_BASELINE], series, outline.datasets[dataset].classes)
        axes.set_title(outline.datasets[dataset].title)
    grid[0].set_ylim(0, style.room_for(pd.concat(values)["value"]))
    _label_rates(figure, grid, rates)
    style.label_axes(grid, "Initial learning rate", "Accuracy (fraction)")
    interval = describe_interval(len(outline.seeds), outline.draws)
    style.subtitle(
        figure,
        [f"noise scope: {scope}", describe_run(outline), f"band: {interval}" if interval else ""],
    )
    models, others = _handles(series)
    style.legend(figure, models, [*others, *[style.paper_key()] * is_printed])
    return figure


def _draw_panel(
    axes: Axes, values: dict[str, pd.DataFrame], series: dict[tuple[str, str], str]
) -> None:
    looks = zip(series, style.categories(len(series)), style.markers(len(series)), strict=True)
    for (model, optimizer), colour, marker in looks:
        for quantity, table in values.items():
            line = table[(table["model"] == model) & (table["optimizer"] == optimizer)]
            style.band(axes, line["learning_rate"], line["low"], line["high"], colour)
            sns.lineplot(
                x=line["learning_rate"],
                y=line["value"],
                color=colour,
                marker=marker,
                linestyle=_DASHES[quantity],
                markeredgewidth=0.4,
                errorbar=None,
                legend=False,
                ax=axes,
            )
    axes.set_xscale("log")
    axes.margins(x=0.04)


def _draw_paper(
    axes: Axes,
    series: dict[tuple[str, str], str],
    dataset: str,
    rates: Sequence[float],
    sources: Mapping[str, str],
) -> bool:
    """Draw the values of the paper's table for each quantity; return whether there are any."""
    found = False
    looks = zip(series, style.categories(len(series)), style.markers(len(series)), strict=True)
    for (model, optimizer), colour, marker in looks:
        for quantity, source in sources.items():
            table = published(source=source)
            line = table[
                (table["dataset"] == dataset)
                & (table["model"] == model)
                & (table["optimizer"] == optimizer)
                & table["learning_rate"].isin(rates)
            ].sort_values("learning_rate")
            look = {**style.hollow(colour), "linestyle": _DASHES[quantity]}
            if not line.empty:
                axes.plot(line["learning_rate"], line["value"], marker=marker, **look)
                found = True
    return found


def _draw_chance(
    axes: Axes, baselines: pd.DataFrame, series: dict[tuple[str, str], str], classes: int
) -> None:
    """Draw chance for both quantities; the normalized one's is over the mean baseline at a rate."""
    known = [
        pair in series for pair in zip(baselines["model"], baselines["optimizer"], strict=True)
    ]
    mean = baselines[known].groupby("learning_rate")["value"].mean()
    chance = {
        _BASELINE: [1 / classes] * len(mean),
        _AVERAGE: [normalized_chance(classes, one) for one in mean],
    }
    for quantity, heights in chance.items():
        axes.plot(mean.index, heights, **{**style.CHANCE, "linestyle": _CHANCE[quantity]})


def _label_rates(figure: Figure, grid: Sequence[Axes], rates: Sequence[float]) -> None:
    """Put a tick at each rate; labels stand upright where they are too long to lie side by side."""
    labels = [format_number(rate) for rate in rates]
    decades = np.log10(rates)
    panel = 72 * figure.get_figwidth() / min(len(grid), 2) * 0.85
    positions = panel * (decades - decades[0]) / max(1.08 * (decades[-1] - decades[0]), 1e-9)
    is_crowded = len(rates) > 1 and np.diff(positions).min() < 0.7 * style.SMALL * max(
        map(len, labels)
    )
    if is_crowded:
        labels = _without_overlaps(labels, positions)
    grid[0].xaxis.set_major_locator(FixedLocator(list(rates)))
    grid[0].xaxis.set_major_formatter(FixedFormatter(labels))
    grid[0].xaxis.set_minor_locator(NullLocator())
    for axes in grid:
        axes.tick_params(axis="x", rotation=90 if is_crowded else 0)


def _without_overlaps(labels: list[str], positions: np.ndarray) -> list[str]:
    """Empty the labels that upright text of the one before would touch; their ticks stay."""
    kept, last = [], -np.inf
    for label, position in zip(labels, positions, strict=True):
        has_room = position - last >= 0.8 * style.SMALL
        kept.append(label if has_room else "")
        last = position if has_room else last
    return kept


def _handles(series: dict[tuple[str, str], str]) -> tuple[list[Line2D], list[Line2D]]:
    looks = zip(
        series.values(), style.categories(len(series)), style.markers(len(series)), strict=True
    )
    models = [
        style.key(title, color=colour, marker=marker, linestyle="none")
        for title, colour, marker in looks
    ]
    quantities = [style.key(name, color="0.25", linestyle=dash) for name, dash in _DASHES.items()]
    chance = [
        style.key(f"chance, {name}", **{**style.CHANCE, "linestyle": _CHANCE[quantity]})
        for quantity, name in ((_BASELINE, "baseline"), (_AVERAGE, "normalized"))
    ]
    return models, [*quantities, *chance]
