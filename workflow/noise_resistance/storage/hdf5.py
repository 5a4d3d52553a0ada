"""HDF5 files that explain themselves: named dimensions, units, parameters, checksums.

A file is a flat set of variables with named dimensions (dimension scales, so that
``xarray.open_dataset`` and ``h5ls -v`` understand it) and attributes. Every variable carries the
SHA-256 of its values, the file one of its attributes, and its last line one of the whole: a flipped
bit is found on reading.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from noise_resistance.errors import DataError
from noise_resistance.storage.checksums import checksum_of_attributes, checksum_of_values
from noise_resistance.storage.files import replace_atomically
from noise_resistance.storage.kinds import kind_named
from noise_resistance.storage.seal import is_broken, seal

__all__ = [
    "Record",
    "Variable",
    "read_attributes",
    "read_checksums",
    "read_record",
    "read_tree",
    "stamp_tree",
    "write_record",
]

_DIMENSION_ONLY = "This is a netCDF dimension but not a netCDF variable."
_CHECKSUM = "sha256"
_ATTRIBUTES_CHECKSUM = "attributes_sha256"
_REMEDY = "delete it and run snakemake again: only what is missing is made"


@dataclass(frozen=True)
class Variable:
    """One named array of a file.

    Attributes:
        dimensions: a name for each axis; a variable that bears its only dimension's name is that
            dimension's coordinate.
        values: numbers, or a one-dimensional array or list of strings.
        description: what it is, for people.
        unit: the unit, ``1`` for fractions and counts.
    """

    dimensions: tuple[str, ...]
    values: Any
    description: str
    unit: str = "1"


@dataclass(frozen=True)
class Record:
    """What was read from a file: its attributes and the variables asked for.

    Attributes:
        path: the file.
        attributes: the file's attributes.
        variables: values by name.
        labels: of a tree, the attribute ``name`` of each group that has one, by the group's name.
    """

    path: Path
    attributes: dict[str, Any]
    variables: dict[str, np.ndarray] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.variables[name]

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that made the file, from its attribute ``parameters``.

        Raises:
            DataError: the file states none.
        """
        try:
            parameters = json.loads(self.attributes["parameters"])
        except (KeyError, TypeError, ValueError, RecursionError):
            parameters = None
        if not isinstance(parameters, dict):
            raise DataError(f"{self.path}: does not say from which parameters it is; {_REMEDY}")
        return parameters


def write_record(
    path: str | Path, kind: str, variables: Mapping[str, Variable], attributes: Mapping[str, Any]
) -> None:
    """Write a file of this kind, whole or not at all.

    Args:
        path: the final name.
        kind: a name from `storage.kinds`.
        variables: the arrays by name.
        attributes: strings and numbers; mappings and sequences are stored as JSON.

    Raises:
        DataError: the file cannot be written.
    """
    with replace_atomically(path) as temporary:
        with h5py.File(temporary, "w", track_order=True) as file:
            _write_header(file, kind, attributes)
            for name, variable in variables.items():
                _write_variable(file, name, variable)
            _attach_dimensions(file, variables)
        seal(temporary)


def stamp_tree(path: str | Path, kind: str, attributes: Mapping[str, Any]) -> None:
    """Give a file that another program wrote our attributes, and each array its checksum."""
    with h5py.File(path, "r+") as file:
        _write_header(file, kind, attributes)
        for dataset in _datasets_below(file).values():
            dataset.attrs[_CHECKSUM] = checksum_of_values(np.asarray(dataset[()]))
    seal(Path(path))


def read_attributes(path: str | Path, kind: str) -> Record:
    """Read and validate a file's attributes, none of its variables."""
    return read_record(path, kind, ())


def read_record(path: str | Path, kind: str, names: Iterable[str] | None = None) -> Record:
    """Read a file of this kind and check that it is whole.

    Args:
        path: the file.
        kind: the kind it must be.
        names: the variables wanted; all of them by default.

    Raises:
        DataError: the file is missing, damaged, of another kind or of another layout; the message
            names it and says what to do.
    """
    path = Path(path)
    with _opened(path, kind) as (file, attributes):
        wanted = (
            [name for name in file if not _is_dimension_only(file, name)]
            if names is None
            else list(names)
        )
        return Record(path, attributes, {name: _read_variable(path, file, name) for name in wanted})


def read_checksums(
    path: str | Path, kind: str, names: Iterable[str], *, sealed: bool = True
) -> dict[str, str]:
    """Read the checksums that variables state, by name, and not the variables.

    Args:
        path: the file.
        kind: the kind it must be.
        names: of the variables.
        sealed: whether to look for damage to the variables as well, which reads all of the file.

    Raises:
        DataError: as `read_record`.
    """
    path = Path(path)
    with _opened(path, kind, sealed=sealed) as (file, _):
        return {name: str(_plain(file[name].attrs[_CHECKSUM])) for name in names}


def read_tree(path: str | Path, kind: str) -> Record:
    """Read all arrays of a file that `stamp_tree` stamped, by their full names.

    Raises:
        DataError: as `read_record`.
    """
    path = Path(path)
    with _opened(path, kind) as (file, attributes):
        names = _datasets_below(file)
        values = {name: _read_variable(path, file, name) for name in names}
        groups = {name.rpartition("/")[0] for name in names}
        labels = {
            group: str(_plain(file[group].attrs["name"]))
            for group in groups
            if "name" in file[group].attrs
        }
        return Record(path, attributes, values, labels)


