"""What an entry of the store says that it holds: `entry.json`, beside its files."""

import errno
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any

from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import read_attributes
from noise_resistance.store.folders import GONE
from noise_resistance.store.results import KIND_OF_FILE, Result, key_of
from noise_resistance.store.versions import STORED_STEPS

__all__ = ["LOG", "MANIFEST", "Entry", "cannot_read", "read_entry", "write_manifest"]

MANIFEST, LOG = "entry.json", "log.txt"
# What is known of an entry's making without a file being opened, as its files state it.
_MAKING = ("created", "device", "seconds")


@dataclass(frozen=True)
class Entry:
    """One whole folder of the store.

    Attributes:
        folder: where it is.
        manifest: what it holds: ``step``, ``request``, ``sources``, ``fingerprint``, ``added``,
            ``made`` (``created``, ``device``, ``seconds``), and ``files``, each with its ``bytes``
            and ``sha256``.
    """

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def files(self) -> list[str]:
        """The names of its HDF5 files."""
        return [name for name in self.manifest["files"] if name in KIND_OF_FILE]

    @property
    def size(self) -> int:
        """Its bytes, as its manifest states them."""
        return sum(int(one["bytes"]) for one in self.manifest["files"].values())

    def damage(self, names: Iterable[str] = ()) -> str:
        """Say what is wrong with it; empty where it is as it was written.

        Args:
            names: the files that are looked at; all of them by default.

        Raises:
            DataError: a file is there and may not be read.
        """
        if not self._is_in_its_place():
            return f"{MANIFEST} states what belongs elsewhere"
        stated = self.manifest["files"]
        for name in names or stated:
            if name not in stated:
                return f"{name} is missing"
            try:
                with (self.folder / name).open("rb") as file:
                    found = file_digest(file, "sha256").hexdigest()
            except OSError as error:
                if error.errno not in {*GONE, errno.EIO}:
                    raise cannot_read(self.folder / name, error) from error
                return f"{name}: {error.strerror}"
            if found != stated[name]["sha256"]:
                return f"{name} does not match its checksum"
        return ""

    def _is_in_its_place(self) -> bool:
        about, folder = self.manifest, self.folder
        if about["step"] == "train":
            if not re.fullmatch("epoch-[1-9][0-9]*", folder.name):
                return False
            folder = folder.parent
        key = key_of(about["step"], about["request"], about["sources"])
        return (folder.parent.name, folder.name) == (key, about["fingerprint"])

    def log(self) -> str:
        """Return what the job that computed it wrote; nothing where it was removed meanwhile."""
        with suppress(OSError):
            return (self.folder / LOG).read_text(encoding="utf-8", errors="replace")
        return ""

    def origin(self) -> str:
        """Say when, on what and how long it was computed."""
        made = self.manifest["made"]
        return f"computed {made['created']} on {made['device']} in {made['seconds']} s"


def read_entry(folder: Path) -> Entry | None:
    """Read an entry's manifest; None where there is none, or none that is one.

    Raises:
        DataError: it is there and may not be read.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return Entry(folder, manifest) if _is_manifest(manifest) else None
    except OSError as error:
        if error.errno not in GONE:
            raise cannot_read(folder / MANIFEST, error) from error
        return None
    except (ValueError, RecursionError):
        return None


def write_manifest(folder: Path, result: Result, code: str) -> None:
    """Write the manifest of all files in a folder, beside them.

    Args:
        folder: holds the files of an entry.
        result: what it is.
        code: the fingerprint of the code that computed it.
    """
    names = sorted(one.name for one in folder.iterdir())
    manifest = {
        "step": result.step,
        "request": result.request,
        "sources": result.sources,
        "fingerprint": code,
        "added": datetime.now(UTC).isoformat(timespec="seconds"),
        "made": _making(folder, names),
        "files": {name: _described(folder / name) for name in names},
    }
    text = json.dumps(manifest, sort_keys=True, indent=1)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def cannot_read(path: Path, error: OSError) -> DataError:
    """Return the error that says why something of the store cannot be read."""
    return DataError(f"{path}: cannot be read ({error.strerror}); make it readable and run again")


def _is_manifest(values: Any) -> bool:
    texts = ("step", "fingerprint", "added")
    mappings = ("request", "sources", "made", "files")
    return (
        isinstance(values, dict)
        and all(isinstance(values.get(name), str) for name in texts)
        and all(isinstance(values.get(name), dict) for name in mappings)
        and values["step"] in STORED_STEPS
        and isinstance(values["made"].get("seconds"), int | float)
        and all(isinstance(values["made"].get(name), str) for name in ("created", "device"))
        # No name but these: none leads out of the folder.
        and bool(set(values["files"]) & set(KIND_OF_FILE))
        and set(values["files"]) <= {*KIND_OF_FILE, LOG}
        and all(
            isinstance(one, dict)
            and isinstance(one.get("bytes"), int)
            and isinstance(one.get("sha256"), str)
            for one in values["files"].values()
        )
    )


def _making(folder: Path, names: Iterable[str]) -> dict[str, Any]:
    name = next(one for one in names if one in KIND_OF_FILE)
    stated = read_attributes(folder / name, KIND_OF_FILE[name]).attributes
    return {one: stated[one] for one in _MAKING}


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": file_digest(file, "sha256").hexdigest()}
