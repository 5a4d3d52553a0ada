"""Two computations of one result, compared array by array; dates and seconds do not count."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from noise_resistance.storage.hdf5 import read_attributes
from noise_resistance.store.results import KIND_OF_FILE

__all__ = ["Comparison", "compare"]

# What a computation's bits may depend on besides code, as files state it.
_ENVIRONMENT = ("versions", "processor", "device", "threads")
# Arrays that say how long something took.
_TIMES = ("seconds",)


@dataclass(frozen=True)
class Comparison:
    """How two computations of one result differ.

    Attributes:
        differing: the arrays, each as ``file: array``.
        environment: what they were computed with that differs, such as ``versions, device``.
        alike: whether a difference is a fault: on a CPU, with the same of all that bits depend on.
    """

    differing: tuple[str, ...]
    environment: str
    alike: bool


def compare(one: Path, other: Path, names: Iterable[str]) -> Comparison:
    """Compare the files of two folders, by the checksums that their arrays carry.

    Args:
        one: a folder.
        other: another.
        names: of the files.
    """
    differing: list[str] = []
    environment: set[str] = set()
    on_cpu = True
    for name in names:
        ours, theirs = _checksums(one / name), _checksums(other / name)
        differing += [
            f"{name}: {array}"
            for array in sorted({*ours, *theirs})
            if ours.get(array) != theirs.get(array)
        ]
        mine, its = _made_with(one / name, name), _made_with(other / name, name)
        environment.update(key for key in _ENVIRONMENT if mine[key] != its[key])
        on_cpu = on_cpu and str(mine["device"]).startswith("cpu")
    return Comparison(tuple(differing), ", ".join(sorted(environment)), on_cpu and not environment)


def _checksums(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and "sha256" in item.attrs and name not in _TIMES:
            found[name] = str(item.attrs["sha256"])

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def _made_with(path: Path, name: str) -> dict[str, Any]:
    stated = read_attributes(path, KIND_OF_FILE[name]).attributes
    values = {key: stated.get(key) for key in _ENVIRONMENT}
    versions = json.loads(str(values["versions"] or "{}"))
    versions.pop("noise_resistance", None)
    return {**values, "versions": versions}
