"""Entries of the store in one file, to be taken along: a tar archive with the store's own layout.

An archive may come from anywhere. Nothing of it is taken before each name, kind and size in it has
been looked at, and no entry before its files match their checksums and state what its place says.
"""

import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from noise_resistance.errors import DataError
from noise_resistance.storage.files import cannot_write, replace_atomically, what_is_there
from noise_resistance.store.entries import Store
from noise_resistance.store.manifest import LOG, MANIFEST, Entry, read_entry
from noise_resistance.store.results import KIND_OF_FILE, Result
from noise_resistance.store.upkeep import faults_of
from noise_resistance.store.versions import STORED_STEPS
from noise_resistance.study.numbers import format_bytes

__all__ = ["ADDED", "THERE", "Archive", "Packed", "export_entry", "open_archive", "writing"]

ADDED, THERE = "added", "there"
_PLACE = re.compile(
    rf"(?P<place>(?P<step>{'|'.join(STORED_STEPS)})/[0-9a-f]{{32}}/[0-9a-f]{{8,64}}"
    r"(?P<epoch>/epoch-[1-9][0-9]{0,8})?)/(?P<file>[a-z0-9_.]+)",
    re.ASCII,
)
_FILES = {*KIND_OF_FILE, LOG, MANIFEST}
_LARGEST_MANIFEST = 1_000_000
# What tarfile raises at headers that nobody's tar has written.
_MALFORMED = (
    tarfile.TarError,
    EOFError,
    MemoryError,
    OverflowError,
    RecursionError,
    ValueError,
)


@contextmanager
def writing(file: Path) -> Iterator[tarfile.TarFile]:
    """Give an archive to write entries to; it is there when it is whole.

    Raises:
        DataError: the file is there already, or cannot be written.
    """
    if file.exists():
        raise DataError(f"{file}: is there already; name another file, or delete it")
    with replace_atomically(file) as temporary, tarfile.open(temporary, "w") as archive:
        yield archive


def export_entry(store: Store, entry: Entry, archive: tarfile.TarFile) -> str:
    """Write an entry to an archive.

    Returns: what is wrong with it, and it is left out; empty where it is written.
    """
    if fault := faults_of(entry):
        return fault
    place = entry.folder.relative_to(store.root).as_posix()
    with ExitStack() as stack:
        try:
            # All at once: somebody may remove the entry while it is written.
            names = [MANIFEST, *entry.manifest["files"]]
            files = {name: stack.enter_context((entry.folder / name).open("rb")) for name in names}
        except FileNotFoundError:
            return "was removed meanwhile"
        for name, file in files.items():
            member = tarfile.TarInfo(f"{place}/{name}")
            member.size, member.mode = file.seek(0, 2), 0o444
            member.mtime = int((entry.folder / name).stat().st_mtime)
            file.seek(0)
            archive.addfile(member, file)
    return ""


@dataclass(frozen=True)
class Packed:
    """An entry in an archive.

    Attributes:
        place: its folder, relative to the store.
        members: its files by name.
    """

    place: str
    members: dict[str, tarfile.TarInfo]

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum(one.size for one in self.members.values())


class Archive:
    """An archive whose names, kinds and sizes are those of entries."""

    def __init__(self, path: Path, archive: tarfile.TarFile, entries: list[Packed]) -> None:
        """Use `open_archive`."""
        self.path, self._archive, self.entries = path, archive, entries

    def is_there(self, store: Store, packed: Packed) -> bool:
        """Say whether the store has this entry already."""
        return read_entry(store.root / packed.place) is not None

    def take(self, store: Store, packed: Packed) -> str:
        """Add an entry to the store, unless it is there.

        Returns: `ADDED`, `THERE`, or what is wrong with it, and it is left out.

        Raises:
            DataError: the archive cannot be read, or the store not be written to.
        """
        place = store.root / packed.place
        if self.is_there(store, packed):
            return THERE
        with store.temporary() as folder:
            made = folder / packed.place
            try:
                made.mkdir(parents=True)
                for name, member in packed.members.items():
                    with self._open(member) as packed_file, (made / name).open("wb") as file:
                        shutil.copyfileobj(packed_file, file, 1 << 20)
            except OSError as error:
                raise cannot_write(made, error) from error
            if fault := _fault_of(made, packed):
                return fault
            return ADDED if store.enter(made, place) else THERE

    @contextmanager
    def _open(self, member: tarfile.TarInfo) -> Iterator[tarfile.ExFileObject]:
        try:
            file = self._archive.extractfile(member)
        except _MALFORMED as error:
            raise _malformed(self.path, error) from error
        if not isinstance(file, tarfile.ExFileObject):
            raise DataError(f"{self.path}: '{member.name}' is no file")
        with file:
            yield file


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open an archive that `writing` has made, and look at all names, kinds and sizes in it.

    Raises:
        DataError: it is none, or something in it is no entry of a store.
    """
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(tarfile.open(path, "r:"))
            entries = _entries(path, archive)
        except FileNotFoundError as error:
            raise DataError(f"{path}: no such file; {what_is_there(path)}") from error
        except (*_MALFORMED, OSError) as error:
            raise _malformed(path, error) from error
        yield Archive(path, archive, entries)


def _malformed(path: Path, error: Exception) -> DataError:
    reason = (str(error).splitlines() or [""])[0] or type(error).__name__
    return DataError(
        f"{path}: no archive that `noise-resistance store export` has written ({reason})"
    )


def _entries(path: Path, archive: tarfile.TarFile) -> list[Packed]:
    entries: dict[str, Packed] = {}
    largest = path.stat().st_size
    for member in archive:
        # Before the next header is looked for behind what this one claims.
        place, name = _checked(path, member, largest)
        packed = entries.setdefault(place, Packed(place, {}))
        if name in packed.members:
            raise DataError(f"{path}: '{member.name}' is there twice; nothing is taken from it")
        packed.members[name] = member
    return list(entries.values())


def _checked(path: Path, member: tarfile.TarInfo, largest: int) -> tuple[str, str]:
    """Return the place and the file's name that a member has, or refuse the archive."""
    refused = f"{path}: '{member.name[:200]}'"
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
        raise DataError(f"{refused} is no plain file; nothing is taken from it")
    found = _PLACE.fullmatch(member.name)
    if (
        found is None
        or found["file"] not in _FILES
        or (found["step"] == "train") != bool(found["epoch"])
    ):
        raise DataError(f"{refused} is no file of an entry; nothing is taken from it")
    allowed = _LARGEST_MANIFEST if found["file"] == MANIFEST else largest
    if not 0 <= member.size <= min(allowed, largest - member.offset_data):
        raise DataError(
            f"{refused} claims {format_bytes(member.size)}, which cannot be; nothing is taken from "
            "it"
        )
    return found["place"], found["file"]


def _fault_of(made: Path, packed: Packed) -> str:
    """Say what is wrong with an entry that was unpacked; empty where nothing is."""
    if (entry := read_entry(made)) is None:
        return "has no manifest that can be read"
    stated = entry.manifest["files"]
    if missing := {*stated, MANIFEST} ^ set(packed.members):
        return f"{min(missing)} is missing, or is one too many"
    if any(packed.members[name].size != one["bytes"] for name, one in stated.items()):
        return "its files are not as large as it says"
    if fault := faults_of(entry):
        return fault
    about = entry.manifest
    epochs = int(made.name.removeprefix("epoch-")) if about["step"] == "train" else None
    files = {name: made / name for name in entry.files}
    result = Result(about["step"], about["request"], about["sources"], files, epochs)
    if not result.is_there([about["fingerprint"]]):
        return "its files do not state what it says that they are"
    return ""
