"""One training: from files to files."""

import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from noise_resistance.datasets.prepared import Split, read_split
from noise_resistance.errors import DataError, TrainingError
from noise_resistance.models.resnet import ResNet
from noise_resistance.models.weights import write_weights
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.numbers import format_number
from noise_resistance.study.request import TrainingRequest
from noise_resistance.training.checkpoints import Checkpoint, CheckpointFolder, optimizer_variables
from noise_resistance.training.engine import Engine, State
from noise_resistance.training.history import History

__all__ = ["SNAPSHOT_FILES", "train"]

SNAPSHOT_FILES = ("model.weights.h5", "history.h5", "optimizer.h5")


def train(
    request: TrainingRequest,
    dataset: Path,
    weights: Path,
    history: Path,
    provenance: Provenance,
    snapshots: Mapping[int, Path] | None = None,
) -> None:
    """Train one model and write its weights and history, and beside them the optimizer's state.

    A training that was interrupted goes on from its last finished epoch and ends, on the same
    machine's CPU, with the same bits. Its last state stays: one that is finished and started again
    writes its files and trains nothing.

    Args:
        request: what to train.
        dataset: the prepared dataset.
        weights: the Keras weights file to write.
        history: the history file to write.
        provenance: of this step.
        snapshots: folders by number of finished epochs; each receives the same files as they were
            then, `SNAPSHOT_FILES`. All files appear when the training is done.

    Raises:
        DataError: the dataset cannot be read, a file not written, or another process is at this
            training.
        TrainingError: the loss is no longer finite; the message says at which epoch and rate.
    """
    checkpoints = CheckpointFolder(weights, request.parameters(), provenance)
    with checkpoints.held():
        _train(request, dataset, (weights, history), checkpoints, provenance, snapshots or {})


def _train(
    request: TrainingRequest,
    dataset: Path,
    files: tuple[Path, Path],
    checkpoints: CheckpointFolder,
    provenance: Provenance,
    snapshots: Mapping[int, Path],
) -> None:
    engine = _engine(request, read_split(dataset, "train"), read_split(dataset, "test"))
    progress = _resume(engine, checkpoints, snapshots)
    for epoch in range(progress.epochs, request.recipe.epochs):
        _train_epoch(engine, epoch, request, progress)
        checkpoint = Checkpoint(engine.state(), progress)
        if progress.epochs in snapshots:
            checkpoints.keep(checkpoint)
        checkpoints.write(checkpoint)
        # Not before: an epoch that the log names is never trained again.
        _report(engine, progress, request.recipe.epochs)
    attributes = provenance.attributes(request.parameters())
    _write(engine, progress, *files, attributes)
    for finished, folder in snapshots.items():
        kept = checkpoints.read_kept(finished)
        if kept is None:
            raise DataError(f"{folder}: not written: its state in .resume is damaged; run again")
        engine.restore(kept.state)
        snapshot = {**attributes, "finished_epochs": finished}
        _write(
            engine, kept.history, folder / SNAPSHOT_FILES[0], folder / SNAPSHOT_FILES[1], snapshot
        )


def _write(
    engine: Engine,
    progress: History,
    weights: Path,
    history: Path,
    attributes: Mapping[str, Any],
) -> None:
    write_weights(engine.network, engine.weights(), weights, attributes)
    pixel_mean = Variable(
        ("row", "column", "channel"),
        engine.pixel_mean,
        "what is subtracted from images scaled to [0, 1]",
    )
    write_record(history, "history", {**progress.variables(), "pixel_mean": pixel_mean}, attributes)
    optimizer = history.with_name(SNAPSHOT_FILES[2])
    write_record(optimizer, "optimizer", optimizer_variables(engine.state()), attributes)


def _engine(request: TrainingRequest, training_split: Split, test_split: Split) -> Engine:
    height, width, channels = training_split.images.shape[1:]
    network = ResNet.named(request.model, (height, width, channels), training_split.classes)
    return Engine(
        network, training_split, test_split, request.optimizer_definition, request.learning_rate,
        request.recipe, request.seed,
    )  # fmt: skip


def _resume(engine: Engine, checkpoints: CheckpointFolder, snapshots: Iterable[int]) -> History:
    checkpoint = checkpoints.read()
    if checkpoint is None:
        return History()
    states = [checkpoint.state]
    for epoch in [one for one in snapshots if one <= checkpoint.history.epochs]:
        kept = checkpoints.read_kept(epoch)
        if kept is None:
            print(f"resume: the state after epoch {epoch} was not kept; starting anew", flush=True)
            return History()
        states.append(kept.state)
    if not all(_fits(engine, state) for state in states):
        print(
            f"resume: {checkpoints.path} does not fit this network and optimizer, as after a "
            "change of the libraries; starting anew",
            flush=True,
        )
        return History()
    engine.restore(checkpoint.state)
    print(f"resume: going on after epoch {checkpoint.history.epochs}", flush=True)
    return checkpoint.history


def _fits(engine: Engine, state: State) -> bool:
    # Before anything is restored: a state that fits in part would leave a mixture.
    return all(one.shape == other.shape for one, other in zip(engine.state(), state, strict=True))


def _train_epoch(engine: Engine, epoch: int, request: TrainingRequest, progress: History) -> None:
    started = time.monotonic()
    result = engine.train_epoch(epoch)
    if not math.isfinite(result.loss):
        raise TrainingError(
            f"the loss is no longer finite at epoch {epoch + 1} of {request.recipe.epochs} "
            "with learning rate "
            f"{format_number(request.learning_rate)} ({request.dataset['name']}, {request.model}, "
            f"{request.optimizer}); "
            "write a lower learning rate, or take this one out of the study"
        )
    test_accuracy = engine.test_accuracy()
    seconds = time.monotonic() - started
    progress.append(
        loss=result.loss,
        accuracy=result.accuracy,
        test_accuracy=test_accuracy,
        learning_rate=engine.learning_rate(epoch),
        seconds=seconds,
    )


def _report(engine: Engine, progress: History, epochs: int) -> None:
    seconds = progress.seconds[-1]
    left = (epochs - progress.epochs) * seconds
    print(
        f"epoch {progress.epochs}/{epochs}: loss {progress.loss[-1]:.4f}, accuracy "
        f"{100 * progress.accuracy[-1]:.2f} %, "
        f"test accuracy {100 * progress.test_accuracy[-1]:.2f} %, {seconds:.1f} s, "
        f"{engine.images / seconds:,.0f} images/s, {left / 60:.1f} min left",
        flush=True,
    )
