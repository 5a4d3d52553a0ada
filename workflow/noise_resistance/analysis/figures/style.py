"""What all figures share: sizes, fonts, colours, legend, and files that are the same every time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from noise_resistance.storage.files import replace_atomically

__all__ = [
    "CHANCE",
    "SMALL",
    "band",
    "categories",
    "hollow",
    "key",
    "label_axes",
    "legend",
    "markers",
    "new_figure",
    "paper_key",
    "room_for",
    "save",
    "sequence",
    "styled",
    "subtitle",
]

_ONE_COLUMN, _TWO_COLUMNS = 3.5, 7.2  # inches, of a two-column page
SMALL = 7.0  # points, the smallest text
CHANCE: dict[str, Any] = {
    "color": "0.35",
    "linewidth": 1.0,
    "linestyle": (0, (1, 1.5)),
    "zorder": 1.5,
}
# Each differs from its neighbours without colour.
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
# Okabe and Ito's colours, told apart under every kind of colour blindness, in an order in which
# neighbours differ in grey too.
_CATEGORIES = ("#0072b2", "#e69f00", "#000000", "#cc79a7", "#56b4e9", "#d55e00", "#009e73")

_DOTS_PER_INCH = 300
_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "0.25",
    "axes.grid": True,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.wspace": 0.05,
    "figure.constrained_layout.w_pad": 0.03,
    "figure.titlesize": SMALL,
    "font.family": "DejaVu Sans",
    "font.size": SMALL,
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.title_fontsize": SMALL,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.2,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "noise-resistance",
    "xtick.labelsize": SMALL,
    "xtick.major.width": 0.6,
    "ytick.labelsize": SMALL,
    "ytick.major.width": 0.6,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save inside of this, whatever the user's own Matplotlib settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def new_figure(
    panels: int, panel_height: float, extra_height: float = 0.0, share: bool = True
) -> tuple[Figure, list[Axes]]:
    """Make a figure of one panel at column width, or of several in two columns at page width.

    Args:
        panels: how many.
        panel_height: of one panel, in inches.
        extra_height: for what stands around the panels, in inches.
        share: whether the panels share both axes.

    Returns:
        the figure and its panels, the first row's first.
    """
    columns = min(panels, 2)
    rows = -(-panels // columns)
    width = _ONE_COLUMN if columns == 1 else _TWO_COLUMNS
    figure = Figure(figsize=(width, rows * panel_height + extra_height), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=share, sharey=share, squeeze=False).ravel()
    for unused in grid[panels:]:
        unused.remove()
    return figure, list(grid[:panels])


def subtitle(figure: Figure, parts: Sequence[str]) -> None:
    """State in small print above the panels what the figure shows; lines break between parts."""
    characters = int(figure.get_figwidth() * 72 / (0.56 * SMALL))
    lines: list[str] = []
    for part in filter(None, parts):
        if lines and len(lines[-1]) + len(part) + 3 <= characters:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    figure.suptitle("\n".join(lines), color="0.25", linespacing=1.3)


def label_axes(grid: Sequence[Axes], horizontal: str, vertical: str = "") -> None:
    """Name the axes at the left of each row and below the last.

    Where the last row is not full, the row above it is named too: it ends a column.
    """
    columns = min(len(grid), 2)
    named_from = (len(grid) // columns - 1) * columns
    for index, axes in enumerate(grid):
        axes.tick_params(labelbottom=index >= named_from)
        axes.xaxis.label.set_visible(True)
        axes.set_xlabel(horizontal if index >= named_from else "")
        axes.set_ylabel("" if index % columns else vertical)


def legend(figure: Figure, *groups: Sequence[Artist], title: str | None = None) -> None:
    """Put the figure's one legend below the panels, read from left to right, then down.

    Args:
        figure: its width decides how many entries stand side by side.
        groups: the entries; each group begins a row.
        title: over the entries.
    """
    for limit in range(max(len(group) for group in groups), 0, -1):
        columns = max(_balanced(len(group), limit) for group in groups)
        entries = [entry for group in groups for entry in _padded(group, columns)]
        # Matplotlib fills column by column.
        ordered = [
            entries[i] for column in range(columns) for i in range(column, len(entries), columns)
        ]
        drawn = figure.legend(
            handles=ordered,
            title=title,
            loc="outside lower center",
            ncols=columns,
            columnspacing=1.2,
            handlelength=2.2,
            handletextpad=0.6,
        )
        if columns == 1 or drawn.get_window_extent().width <= 0.98 * figure.bbox.width:
            return
        drawn.remove()


def key(label: str, **look: Any) -> Line2D:
    """Make an entry of a legend that looks as lines and dots do in the panels."""
    return Line2D(
        [], [], label=label, **{"markeredgecolor": "white", "markeredgewidth": 0.4, **look}
    )


def hollow(colour: str) -> dict[str, Any]:
    """Return the look of a value that the paper prints, beside the study's in the same colour."""
    return {
        "color": colour,
        "markerfacecolor": "none",
        "markeredgecolor": colour,
        "markeredgewidth": 0.9,
        "markersize": 6.0,
        "linewidth": 0.8,
        "linestyle": (0, (1.5, 1.2)),
        "zorder": 3.5,
    }


