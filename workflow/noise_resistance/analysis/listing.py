"""Tables with one row a finding, as CSV for programs and Markdown and LaTeX for people."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from noise_resistance.analysis.labels import MISSING, describe_run, model_title
from noise_resistance.analysis.markup import Cell, Heading, Table, to_latex, to_markdown
from noise_resistance.analysis.settling import describe_settling
from noise_resistance.storage.files import replace_atomically, write_text
from noise_resistance.study.numbers import format_number
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.outline import Outline

__all__ = [
    "ONE_SEED",
    "covers",
    "in_percent",
    "percent",
    "records",
    "row_title",
    "with_interval",
    "write_listing",
]

ONE_SEED = "One seed, so intervals cover draws only: another training can differ by more."


def write_listing(
    stem: Path,
    values: pd.DataFrame,
    caption: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[Cell | str]],
    alignment: str,
) -> None:
    """Write ``.csv``, ``.md`` and ``.tex``.

    Args:
        stem: the files' path without its ending.
        values: the CSV, every digit.
        caption: one paragraph.
        headings: of the columns for people.
        rows: their entries.
        alignment: a letter a column, see `markup.Table`.
    """
    cells = tuple(tuple(one if isinstance(one, Cell) else Cell(one) for one in row) for row in rows)
    heading = (tuple(Heading(text) for text in headings),)
    table = Table("", stem.name, caption, heading, cells, wide=True, alignment=alignment)
    with replace_atomically(f"{stem}.csv") as temporary:
        values.to_csv(temporary, index=False)
    write_text(f"{stem}.md", to_markdown(table))
    write_text(f"{stem}.tex", to_latex(table))


def percent(value: float, *, sign: bool = False) -> str:
    """Write a fraction in percent with two decimals; a dash where there is none."""
    return MISSING if math.isnan(value) else f"{100 * value:{'+' if sign else ''}.2f}"


def with_interval(value: float, low: float, high: float) -> Cell:
    """Write a fraction in percent with the half-width of its interval."""
    return Cell(percent(value), "" if math.isnan(low) else f"{50 * (high - low):.2f}")


def in_percent(values: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the table for programs: fractions in percent, learning rates as they are written."""
    # A table without a row has no columns yet.
    table = values.reindex(columns=list(dict.fromkeys([*values.columns, *columns])))
    table[list(columns)] = (100 * table[list(columns)].astype(float)).round(10)
    if "learning_rate" in table:
        table["learning_rate"] = [
            "" if pd.isna(rate) else format_number(rate) for rate in table["learning_rate"]
        ]
    return table.assign(unit="%")


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as mappings from column to value."""
    return [{str(key): one for key, one in row.items()} for row in table.to_dict("records")]


def row_title(outline: Outline, cell: Mapping[str, str]) -> str:
    """Return ``ResNet20, CIFAR10``; the optimizer is named where it is not Adam."""
    dataset = cell["dataset"]
    known = outline.datasets.get(dataset)
    parts = [model_title(cell["model"]), known.title if known else dataset]
    if cell["optimizer"] != "adam":
        parts.append(OPTIMIZERS[cell["optimizer"]].label)
    return ", ".join(parts)


def covers(outline: Outline, table: pd.DataFrame) -> str:
    """Say for a caption how long and how often, what had settled, and what intervals cover."""
    parts = [f"{describe_run(outline)}.", describe_settling(table, outline)]
    if len(outline.seeds) == 1:
        parts.append(ONE_SEED)
    parts.append(table.attrs.get("mixture", ""))
    return " ".join(part for part in parts if part)
