"""What a job has to make, what tells it from others, and whether files on disk are it."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from noise_resistance.errors import DataError
from noise_resistance.storage.checksums import canonical
from noise_resistance.storage.hdf5 import read_attributes, read_record, read_tree
from noise_resistance.storage.seal import is_broken, is_sealed

__all__ = ["KIND_OF_FILE", "Identity", "Result", "identity_of", "key_of"]

# The kind of each file of an entry, by its name.
KIND_OF_FILE = {
    "model.weights.h5": "weights",
    "history.h5": "history",
    "optimizer.h5": "optimizer",
    "baseline.h5": "baseline",
    "noise.h5": "noise",
    "diagnostics.h5": "diagnostics",
}
# The step that makes each kind of file, and the attributes that state what it reads.
_STEPS = {
    "weights": ("train", ("dataset_sha256",)),
    "history": ("train", ("dataset_sha256",)),
    "optimizer": ("train", ("dataset_sha256",)),
    "baseline": ("evaluate_baseline", ("dataset_sha256", "weights_sha256")),
    "noise": ("evaluate_noise", ("dataset_sha256", "weights_sha256")),
    "diagnostics": ("diagnose", ("dataset_sha256", "states_sha256")),
}
# Of a model that was trained elsewhere the file is read, whatever is made of it.
_EXTERNAL = ("evaluate_external", ("dataset_sha256", "file_sha256"))


class Identity(NamedTuple):
    """What a file states that it is: of which step, key and code."""

    step: str
    key: str
    fingerprint: str


@dataclass(frozen=True)
class Result:
    """One result of a job: an entry of the store, or a part of one.

    Attributes:
        step: one of `store.versions.STORED_STEPS`.
        request: all that decides its numbers besides code and what it reads, as plain values; its
            files state it as their parameters.
        sources: digests of what it reads, by the name of the attribute that states them.
        files: where each file goes, by its name in the entry (a key of `KIND_OF_FILE`); without
            any, the store alone keeps it.
        finished_epochs: of a training, the epoch whose state this is.
    """

    step: str
    request: Mapping[str, Any]
    sources: Mapping[str, str]
    files: Mapping[str, Path] = field(default_factory=dict)
    finished_epochs: int | None = None

    @property
    def key(self) -> str:
        """The name of its entry: a hash of request and sources, 32 hexadecimal digits."""
        return key_of(self.step, self.request, self.sources)

    @property
    def part(self) -> str:
        """Its folder in the entry; empty where it is the whole entry."""
        return "" if self.finished_epochs is None else f"epoch-{self.finished_epochs}"

    def is_there(self, codes: Collection[str]) -> bool:
        """Say whether all its files are where they go: whole, and made from this request.

        Args:
            codes: fingerprints of the code that gives these numbers.
        """
        stated = [self._stated(path, name) for name, path in self.files.items()]
        weights = {str(one["weights_sha256"]) for one in stated if "weights_sha256" in one}
        # Files of one training that state different weights are of two computations.
        return (
            bool(stated)
            and len(weights) <= 1
            and all(str(one.get("fingerprint")) in codes for one in stated)
        )

    def _stated(self, path: Path, name: str) -> Mapping[str, Any]:
        """Return the attributes of a file that is whole and states this request; else none."""
        kind = KIND_OF_FILE[name]
        try:
            record = read_attributes(path, kind)
            if not is_sealed(path):
                (read_tree if kind == "weights" else read_record)(path, kind)
            request = canonical(record.parameters)
        except (DataError, ValueError):
            return {}
        stated = record.attributes
        is_this = (
            request == canonical(self.request)
            and all(str(stated.get(name)) == digest for name, digest in self.sources.items())
            and stated.get("finished_epochs") == self.finished_epochs
        )
        return stated if is_this else {}


def key_of(step: str, request: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    """Return the key of a result; see `Result`."""
    decisive = {"step": step, "request": request, "sources": sources}
    return hashlib.sha256(canonical(decisive).encode()).hexdigest()[:32]


def identity_of(path: Path) -> Identity | None:
    """Return what a file states that it is; None where it is none that the store keeps.

    Its layout may be that of another version of this program.

    Raises:
        DataError: it cannot be read, so that nobody knows.
    """
    try:
        if is_broken(path):
            raise DataError(f"{path}: damaged (it does not match its checksum)")
        with h5py.File(path, "r") as file:
            stated = dict(file.attrs)
        if (kind := stated.get("kind")) not in _STEPS:
            return None
        step, names = _EXTERNAL if "file_sha256" in stated else _STEPS[str(kind)]
        sources = {name: str(stated[name]) for name in names}
        request = json.loads(stated["parameters"])
        return Identity(step, key_of(step, request, sources), str(stated["fingerprint"]))
    except KeyError:
        return None  # of a version that did not state this yet
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: cannot be read ({reason})") from error
