"""Whether the files of one study were computed alike, or with several versions or devices."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from noise_resistance.storage.hdf5 import Record

__all__ = ["Environments", "describe_mixture"]

_TITLES = {"tensorflow": "TensorFlow", "keras": "Keras", "numpy": "NumPy", "device": "devices"}


class Environments:
    """Counts the versions and devices that files state, as they are read."""

    def __init__(self) -> None:
        """Begin with no file."""
        self._found: dict[str, dict[str, int]] = {name: {} for name in _TITLES}

    def add(self, record: Record) -> None:
        """Take what one file states; what it does not state, or not so, is unknown."""
        try:
            stated = json.loads(str(record.attributes.get("versions")))
        except (ValueError, RecursionError):
            stated = {}
        device = str(record.attributes.get("device", "")).partition(":")[0]
        for name, counts in self._found.items():
            value = device if name == "device" else _text(stated, name)
            counts[value] = counts.get(value, 0) + 1

    def as_mapping(self) -> dict[str, dict[str, int]]:
        """Return the number of files by version, or device, by name."""
        return self._found


def describe_mixture(found: Mapping[str, Mapping[str, int]]) -> str:
    """Say for people what a study mixes; empty where all of its files were computed alike.

    Args:
        found: as `Environments.as_mapping` gives it.
    """
    parts = [
        f"{_TITLES[name]} {_listed(counts.items())}"
        for name, counts in found.items()
        if len(counts) > 1
    ]
    if not parts:
        return ""
    return (
        f"This study mixes files that were computed with different {'; '.join(parts)}: differences "
        "between them may be those of the computation."
    )


def _text(stated: Any, name: str) -> str:
    return str(stated.get(name, "")) if isinstance(stated, dict) else ""


def _listed(counts: Iterable[tuple[str, int]]) -> str:
    ordered = sorted(counts, key=lambda item: -item[1])
    return ", ".join(f"{value or 'unknown'} ({count} files)" for value, count in ordered)
