"""Figure 3: baseline and average normalized accuracy by optimizer."""

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from noise_resistance.analysis.figures import style
from noise_resistance.analysis.labels import describe_run, experiment_named, model_title, scope_of
from noise_resistance.analysis.published import noise_levels, published
from noise_resistance.analysis.statistics import (
    average_normalized_accuracy,
    baseline_accuracy,
    describe_interval,
)
from noise_resistance.analysis.summary import read_summary
from noise_resistance.study.numbers import format_number
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.outline import Outline

__all__ = ["draw", "figure_of"]

_QUANTITIES = {"baseline": "baseline accuracy", "average": "average normalized accuracy"}
_COLOURS = dict(zip(_QUANTITIES, ("#0072b2", "#d55e00"), strict=True))
_MARKERS = dict(zip(_QUANTITIES, ("o", "D"), strict=True))
_SHADE = "0.93"


def draw(outline: Outline, summary_file: Path, scope: str, stem: Path) -> None:
    """Draw Figure 3, as PNG, SVG and PDF.

    Args:
        outline: the study.
        summary_file: its ``summary.h5``.
        scope: a noise scope of the optimizer experiment.
        stem: the files' path without its ending.

    Raises:
        ConfigurationError: the study has no such experiment or scope.
        DataError: the summary is missing or damaged.
    """
    table = read_summary(summary_file)
    with style.styled():
        title = f"Baseline and average normalized accuracy by optimizer, scope {scope}"
        style.save(figure_of(table, outline, scope), stem, title)


def figure_of(table: pd.DataFrame, outline: Outline, scope: str) -> Figure:
    """Draw one panel a (dataset, model, learning rate), one row an optimizer from the top.

    Args:
        table: the study's tidy table, columns of `analysis.summary.COLUMNS`.
        outline: the study.
        scope: a noise scope of the optimizer experiment.
    """
    experiment = experiment_named(outline, "optimizer")
    optimizers = experiment.optimizers
    table = table[
        (table["scope"] == scope_of(experiment, scope)) & table["optimizer"].isin(optimizers)
    ]
    average = average_normalized_accuracy(table, outline.noise_levels).assign(quantity="average")
    values = pd.concat([baseline_accuracy(table).assign(quantity="baseline"), average])
    panels = [
        (dataset, model, rate)
        for dataset in experiment.datasets
        for model in experiment.models
        for rate in experiment.learning_rates
    ]
    figure, grid = style.new_figure(
        len(panels), panel_height=0.3 + 0.27 * len(optimizers), extra_height=0.95
    )
    printed = published(source="Figure 3")
    if set(outline.noise_levels) - {0} != set(noise_levels()):
        # The paper's average is over other noise levels than this one.
        printed = printed[printed["quantity"] != "average_normalized_accuracy"]
    is_printed = False
    for axes, (dataset, model, rate) in zip(grid, panels, strict=True):
        here = (
            (values["dataset"] == dataset)
            & (values["model"] == model)
            & (values["learning_rate"] == rate)
        )
        _draw_panel(axes, values[here], optimizers, outline.datasets[dataset].classes)
        paper = printed[
            (printed["dataset"] == dataset)
            & (printed["model"] == model)
            & (printed["learning_rate"] == rate)
            & printed["optimizer"].isin(optimizers)
        ]
        is_printed |= not paper.empty
        _draw_paper(axes, paper, optimizers)
        several = len(experiment.learning_rates) > 1
        parts = [
            model_title(model),
            outline.datasets[dataset].title,
            *[format_number(rate)] * several,
        ]
        axes.set_title(", ".join(parts))
    grid[0].set_xlim(0, style.room_for(values["value"]))
    style.label_axes(grid, "Accuracy (fraction)")
    interval = describe_interval(len(outline.seeds), outline.draws)
    rates = ", ".join(format_number(rate) for rate in experiment.learning_rates)
    style.subtitle(
        figure,
        [
            f"noise scope: {scope}",
            f"learning rate {rates}",
            describe_run(outline),
            f"bar: {interval}" if interval else "",
        ],
    )
    quantities, others = _handles()
    paper_keys = [style.paper_key()] * is_printed
    style.legend(figure, quantities, [*others, *paper_keys])
    return figure


def _draw_panel(
    axes: Axes, values: pd.DataFrame, optimizers: tuple[str, ...], classes: int
) -> None:
    order = list(optimizers)
    position = {name: index for index, name in enumerate(order)}
    for name, index in position.items():
        if OPTIMIZERS[name].adaptive:
            axes.axhspan(index - 0.5, index + 0.5, color=_SHADE, linewidth=0, zorder=0)
    baselines = values[values["quantity"] == "baseline"].set_index("optimizer")["value"]
    for quantity, shift in zip(_QUANTITIES, (-0.14, 0.14), strict=True):
        rows = values[values["quantity"] == quantity]
        heights = np.array([position[name] + shift for name in rows["optimizer"]])
        chance = (
            1 / classes / (1 if quantity == "baseline" else baselines[rows["optimizer"]].to_numpy())
        )
        # Over the dots, since most intervals are narrower than a dot.
        axes.errorbar(
            rows["value"],
            heights,
            xerr=(rows["value"] - rows["low"], rows["high"] - rows["value"]),
            fmt="none",
            ecolor="0.1",
            elinewidth=0.7,
            capsize=1.6,
            capthick=0.7,
            zorder=4,
        )
        axes.scatter(
            np.broadcast_to(chance, heights.shape),
            heights,
            marker="|",
            color=_COLOURS[quantity],
            s=18,
            linewidth=1.0,
        )
        sns.scatterplot(
            x=rows["value"].to_numpy(),
            y=heights,
            color=_COLOURS[quantity],
            marker=_MARKERS[quantity],
            s=17,
            zorder=3,
            legend=False,
            ax=axes,
        )
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_yticks(range(len(order)), [OPTIMIZERS[name].label for name in order])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _draw_paper(axes: Axes, printed: pd.DataFrame, optimizers: tuple[str, ...]) -> None:
    """Draw the paper's values at the height of the study's."""
    columns = {"baseline": "baseline_accuracy", "average": "average_normalized_accuracy"}
    for quantity, shift in zip(_QUANTITIES, (-0.14, 0.14), strict=True):
        rows = printed[printed["quantity"] == columns[quantity]]
        heights = [optimizers.index(name) + shift for name in rows["optimizer"]]
        look = {**style.hollow(_COLOURS[quantity]), "linestyle": "none"}
        if heights:
            axes.plot(rows["value"], heights, marker=_MARKERS[quantity], **look)


def _handles() -> tuple[list[Artist], list[Artist]]:
    quantities: list[Artist] = [
        style.key(label, color=_COLOURS[name], marker=_MARKERS[name], linestyle="none")
        for name, label in _QUANTITIES.items()
    ]
    chance = style.key(
        "chance",
        color="0.25",
        marker="|",
        markeredgecolor="0.25",
        linestyle="none",
        markeredgewidth=1.0,
    )
    return quantities, [chance, Patch(color=_SHADE, label="adaptive step size")]