@contextmanager
def _opened(
    path: Path, kind: str, *, sealed: bool = True
) -> Iterator[tuple[h5py.File, dict[str, Any]]]:
    """Open a file of this kind for reading; whatever HDF5 trips over becomes one line."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; run snakemake to make it")
    try:
        if sealed and is_broken(path):
            raise DataError(f"{path}: damaged (it does not match its checksum); {_REMEDY}")
        with h5py.File(path, "r") as file:
            attributes = {name: _plain(value) for name, value in file.attrs.items()}
            _check_header(path, kind, attributes)
            yield file, attributes
    except (
        OSError,
        KeyError,
        ValueError,
        TypeError,
        RuntimeError,
        OverflowError,
        MemoryError,
    ) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: damaged or no HDF5 file ({reason}); {_REMEDY}") from error


def _datasets_below(file: h5py.File) -> dict[str, h5py.Dataset]:
    found: dict[str, h5py.Dataset] = {}
    file.visititems(
        lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None
    )
    return found


def _write_header(file: h5py.File, kind: str, attributes: Mapping[str, Any]) -> None:
    described = kind_named(kind)
    header = {
        "kind": kind,
        "title": described.title,
        "schema_version": described.schema_version,
        "Conventions": "CF-1.10",
        **{name: _attribute(value) for name, value in attributes.items()},
    }
    for name, value in header.items():
        file.attrs[name] = value
    file.attrs[_ATTRIBUTES_CHECKSUM] = checksum_of_attributes(
        {name: _plain(value) for name, value in header.items()}
    )


def _attribute(value: Any) -> Any:
    if isinstance(value, str | int | float | np.integer | np.floating):
        return value
    return json.dumps(value, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value


def _check_header(path: Path, kind: str, attributes: dict[str, Any]) -> None:
    found = attributes.get("kind")
    if found != kind:
        raise DataError(
            f"{path}: is {f'a {found} file' if found else 'not a file of this workflow'}, "
            f"not a {kind} file"
        )
    version = kind_named(kind).schema_version
    if attributes.get("schema_version") != version:
        raise DataError(
            f"{path}: layout version {attributes.get('schema_version')}, this program "
            f"reads {version}; {_REMEDY}"
        )
    rest = {name: value for name, value in attributes.items() if name != _ATTRIBUTES_CHECKSUM}
    if attributes.get(_ATTRIBUTES_CHECKSUM) != checksum_of_attributes(rest):
        raise DataError(f"{path}: damaged (its attributes do not match their checksum); {_REMEDY}")


def _write_variable(file: h5py.File, name: str, variable: Variable) -> None:
    values = np.asarray(variable.values)
    if values.dtype.kind in "OU":
        values = np.asarray(variable.values, dtype=object)
        dataset = file.create_dataset(name, data=values, dtype=h5py.string_dtype())
    else:
        dataset = file.create_dataset(name, data=values)
    if values.ndim != len(variable.dimensions):
        raise ValueError(f"{name}: {values.ndim} axes, {len(variable.dimensions)} dimension names")
    dataset.attrs["description"] = variable.description
    dataset.attrs["units"] = variable.unit
    dataset.attrs[_CHECKSUM] = checksum_of_values(values)


def _attach_dimensions(file: h5py.File, variables: Mapping[str, Variable]) -> None:
    sizes: dict[str, int] = {}
    for name, variable in variables.items():
        for dimension, size in zip(variable.dimensions, file[name].shape, strict=True):
            if sizes.setdefault(dimension, size) != size:
                raise ValueError(
                    f"{name}: dimension {dimension} has {size} entries, elsewhere "
                    f"{sizes[dimension]}"
                )
    for dimension, size in sizes.items():
        if dimension in variables:
            file[dimension].make_scale(dimension)
        else:
            scale = file.create_dataset(dimension, shape=(size,), dtype=">f4")
            scale.make_scale(f"{_DIMENSION_ONLY}{size:10d}")
    for name, variable in variables.items():
        for axis, dimension in enumerate(variable.dimensions):
            if name != dimension:
                file[name].dims[axis].attach_scale(file[dimension])


def _is_dimension_only(file: h5py.File, name: str) -> bool:
    label = file[name].attrs.get("NAME", b"")
    return bytes(label).startswith(_DIMENSION_ONLY.encode())


def _read_variable(path: Path, file: h5py.File, name: str) -> np.ndarray:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(
        file[name], h5py.Dataset
    ):
        raise DataError(f"{path}: has no variable '{name}'; {_REMEDY}")
    dataset = file[name]
    if dataset.external or dataset.is_virtual or dataset.dtype.kind not in "biufO":
        raise DataError(f"{path}: variable '{name}' is not stored in the file itself; {_REMEDY}")
    if dataset.nbytes > path.stat().st_size:
        raise DataError(
            f"{path}: variable '{name}' claims {dataset.nbytes} bytes, more than the file "
            f"has; {_REMEDY}"
        )
    values = dataset.asstr()[()] if h5py.check_string_dtype(dataset.dtype) else dataset[()]
    values = np.asarray(values)
    if dataset.attrs.get(_CHECKSUM) != checksum_of_values(values):
        raise DataError(
            f"{path}: damaged (variable '{name}' does not match its checksum); {_REMEDY}"
        )
    return values
