"""The command that prints a file of the workflow for people and for programs."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from noise_resistance.analysis.description import ArrayDescription, Description

__all__ = ["show"]

_ROWS = 12
_FILES = 60
_LONGEST_TEXT = 40


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a file.")
def show(paths: tuple[Path, ...], as_json: bool) -> None:
    """Print what a file of the workflow holds: what it is, parameters, numbers.

    Takes .h5 files, tables (.csv) and folders, a training's for instance.
    """
    from noise_resistance.analysis.shown import describe

    for position, path in enumerate(paths):
        description = describe(path)
        if as_json:
            click.echo(description.to_json())
            continue
        lines = [*([""] if position else []), *_lines(description)]
        sys.stdout.write("\n".join(lines) + "\n")


def _lines(description: "Description") -> Iterator[str]:
    yield description.path
    yield f"{description.kind}: {description.title}"
    yield ""
    if description.parameters:
        yield from _columns(list(_flat(description.parameters)))
        yield ""
    versions = description.attributes.get("versions", {})
    rest = {name: one for name, one in description.attributes.items() if name != "versions"}
    made_with = ", ".join(f"{name} {one}" for name, one in versions.items())
    yield from _columns([*_flat(rest), *([("versions", made_with)] if made_with else [])])
    yield ""
    yield from _columns(
        [
            ("array", "shape", "mean", "lowest", "highest", "unit", "meaning"),
            *(_row(array) for array in description.arrays),
        ]
    )
    yield from _table(description.arrays, _FILES if description.kind == "folder" else _ROWS)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)


def _row(array: "ArrayDescription") -> tuple[str, ...]:
    sizes = ", ".join(
        f"{name} {size}".strip()
        for name, size in zip(
            array.dimensions or ("",) * len(array.shape), array.shape, strict=True
        )
    )
    numbers = (array.mean, array.low, array.high)
    shown = ("" if one is None else f"{one:.6g}" for one in numbers)
    unit = "" if array.unit == "1" else array.unit
    return (array.name, sizes, *shown, unit, array.description)


def _table(arrays: "Sequence[ArrayDescription]", most: int) -> Iterator[str]:
    """Print the arrays of the first dimension that has several, side by side, in short."""
    for first in arrays:
        if len(first.shape) != 1 or first.values is None:
            continue
        beside = [
            one for one in arrays if one.dimensions == first.dimensions and one.values is not None
        ]
        if len(beside) < 2:
            continue
        rows = list(zip(*(one.values for one in beside), strict=True))
        half = most // 2
        head, tail = (rows, []) if len(rows) <= most else (rows[:half], rows[-half:])
        dots = [("...",) * len(beside)] if tail else []
        yield ""
        yield from _columns(
            [tuple(one.name for one in beside), *map(_cells, head), *dots, *map(_cells, tail)]
        )
        return


def _cells(row: Sequence[Any]) -> tuple[str, ...]:
    return tuple(f"{one:.6g}" if isinstance(one, float) else _short(str(one)) for one in row)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    if not rows:
        return
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield ("  " + "  ".join(cells)).rstrip()
