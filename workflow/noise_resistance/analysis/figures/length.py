"""How the relation between learning rate and robustness moves along the trainings."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from noise_resistance.analysis.figures import style
from noise_resistance.analysis.labels import describe_run, model_title
from noise_resistance.analysis.lengths import cells_by_length
from noise_resistance.analysis.settling import SETTLED_BELOW, describe_schedule
from noise_resistance.analysis.statistics import describe_interval
from noise_resistance.study.numbers import format_number
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.outline import Outline

__all__ = ["draw", "figure_of"]

_APART = 1.03
_PANEL = ["dataset", "model", "optimizer"]


def draw(outline: Outline, lengths: Path, scope: str, stem: Path) -> None:
    """Draw the figure, as PNG, SVG and PDF.

    Args:
        outline: the study.
        lengths: its ``lengths.h5``.
        scope: a noise scope.
        stem: the files' path without its ending.

    Raises:
        DataError: the file is missing or damaged, or holds nothing of this scope.
    """
    table = cells_by_length(lengths, scope)
    with style.styled():
        title = f"Average normalized accuracy by learning rate and finished epochs, scope {scope}"
        style.save(figure_of(table, outline, scope), stem, title)


def figure_of(table: pd.DataFrame, outline: Outline, scope: str) -> Figure:
    """Draw one panel a dataset, model and optimizer, one line a number of finished epochs.

    Args:
        table: what `analysis.lengths.cells_by_length` gives.
        outline: the study.
        scope: the noise scope.
    """
    panels = {
        (str(dataset), str(model), str(optimizer)): one
        for (dataset, model, optimizer), one in table.groupby(_PANEL, sort=False)
    }
    several = {
        key: one for key, one in panels.items() if one["learning_rate"].nunique() > 1
    } or panels
    lengths = sorted(table["epochs"].unique())
    figure, grid = style.new_figure(len(several), panel_height=2.0, extra_height=1.1)
    for axes, (key, one) in zip(grid, several.items(), strict=True):
        _draw_panel(axes, one, lengths)
        dataset, model, optimizer = key
        axes.set_title(
            f"{outline.datasets[dataset].title}, {model_title(model)}, "
            f"{OPTIMIZERS[optimizer].label}"
        )
    shown = pd.concat(several.values())
    grid[0].set_ylim(0, style.room_for(shown["value"]))
    rates = sorted(shown["learning_rate"].unique())
    grid[0].set_xscale("log")
    grid[0].xaxis.set_major_locator(FixedLocator(rates))
    grid[0].xaxis.set_major_formatter(FixedFormatter([format_number(rate) for rate in rates]))
    grid[0].xaxis.set_minor_locator(NullLocator())
    for axes in grid:
        axes.tick_params(axis="x", rotation=90 if len(rates) > 3 else 0)
    style.label_axes(grid, "Initial learning rate", "Average normalized accuracy")
    interval = describe_interval(len(outline.seeds), outline.draws)
    settled = f"filled: loss changed by < {100 * SETTLED_BELOW:g} % in the last tenth"
    style.subtitle(
        figure,
        [
            f"noise scope: {scope}",
            describe_run(outline),
            describe_schedule(outline),
            f"bar: {interval}" if interval else "",
            f"{settled} of the finished epochs",
        ],
    )
    looks = zip(lengths, style.sequence(len(lengths)), style.markers(len(lengths)), strict=True)
    handles = [
        style.key(_label(table, epochs), color=colour, marker=marker)
        for epochs, colour, marker in looks
    ]
    # In two lines: a figure of one panel is narrow.
    title = "Finished epochs of one training, and\nthe rate then in force over the initial one"
    style.legend(figure, handles, title=title)
    return figure


def _label(table: pd.DataFrame, epochs: int) -> str:
    one = table[table["epochs"] == epochs].iloc[0]
    factor = float(f"{one['learning_rate_now'] / one['learning_rate']:.6g}")
    return f"{epochs}{' (end)' if one['final'] else ''}, × {format_number(factor)}"


def _draw_panel(axes: Axes, table: pd.DataFrame, lengths: Sequence[int]) -> None:
    looks = zip(lengths, style.sequence(len(lengths)), style.markers(len(lengths)), strict=True)
    for index, (epochs, colour, marker) in enumerate(looks):
        line = table[table["epochs"] == epochs].sort_values("learning_rate")
        # Bars of several lengths would lie on each other.
        line["learning_rate"] *= _APART ** (index - (len(lengths) - 1) / 2)
        axes.plot(line["learning_rate"], line["value"], color=colour)
        axes.vlines(line["learning_rate"], line["low"], line["high"], colors=colour, linewidth=0.8)
        filled = line["settled"] == line["seeds"]
        for chosen, face in ((line[filled], colour), (line[~filled], "white")):
            axes.plot(
                chosen["learning_rate"],
                chosen["value"],
                color=colour,
                marker=marker,
                linestyle="none",
                markerfacecolor=face,
                markeredgewidth=0.9,
            )
