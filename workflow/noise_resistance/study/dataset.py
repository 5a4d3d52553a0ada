"""A dataset as the catalogue describes it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Archive", "Dataset"]


@dataclass(frozen=True)
class Archive:
    """One file of a dataset as it is published.

    Attributes:
        name: its file name below ``results/datasets/<dataset>/``.
        checksum: algorithm, colon, hexadecimal digest.
        url: http(s) or file URL, or a local path; where it comes from decides no number.
    """

    name: str
    checksum: str
    url: str = ""

    @property
    def folder(self) -> str:
        """The folder it is kept in, so that archives of one name and other content do not meet."""
        return self.checksum.partition(":")[2][:16].lower()


@dataclass(frozen=True)
class Dataset:
    """One entry of the catalogue; the attributes are those of the schema."""

    name: str
    title: str
    version: str
    reader: str
    classes: int
    train_images: int | None
    test_images: int | None
    licence: str
    source: str
    archives: tuple[Archive, ...]

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Dataset":
        """Make an entry from plain values, as `as_mapping` gives them."""
        archives = tuple(Archive(**archive) for archive in values["archives"])
        return cls(**{**values, "archives": archives})

    def archive(self, name: str) -> Archive:
        """Return the archive of this name."""
        return next(one for one in self.archives if one.name == name)

    def as_mapping(self) -> dict[str, Any]:
        """Return plain values, ready for JSON, without the URLs."""
        archives = [
            {"name": archive.name, "checksum": archive.checksum} for archive in self.archives
        ]
        return {**asdict(self), "archives": archives}

    def identity(self) -> dict[str, Any]:
        """Return what tells its content from another's; where it is downloaded from does not."""
        checksums = {archive.name: archive.checksum for archive in self.archives}
        return {
            "name": self.name,
            "version": self.version,
            "reader": self.reader,
            "checksums": checksums,
        }

    @property
    def digest(self) -> str:
        """The name of its prepared files: a hash of archives, reader and version."""
        decisive = {name: value for name, value in self.identity().items() if name != "name"}
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]
