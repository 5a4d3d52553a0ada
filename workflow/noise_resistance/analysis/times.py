"""How long the jobs of a study computed and what memory they took, as their files state it.

A file that was restored from the store states what its computation took, wherever that was.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import h5py
import pandas as pd

__all__ = ["COLUMNS", "read_times"]

COLUMNS = ("rule", "dataset", "model", "seconds", "memory_mb")
# The files that each rule's jobs leave, below a study's folder.
_TRAINING = "trainings/*/*/*/*/lr-*/seed-*"
_FILES = {
    "train": f"{_TRAINING}/history.h5",
    "evaluate_baseline": f"{_TRAINING}/baseline.h5",
    "evaluate_noise": f"{_TRAINING}/noise/*/*.h5",
    "evaluate_snapshot_baseline": f"{_TRAINING}/snapshots/*/baseline.h5",
    "evaluate_snapshot_noise": f"{_TRAINING}/snapshots/*/noise/*/*.h5",
    "diagnose": f"{_TRAINING}/diagnostics.h5",
    "evaluate_external": "external/*/baseline.h5",
}


def read_times(study: Path, at_most: int | None = None) -> pd.DataFrame:
    """Read seconds and memory of the jobs of a study.

    Args:
        study: its folder, ``results/<study>``.
        at_most: files to read for each rule, dataset and model; all by default.

    Returns: one row a job, with the columns `COLUMNS`: seconds, and units of 10^6 bytes, NaN where
        a file states none. Of a model that was trained elsewhere, ``dataset`` is empty and
        ``model`` its name. Files that cannot be read are left out.
    """
    rows = [row for rule in _FILES for row in _rows(study, rule, at_most)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(
    study: Path, rule: str, at_most: int | None
) -> Iterator[tuple[str, str, str, float, float]]:
    read: Counter[tuple[str, str]] = Counter()
    for path in sorted(study.glob(_FILES[rule])):
        parts = path.relative_to(study).parts
        dataset, model = ("", parts[1]) if rule == "evaluate_external" else parts[1:3]
        if at_most is not None and read[dataset, model] >= at_most:
            continue
        # The last file of an external model states the seconds of all of them.
        files = sorted(path.parent.rglob("*.h5")) if rule == "evaluate_external" else [path]
        stated = [one for one in map(_stated, files) if one is not None]
        if stated:
            read[dataset, model] += 1
            seconds, memory = (max(values) for values in zip(*stated, strict=True))
            yield rule, dataset, model, seconds, memory


def _stated(path: Path) -> tuple[float, float] | None:
    try:
        with h5py.File(path, "r") as file:
            memory = float(file.attrs.get("peak_memory_mb", float("nan")))
            return float(file.attrs["seconds"]), memory
    except (OSError, KeyError, ValueError, TypeError, RuntimeError):
        return None
