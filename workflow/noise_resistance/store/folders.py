"""Folders that appear whole and go whole, and copies of files that share nothing with theirs.

A folder is made under a temporary name, renamed when it is whole, and gets such a name again before
it is removed. So what a killed process was at is below such a name alone, and the next one clears
it away.
"""

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from noise_resistance.storage.files import cannot_write, replace_atomically
from noise_resistance.storage.locks import remove, try_hold

__all__ = [
    "GONE",
    "abandoned",
    "appear",
    "clear_abandoned",
    "copy_file",
    "discard",
    "flush",
    "scratch",
    "vanish",
]

# What a path answers that somebody else has just renamed or removed.
GONE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}
_SCRATCH = ".tmp-"
_FICLONE = 0x40049409
_ABANDONED_SECONDS = 7 * 24 * 3600
_TRIES = 100


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """Give a new folder in another, which is made; what is left of it goes when the block ends.

    Raises:
        DataError: nothing can be written there.
    """
    prefix = f"{_SCRATCH}{os.uname().nodename}-{os.getpid()}-"
    try:
        root.mkdir(parents=True, exist_ok=True)
        clear_abandoned(root)
        made = Path(tempfile.mkdtemp(dir=root, prefix=prefix))
    except OSError as error:
        raise cannot_write(root, error) from error
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def abandoned(root: Path) -> list[Path]:
    """Return folders of `scratch` whose process on this machine is gone, or that are a week old."""
    return [one for one in root.glob(f"{_SCRATCH}*-*-*") if one.is_dir() and _is_abandoned(one)]


def clear_abandoned(root: Path) -> None:
    """Remove what `abandoned` gives."""
    for folder in abandoned(root):
        shutil.rmtree(folder, ignore_errors=True)


def appear(folder: Path, place: Path) -> bool:
    """Rename a whole folder to its place; what is there already stays.

    Returns: whether it is there now; False where another was first.

    Raises:
        OSError: it cannot be renamed.
    """
    for one in folder.iterdir():
        flush(one)
    flush(folder)
    for attempt in range(_TRIES):
        if place.exists():
            return False
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(place)
            break
        except OSError as error:
            # Another process was first, or has removed the empty folder above it meanwhile.
            passing = error.errno in {*GONE, errno.EEXIST, errno.ENOTEMPTY} and folder.exists()
            if not passing or attempt == _TRIES - 1:
                raise
    with suppress(FileNotFoundError):
        flush(place.parent)
    return True


def vanish(folder: Path, root: Path, unless: Callable[[Path], object] | None = None) -> None:
    """Remove a folder below a root: out of its place at once, and empty folders above it as well.

    Args:
        folder: what is removed.
        root: stays.
        unless: says of it, out of its place, that it stays: somebody may have put another there.

    Raises:
        DataError: it cannot be removed.
    """
    with scratch(root) as scratched:
        doomed = scratched / folder.name
        try:
            folder.rename(doomed)
            if unless and unless(doomed):
                appear(doomed, folder)
                return
        except OSError as error:
            if error.errno not in GONE:
                raise cannot_write(folder, error) from error
    for parent in folder.parents:
        if parent == root:
            break
        try:
            parent.rmdir()
        except OSError:
            break


def discard(folders: Iterable[Path], lock: Path, root: Path) -> bool:
    """Remove folders of a training's states, unless a process is at the training.

    Args:
        folders: some may be missing.
        lock: of the training. It goes last: whoever has it next may write states.
        root: as for `vanish`.

    Returns: whether they are gone.

    Raises:
        DataError: one cannot be removed.
    """
    there = [one for one in folders if one.is_dir()]
    if not there and not lock.exists():
        return True
    if (held := try_hold(lock)) is None:
        return False
    try:
        for folder in there:
            vanish(folder, root)
        remove(lock)
    finally:
        held.release()
    return True


def copy_file(source: Path, path: Path) -> None:
    """Copy a file, whole or not at all: as a clone where the file system has them.

    Raises:
        DataError: the copy cannot be written.
        FileNotFoundError: the source is gone.
    """
    if not source.exists():
        raise FileNotFoundError(source)
    with (
        replace_atomically(path) as temporary,
        source.open("rb") as there,
        temporary.open("wb") as here,
    ):
        try:
            fcntl.ioctl(here, _FICLONE, there.fileno())
        except OSError:
            shutil.copyfileobj(there, here, 1 << 20)


def flush(path: Path) -> None:
    """See that what was written to a file, or into a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_abandoned(folder: Path) -> bool:
    machine, _, process = folder.name.rpartition("-")[0].rpartition("-")
    if machine == _SCRATCH + os.uname().nodename and process.isdecimal():
        try:
            os.kill(int(process), 0)
        except (ProcessLookupError, OverflowError):
            return True
        except PermissionError:
            pass  # it runs, as another user
    try:
        return time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS
    except OSError:
        return False
