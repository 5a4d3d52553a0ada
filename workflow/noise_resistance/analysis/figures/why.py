"""Average normalized accuracy against what may explain it, over all trainings.

At its start a training's weights and batches depend on its seed alone, so its gradient noise is
the same at all learning rates and for all optimizers, and alpha^2 times it is the learning rate in
other units. So noise is taken before the first decay, where the training has come under its own
learning rate, and at the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from noise_resistance.analysis.correlation import Correlation, rank_correlation
from noise_resistance.analysis.diagnostics import read_diagnostics
from noise_resistance.analysis.figures import style
from noise_resistance.analysis.labels import describe_run, model_title
from noise_resistance.analysis.statistics import TRAINING_CELL, average_normalized_accuracy
from noise_resistance.analysis.summary import read_summary
from noise_resistance.analysis.within import WithinCorrelation, correlation_within
from noise_resistance.errors import DataError
from noise_resistance.study.outline import Outline

__all__ = ["Panel", "draw", "figure_of", "panels_of", "trainings_of"]

_KEYS = [*TRAINING_CELL, "seed"]


@dataclass(frozen=True)
class Panel:
    """One quantity at one point of the trainings.

    Attributes:
        column: of `analysis.diagnostics.COLUMNS`.
        before_decay: whether at the last point before the learning rate first fell, or at the end.
        title: over the panel.
        label: of its horizontal axis.
    """

    column: str
    before_decay: bool
    title: str
    label: str

    @property
    def name(self) -> str:
        """The quantity's column in what `trainings_of` gives."""
        return f"{self.column}, {'before decay' if self.before_decay else 'end'}"


_DECAY, _END = "before the first decay", "end"
_NOISE = r"$E\|g_B - g_D\|^2$"
_STEP = r"$\alpha^2\,E\|g_B - g_D\|^2$"
_UPDATE = r"$E\|u_B - \bar u\|^2$"
_GAIN = r"Largest $|\gamma|\,(\mathrm{variance} + \epsilon)^{-1/2}$"
_OF_WEIGHTS = (
    Panel("dead_fraction", False, "Dead channels, end", "Fraction of BatchNorm channels"),
    Panel("amplification_max", False, "Amplification, end", _GAIN),
)
_AT_END = Panel("gradient_noise_batch", False, f"Gradient noise, {_END}", _NOISE)


def panels_of(diagnostics: pd.DataFrame) -> tuple[Panel, ...]:
    """Return what is drawn: noise before the first decay where a point between start and end is.

    Args:
        diagnostics: columns of `analysis.diagnostics.COLUMNS`.
    """
    middle = bool((_before_decay(diagnostics)["epochs"] < diagnostics["epochs"].max()).any())
    when = _DECAY if middle else _END
    scaled = (
        Panel("step_noise_batch", middle, f"Step noise (holds the rate), {when}", _STEP),
        Panel("update_noise", middle, f"Noise of updates, {when}", _UPDATE),
    )
    if not middle:
        return (*_OF_WEIGHTS, _AT_END, *scaled)
    during = Panel("gradient_noise_batch", True, f"Gradient noise, {_DECAY}", _NOISE)
    return (*_OF_WEIGHTS, during, _AT_END, *scaled)


def draw(outline: Outline, summary: Path, diagnostics: Path, scope: str, stem: Path) -> None:
    """Draw the figure, as PNG, SVG and PDF.

    Args:
        outline: the study.
        summary: its ``summary.h5``.
        diagnostics: its ``diagnostics.h5``.
        scope: a noise scope.
        stem: the files' path without its ending.

    Raises:
        DataError: a file is missing or damaged, or the summary holds nothing of this scope.
    """
    table = read_summary(summary)
    table = table[table["scope"] == scope]
    if table.empty:
        raise DataError(f"{summary}: holds nothing of the noise scope '{scope}'; name another")
    measured = read_diagnostics(diagnostics)
    panels = panels_of(measured)
    with style.styled():
        title = f"Average normalized accuracy against dead channels and noise, scope {scope}"
        points = trainings_of(table, measured, outline, panels)
        style.save(figure_of(points, outline, scope, panels), stem, title)


def trainings_of(
    table: pd.DataFrame, diagnostics: pd.DataFrame, outline: Outline, panels: tuple[Panel, ...]
) -> pd.DataFrame:
    """Return one row a training: its average normalized accuracy beside each panel's quantity.

    Args:
        table: the tidy table of one scope.
        diagnostics: columns of `analysis.diagnostics.COLUMNS`.
        outline: the study.
        panels: the quantities, whose names are the columns.
    """
    one_by_one = [
        average_normalized_accuracy(rows, outline.noise_levels).assign(seed=seed)
        for seed, rows in table.groupby("seed", sort=False)
    ]
    points = pd.concat(one_by_one)[[*_KEYS, "value"]]
    end = diagnostics.sort_values("epochs").groupby(_KEYS, sort=False, as_index=False).last()
    decay = _before_decay(diagnostics)
    for panel in panels:
        chosen = (decay if panel.before_decay else end)[[*_KEYS, panel.column]]
        named = chosen.rename(columns={panel.column: panel.name})
        points = points.merge(named, on=_KEYS, how="left")
    return points


