"""One training: from a prepared dataset to the files of its states."""

import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from noise_resistance.datasets.prepared import Split, read_split
from noise_resistance.errors import DataError, TrainingError
from noise_resistance.models.resnet import ResNet
from noise_resistance.models.weights import write_weights
from noise_resistance.storage.checksums import digest_of_arrays
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.numbers import format_number
from noise_resistance.study.request import TrainingRequest
from noise_resistance.training.checkpoints import Checkpoint, CheckpointFolder, optimizer_variables
from noise_resistance.training.engine import Engine, State
from noise_resistance.training.history import History

__all__ = ["STATE_FILES", "train"]

STATE_FILES = ("model.weights.h5", "history.h5", "optimizer.h5")


def train(
    request: TrainingRequest,
    images: Path,
    folders: Mapping[int, Path],
    states: Path,
    provenance: Provenance,
) -> None:
    """Train one model and write its weights, its history and the optimizer's state.

    A training that was interrupted goes on from its last finished epoch and ends, on the same
    machine's CPU, with the same bits.

    Args:
        request: what to train.
        images: the prepared dataset.
        folders: by number of finished epochs, the last one among them; each receives
            `STATE_FILES` as they were then. All files appear when the training is done.
        states: a folder for the states to go on from, of this training alone.
        provenance: of this step; its sources tell the dataset's content from others.

    Raises:
        DataError: the dataset cannot be read, or a file not written.
        TrainingError: the loss is no longer finite; the message says at which epoch and rate.
    """
    checkpoints = CheckpointFolder(states, request.parameters(), provenance)
    engine = _engine(request, read_split(images, "train"), read_split(images, "test"))
    last = request.recipe.epochs
    kept_epochs = [epochs for epochs in folders if epochs != last]
    progress = _resume(engine, checkpoints, kept_epochs)
    for epoch in range(progress.epochs, last):
        _train_epoch(engine, epoch, request, progress)
        checkpoint = Checkpoint(engine.state(), progress)
        if progress.epochs in kept_epochs:
            checkpoints.keep(checkpoint)
        checkpoints.write(checkpoint)
        # Not before: an epoch that the log names is never trained again.
        print(_progress_line(engine, progress, last), flush=True)
    attributes = provenance.attributes(request.parameters())
    # A training that was resumed took longer than this process.
    attributes["seconds"] = round(max(attributes["seconds"], math.fsum(progress.seconds)), 3)
    _write(engine, progress, folders[last], {**attributes, "finished_epochs": last})
    for epochs in kept_epochs:
        kept = checkpoints.read_kept(epochs)
        if kept is None:
            raise DataError(
                f"{folders[epochs]}: not written: the state after epoch {epochs} is damaged; run "
                "again"
            )
        engine.restore(kept.state)
        _write(engine, kept.history, folders[epochs], {**attributes, "finished_epochs": epochs})


def _write(engine: Engine, progress: History, folder: Path, attributes: Mapping[str, Any]) -> None:
    weights, history, optimizer = (folder / name for name in STATE_FILES)
    values = engine.weights()
    write_weights(engine.network, values, weights, attributes)
    pixel_mean = Variable(
        ("row", "column", "channel"),
        engine.pixel_mean,
        "what is subtracted from images scaled to [0, 1]",
    )
    variables = {**progress.variables(), "pixel_mean": pixel_mean}
    # What is measured on these weights must state the same.
    digest = {"weights_sha256": digest_of_arrays(values)}
    write_record(history, "history", variables, {**attributes, **digest})
    write_record(optimizer, "optimizer", optimizer_variables(engine.state()), attributes)


def _engine(request: TrainingRequest, training_split: Split, test_split: Split) -> Engine:
    height, width, channels = training_split.images.shape[1:]
    network = ResNet.named(request.model, (height, width, channels), training_split.classes)
    return Engine(
        network, training_split, test_split, request.optimizer_definition, request.learning_rate,
        request.recipe, request.seed,
    )  # fmt: skip


def _resume(engine: Engine, checkpoints: CheckpointFolder, kept_epochs: Iterable[int]) -> History:
    checkpoint = checkpoints.read()
    if checkpoint is None:
        return History()
    states = [checkpoint.state]
    for epoch in [one for one in kept_epochs if one <= checkpoint.history.epochs]:
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


def _progress_line(engine: Engine, progress: History, epochs: int) -> str:
    seconds = progress.seconds[-1]
    left = (epochs - progress.epochs) * seconds
    return (
        f"epoch {progress.epochs}/{epochs}: loss {progress.loss[-1]:.4f}, accuracy "
        f"{100 * progress.accuracy[-1]:.2f} %, "
        f"test accuracy {100 * progress.test_accuracy[-1]:.2f} %, {seconds:.1f} s, "
        f"{engine.images / seconds:,.0f} images/s, {left / 60:.1f} min left"
    )
