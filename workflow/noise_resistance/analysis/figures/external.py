"""Normalized accuracy against the noise level of models that were trained elsewhere."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from noise_resistance.analysis.external import read_external
from noise_resistance.analysis.figures import style
from noise_resistance.analysis.statistics import describe_interval, estimate

__all__ = ["draw", "figure_of"]

_DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = (
    "-",
    (0, (4, 1.5)),
    (0, (1.5, 1.2)),
    (0, (5, 1.2, 1.2, 1.2)),
)


def draw(external: Path, titles: Mapping[str, str], stem: Path) -> None:
    """Draw the figure, as PNG, SVG and PDF.

    Args:
        external: what `analysis.external.summarise_external` wrote as HDF5.
        titles: of the datasets, for people; one without a title bears its name.
        stem: the files' path without its ending.

    Raises:
        DataError: the file is missing or damaged.
    """
    table = read_external(external)
    with style.styled():
        title = "Normalized accuracy by noise form factor of models trained elsewhere"
        style.save(figure_of(table, titles), stem, title)


def figure_of(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Draw one panel a dataset, one line a model and noise scope, with intervals over draws.

    Args:
        table: columns of `analysis.external.COLUMNS`.
        titles: of the datasets.
    """
    datasets, models, scopes = (
        list(dict.fromkeys(table[name])) for name in ("dataset", "model", "scope")
    )
    colours = dict(zip(models, style.categories(len(models)), strict=True))
    markers = dict(zip(scopes, style.markers(len(scopes)), strict=True))
    dashes = {scope: _DASHES[index % len(_DASHES)] for index, scope in enumerate(scopes)}
    figure, grid = style.new_figure(len(datasets), panel_height=2.2, extra_height=1.0)
    for axes, dataset in zip(grid, datasets, strict=True):
        here = table[table["dataset"] == dataset]
        for (model, scope), group in here.groupby(["model", "scope"], sort=False):
            line = _line(group)
            colour = colours[str(model)]
            style.band(axes, line["noise_level"], line["low"], line["high"], colour)
            axes.plot(
                line["noise_level"],
                line["value"],
                color=colour,
                marker=markers[str(scope)],
                linestyle=dashes[str(scope)],
                markeredgecolor="white",
                markeredgewidth=0.4,
            )
        axes.set_title(titles.get(dataset, dataset))
    grid[0].set_ylim(0, style.room_for(table["normalized_accuracy"]))
    grid[0].xaxis.set_major_locator(MaxNLocator(5))
    horizontal = r"Noise form factor $\eta$ ($\sigma_{\mathrm{noise}}\,/\,\sigma_w$)"
    style.label_axes(grid, horizontal, "Normalized accuracy")
    draws = table["draw"].nunique()
    interval = describe_interval(1, draws)
    counted = f"{draws} draw{'s' * (draws > 1)}"
    parts = ["models trained elsewhere", counted, f"band: {interval}" if interval else ""]
    style.subtitle(figure, parts)
    of_models = [style.key(name, color=colour) for name, colour in colours.items()]
    of_scopes = [
        style.key(f"noise scope: {name}", color="0.4", marker=markers[name], linestyle=dashes[name])
        for name in scopes
    ]
    style.legend(figure, of_models, of_scopes)
    return figure


def _line(rows: pd.DataFrame) -> pd.DataFrame:
    """Return value and interval by noise level; the clean model is the point at 0."""
    points = [(0.0, 1.0, 1.0, 1.0)]
    for level, group in rows[rows["noise_level"] != 0].groupby("noise_level"):
        values = group.sort_values("draw")["normalized_accuracy"].to_numpy(np.float64)
        points.append((float(str(level)), *estimate(values[np.newaxis])))
    return pd.DataFrame(points, columns=["noise_level", "value", "low", "high"])
