"""The diagnostics of all trainings in one tidy table: one row a training and point of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from noise_resistance.analysis.measured import StudyFiles
from noise_resistance.storage.files import replace_atomically
from noise_resistance.storage.hdf5 import Variable, read_record, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.grid import Training
from noise_resistance.study.outline import Outline
from noise_resistance.study.specification import Specification

__all__ = ["COLUMNS", "read_diagnostics", "summarise_diagnostics"]

COLUMNS = {
    "dataset": "name of the dataset",
    "model": "name of the model",
    "optimizer": "name of the optimizer",
    "learning_rate": "initial learning rate",
    "seed": "training seed",
    "epochs": "finished epochs at this point of the training; 0 is its start",
    "learning_rate_now": "learning rate of the last finished epoch",
    "dead_channels": "BatchNorm channels whose moving variance is below 1e-6",
    "dead_fraction": "the same as a fraction of all BatchNorm channels",
    "amplification_max": "|gamma| / sqrt(moving variance + epsilon), largest channel",
    "C": "C of equation (3), BatchNorm's moving statistics",
    "C_error": "its standard error",
    "gradient_bound": "C / B",
    "gradient_noise": "E||grad L_B - grad L_D||^2, same statistics",
    "gradient_noise_error": "its standard error",
    "gradient_noise_batch": "the same with the batch's own statistics, as in training",
    "gradient_noise_batch_error": "its standard error",
    "bound": "alpha^2 C / B, right of equation (2)",
    "step_noise": "alpha^2 E||grad L_B - grad L_D||^2, left of equation (2), same statistics",
    "bound_holds": "1 where the measured noise is not above the bound, two standard errors allowed",
    "step_noise_batch": "the left of equation (2) with the batch's own statistics, as in training",
    "bound_holds_batch": "the same for it; no theory says that it must hold",
    "update_noise": "E||u_B - mean u||^2 of the optimizer's own updates",
    "update_size": "||mean u||^2; unbiased, so it can be negative",
}
_TEXT = ("dataset", "model", "optimizer")
_BY_POINT = ("C", "C_error", "gradient_bound", "bound", "update_noise", "update_size")
_BY_MODE = ("gradient_noise", "gradient_noise_error", "step_noise", "bound_holds")


def summarise_diagnostics(
    outline: Outline,
    csv: Path,
    hdf5: Path,
    provenance: Provenance,
    *,
    specification: Specification | None = None,
) -> None:
    """Read the diagnostics of every training and write them as CSV and HDF5.

    Args:
        outline: the study's grid; its paths are relative to the working directory.
        csv: one row a training and point, the columns of `COLUMNS`.
        hdf5: the same.
        provenance: of this step.
        specification: as for `summary.summarise`.

    Raises:
        DataError: a file is missing or damaged, or not what `measured.StudyFiles` takes.
    """
    files = StudyFiles(outline, specification)
    rows = [row for training in outline.trainings for row in _rows(files, training)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    variables = {
        name: Variable(
            ("row",), table[name].to_numpy(object if name in _TEXT else None), description
        )
        for name, description in COLUMNS.items()
    }
    parameters = {"outline": outline.to_json()}
    write_record(hdf5, "diagnostics_summary", variables, provenance.attributes(parameters))
    with replace_atomically(csv) as temporary:
        table.to_csv(temporary, index=False)


def read_diagnostics(path: Path) -> pd.DataFrame:
    """Read what `summarise_diagnostics` wrote, as a table with the columns of `COLUMNS`."""
    record = read_record(path, "diagnostics_summary", list(COLUMNS))
    return pd.DataFrame({name: record[name] for name in COLUMNS})


def _rows(files: StudyFiles, training: Training) -> list[dict[str, Any]]:
    record = files.diagnostics(training)
    dead = record["dead_channels"].sum(axis=1)
    values = {
        "epochs": record["epochs"],
        "learning_rate_now": record["learning_rate"],
        "dead_channels": dead,
        "dead_fraction": dead / record["channels"].sum(),
        "amplification_max": record["amplification_max"].max(axis=1),
        **{name: record[name] for name in _BY_POINT},
        **{name: record[name][:, 0] for name in _BY_MODE},
        "gradient_noise_batch": record["gradient_noise"][:, 1],
        "gradient_noise_batch_error": record["gradient_noise_error"][:, 1],
        "step_noise_batch": record["step_noise"][:, 1],
        "bound_holds_batch": record["bound_holds"][:, 1],
    }
    points = range(len(np.atleast_1d(record["epochs"])))
    return [
        {**vars(training), **{name: one[point] for name, one in values.items()}} for point in points
    ]
