"""Looking after the store: what of it is damaged, left over, or of an unfinished training."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from noise_resistance.errors import DataError
from noise_resistance.storage.files import what_is_there
from noise_resistance.storage.hdf5 import read_record
from noise_resistance.storage.locks import holder, try_hold
from noise_resistance.storage.locks import remove as remove_lock
from noise_resistance.store.entries import LAST_STATE, LOCK, STATES, Store
from noise_resistance.store.folders import abandoned, discard, vanish
from noise_resistance.store.manifest import Entry, read_entry
from noise_resistance.store.versions import STORED_STEPS, version_of_fingerprint

__all__ = [
    "Finding",
    "Unfinished",
    "chosen",
    "clear",
    "faults_of",
    "leftovers",
    "remove",
    "size_of",
    "unfinished",
]


@dataclass(frozen=True)
class Finding:
    """A folder of the store that something is to be said about.

    Attributes:
        path: the folder.
        what: what is wrong with it, or what it is.
        size: its bytes.
        lock: without which it may not be removed, if there is one.
    """

    path: Path
    what: str
    size: int
    lock: Path | None = None


@dataclass(frozen=True)
class Unfinished:
    """The states of a training that has not ended, or that did not get to delete them.

    Attributes:
        key: the folder of the training's key; its lock and states lie there.
        states: their folders; none of a training that was killed in its first epoch.
        size: their bytes.
        changed: when, in seconds since 1970.
        process: who is at it now; empty where nobody is.
        whole: whether all that they lead to is in the store.
    """

    key: Path
    states: tuple[Path, ...]
    size: int
    changed: float
    process: str
    whole: bool


def faults_of(entry: Entry) -> str:
    """Say what is wrong with an entry that may go meanwhile; empty where nothing is.

    Raises:
        DataError: a file is there and may not be read.
    """
    fault = entry.damage()
    # Somebody may have removed it since it was listed.
    return fault if fault and read_entry(entry.folder) is not None else ""


def leftovers(store: Store) -> Iterator[Finding]:
    """Give what processes that were killed have left: it is of no use to any other."""
    for folder in abandoned(store.root):
        yield Finding(folder, "left by a process that is gone", size_of(folder))
    for step in STORED_STEPS:
        for place in store.places(step):
            # Empty folders are what others make and remove at any time.
            if read_entry(place) is None and _holds_something(place):
                yield Finding(place, "no entry: it has no manifest", size_of(place))
    for one in unfinished(store):
        if one.whole and not one.process:
            for states in one.states:
                what = "states of a training whose results are whole"
                yield Finding(states, what, size_of(states), one.key / LOCK)


def clear(store: Store, left: Finding) -> None:
    """Remove what a killed process has left, unless somebody needs it meanwhile.

    Raises:
        DataError: it cannot be removed.
    """
    if left.lock:
        discard([left.path], left.lock, store.root)
    elif read_entry(left.path) is None:
        vanish(left.path, store.root, unless=read_entry)


def unfinished(store: Store) -> Iterator[Unfinished]:
    """Give the states that trainings could go on from, and who is at them."""
    for key in store.keys("train"):
        states = tuple(sorted(key.glob(f"{STATES}*")))
        lock = key / LOCK
        if not states and not lock.exists():
            continue
        files = [lock, *(file for folder in states for file in folder.glob("*.h5"))]
        times = [time for file in files for time in _changed(file)]
        yield Unfinished(
            key,
            states,
            sum(map(size_of, states)),
            max(times, default=math.inf),
            holder(lock) or "",
            bool(states) and all(_is_whole(folder) for folder in states),
        )


def _changed(file: Path) -> list[float]:
    try:
        return [file.stat().st_mtime]
    except OSError:
        return []  # it has just gone


def _is_whole(states: Path) -> bool:
    """Say whether all that these states lead to is in the store."""
    try:
        record = read_record(states / LAST_STATE, "checkpoint", ["loss"])
        last = int(record.parameters["recipe"]["epochs"])
    except (DataError, KeyError, TypeError, ValueError):
        return False
    if len(record["loss"]) < last:
        return False
    wanted = {f"epoch-{last}", *(file.stem for file in states.glob("epoch-*.h5"))}
    version = states.name.removeprefix(STATES)
    return any(
        version_of_fingerprint("train", code.name) == version
        and all(read_entry(code / part) is not None for part in wanted)
        for code in states.parent.glob("*/")
        if not code.name.startswith(STATES)
    )


def _holds_something(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except FileNotFoundError:
        return False


def chosen(store: Store, path: Path) -> Path:
    """Return the folder of an entry, or of a key, that a path names.

    Raises:
        DataError: it is no such folder of this store.
    """
    root, real = store.root.resolve(), path.resolve()
    if not real.is_relative_to(root):
        raise DataError(f"{path}: not in the store {store.root}; name a folder of an entry in it")
    parts = real.relative_to(root).parts
    deepest = 4 if parts[:1] == ("train",) else 3
    if not parts or parts[0] not in STORED_STEPS or not 2 <= len(parts) <= deepest:
        raise DataError(
            f"{path}: neither an entry's folder nor a key's; name one such as "
            f"{store.root}/train/<key>, as `noise-resistance store list --long` prints them"
        )
    if not real.is_dir():
        raise DataError(f"{path}: no such folder; {what_is_there(path)}")
    return store.root.joinpath(*parts)


def remove(store: Store, folder: Path) -> None:
    """Remove an entry, or all that has one key, unless a process is at it.

    Args:
        store: the store.
        folder: as `chosen` gives it.

    Raises:
        DataError: the key's lock is held, or the folder cannot be removed.
    """
    step, key = folder.relative_to(store.root).parts[:2]
    lock = store.root / step / key / LOCK
    if step != "train":
        store.drop(folder)
        return
    if (held := try_hold(lock)) is None:
        owner = holder(lock) or "another process"
        raise DataError(f"{folder}: {owner} is at this training; wait for it or end it")
    try:
        vanish(folder, store.root)
        remove_lock(lock)
    finally:
        held.release()


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(place, name).lstat().st_size
            except OSError:
                continue
    return total
