"""Writing files so that a reader sees a whole file or none."""

import difflib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from noise_resistance.errors import DataError

__all__ = [
    "cannot_write",
    "check_writable",
    "give_name",
    "replace_atomically",
    "what_is_there",
    "write_text",
]

_PREFIX = ".tmp-"


@contextmanager
def replace_atomically(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; when the block ends well, it becomes `path`.

    The temporary name ends like `path` (writers that look at the suffix are content), lies in the
    same folder (renaming is atomic there) and is removed if the block fails. What a killed process
    left behind goes when the file is next written; of two processes that write it, the last wins.

    Raises:
        DataError: the folder cannot be written to, or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left_over in path.parent.glob(f"{_PREFIX}*-{path.name}"):
            if not _is_being_written(left_over):
                left_over.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    temporary = path.parent / f"{_PREFIX}{os.getpid()}-{path.name}"
    try:
        yield temporary
        give_name(temporary, path)
    except OSError as error:
        if error.filename not in (None, str(temporary), str(path), str(path.parent)):
            raise
        raise cannot_write(path, error) from error
    except RuntimeError as error:
        # HDF5's when it cannot close a file on a full disk.
        if _error_number(error) is None:
            raise
        raise cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _is_being_written(temporary: Path) -> bool:
    """Say whether the process that a temporary file names runs on this machine, and is another."""
    process = temporary.name.removeprefix(_PREFIX).partition("-")[0]
    if not process.isdecimal() or int(process) == os.getpid():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it runs, as another user
    return True


def give_name(whole: Path, path: Path) -> None:
    """Give a whole file of the same file system its final name, once its bytes are on the disk."""
    _flush(whole)
    whole.replace(path)
    _flush(path.parent)


def check_writable(folder: str | Path) -> None:
    """Try to write into a folder, or into the nearest one above it that is there.

    Raises:
        DataError: nothing can be written there.
    """
    folder = Path(folder)
    there = next(one for one in (folder, *folder.parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=there, prefix=_PREFIX):
            pass
    except OSError as error:
        raise cannot_write(there, error) from error


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    with replace_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def cannot_write(path: Path, error: Exception) -> DataError:
    """Return the error that says why a file cannot be written, and what to do."""
    number = _error_number(error)
    reason = os.strerror(number) if number else str(error).splitlines()[0]
    return DataError(
        f"{path}: cannot be written ({reason}); free disk space or make the folder "
        "writable, then run again"
    )


def what_is_there(path: Path) -> str:
    """Say which existing path is nearest to one that does not exist, and what is beside it.

    Returns: such as ``did you mean 'config/demo.yaml'? (config has cpu.yaml, demo.yaml)``.
    """
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    names = sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))
    wrong = path.absolute().relative_to(folder).parts[0]
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    there = path
    while not there.is_dir() and there != there.parent:
        there = there.parent
    beside = f"{there} has {shown or 'nothing'}"
    nearest = difflib.get_close_matches(wrong, names, n=1)
    return f"did you mean '{there / nearest[0]}'? ({beside})" if nearest else beside


def _error_number(error: Exception) -> int | None:
    """Return the system's number of an error; HDF5 has it in its message."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = re.search(r"errno = ([0-9]+)", str(error))
    return int(found[1]) if found else None


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
