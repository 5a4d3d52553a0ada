"""What each job is to make: its results with their keys, from what the job is given.

Jobs and the plan both ask here, so that what is planned is what happens. A plan asks before a
training is restored, and takes the digests of its files from the store.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noise_resistance.errors import DataError
from noise_resistance.storage.checksums import digest_of, digest_of_file
from noise_resistance.storage.sources import DatasetFile, digest_of_states, digest_of_weights
from noise_resistance.store.results import Result
from noise_resistance.study.request import TrainingRequest

__all__ = [
    "STATE_FILES",
    "Digests",
    "diagnosed_folders",
    "diagnosis_of",
    "evaluation_of",
    "external_evaluations_of",
    "trainings_of",
]

STATE_FILES = ("model.weights.h5", "history.h5", "optimizer.h5")
_FILE_OF_STEP = {"evaluate_baseline": "baseline.h5", "evaluate_noise": "noise.h5"}


@dataclass(frozen=True)
class Digests:
    """How the digests of a training's files are found, by where the files go.

    Attributes:
        weights: of trained weights.
        states: of an optimizer's state.
    """

    weights: Callable[[Path], str] = digest_of_weights
    states: Callable[[Path], str] = digest_of_states


_AS_THEY_ARE = Digests()


def trainings_of(
    dataset: DatasetFile,
    request: Mapping[str, Any],
    folder: Path,
    kept_epochs: Iterable[int],
    *,
    stored: bool = True,
) -> list[Result]:
    """Return the states that a training is to make, that of its last epoch first.

    Args:
        dataset: what it reads.
        request: of the training.
        folder: the training's, to write.
        kept_epochs: numbers of finished epochs whose states are kept below it.
        stored: whether the store is given the state before the first decay as well: who asks for
            diagnostics later need not train again.
    """
    wanted = TrainingRequest.from_mapping(request)
    sources = {"dataset_sha256": dataset.sha256}
    folders: dict[int, Path | None] = {wanted.recipe.epochs: folder}
    folders |= {epochs: folder / f"snapshots/epoch-{epochs}" for epochs in kept_epochs}
    if stored and (decay := wanted.recipe.first_decay):
        folders.setdefault(decay, None)
    return [
        Result(
            "train",
            wanted.parameters(),
            sources,
            {name: place / name for name in STATE_FILES} if place else {},
            epochs,
        )
        for epochs, place in folders.items()
    ]


def evaluation_of(
    step: str,
    dataset: DatasetFile,
    request: Mapping[str, Any],
    training: Path,
    output: Path,
    digests: Digests = _AS_THEY_ARE,
) -> Result:
    """Return what an evaluation is to make.

    Args:
        step: ``evaluate_baseline`` or ``evaluate_noise``.
        dataset: what it reads.
        request: of the evaluation.
        training: the folder of the trained model: of a training, or of a snapshot.
        output: the file to write.
        digests: those of the trained model's files.

    Raises:
        DataError: the weights are missing or damaged.
    """
    weights = digests.weights(training / "model.weights.h5")
    sources = {"dataset_sha256": dataset.sha256, "weights_sha256": weights}
    return Result(step, request, sources, {_FILE_OF_STEP[step]: output})


def diagnosed_folders(request: Mapping[str, Any], training: Path) -> list[Path]:
    """Return the folders of the states that a training's diagnostics read, the last one last."""
    return [*(training / f"snapshots/epoch-{epochs}" for epochs in request["epochs"]), training]


def diagnosis_of(
    dataset: DatasetFile,
    request: Mapping[str, Any],
    training: Path,
    output: Path,
    digests: Digests = _AS_THEY_ARE,
) -> Result:
    """Return what the diagnostics of a training are to make.

    Args:
        dataset: what they read.
        request: of the diagnostics.
        training: the training's folder.
        output: the file to write.
        digests: those of the training's files.

    Raises:
        DataError: the weights or states of the optimizer are missing or damaged.
    """
    states = {
        f"{folder.name}/{name}": digest(folder / name)
        for folder in diagnosed_folders(request, training)
        for name, digest in (
            ("model.weights.h5", digests.weights),
            ("optimizer.h5", digests.states),
        )
    }
    sources = {"dataset_sha256": dataset.sha256, "states_sha256": digest_of(states)}
    return Result("diagnose", request, sources, {"diagnostics.h5": output})


def external_evaluations_of(
    dataset: DatasetFile, requests: Mapping[str, Mapping[str, Any]], model: Path, folder: Path
) -> list[Result]:
    """Return what the evaluation of a model that was trained elsewhere is to make.

    Args:
        dataset: what it reads.
        requests: one for each file below the folder, by its path.
        model: the model's file.
        folder: to write to.

    Raises:
        DataError: the model's file is missing.
    """
    if not model.is_file():
        raise DataError(f"{model}: no such file; name a .keras, .h5 or .weights.h5 file")
    sources = {"dataset_sha256": dataset.sha256, "file_sha256": digest_of_file(model)}
    return [
        Result("evaluate_external", request, sources, {_named(request): folder / file})
        for file, request in requests.items()
    ]


def _named(request: Mapping[str, Any]) -> str:
    return "noise.h5" if "noise_level" in request else "baseline.h5"
