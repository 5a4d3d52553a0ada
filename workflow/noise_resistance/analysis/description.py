"""Any HDF5 file of the workflow, described for people and for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from noise_resistance.errors import DataError
from noise_resistance.storage.files import what_is_there
from noise_resistance.storage.hdf5 import read_attributes, read_record, read_tree
from noise_resistance.storage.kinds import KINDS
from noise_resistance.study.arrays import roles_of_layer

__all__ = ["ArrayDescription", "Description", "describe_file"]

_LARGEST_LISTED = 1000


@dataclass(frozen=True)
class ArrayDescription:
    """One array of a file.

    Attributes:
        name: its name, with its layer's in a file of weights.
        dimensions: a name for each axis; empty in a file of weights.
        shape: its lengths.
        unit: the unit, ``1`` for fractions and counts.
        description: what it is.
        mean, low, high: of its finite values; None where there are none or they are text.
        values: the values themselves, where there are at most 1,000.
    """

    name: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    unit: str
    description: str
    mean: float | None
    low: float | None
    high: float | None
    values: Any


@dataclass(frozen=True)
class Description:
    """One file.

    Attributes:
        path: the file.
        kind: what kind of file, a key of `storage.kinds.KINDS`, ``table`` or ``folder``.
        title: what that kind is.
        parameters: all that decided its content.
        attributes: the other attributes.
        arrays: its arrays, in the order of the file.
    """

    path: str
    kind: str
    title: str
    parameters: dict[str, Any]
    attributes: dict[str, Any]
    arrays: tuple[ArrayDescription, ...]

    def to_json(self) -> str:
        """Write the description as JSON; numbers that are not finite become null."""
        return json.dumps(_finite(asdict(self)), indent=2)


def describe_file(path: Path, arrays: bool = True) -> Description:
    """Read a file and check that it is whole; its attributes alone where no arrays are asked for.

    Raises:
        DataError: there is no such file, it is damaged, or no file of this workflow.
    """
    kind = _kind_of(path)
    attributes = dict(read_attributes(path, kind).attributes)
    parameters = json.loads(attributes.pop("parameters", "{}"))
    for name in ("kind", "title", "attributes_sha256", "Conventions"):
        attributes.pop(name, None)
    if "versions" in attributes:
        attributes["versions"] = json.loads(attributes["versions"])
    read = _arrays_of_tree if kind == "weights" else _arrays
    found = read(path, kind) if arrays else ()
    return Description(str(path), kind, KINDS[kind].title, parameters, attributes, found)


def _kind_of(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"{path}: no such file; {what_is_there(path)}")
    try:
        with h5py.File(path, "r") as file:
            kind = str(file.attrs.get("kind", ""))
    except OSError as error:
        raise DataError(
            f"{path}: damaged or no HDF5 file ({str(error).splitlines()[0]}); of what the workflow "
            "writes this describes folders, .h5 and .csv; the rest opens with any program"
        ) from error
    if kind not in KINDS:
        raise DataError(f"{path}: an HDF5 file, but not one of this workflow")
    return kind


def _arrays(path: Path, kind: str) -> tuple[ArrayDescription, ...]:
    record = read_record(path, kind)
    with h5py.File(path, "r") as file:
        return tuple(
            _described(name, _dimensions(file[name]), values, file[name].attrs)
            for name, values in record.variables.items()
        )


def _arrays_of_tree(path: Path, kind: str) -> tuple[ArrayDescription, ...]:
    record = read_tree(path, kind)
    layers: dict[str, list[np.ndarray]] = {}
    for name, values in record.variables.items():
        layers.setdefault(name.rpartition("/")[0], []).append(values)
    return tuple(
        _described(f"{record.labels.get(group, group)}/{role}", (), values, {}, listed=False)
        for group, arrays in layers.items()
        for role, values in zip(roles_of_layer(len(arrays)), arrays, strict=True)
    )


def _dimensions(dataset: h5py.Dataset) -> tuple[str, ...]:
    if dataset.is_scale:
        return (dataset.name.lstrip("/"),)
    return tuple(axis[0].name.lstrip("/") if len(axis) else "" for axis in dataset.dims)


def _described(
    name: str,
    dimensions: tuple[str, ...],
    values: np.ndarray,
    about: Mapping[str, Any],
    listed: bool = True,
) -> ArrayDescription:
    numbers = values.dtype.kind in "biuf"
    finite = values[np.isfinite(values)] if numbers else np.empty(0)
    mean, low, high = (
        (float(finite.mean(dtype=np.float64)), float(finite.min()), float(finite.max()))
        if finite.size
        else (None, None, None)
    )
    return ArrayDescription(
        name=name,
        dimensions=dimensions,
        shape=tuple(values.shape),
        unit=str(about.get("units", "")),
        description=str(about.get("description", "")),
        mean=mean,
        low=low,
        high=high,
        values=values.tolist() if listed and values.size <= _LARGEST_LISTED else None,
    )


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
