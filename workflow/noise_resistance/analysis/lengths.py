"""How long each training was, whether its loss had settled, and what its snapshots resist.

One row a training, number of finished epochs (each snapshot's and the end's) and noise scope. A
snapshot is a training's state on its way, with the learning rate that the schedule then had in
force: no training of that length, whose schedule would have run to its end.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from noise_resistance.analysis.measured import StudyFiles
from noise_resistance.analysis.settling import before_decay, has_settled, loss_change
from noise_resistance.analysis.statistics import TRAINING_CELL, estimate
from noise_resistance.errors import DataError
from noise_resistance.storage.files import replace_atomically
from noise_resistance.storage.hdf5 import Record, Variable, read_record, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.grid import Evaluation, Training
from noise_resistance.study.outline import Outline
from noise_resistance.study.specification import Specification

__all__ = ["COLUMNS", "cells_by_length", "read_lengths", "summarise_lengths"]

COLUMNS = {
    "dataset": "name of the dataset",
    "model": "name of the model",
    "optimizer": "name of the optimizer",
    "learning_rate": "initial learning rate",
    "seed": "training seed",
    "scope": "noise scope",
    "epochs": "finished epochs",
    "final": "1 at the end of the training, 0 at a snapshot",
    "learning_rate_now": "learning rate of the last finished epoch",
    "training_loss": "mean training loss of the last finished epoch, L2 penalty included, nats",
    "loss_change": "relative fall of the training loss over the last tenth of the epochs",
    "settled": "1 where the loss changed by less than 1 % over the last tenth of the epochs",
    "loss_change_before_decay": "the same over the last tenth of the epochs before the learning "
    "rate fell for the first time",
    "settled_before_decay": "1 where that is less than 1 %",
    "baseline_accuracy": "test accuracy a_o without noise, a fraction",
    "average_normalized_accuracy": "equation (9), mean over the draws, a fraction",
    "low": "lower limit of its 95 % interval over draws",
    "high": "upper limit of its 95 % interval over draws",
}
_TEXT = ("dataset", "model", "optimizer", "scope")
_BY_DRAW = "average_by_draw"


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
        snapshots: numbers of finished epochs that were kept and evaluated.
        csv: one row a training, length and scope, the columns of `COLUMNS`.
        hdf5: the same, and equation (9) by draw.
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
    by_draw = np.stack([row.pop(_BY_DRAW) for row in rows])
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    variables = {
        name: Variable(
            ("row",), table[name].to_numpy(object if name in _TEXT else None), description
        )
        for name, description in COLUMNS.items()
    }
    variables[_BY_DRAW] = Variable(("row", "draw"), by_draw, "equation (9) of each draw")
    parameters = {"outline": outline.to_json(), "snapshots": list(snapshots)}
    write_record(hdf5, "lengths", variables, provenance.attributes(parameters))
    with replace_atomically(csv) as temporary:
        table.to_csv(temporary, index=False)


def read_lengths(path: Path) -> pd.DataFrame:
    """Read what `summarise_lengths` wrote, as a table with the columns of `COLUMNS`."""
    return _table(read_record(path, "lengths", list(COLUMNS)))


def cells_by_length(path: Path, scope: str) -> pd.DataFrame:
    """Return one row a training without its seed and length under one scope.

    Args:
        path: what `summarise_lengths` wrote.
        scope: a noise scope.

    Returns: `TRAINING_CELL`, ``epochs``, ``final``, ``learning_rate_now``, the mean
        ``baseline_accuracy``; ``value``, ``low``, ``high`` of equation (9) over seeds and draws;
        ``seeds``, ``draws``; how many trainings had ``settled`` and ``settled_before_decay``.

    Raises:
        DataError: the file is missing or damaged, or holds nothing of this scope.
    """
    record = read_record(path, "lengths", [*COLUMNS, _BY_DRAW])
    table = _table(record).assign(row=range(len(record["epochs"])))
    table = table[table["scope"] == scope]
    if table.empty:
        raise DataError(f"{path}: holds nothing of the noise scope '{scope}'; name another")
    keys = [*TRAINING_CELL, "epochs"]
    rows = []
    for key, group in table.groupby(keys, sort=False):
        values = record[_BY_DRAW][group["row"]]
        value, low, high = estimate(values)
        one = dict(zip(keys, key, strict=True))
        one |= {name: group[name].iloc[0] for name in ("final", "learning_rate_now")}
        one |= {"baseline_accuracy": group["baseline_accuracy"].mean()}
        one |= {"value": value, "low": low, "high": high}
        one |= dict(zip(("seeds", "draws"), values.shape, strict=True))
        one |= {name: int(group[name].sum()) for name in ("settled", "settled_before_decay")}
        rows.append(one)
    return pd.DataFrame(rows)


def _table(record: Record) -> pd.DataFrame:
    return pd.DataFrame({name: record[name] for name in COLUMNS})


def _rows(
    files: StudyFiles,
    training: Training,
    scopes: dict[str, list[Evaluation]],
    snapshot: int | None,
) -> list[dict[str, Any]]:
    history = files.history(training, snapshot)
    losses, rates = history["loss"].tolist(), history["learning_rate"].tolist()
    baseline = float(files.baseline(training, snapshot)["accuracy"])
    earlier = before_decay(losses, rates)
    common = {
        **vars(training),
        "epochs": len(losses),
        "final": int(snapshot is None),
        "learning_rate_now": rates[-1],
        "training_loss": losses[-1],
        "loss_change": loss_change(losses),
        "settled": int(has_settled(losses)),
        "loss_change_before_decay": loss_change(earlier),
        "settled_before_decay": int(has_settled(earlier)),
        "baseline_accuracy": baseline,
    }
    rows = []
    for scope, evaluations in scopes.items():
        draws = [
            files.noise(one, snapshot)["accuracy"] for one in evaluations if one.noise_level != 0
        ]
        by_draw = np.mean(draws, axis=0) / (baseline or np.nan)
        value, low, high = estimate(by_draw[np.newaxis])
        average = {"average_normalized_accuracy": value, "low": low, "high": high}
        rows.append({**common, "scope": scope, **average, _BY_DRAW: by_draw})
    return rows
