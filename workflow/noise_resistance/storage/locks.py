"""Locks between processes, which the system frees when their owner ends, however it ends."""

import errno
import fcntl
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import Timeout, UnixFileLock

from noise_resistance.errors import DataError
from noise_resistance.storage.files import cannot_write

__all__ = ["hold", "holder", "remove", "try_hold"]

_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
# What a file or a folder answers while somebody else makes or removes it.
_CHANGING = {errno.ENOENT, errno.EEXIST, errno.ESTALE}


@contextmanager
def hold(path: Path, *, wait: bool = False, doing: str = "") -> Iterator[None]:
    """Hold a lock while the block runs; on a shared folder other machines see it too.

    On a file system that has no locks the block runs without one, and a line says so.

    Args:
        path: the lock file, made with its folder where it is missing; its text names the owner.
        wait: say who has the lock and wait for it, instead of failing.
        doing: what the block does, for whoever finds it held, such as ``downloading MNIST``.

    Raises:
        DataError: another process holds it, or the folder cannot be written to.
    """
    lock = _named(path)
    # One who only asks for the owner is gone in a moment.
    if not _acquire(lock, seconds=0.2, every=0.02):
        owner = f"{holder(path) or 'another process'} is {doing or 'at this'}"
        if not wait:
            raise DataError(f"{path.parent}: {owner} already; wait for it or end it, and run again")
        print(f"waiting: {owner} ({path.parent})", flush=True)
        _acquire(lock, seconds=math.inf, every=0.5)
    try:
        yield
    finally:
        lock.release()


def try_hold(path: Path) -> UnixFileLock | None:
    """Take a lock for as long as the returned object lives; None where another has it."""
    lock = _named(path)
    return lock if _acquire(lock, seconds=0, every=0.02) else None


def holder(path: Path) -> str | None:
    """Return who holds a lock file, such as ``process 12 on node3``; None where nobody does."""
    with suppress(OSError), path.open("rb") as file:
        try:
            # Shared: of two who ask, neither takes the other for the owner.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read(200).decode(errors="replace") or "another process"
    return None


def remove(path: Path) -> None:
    """Delete a held lock's file, and its folder if empty: last, since others may enter at once."""
    with suppress(OSError):
        path.unlink()
        path.parent.rmdir()


def _acquire(lock: UnixFileLock, seconds: float, every: float) -> bool:
    path, until, changes = Path(lock.lock_file), time.monotonic() + seconds, 0
    while True:
        try:
            lock.acquire(blocking=False)
            return True
        except Timeout:
            changes = 0
            if time.monotonic() >= until:
                return False
        except OSError as error:
            if error.errno in _NO_LOCKS:
                print(f"{path}: no locks on this file system ({error.strerror})", flush=True)
                return True
            changes += 1
            if error.errno not in _CHANGING or changes > 20:
                raise cannot_write(path, error) from error
        time.sleep(every)


def _named(path: Path) -> UnixFileLock:
    def sign(descriptor: int) -> None:
        # A file that went between filelock's open and its lock guards nothing. It is opened here
        # and not looked up, which NFS may answer from memory.
        with path.open("rb") as there:
            if not os.path.samestat(os.fstat(descriptor), os.fstat(there.fileno())):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        # On a full disk the lock is nobody's by name, and still a lock.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {os.uname().nodename}".encode())

    # A soft lock would outlive an owner that is killed.
    return UnixFileLock(path, thread_local=False, fallback_to_soft=False, on_acquired=sign)
