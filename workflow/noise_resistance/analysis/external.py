"""Accuracies of models that were trained elsewhere, in rows like those of the study's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from noise_resistance.analysis.measured import BY_DRAW, MeasuredFiles
from noise_resistance.analysis.summary import COLUMNS as STUDY_COLUMNS
from noise_resistance.errors import DataError
from noise_resistance.storage.files import replace_atomically
from noise_resistance.storage.hdf5 import Variable, read_record, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.numbers import format_number

__all__ = ["COLUMNS", "read_external", "summarise_external"]

# How such a model was trained is not known.
COLUMNS = {
    name: description
    for name, description in STUDY_COLUMNS.items()
    if name not in ("learning_rate", "seed", "settled", "settled_before_decay")
}
COLUMNS["epochs"] = "epochs of its training: unknown"
_STEPS = {"baseline": "evaluate_external", "noise": "evaluate_external"}
_TEXT = ("dataset", "model", "optimizer", "scope", "epochs")


def summarise_external(
    models: Mapping[str, Mapping[str, str]],
    scopes: Sequence[str],
    noise_levels: Sequence[float],
    csv: Path,
    hdf5: Path,
    provenance: Provenance,
) -> None:
    """Read all evaluations of external models and write one row a draw.

    Args:
        models: ``dataset`` and ``folder`` by the model's name.
        scopes: names of the readings they were evaluated under.
        noise_levels: eta, fractions.
        csv: the columns of `COLUMNS`; ``optimizer`` is ``external``.
        hdf5: the same.
        provenance: of this step.

    Raises:
        DataError: a file is missing or damaged, or not what `measured.MeasuredFiles` takes.
    """
    files, draws = MeasuredFiles(steps=_STEPS), None
    tables = []
    for model, where in models.items():
        folder = Path(where["folder"])
        path, dataset = folder / "baseline.h5", where["dataset"]
        about = {"external": {"dataset": dataset}}
        measured = files.baseline(str(path), about, model, dataset)
        baseline = float(measured["accuracy"])
        if baseline == 0:
            raise DataError(f"{path}: the baseline accuracy is 0; look at scale, mean and dataset")
        for scope in scopes:
            for level in noise_levels:
                file = folder / "noise" / scope / f"eta-{format_number(level)}.h5"
                wanted = {**about, "noise_level": level}
                record = files.noise(str(file), wanted, model, dataset, draws)
                draws = len(record["accuracy"])
                values: dict[str, Any] = {name: record[name] for name in BY_DRAW}
                values["draw"] = np.arange(draws)
                values |= {"dataset": where["dataset"], "model": model, "optimizer": "external"}
                values |= {"scope": scope, "noise_level": level, "baseline_accuracy": baseline}
                values["epochs"] = "unknown"
                values["test_images"] = len(measured["prediction"])
                values["normalized_accuracy"] = record["accuracy"] / baseline
                tables.append(pd.DataFrame(values)[list(COLUMNS)])
    table = pd.concat(tables, ignore_index=True)
    variables = {
        name: Variable(
            ("row",), table[name].to_numpy(object if name in _TEXT else None), description
        )
        for name, description in COLUMNS.items()
    }
    write_record(hdf5, "external", variables, provenance.attributes({"models": list(models)}))
    with replace_atomically(csv) as temporary:
        table.to_csv(temporary, index=False)


def read_external(path: Path) -> pd.DataFrame:
    """Read what `summarise_external` wrote, as a table with the columns of `COLUMNS`."""
    record = read_record(path, "external", list(COLUMNS))
    return pd.DataFrame({name: record[name] for name in COLUMNS})
