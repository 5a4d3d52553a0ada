"""Entries of the store: `<root>/<step>/<key>/<fingerprint>/`, written once, verified when used.

An entry is made in a folder of its own and renamed when it is whole, so a reader sees all of it or
nothing. Its files are copies, never links: Snakemake sets the times of its outputs, and a link
would share them between studies. A training's entry has a folder for each epoch whose state is
kept; each of these is whole by itself, so states can be added later.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from noise_resistance.storage.files import cannot_write
from noise_resistance.storage.hdf5 import read_attributes
from noise_resistance.store.folders import (
    GONE,
    appear,
    clear_abandoned,
    copy_file,
    scratch,
    vanish,
)
from noise_resistance.store.manifest import (
    LOG,
    MANIFEST,
    Entry,
    cannot_read,
    read_entry,
    write_manifest,
)
from noise_resistance.store.results import KIND_OF_FILE, Result
from noise_resistance.store.versions import STORED_STEPS

__all__ = ["LAST_STATE", "LOCK", "MANIFEST", "STATES", "Store"]

# Beside the entries of a training's key: its lock, and folders of states while it is unfinished.
LOCK, STATES = "lock", "states-"
# The state after the last finished epoch, in such a folder.
LAST_STATE = "last.h5"


class Store:
    """A folder of entries."""

    def __init__(self, root: str | Path) -> None:
        """Name the folder; it is made with the first entry."""
        self.root = Path(root)

    def key_folder(self, result: Result) -> Path:
        """Return the folder of all that has one key: entries, states and lock."""
        return self.root / result.step / result.key

    def place(self, result: Result, code: str) -> Path:
        """Return where the entry of a result is, or would be.

        Args:
            result: what it holds.
            code: the fingerprint of the code that computed it.
        """
        return self.key_folder(result) / code / result.part

    def find(self, result: Result, codes: Sequence[str]) -> Entry | None:
        """Return the first entry of a result, or None where there is none; it may be damaged.

        Args:
            result: what is looked for.
            codes: fingerprints that count, the preferred one first.
        """
        return next(self._found(result, codes), None)

    def take(self, result: Result, codes: Sequence[str]) -> Entry | None:
        """Return an entry as `find` does, verified: a damaged one is dropped, and a line says so.

        Raises:
            DataError: a damaged one cannot be removed.
        """
        for entry in self._found(result, codes):
            # A log is no result: for its sake alone nothing is computed again.
            if not (damage := entry.damage(entry.files)):
                return entry
            if read_entry(entry.folder) is not None:
                print(f"store: {entry.folder} is damaged ({damage}) and is dropped", flush=True)
                self.drop(entry.folder)
        return None

    def _found(self, result: Result, codes: Sequence[str]) -> Iterator[Entry]:
        key = self.key_folder(result)
        for code in codes:
            entry = read_entry(key / code / result.part)
            if entry and set(result.files) <= set(entry.files):
                yield entry

    def restore(self, result: Result, codes: Sequence[str]) -> Entry | None:
        """Copy a result out of the store to where its files go.

        Returns: its entry, as `take` gives it.

        Raises:
            DataError: the files cannot be written.
        """
        if (entry := self.take(result, codes)) is None:
            return None
        try:
            for name, path in result.files.items():
                copy_file(entry.folder / name, path)
        except FileNotFoundError:
            return None  # somebody removed it meanwhile
        return entry

    def temporary(self) -> AbstractContextManager[Path]:
        """Give a folder to make an entry in; what is left of it goes when the block ends.

        Raises:
            DataError: the store cannot be written to.
        """
        return scratch(self.root)

    def add(self, result: Result, folder: Path, code: str, log: str) -> Path:
        """Make an entry of the files in a temporary folder of this store.

        Where another process was first, its entry stays.

        Args:
            result: what it is.
            folder: holds its files and nothing else; it is gone afterwards.
            code: the fingerprint of the code that computed it.
            log: what the job wrote.

        Returns: the entry's folder.

        Raises:
            DataError: the store cannot be written to.
        """
        place = self.place(result, code)
        try:
            (folder / LOG).write_text(log, encoding="utf-8")
            write_manifest(folder, result, code)
            self.enter(folder, place)
        except OSError as error:
            raise cannot_write(place, error) from error
        return place

    def enter(self, folder: Path, place: Path) -> bool:
        """Rename a temporary folder with a manifest to an entry's place.

        Returns: whether it is there now; False where there was an entry before.

        Raises:
            DataError: the store cannot be written to.
        """
        try:
            for one in folder.iterdir():
                one.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
            if place.is_dir() and read_entry(place) is None:
                # Somebody has removed or damaged its manifest.
                vanish(place, self.root, unless=read_entry)
            return appear(folder, place)
        except OSError as error:
            raise cannot_write(place, error) from error

    def adopt(self, result: Result, codes: Sequence[str], log: str) -> None:
        """Make an entry of a result's own files, unless there is one.

        Raises:
            DataError: the store cannot be written to.
        """
        if self.find(result, codes) is not None:
            return
        name, path = next(iter(result.files.items()))
        code = str(read_attributes(path, KIND_OF_FILE[name]).attributes["fingerprint"])
        with self.temporary() as folder:
            made = folder / "adopted"
            made.mkdir()
            for one, source in result.files.items():
                copy_file(source, made / one)
            self.add(result, made, code, log)

    def drop(self, folder: Path) -> None:
        """Remove an entry, or all of a key: out of sight at once, so that nobody takes half of it.

        Raises:
            DataError: it cannot be removed.
        """
        vanish(folder, self.root)

    def clear_temporary(self) -> None:
        """Remove temporary folders that are a week old, or whose process is gone from here."""
        clear_abandoned(self.root)

    def keys(self, step: str) -> list[Path]:
        """Return the folders of a step's keys."""
        return _folders(self.root / step)

    def places(self, step: str) -> Iterator[Path]:
        """Give the folders of a step's entries, by key; whole or not."""
        for key in self.keys(step):
            for code in _folders(key):
                if code.name.startswith(STATES):
                    continue
                yield from _folders(code) if step == "train" else (code,)

    def entries(self) -> Iterator[Entry]:
        """Give all whole entries, in the order of the pipeline and of their keys."""
        for step in STORED_STEPS:
            for place in self.places(step):
                if (entry := read_entry(place)) is not None:
                    yield entry


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as found:
            names = sorted(one.name for one in found if one.is_dir(follow_symlinks=False))
    except OSError as error:
        if error.errno not in GONE:
            raise cannot_read(folder, error) from error
        return []
    return [folder / name for name in names]
