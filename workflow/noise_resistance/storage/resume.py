"""Where a training keeps the state it can go on from, and when that goes."""

import shutil
from pathlib import Path

from noise_resistance.errors import DataError
from noise_resistance.storage.locks import hold

__all__ = ["discard", "lock_of", "resume_folder"]


def resume_folder(weights: str | Path) -> Path:
    """Return the folder of the states of the training that writes this weights file."""
    return Path(weights).parent / ".resume"


def lock_of(weights: str | Path) -> Path:
    """Return the lock of the process that is at this training."""
    return resume_folder(weights) / "lock"


def discard(weights: str | Path) -> None:
    """Delete the states of a training that nobody will start again.

    A training whose process still runs keeps them, as does one in a folder that is read-only.
    """
    folder = resume_folder(weights)
    if not folder.is_dir():
        return
    try:
        with hold(lock_of(weights)):
            shutil.rmtree(folder, ignore_errors=True)
    except DataError:
        return
