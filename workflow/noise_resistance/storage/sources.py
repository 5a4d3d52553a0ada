"""What a step reads, as digests of the content: equal for a file that was made again alike."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noise_resistance.errors import DataError
from noise_resistance.storage.checksums import checksum_of_attributes, digest_of
from noise_resistance.storage.files import write_text
from noise_resistance.storage.hdf5 import read_attributes, read_checksums

__all__ = [
    "DatasetFile",
    "digest_of_images",
    "digest_of_states",
    "digest_of_weights",
    "read_dataset_file",
    "write_dataset_file",
]

_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
_COUNTS = ("classes", "height", "width", "channels", "train_images", "test_images")
_STATES = ("optimizer", "counters")


@dataclass(frozen=True)
class DatasetFile:
    """A prepared dataset's small file, which its consumers depend on: what is in the large one.

    Attributes:
        path: the file, ``<digest>.json``.
        entry: the catalogue's entry.
        counts: ``classes``, ``height``, ``width``, ``channels``, ``train_images``, ``test_images``.
        arrays: the SHA-256 of each array by name.
    """

    path: Path
    entry: Mapping[str, Any]
    counts: Mapping[str, int]
    arrays: Mapping[str, str]

    @property
    def images(self) -> Path:
        """The large file beside it, which may be deleted to save disk and is made again."""
        return self.path.with_suffix(".h5")

    @property
    def sha256(self) -> str:
        """One digest of all images and labels, as files made from them state it."""
        return digest_of({name: self.arrays[name] for name in _ARRAYS})


def write_dataset_file(
    path: str | Path, entry: Mapping[str, Any], counts: Mapping[str, int]
) -> None:
    """Write the small file beside a prepared dataset; the same content gives the same bytes.

    Args:
        path: ``<digest>.json``; the large file is there already.
        entry: the catalogue's entry.
        counts: see `DatasetFile`.
    """
    checksums = read_checksums(Path(path).with_suffix(".h5"), "dataset", _ARRAYS)
    values: dict[str, Any] = {
        "entry": dict(entry),
        "counts": dict(counts),
        "arrays": checksums,
    }
    # Keys are made of it: a flipped bit must not pass for another dataset.
    whole = {**values, "sha256": checksum_of_attributes(values)}
    write_text(path, json.dumps(whole, sort_keys=True, indent=1) + "\n")


def read_dataset_file(path: str | Path) -> DatasetFile:
    """Read the small file beside a prepared dataset.

    Raises:
        DataError: it is missing or is not such a file.
    """
    path = Path(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("sha256") != checksum_of_attributes(values):
            raise ValueError("checksum")
        found = DatasetFile(path, values["entry"], values["counts"], values["arrays"])
        if not isinstance(found.entry, dict):
            raise TypeError("entry")
        if missing := ({*_ARRAYS} - {*found.arrays}) | ({*_COUNTS} - {*found.counts}):
            raise KeyError(min(missing))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run `snakemake {path}` to make it") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: damaged, or not the description of a prepared dataset; run "
            f"`snakemake --force {path}` with your usual options to make it again"
        ) from error
    return found


def digest_of_images(path: str | Path) -> str:
    """Return the SHA-256 of a prepared dataset's images and labels, from their own checksums.

    Raises:
        DataError: the file is missing, or is no prepared dataset.
    """
    # Who reads the arrays looks for damage to them: a second reading of so many is saved here.
    return digest_of(read_checksums(path, "dataset", _ARRAYS, sealed=False))


def digest_of_weights(path: str | Path) -> str:
    """Return the SHA-256 of a trained model's weights, as their file states it.

    Raises:
        DataError: the file is missing or damaged, or does not state it.
    """
    stated = read_attributes(path, "weights").attributes.get("weights_sha256")
    if not stated:
        raise DataError(
            f"{path}: does not state the digest of its weights; delete it and run again"
        )
    return str(stated)


def digest_of_states(path: str | Path) -> str:
    """Return the SHA-256 of an optimizer's state, from the checksums of its arrays.

    Raises:
        DataError: the file is missing or damaged.
    """
    return digest_of(read_checksums(path, "optimizer", _STATES))
