"""Locks between processes, freed by the death of their owner as well as by its end."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from noise_resistance.errors import DataError
from noise_resistance.storage.files import cannot_write

__all__ = ["hold"]


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold a lock file while the block runs; on a shared folder other machines see it too.

    On a file system that has no locks the block runs without one, and a line says so.

    Raises:
        DataError: another process holds it, or the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise DataError(
                f"{path.parent}: {file.read() or 'another process'} is at this already; wait until "
                "it ends, or end it, and run again"
            ) from None
        except OSError as error:
            print(f"{path}: no locks on this file system ({error.strerror})", flush=True)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}")
        file.flush()
        yield
