"""How long each training was, whether its loss had settled, and what its snapshots resist.

One row a training, number of finished epochs (each snapshot's and the end's) and noise scope.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from noise_resistance.analysis.measured import StudyFiles
from noise_resistance.analysis.settling import has_settled, loss_change
from noise_resistance.storage.files import replace_atomically
from noise_resistance.storage.hdf5 import Variable, read_record, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.grid import Evaluation, Training
from noise_resistance.study.outline import Outline
from noise_resistance.study.specification import Specification

__all__ = ["COLUMNS", "read_lengths", "summarise_lengths"]

COLUMNS = {
    "dataset": "name of the dataset",
    "model": "name of the model",
    "optimizer": "name of the optimizer",
    "learning_rate": "initial learning rate",
    "seed": "training seed",
    "scope": "noise scope",
    "epochs": "finished epochs",
    "final": "1 at the end of the training, 0 at a snapshot",
    "training_loss": "mean training loss of the last finished epoch, L2 penalty included, nats",
    "loss_change": "relative fall of the training loss over the last tenth of the epochs",
    "settled": "1 where the loss changed by less than 1 % over the last tenth of the epochs",
    "baseline_accuracy": "test accuracy a_o without noise, a fraction",
    "average_normalized_accuracy": "equation (9), mean over the draws, a fraction",
}
_TEXT = ("dataset", "model", "optimizer", "scope")


def summarise_lengths(
    outline: Outline,
    snapshots: Sequence[int],
    csv: Path,
    hdf5: Path,
    provenance: Provenance,
    *,
    specification: Specification | None = None,
) -> None:
    """Read every history, baseline and evaluation of trainings and snapshots into one table.

    Args:
        outline: the study's grid; its paths are relative to the working directory.
        snapshots: numbers of finished epochs that were kept.
        csv: one row a training, length and scope, the columns of `COLUMNS`.
        hdf5: the same.
        provenance: of this step.
        specification: as for `summary.summarise`.

    Raises:
        DataError: a file is missing or damaged, or not what `measured.StudyFiles` takes.
    """
    files = StudyFiles(outline, specification)
    scopes: dict[Training, dict[str, list[Evaluation]]] = {}
    for one in outline.evaluations:
        scopes.setdefault(one.training, {}).setdefault(one.scope, []).append(one)
    rows = [
        row
        for training, by_scope in scopes.items()
        for epochs in [*sorted(snapshots), None]
        for row in _rows(files, training, by_scope, epochs)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    variables = {
        name: Variable(
            ("row",), table[name].to_numpy(object if name in _TEXT else None), description
        )
        for name, description in COLUMNS.items()
    }
    parameters = {"outline": outline.to_json(), "snapshots": list(snapshots)}
    write_record(hdf5, "lengths", variables, provenance.attributes(parameters))
    with replace_atomically(csv) as temporary:
        table.to_csv(temporary, index=False)


def read_lengths(path: Path) -> pd.DataFrame:
    """Read what `summarise_lengths` wrote, as a table with the columns of `COLUMNS`."""
    record = read_record(path, "lengths", list(COLUMNS))
    return pd.DataFrame({name: record[name] for name in COLUMNS})


def _rows(
    files: StudyFiles,
    training: Training,
    scopes: dict[str, list[Evaluation]],
    snapshot: int | None,
) -> list[dict[str, Any]]:
    losses = files.history(training, snapshot)["loss"]
    baseline = float(files.baseline(training, snapshot)["accuracy"])
    common = {
        **vars(training),
        "epochs": len(losses),
        "final": int(snapshot is None),
        "training_loss": losses[-1],
        "loss_change": loss_change(losses.tolist()),
        "settled": int(has_settled(losses.tolist())),
        "baseline_accuracy": baseline,
    }
    rows = []
    for scope, evaluations in scopes.items():
        means = [
            files.noise(one, snapshot)["accuracy"].mean()
            for one in evaluations
            if one.noise_level != 0
        ]
        average = float(np.mean(means)) / baseline if baseline else float("nan")
        rows.append({**common, "scope": scope, "average_normalized_accuracy": average})
    return rows
