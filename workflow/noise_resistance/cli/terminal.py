"""What commands print on a terminal: tables, and bars that say how far something is."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import click

__all__ = ["print_table", "with_bar"]

_T = TypeVar("_T")


def with_bar(items: Iterable[_T], doing: str) -> Iterator[_T]:
    """Give items, with a bar where somebody looks.

    Args:
        items: any; where they are counted the bar says how many are left.
        doing: a word such as ``verifying``.
    """
    from tqdm import tqdm

    # None: where the output is a terminal.
    yield from tqdm(items, desc=doing, disable=None, leave=False, mininterval=0.5)


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows in columns, the first of them the columns' names; numbers are to the right."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    numbers = [all(not one or one[0].isdecimal() for one in column[1:]) for column in columns]
    for row in rows:
        cells = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numbers, strict=True)
        )
        click.echo("  ".join(cells).rstrip())