def paper_key(marker: str = "o") -> Line2D:
    """Make the legend's entry of the values that the paper prints."""
    return key("paper", **{**hollow("0.25"), "marker": marker, "linestyle": "none"})


def sequence(count: int) -> list[str]:
    """Return colours for values in order, from dark to the lightest that is legible on white.

    Their luminance rises steadily, so the order is seen in grey and by the colour-blind.
    """
    colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.74, max(count, 2)))[:count]
    return [to_hex(colour) for colour in colours]


def markers(count: int) -> list[str]:
    """Return markers for values in order; after the eleventh they begin again."""
    return [_MARKERS[index % len(_MARKERS)] for index in range(count)]


def categories(count: int) -> list[str]:
    """Return colours for names without an order; after the seventh they begin again."""
    return [_CATEGORIES[index % len(_CATEGORIES)] for index in range(count)]


def band(axes: Axes, x: Any, low: Any, high: Any, colour: str) -> None:
    """Shade an interval; where it has no limits, nothing is drawn."""
    axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0, zorder=1.2)


def room_for(values: pd.Series) -> float:
    """Return the end of an axis from 0 that holds 1 and all values; A^x of (8) can exceed 1."""
    return max(1.04, 1.02 * float(values.max()))


def save(figure: Figure, stem: Path, title: str) -> None:
    """Write ``.png``, ``.svg`` and ``.pdf``, each whole or not at all and free of dates.

    Args:
        figure: made inside of `styled`.
        stem: the files' path without its ending.
        title: one line that the files carry for readers who cannot see them.
    """
    undated: dict[str, dict[str, Any]] = {
        "png": {"Title": title, "Software": None},
        "svg": {"Title": title, "Date": None},
        "pdf": {"Title": title, "CreationDate": None},
    }
    for ending, metadata in undated.items():
        with replace_atomically(f"{stem}.{ending}") as temporary:
            figure.savefig(temporary, format=ending, dpi=_DOTS_PER_INCH, metadata=metadata)


def _balanced(entries: int, limit: int) -> int:
    """Return how many stand side by side when rows no longer than the limit are filled evenly."""
    rows = -(-entries // limit)
    return -(-entries // rows)


def _padded(group: Sequence[Artist], columns: int) -> list[Artist]:
    """Spread a group evenly over the rows it needs, filled up with entries that show nothing."""
    used = _balanced(len(group), columns)
    blank = Line2D([], [], linestyle="none", label=" ")
    padded: list[Artist] = []
    for start in range(0, len(group), used):
        row = group[start : start + used]
        padded += [*row, *[blank] * (columns - len(row))]
    return padded
