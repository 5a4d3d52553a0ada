"""Accuracies with noise on one layer alone, of all trainings: one row a layer and noise level."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from noise_resistance.analysis.measured import StudyFiles
from noise_resistance.storage.files import replace_atomically
from noise_resistance.storage.hdf5 import Variable, read_record, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.layers import LayerSweep
from noise_resistance.study.outline import Outline
from noise_resistance.study.paths import LAYER_SCOPE
from noise_resistance.study.specification import Specification

__all__ = ["COLUMNS", "read_layers", "summarise_layers"]

COLUMNS = {
    "dataset": "name of the dataset",
    "model": "name of the model",
    "optimizer": "name of the optimizer",
    "learning_rate": "initial learning rate",
    "seed": "training seed",
    "epochs": "epochs of the training",
    "layer": "the layer that alone received noise",
    "noise_level": "eta of equation (6), a fraction",
    "baseline_accuracy": "test accuracy a_o without noise, a fraction",
    "accuracy": "mean test accuracy over the draws, equation (7), a fraction",
    "accuracy_deviation": "standard deviation over the draws",
    "accuracy_lost": "a_o - a^x, a fraction",
}
_TEXT = ("dataset", "model", "optimizer", "layer")


def summarise_layers(
    outline: Outline,
    levels: Sequence[float],
    scope: str,
    csv: Path,
    hdf5: Path,
    provenance: Provenance,
    *,
    specification: Specification | None = None,
) -> None:
    """Read the layer sweep of every training and write it as CSV and HDF5.

    Args:
        outline: the study's grid; its paths are relative to the working directory.
        levels: the sweep's noise levels.
        scope: which arrays of a layer received noise.
        csv: the columns of `COLUMNS`.
        hdf5: the same.
        provenance: of this step.
        specification: as for `summary.summarise`.

    Raises:
        DataError: a file is missing or damaged, or not what `measured.StudyFiles` takes.
    """
    files = StudyFiles(outline, specification)
    baselines = {one: float(files.baseline(one)["accuracy"]) for one in outline.trainings}
    rows: list[dict[str, Any]] = []
    for one in LayerSweep(tuple(levels), scope).evaluations(outline.trainings):
        draws = files.noise(one)["accuracy"]
        clean, noisy = baselines[one.training], float(draws.mean())
        rows.append(
            {
                **vars(one.training),
                "epochs": outline.epochs,
                "layer": one.scope.removeprefix(LAYER_SCOPE),
                "noise_level": one.noise_level,
                "baseline_accuracy": clean,
                "accuracy": noisy,
                "accuracy_deviation": float(draws.std(ddof=1)) if len(draws) > 1 else np.nan,
                "accuracy_lost": clean - noisy,
            }
        )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    variables = {
        name: Variable(
            ("row",), table[name].to_numpy(object if name in _TEXT else None), description
        )
        for name, description in COLUMNS.items()
    }
    parameters = {"outline": outline.to_json(), "levels": list(levels), "scope": scope}
    write_record(hdf5, "layers", variables, provenance.attributes(parameters))
    with replace_atomically(csv) as temporary:
        table.to_csv(temporary, index=False)


def read_layers(path: Path) -> pd.DataFrame:
    """Read what `summarise_layers` wrote, as a table with the columns of `COLUMNS`."""
    record = read_record(path, "layers", list(COLUMNS))
    return pd.DataFrame({name: record[name] for name in COLUMNS})
