"""What of the store no study needs any more, by what the files of studies state that they are."""

import os
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from noise_resistance.errors import DataError
from noise_resistance.storage.files import what_is_there
from noise_resistance.storage.locks import holder
from noise_resistance.store.entries import LOCK, Store
from noise_resistance.store.folders import discard
from noise_resistance.store.manifest import MANIFEST, Entry
from noise_resistance.store.results import Identity, identity_of
from noise_resistance.store.upkeep import (
    Finding,
    Unfinished,
    clear,
    leftovers,
    unfinished,
)

__all__ = ["Pruning", "identity_of_entry", "measured_files", "prune", "pruning", "stated_by"]

# What a running job has made may be stated by no file yet.
_JUST_MADE_SECONDS = 3600
_DAY = 24 * 3600
# Folders beside the studies that hold no results of jobs.
_OTHERS = ("datasets", "benchmarks", "store")


@dataclass(frozen=True)
class Pruning:
    """What would go.

    Attributes:
        entries: what no file states.
        states: of unfinished trainings that nobody has gone on with for long.
        leftovers: of processes that were killed.
        in_use: how many entries stay because they were just made, or a process is at them.
    """

    entries: tuple[Entry, ...]
    states: tuple[Unfinished, ...]
    leftovers: tuple[Finding, ...]
    in_use: int

    @property
    def size(self) -> int:
        """Its bytes."""
        sizes = [one.size for one in self.entries]
        sizes += [one.size for one in self.states] + [one.size for one in self.leftovers]
        return sum(sizes)


def measured_files(store: Store, results: Path, study: str = "*") -> list[Path]:
    """Return the HDF5 files of studies.

    Args:
        store: which may lie among the studies, and is none.
        results: the folder that has a folder for each study.
        study: the name of one; all by default.

    Raises:
        DataError: there is no such folder.
    """
    folders = sorted(one for one in results.glob(study) if one.is_dir())
    if not results.is_dir() or (study != "*" and not folders):
        wanted = results if study == "*" else results / study
        raise DataError(f"{wanted}: no such folder; {what_is_there(wanted)}")
    return [
        file
        for folder in folders
        if folder.name not in _OTHERS and folder.resolve() != store.root.resolve()
        for file in sorted(_below(folder))
    ]


def _below(folder: Path) -> Iterator[Path]:
    seen = set()
    # What was moved to another disk and is linked to is needed as well.
    for place, folders, names in os.walk(folder, followlinks=True):
        here = Path(place).stat()
        if (here.st_dev, here.st_ino) in seen:
            folders.clear()
            continue
        seen.add((here.st_dev, here.st_ino))
        # States that trainings go on from, and files that are being written.
        folders[:] = [one for one in folders if not one.startswith(".")]
        yield from (
            Path(place, name) for name in names if name.endswith(".h5") and not name.startswith(".")
        )


def stated_by(files: Iterable[Path]) -> set[Identity]:
    """Return what files state that they are.

    Raises:
        DataError: one cannot be read. It may be the entry's only use that it is restored from it.
    """
    found = set()
    for file in files:
        try:
            if (identity := identity_of(file)) is not None:
                found.add(identity)
        except DataError as error:
            if not file.exists():
                continue
            raise DataError(
                f"{error}, so what it needs of the store is unknown; run snakemake, which brings "
                "it back, or delete it, and prune then"
            ) from error
    return found


def pruning(
    store: Store, stated: Collection[Identity], older_than_days: float, entries: Iterable[Entry]
) -> Pruning:
    """Return what would go, and change nothing.

    Args:
        store: the store.
        stated: what the files of all studies state that they are.
        older_than_days: states of unfinished trainings that have not changed for so long go too.
        entries: all of the store.
    """
    now = time.time()
    unstated = [one for one in entries if identity_of_entry(one) not in stated]
    going = [one for one in unstated if not _is_in_use(one)]
    old = [
        one
        for one in unfinished(store)
        if not one.process and not one.whole and now - one.changed > older_than_days * _DAY
    ]
    return Pruning(tuple(going), tuple(old), tuple(leftovers(store)), len(unstated) - len(going))


def _key(entry: Entry) -> Path:
    return entry.folder.parents[1 if entry.manifest["step"] == "train" else 0]


def identity_of_entry(entry: Entry) -> Identity:
    """Return what the files of an entry state that they are."""
    manifest = entry.manifest
    return Identity(manifest["step"], _key(entry).name, manifest["fingerprint"])


def _is_in_use(entry: Entry) -> bool:
    """Say whether an entry was just made, or a process is at it: a study may state it soon."""
    try:
        age = time.time() - (entry.folder / MANIFEST).stat().st_mtime
    except OSError:
        return True
    at_work = entry.manifest["step"] == "train" and holder(_key(entry) / LOCK) is not None
    return age < _JUST_MADE_SECONDS or at_work


def prune(store: Store, what: Pruning, entries: Iterable[Entry]) -> None:
    """Remove what would go. What a process is at meanwhile stays.

    Args:
        store: the store.
        what: as `pruning` gives it.
        entries: those of `what`, perhaps with a bar that shows how far it is.

    Raises:
        DataError: something cannot be removed.
    """
    for entry in entries:
        if not _is_in_use(entry):
            store.drop(entry.folder)
    for one in what.states:
        discard(one.states, one.key / LOCK, store.root)
    for left in what.leftovers:
        clear(store, left)
