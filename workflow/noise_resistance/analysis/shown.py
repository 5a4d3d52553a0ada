"""Tables and folders of the workflow, described as its HDF5 files are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from noise_resistance.analysis.description import ArrayDescription, Description, describe_file
from noise_resistance.errors import DataError
from noise_resistance.storage.files import what_is_there
from noise_resistance.storage.hdf5 import read_record

__all__ = ["describe"]

_LARGEST_LISTED = 1000
# Values that are named one by one: so many, and no longer together.
_MOST_NAMED, _LONGEST = 6, 80
# The array that says most of a file, by its kind.
_MAIN = {"baseline": "accuracy", "noise": "accuracy", "history": "test_accuracy"}


def describe(path: Path) -> Description:
    """Read a file or a folder of the workflow.

    Raises:
        DataError: there is no such path, it is damaged, or nothing that the workflow wrote.
    """
    if path.is_dir():
        return _folder(path)
    if path.suffix == ".csv" and path.is_file():
        return _table(path)
    return describe_file(path)


def _table(path: Path) -> Description:
    try:
        table = pd.read_csv(path)
    except (ValueError, OSError) as error:
        said = str(error).splitlines()[0]
        raise DataError(f"{path}: no table ({said}); delete it and run snakemake again") from error
    columns = tuple(_column(str(name), values) for name, values in table.items())
    return _of_columns(path, "table", "A table, one row a line.", len(table), columns)


def _folder(path: Path) -> Description:
    files = sorted(one for one in path.rglob("*.h5") if not _hidden(one.relative_to(path)))
    if not files:
        raise DataError(
            f"{path}: no .h5 file of the workflow below this folder; {what_is_there(path / '_')}"
        )
    found = [describe_file(one, arrays=False).kind for one in files]
    table = pd.DataFrame(
        {
            "file": [one.relative_to(path).as_posix() for one in files],
            "kind": found,
            "accuracy": [_main(one, kind) for one, kind in zip(files, found, strict=True)],
            "bytes": [one.stat().st_size for one in files],
        }
    )
    told = {
        "accuracy": "test accuracy, a fraction: after the last epoch, without noise, mean of draws"
    }
    columns = tuple(
        _column(str(name), values, told.get(str(name), "")) for name, values in table.items()
    )
    return _of_columns(path, "folder", "The HDF5 files below a folder.", len(table), columns)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _main(path: Path, kind: str) -> float:
    if kind not in _MAIN:
        return float("nan")
    values = np.atleast_1d(read_record(path, kind, [_MAIN[kind]])[_MAIN[kind]])
    return float(values[-1] if kind == "history" else values.mean())


def _of_columns(
    path: Path, kind: str, title: str, rows: int, columns: Sequence[ArrayDescription]
) -> Description:
    return Description(str(path), kind, title, {}, {"rows": rows}, tuple(columns))


def _column(name: str, values: pd.Series, description: str = "") -> ArrayDescription:
    numbers = pd.api.types.is_numeric_dtype(values)
    finite = values[np.isfinite(values)] if numbers else values[:0]
    if not numbers and not description:
        description = _names(values)
    return ArrayDescription(
        name=name,
        dimensions=("row",),
        shape=(len(values),),
        unit="",
        description=description,
        mean=float(finite.mean()) if len(finite) else None,
        low=float(finite.min()) if len(finite) else None,
        high=float(finite.max()) if len(finite) else None,
        values=(values if numbers else values.fillna("")).tolist()
        if len(values) <= _LARGEST_LISTED
        else None,
    )


def _names(values: pd.Series) -> str:
    names = [str(one) for one in values.dropna().unique()]
    shown = ", ".join(names[:_MOST_NAMED])
    if len(names) <= _MOST_NAMED and len(shown) <= _LONGEST:
        return shown
    return f"{len(names)} different texts"
