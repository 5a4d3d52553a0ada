"""All accuracies of a study in one tidy table.

One row an observation: one draw of one training at one noise level under one scope, beside the
training's baseline accuracy. Normalized accuracy is equation (8) for the single draw. What has not
been measured is a hole: its numbers are NaN.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from noise_resistance.analysis.measured import BY_DRAW, StudyFiles
from noise_resistance.analysis.mixture import describe_mixture
from noise_resistance.analysis.settling import before_decay, has_settled
from noise_resistance.errors import DataError
from noise_resistance.storage.files import replace_atomically
from noise_resistance.storage.hdf5 import Record, Variable, read_record, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.grid import Evaluation, Training
from noise_resistance.study.outline import Outline
from noise_resistance.study.specification import Specification

__all__ = ["COLUMNS", "read_summary", "summarise"]

COLUMNS = {
    "dataset": "name of the dataset",
    "model": "name of the model",
    "optimizer": "name of the optimizer",
    "learning_rate": "initial learning rate",
    "seed": "training seed",
    "scope": "noise scope",
    "noise_level": "eta of equation (6), a fraction",
    "draw": "index of the noisy copy",
    "accuracy": "test accuracy a_i of the noisy copy, a fraction",
    "loss": "mean cross-entropy over the finite outputs of the noisy copy, nats",
    "nonfinite": "test images whose outputs were not finite; they count as wrong",
    "baseline_accuracy": "test accuracy a_o without noise, a fraction",
    "test_images": "images of the test set; 0 where the baseline is missing",
    "settled": "1 where the training loss had settled, 0 where not; NaN where no history is there",
    "settled_before_decay": "the same over the epochs before the learning rate first fell",
    "normalized_accuracy": "a_i / a_o, equation (8) for one draw",
}
_One = TypeVar("_One")
_Taken = TypeVar("_Taken")


def summarise(
    outline: Outline,
    csv: Path,
    hdf5: Path,
    provenance: Provenance,
    *,
    specification: Specification | None = None,
    incomplete: bool = False,
) -> None:
    """Read every evaluation of a study and write the summary, as CSV and HDF5.

    Args:
        outline: the study's grid; its paths are relative to the working directory.
        csv: one row an observation, the columns of `COLUMNS`.
        hdf5: the same numbers by (evaluation, draw).
        provenance: of this step.
        specification: what the files must have been made from; without one they are compared with
            their places in the grid and with each other.
        incomplete: whether a missing file is a hole and no error.

    Raises:
        DataError: a file is missing or damaged, or not what `measured.StudyFiles` takes; a
            baseline accuracy is 0; or nothing is there at all.
    """
    paths = outline.paths
    baseline_files = {one: paths.fill(paths.baseline, one) for one in outline.trainings}
    noise_files = {one: paths.fill(paths.noise, one) for one in outline.evaluations}
    history_files = {one: paths.fill(paths.history, one) for one in outline.trainings}
    files = StudyFiles(outline, specification)
    # In this order: what is wrong with a training is said of the training.
    settled = _read(files.history, _settled, history_files, incomplete)
    baselines = _read(files.baseline, _baseline, baseline_files, incomplete)
    draws = _read(files.noise, _by_draw, noise_files, incomplete)
    if not draws:
        raise DataError(
            f"{paths.root}: nothing has been evaluated yet; run snakemake with the target "
            "'evaluations'"
        )
    variables = _variables(outline, baselines, settled, draws)
    parameters: dict[str, Any] = {"outline": outline.to_json()}
    if specification:
        parameters["specification"] = specification.as_mapping()
    attributes = provenance.attributes(parameters)
    attributes["computed_with"] = files.environments.as_mapping()
    write_record(hdf5, "summary", variables, attributes)
    with replace_atomically(csv) as temporary:
        read_summary(hdf5).to_csv(temporary, index=False)


def read_summary(path: Path) -> pd.DataFrame:
    """Read a study's summary as a tidy table with the columns of `COLUMNS`.

    Its attribute ``mixture`` says whether files of the study were computed with several versions or
    devices; empty where they were not.
    """
    record = read_record(path, "summary")
    evaluations, draws = record["accuracy"].shape
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        if name in BY_DRAW:
            columns[name] = record[name].ravel()
        elif name == "draw":
            columns[name] = np.tile(record["draw"], evaluations)
        elif name != "normalized_accuracy":
            columns[name] = np.repeat(record[name], draws)
    table = pd.DataFrame(columns)
    table["normalized_accuracy"] = table["accuracy"] / table["baseline_accuracy"]
    table = table[list(COLUMNS)]
    computed_with = json.loads(str(record.attributes.get("computed_with", "{}")))
    table.attrs["mixture"] = describe_mixture(computed_with)
    return table


def _read(
    read: Callable[[_One], Record],
    taken_from: Callable[[Record], _Taken],
    files: Mapping[_One, str],
    incomplete: bool,
) -> dict[_One, _Taken]:
    """Read files one by one, and keep of each what is taken from it."""
    there = (one for one, path in files.items() if not incomplete or Path(path).exists())
    return {one: taken_from(read(one)) for one in there}


def _by_draw(record: Record) -> dict[str, np.ndarray]:
    return {name: record[name] for name in BY_DRAW}


def _baseline(record: Record) -> tuple[float, int]:
    """Return the accuracy and the number of test images."""
    if record["accuracy"] == 0:
        raise DataError(
            f"{record.path}: the baseline accuracy is 0, so equation (8) has no value; look at "
            "the training's history"
        )
    return float(record["accuracy"]), len(record["prediction"])


def _settled(history: Record) -> tuple[float, float]:
    losses, rates = history["loss"].tolist(), history["learning_rate"].tolist()
    return float(has_settled(losses)), float(has_settled(before_decay(losses, rates)))


def _variables(
    outline: Outline,
    baselines: Mapping[Training, tuple[float, int]],
    settled: Mapping[Training, tuple[float, float]],
    draws: Mapping[Evaluation, Mapping[str, np.ndarray]],
) -> Mapping[str, Variable]:
    evaluations = outline.evaluations
    of_training = {
        name: [getattr(one.training, name) for one in evaluations]
        for name in Training.__dataclass_fields__
    }
    unmeasured, unknown = (np.nan, 0), (np.nan, np.nan)
    by_evaluation = {
        **of_training,
        "scope": [one.scope for one in evaluations],
        "noise_level": [one.noise_level for one in evaluations],
        "baseline_accuracy": [baselines.get(one.training, unmeasured)[0] for one in evaluations],
        "settled": [settled.get(one.training, unknown)[0] for one in evaluations],
        "settled_before_decay": [settled.get(one.training, unknown)[1] for one in evaluations],
        "test_images": [baselines.get(one.training, unmeasured)[1] for one in evaluations],
    }
    hole = np.full(outline.draws, np.nan)
    by_draw = {
        name: np.stack([draws[one][name] if one in draws else hole for one in evaluations])
        for name in BY_DRAW
    }
    return {
        "draw": Variable(("draw",), np.arange(outline.draws, dtype=np.int32), COLUMNS["draw"]),
        **{
            name: Variable(("evaluation",), np.asarray(values), COLUMNS[name])
            for name, values in by_evaluation.items()
        },
        **{
            name: Variable(("evaluation", "draw"), values, COLUMNS[name])
            for name, values in by_draw.items()
        },
    }
