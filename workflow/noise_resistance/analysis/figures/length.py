"""How the relation between learning rate and robustness moves with the length of the training."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from noise_resistance.analysis.figures import style
from noise_resistance.analysis.labels import describe_run, model_title
from noise_resistance.analysis.lengths import read_lengths
from noise_resistance.errors import DataError
from noise_resistance.study.numbers import format_number
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.outline import Outline

__all__ = ["draw", "figure_of"]

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
    table = read_lengths(lengths)
    table = table[table["scope"] == scope]
    if table.empty:
        raise DataError(f"{lengths}: holds nothing of the noise scope '{scope}'; name another")
    with style.styled():
        title = f"Average normalized accuracy by learning rate and training length, scope {scope}"
        style.save(figure_of(table, outline, scope), stem, title)


def figure_of(table: pd.DataFrame, outline: Outline, scope: str) -> Figure:
    """Draw one panel a dataset, model and optimizer, one line a length, means over the seeds.

    Args:
        table: rows of `analysis.lengths.COLUMNS` of one scope.
        outline: the study.
        scope: that scope.
    """
    panels = {
        (str(dataset), str(model), str(optimizer)): one
        for (dataset, model, optimizer), one in table.groupby(_PANEL, sort=False)
    }
    several = {
        key: one for key, one in panels.items() if one["learning_rate"].nunique() > 1
    } or panels
    lengths = sorted(table["epochs"].unique())
    figure, grid = style.new_figure(len(several), panel_height=2.0, extra_height=0.9)
    for axes, (key, one) in zip(grid, several.items(), strict=True):
        _draw_panel(axes, one, lengths)
        dataset, model, optimizer = key
        axes.set_title(
            f"{outline.datasets[dataset].title}, {model_title(model)}, "
            f"{OPTIMIZERS[optimizer].label}"
        )
    shown = pd.concat(several.values())
    grid[0].set_ylim(0, style.room_for(shown["average_normalized_accuracy"]))
    rates = sorted(shown["learning_rate"].unique())
    grid[0].set_xscale("log")
    grid[0].xaxis.set_major_locator(FixedLocator(rates))
    grid[0].xaxis.set_major_formatter(FixedFormatter([format_number(rate) for rate in rates]))
    grid[0].xaxis.set_minor_locator(NullLocator())
    for axes in grid:
        axes.tick_params(axis="x", rotation=90 if len(rates) > 4 else 0)
    style.label_axes(grid, "Initial learning rate", "Average normalized accuracy")
    settled = "filled: loss changed by < 1 % in the last tenth"
    style.subtitle(figure, [f"noise scope: {scope}", describe_run(outline), settled])
    looks = zip(lengths, style.sequence(len(lengths)), style.markers(len(lengths)), strict=True)
    handles = [style.key(f"{one}", color=colour, marker=marker) for one, colour, marker in looks]
    style.legend(figure, handles, title="Finished epochs")
    return figure


def _draw_panel(axes: Axes, table: pd.DataFrame, lengths: Sequence[int]) -> None:
    looks = zip(lengths, style.sequence(len(lengths)), style.markers(len(lengths)), strict=True)
    for epochs, colour, marker in looks:
        line = (
            table[table["epochs"] == epochs]
            .groupby("learning_rate")[["average_normalized_accuracy", "settled"]]
            .mean()
            .sort_index()
        )
        average = line["average_normalized_accuracy"]
        axes.plot(line.index, average, color=colour)
        for filled in (True, False):
            chosen = (line["settled"] == 1) == filled
            axes.plot(
                line.index[chosen],
                average[chosen],
                color=colour,
                marker=marker,
                linestyle="none",
                markerfacecolor=colour if filled else "white",
                markeredgewidth=0.9,
            )
