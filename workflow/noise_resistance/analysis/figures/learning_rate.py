"""Figures 1 and 2: normalized accuracy against the noise form factor, one line a learning rate."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from noise_resistance.analysis.figures import style
from noise_resistance.analysis.labels import (
    dataset_of,
    describe_run,
    experiment_named,
    row_titles,
    scope_of,
)
from noise_resistance.analysis.published import published
from noise_resistance.analysis.statistics import (
    baseline_accuracy,
    describe_interval,
    normalized_accuracy,
    normalized_chance,
)
from noise_resistance.analysis.summary import read_summary
from noise_resistance.study.numbers import format_number
from noise_resistance.study.outline import Outline

__all__ = ["draw", "figure_of"]


def draw(outline: Outline, summary_file: Path, scope: str, dataset: str, stem: Path) -> None:
    """Draw Figure 1 or 2, as PNG, SVG and PDF.

    Args:
        outline: the study.
        summary_file: its ``summary.h5``.
        scope: a noise scope of the learning-rate experiment.
        dataset: one of its datasets; CIFAR10 makes Figure 1, CIFAR100 Figure 2.
        stem: the files' path without its ending.

    Raises:
        ConfigurationError: the study has no such experiment, scope or dataset.
        DataError: the summary is missing or damaged.
    """
    table = read_summary(summary_file)
    with style.styled():
        figure = figure_of(table, outline, scope, dataset)
        trained_on = outline.datasets[dataset].title
        title = f"Normalized accuracy by noise form factor, {trained_on}, scope {scope}"
        style.save(figure, stem, title)


def figure_of(table: pd.DataFrame, outline: Outline, scope: str, dataset: str) -> Figure:
    """Draw one panel a model; the clean model is the point at 0, where equation (8) is 1.

    Args:
        table: the study's tidy table, columns of `analysis.summary.COLUMNS`.
        outline: the study.
        scope: a noise scope of the learning-rate experiment.
        dataset: one of its datasets.
    """
    experiment = experiment_named(outline, "learning_rate")
    rates = sorted(experiment.learning_rates)
    table = table[
        (table["scope"] == scope_of(experiment, scope))
        & (table["dataset"] == dataset_of(experiment, dataset))
        & table["learning_rate"].isin(rates)
    ]
    normalized, baselines = _with_clean_models(normalized_accuracy(table)), baseline_accuracy(table)
    panels = row_titles(experiment)
    in_paper = published("normalized_accuracy")
    in_paper = in_paper[(in_paper["dataset"] == dataset) & in_paper["learning_rate"].isin(rates)]
    is_printed = any(len(_of(in_paper, pair)) for pair in panels)
    figure, grid = style.new_figure(len(panels), panel_height=2.0, extra_height=0.9)
    for axes, (pair, title) in zip(grid, panels.items(), strict=True):
        _draw_panel(axes, _of(normalized, pair), rates)
        baseline = float(_of(baselines, pair)["value"].mean())
        axes.axhline(normalized_chance(outline.datasets[dataset].classes, baseline), **style.CHANCE)
        axes.set_title(title)
        _draw_paper(axes, _of(in_paper, pair), rates)
    grid[0].set_ylim(0, style.room_for(normalized["value"]))
    grid[0].xaxis.set_major_locator(MaxNLocator(5))
    horizontal = r"Noise form factor $\eta$ ($\sigma_{\mathrm{noise}}\,/\,\sigma_w$)"
    style.label_axes(grid, horizontal, "Normalized accuracy")
    interval = describe_interval(len(outline.seeds), outline.draws)
    style.subtitle(
        figure,
        [
            outline.datasets[dataset].title,
            f"noise scope: {scope}",
            describe_run(outline),
            f"band: {interval}" if interval else "",
        ],
    )
    style.legend(
        figure, [*_handles(rates), *[style.paper_key()] * is_printed], title="Initial learning rate"
    )
    return figure


def _of(values: pd.DataFrame, pair: tuple[str, str]) -> pd.DataFrame:
    return values[(values["model"] == pair[0]) & (values["optimizer"] == pair[1])]


def _with_clean_models(normalized: pd.DataFrame) -> pd.DataFrame:
    """Add the point at eta = 0 to cells that were not evaluated there."""
    cell = ["model", "optimizer", "learning_rate"]
    measured = normalized.dropna(subset="value")
    clean = measured.drop_duplicates(cell).assign(noise_level=0.0, value=1.0, low=1.0, high=1.0)
    evaluated = measured[measured["noise_level"] != 0]
    points = pd.concat([clean, evaluated], ignore_index=True)
    return points.sort_values([*cell, "noise_level"])


def _draw_panel(axes: Axes, normalized: pd.DataFrame, rates: Sequence[float]) -> None:
    colours = style.sequence(len(rates))
    labels = [format_number(rate) for rate in rates]
    for rate, colour in zip(rates, colours, strict=True):
        line = normalized[normalized["learning_rate"] == rate]
        style.band(axes, line["noise_level"], line["low"], line["high"], colour)
    named = normalized.assign(label=[format_number(rate) for rate in normalized["learning_rate"]])
    sns.lineplot(
        data=named,
        x="noise_level",
        y="value",
        hue="label",
        style="label",
        hue_order=labels,
        style_order=labels,
        palette=dict(zip(labels, colours, strict=True)),
        markers=dict(zip(labels, style.markers(len(rates)), strict=True)),
        dashes=False,
        errorbar=None,
        markeredgewidth=0.4,
        legend=False,
        ax=axes,
    )


def _draw_paper(axes: Axes, printed: pd.DataFrame, rates: Sequence[float]) -> None:
    """Draw the values that the paper's text prints."""
    looks = zip(rates, style.sequence(len(rates)), style.markers(len(rates)), strict=True)
    for rate, colour, marker in looks:
        line = printed[printed["learning_rate"] == rate].sort_values("noise_level")
        if not line.empty:
            axes.plot(line["noise_level"], line["value"], marker=marker, **style.hollow(colour))


def _handles(rates: Sequence[float]) -> list[Line2D]:
    looks = zip(rates, style.sequence(len(rates)), style.markers(len(rates)), strict=True)
    handles = [
        style.key(format_number(rate), color=colour, marker=marker)
        for rate, colour, marker in looks
    ]
    return [*handles, style.key("chance", **style.CHANCE)]
