"""Locks between processes, freed by the death of their owner as well as by its end."""

import fcntl
import os
import re
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from noise_resistance.errors import DataError
from noise_resistance.storage.files import cannot_write

__all__ = ["hold", "holder"]

# Type, mode, access, process, device and inode.
_FLOCK_LINE = re.compile(r"FLOCK .* [0-9a-f]+:[0-9a-f]+:([0-9]+) ")


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold a lock file while the block runs; on a shared folder other machines see it too.

    On a file system that has no locks the block runs without one, and a line says so.

    Raises:
        DataError: another process holds it, or the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise cannot_write(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise DataError(
                f"{path.parent}: {_said(file)} is at this already; wait until "
                "it ends, or end it, and run again"
            ) from None
        except OSError as error:
            print(f"{path}: no locks on this file system ({error.strerror})", flush=True)
        file.truncate(0)
        # On a full disk the lock is nobody's by name, and still a lock.
        with suppress(OSError):
            file.write(f"process {os.getpid()} on {os.uname().nodename}".encode())
        yield


def holder(path: Path) -> str | None:
    """Return who holds a lock file, such as ``process 12 on node3``; None where nobody does.

    The lock is asked for and never taken, not even for a moment: whoever wants it then would fail.
    """
    try:
        with path.open("rb") as file:
            said = _said(file)
            inode = os.fstat(file.fileno()).st_ino
            held = _held_as_record(file.fileno()) or inode in _flocked_here()
    except OSError:
        return None
    return said if held else None


def _said(file: BinaryIO | FileIO) -> str:
    return file.read(200).decode(errors="replace") or "another process"


def _held_as_record(descriptor: int) -> bool:
    """Ask for the lock as a record lock: NFS and BSD's kernels keep `flock` as one."""
    bsd = sys.platform == "darwin"
    layout = "qqihh" if bsd else "hhqqi"
    wanted = (0, 0, 0, fcntl.F_WRLCK, 0) if bsd else (fcntl.F_WRLCK, 0, 0, 0, 0)
    answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, struct.pack(layout, *wanted))
    kind = struct.unpack(layout, answer)[3 if bsd else 0]
    return bool(kind != fcntl.F_UNLCK)


def _flocked_here() -> set[int]:
    """Return the inodes of the files that this machine's processes hold with `flock`."""
    locks = Path("/proc/locks")
    text = locks.read_text(encoding="ascii") if locks.exists() else ""
    return {int(inode) for inode in _FLOCK_LINE.findall(text)}
