"""Average normalized accuracy against what may explain it, over all trainings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from scipy import stats

from noise_resistance.analysis.diagnostics import read_diagnostics
from noise_resistance.analysis.figures import style
from noise_resistance.analysis.labels import describe_run, model_title
from noise_resistance.analysis.statistics import TRAINING_CELL, average_normalized_accuracy
from noise_resistance.analysis.summary import read_summary
from noise_resistance.errors import DataError
from noise_resistance.study.outline import Outline

__all__ = ["draw", "figure_of", "rank_correlation", "trainings_of", "within_groups"]

# Each quantity's column, point of the training (0 first, -1 last) and axis.
_PANELS: dict[str, tuple[str, int, str]] = {
    "Dead channels, end": ("dead_fraction", -1, "Fraction of BatchNorm channels"),
    "Gradient noise, start": ("step_noise_batch", 0, r"$\alpha^2\,E\|g_B - g_D\|^2$"),
    "Noise of updates, start": ("update_noise", 0, r"$E\|u_B - \bar u\|^2$"),
    "Amplification, end": (
        "amplification_max",
        -1,
        r"Largest $|\gamma|\,(\mathrm{variance} + \epsilon)^{-1/2}$",
    ),
}
_RESAMPLES = 2000
_FEWEST = 4


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
    with style.styled():
        title = f"Average normalized accuracy against dead channels and noise, scope {scope}"
        points = trainings_of(table, read_diagnostics(diagnostics), outline)
        style.save(figure_of(points, outline, scope), stem, title)


def trainings_of(table: pd.DataFrame, diagnostics: pd.DataFrame, outline: Outline) -> pd.DataFrame:
    """Return one row a training: its average normalized accuracy beside each panel's quantity.

    Args:
        table: the tidy table of one scope.
        diagnostics: columns of `analysis.diagnostics.COLUMNS`.
        outline: the study.
    """
    one_by_one = [
        average_normalized_accuracy(rows, outline.noise_levels).assign(seed=seed)
        for seed, rows in table.groupby("seed", sort=False)
    ]
    points = pd.concat(one_by_one)[[*TRAINING_CELL, "seed", "value"]]
    keys = [*TRAINING_CELL, "seed"]
    ordered = diagnostics.sort_values("epochs")
    for title, (column, point, _) in _PANELS.items():
        chosen = pd.DataFrame(ordered.groupby(keys, sort=False).nth(point))[[*keys, column]]
        points = points.merge(chosen.rename(columns={column: title}), on=keys, how="left")
    return points


def rank_correlation(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Return Spearman's rank correlation and its 95 % interval, by a seeded percentile bootstrap.

    Args:
        x: one value a training.
        y: likewise.

    Returns: NaN for all three where fewer than four trainings are there or a quantity is constant.
    """
    nothing = float("nan")
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < _FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return nothing, nothing, nothing
    generator = np.random.default_rng(0)
    found = []
    for _ in range(_RESAMPLES):
        chosen = generator.integers(0, len(x), len(x))
        if np.ptp(x[chosen]) > 0 and np.ptp(y[chosen]) > 0:
            found.append(stats.spearmanr(x[chosen], y[chosen]).statistic)
    low, high = np.percentile(found, [2.5, 97.5])
    return float(stats.spearmanr(x, y).statistic), float(low), float(high)


def within_groups(points: pd.DataFrame, title: str) -> pd.DataFrame:
    """Return ranks inside each dataset and model, from -0.5 to 0.5, of two or more trainings.

    Over all trainings, what tells datasets and models apart hides what tells learning rates and
    optimizers apart; here the former is taken out.
    """
    known = points.dropna(subset=[title, "value"])
    groups = known.groupby(["dataset", "model"])
    sizes = groups["value"].transform("size")
    ranks = (
        groups[[title, "value"]]
        .rank()
        .sub((sizes + 1) / 2, axis=0)
        .div((sizes - 1).clip(lower=1), axis=0)
    )
    return pd.DataFrame(ranks[sizes > 1])


def figure_of(points: pd.DataFrame, outline: Outline, scope: str) -> Figure:
    """Draw one panel a quantity, one dot a training; colour is the model, marker the dataset.

    Args:
        points: what `trainings_of` gives.
        outline: the study.
        scope: the noise scope.
    """
    figure, grid = style.new_figure(len(_PANELS), panel_height=2.4, extra_height=0.9, share=False)
    models = list(dict.fromkeys(points["model"]))
    datasets = list(dict.fromkeys(points["dataset"]))
    colours = dict(zip(models, style.categories(len(models)), strict=True))
    markers = dict(zip(datasets, style.markers(len(datasets)), strict=True))
    top = style.room_for(points["value"])
    for index, (axes, (title, (_, _, label))) in enumerate(zip(grid, _PANELS.items(), strict=True)):
        _draw_panel(axes, points, title, (colours, markers))
        overall = _describe(points[title], points["value"])
        inside = within_groups(points, title)
        within = _describe(inside[title], inside["value"])
        axes.set_title(f"{title}\nall: {overall}\nwithin: {within}", fontsize=style.SMALL)
        axes.set_xlabel(label)
        axes.set_ylabel("" if index % 2 else "Average normalized accuracy")
        axes.set_ylim(0, top)
    notes = [
        "ρ: Spearman's rank correlation over trainings, 95 % bootstrap interval",
        "within: of ranks inside each dataset and model",
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


def _describe(x: pd.Series, y: pd.Series) -> str:
    rho, low, high = rank_correlation(x.to_numpy(np.float64), y.to_numpy(np.float64))
    text = f"ρ = {rho:+.2f} [{low:+.2f}, {high:+.2f}]" if np.isfinite(rho) else "undetermined"
    return text.replace("-", "−")
