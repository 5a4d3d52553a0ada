"""Accuracy lost by the layer that alone receives noise, one line a learning rate."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator

from noise_resistance.analysis.figures import style
from noise_resistance.analysis.labels import describe_run, model_title
from noise_resistance.analysis.layers import read_layers
from noise_resistance.errors import DataError
from noise_resistance.study.numbers import format_number
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.outline import Outline

__all__ = ["draw", "figure_of"]


def draw(outline: Outline, layers: Path, model: str, stem: Path) -> None:
    """Draw the figure of one model, as PNG, SVG and PDF.

    Args:
        outline: the study.
        layers: its ``layers.h5``.
        model: such as ``resnet20``.
        stem: the files' path without its ending.

    Raises:
        DataError: the file is missing or damaged, or holds nothing of this model.
    """
    table = read_layers(layers)
    table = table[table["model"] == model]
    if table.empty:
        raise DataError(f"{layers}: holds nothing of the model '{model}'; name another")
    with style.styled():
        title = f"Accuracy lost by the layer with noise, {model_title(model)}"
        style.save(figure_of(table, outline), stem, title)


def figure_of(table: pd.DataFrame, outline: Outline) -> Figure:
    """Draw one panel a dataset and optimizer at the highest level, means over the seeds.

    Args:
        table: rows of `analysis.layers.COLUMNS` of one model.
        outline: the study.
    """
    level = table["noise_level"].max()
    table = table[table["noise_level"] == level]
    panels = {
        (str(dataset), str(optimizer)): one
        for (dataset, optimizer), one in table.groupby(["dataset", "optimizer"], sort=False)
    }
    layers = list(dict.fromkeys(table["layer"]))
    rates = sorted(table["learning_rate"].unique())
    colours, markers = style.sequence(len(rates)), style.markers(len(rates))
    figure, grid = style.new_figure(len(panels), panel_height=2.2, extra_height=1.6)
    for axes, ((dataset, optimizer), one) in zip(grid, panels.items(), strict=True):
        for rate, colour, marker in zip(rates, colours, markers, strict=True):
            line = one[one["learning_rate"] == rate].groupby("layer")["accuracy_lost"].mean()
            axes.plot(
                range(len(layers)), line.reindex(layers), color=colour, marker=marker,
                markersize=3, linewidth=0.9,
            )  # fmt: skip
        axes.set_title(f"{outline.datasets[dataset].title}, {OPTIMIZERS[optimizer].label}")
        axes.tick_params(axis="x", rotation=90, labelsize=5)
    grid[0].xaxis.set_major_locator(FixedLocator(range(len(layers))))
    grid[0].xaxis.set_major_formatter(FixedFormatter([one.replace("_", " ") for one in layers]))
    style.label_axes(grid, "Layer with noise, from the image to the classes", "Accuracy lost")
    parts = [model_title(str(table["model"].iloc[0])), f"η = {format_number(level)}"]
    style.subtitle(figure, [*parts, describe_run(outline)])
    looks = zip(rates, colours, markers, strict=True)
    handles = [
        style.key(format_number(rate), color=colour, marker=marker)
        for rate, colour, marker in looks
    ]
    style.legend(figure, handles, title="Initial learning rate")
    return figure