def _before_decay(diagnostics: pd.DataFrame) -> pd.DataFrame:
    """Return each training's last point after its start at which the rate had not yet fallen."""
    ordered = diagnostics.sort_values("epochs")
    rates = ordered.groupby(_KEYS, sort=False)["learning_rate_now"]
    undecayed = ordered[(rates.cummax() == ordered["learning_rate_now"]) & (ordered["epochs"] > 0)]
    return undecayed.groupby(_KEYS, sort=False, as_index=False).last()


def figure_of(
    points: pd.DataFrame, outline: Outline, scope: str, panels: tuple[Panel, ...]
) -> Figure:
    """Draw one panel a quantity, one dot a training; colour is the model, marker the dataset.

    Args:
        points: what `trainings_of` gives.
        outline: the study.
        scope: the noise scope.
        panels: the quantities.
    """
    figure, grid = style.new_figure(len(panels), panel_height=2.6, extra_height=1.0, share=False)
    models = list(dict.fromkeys(points["model"]))
    datasets = list(dict.fromkeys(points["dataset"]))
    colours = dict(zip(models, style.categories(len(models)), strict=True))
    markers = dict(zip(datasets, style.markers(len(datasets)), strict=True))
    top = style.room_for(points["value"])
    names = [panel.name for panel in panels]
    cells = points.groupby(TRAINING_CELL, as_index=False)[[*names, "value"]].mean()
    for index, (axes, panel) in enumerate(zip(grid, panels, strict=True)):
        _draw_panel(axes, points, panel.name, (colours, markers))
        axes.set_title(_title(panel, points, cells), fontsize=style.SMALL)
        axes.set_xlabel(panel.label)
        axes.set_ylabel("" if index % 2 else "Average normalized accuracy")
        axes.set_ylim(0, top)
    notes = [
        "ρ: Spearman's rank correlation over cells (trainings but for the seed), 95 % interval",
        "in a network: of ranks inside each dataset and model",
        "at one rate: of ranks inside each dataset and learning rate",
        "p: permutations inside these groups",
    ]
    style.subtitle(figure, [f"noise scope: {scope}", describe_run(outline), *notes])
    colour_keys = [
        style.key(model_title(one), color=colours[one], marker="o", linestyle="none")
        for one in models
    ]
    marker_keys = [
        style.key(outline.datasets[one].title, color="0.4", marker=markers[one], linestyle="none")
        for one in datasets
    ]
    style.legend(figure, colour_keys, marker_keys)
    return figure


def _title(panel: Panel, points: pd.DataFrame, cells: pd.DataFrame) -> str:
    name = panel.name
    of_cell = list(points[TRAINING_CELL].itertuples(index=False, name=None))
    overall = rank_correlation(points[name].to_numpy(), points["value"].to_numpy(), of_cell)
    network = correlation_within(cells, name, "value", ["dataset", "model"])
    rate = correlation_within(cells, name, "value", ["dataset", "learning_rate"])
    return (
        f"{panel.title}\nall: {_describe(overall)}\n"
        f"in a network: {_describe(network)}\nat one rate: {_describe(rate)}"
    )


def _draw_panel(
    axes: Axes,
    points: pd.DataFrame,
    title: str,
    looks: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> None:
    colours, markers = looks
    for (model, dataset), group in points.groupby(["model", "dataset"], sort=False):
        axes.plot(
            group[title],
            group["value"],
            linestyle="none",
            color=colours[str(model)],
            marker=markers[str(dataset)],
            markeredgecolor="white",
            markeredgewidth=0.4,
            alpha=0.9,
        )
    known = points[title].dropna()
    if len(known) and known.min() > 0 and known.max() / known.min() > 20:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.margins(x=0.06)
    if len(known) and known.min() == known.max() == 0:
        axes.set_xlim(-0.05, 1)


def _describe(found: Correlation | WithinCorrelation) -> str:
    if not np.isfinite(found.value):
        return "undetermined"
    text = f"ρ = {found.value:+.2f}"
    if isinstance(found, Correlation) and np.isfinite(found.low):
        text += f" [{found.low:+.2f}, {found.high:+.2f}]"
    else:
        text += f" (p {'< 0.001' if found.p < 0.001 else f'= {found.p:.2g}'})"
    return text.replace("-", "−")
