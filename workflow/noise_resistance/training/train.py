"""One training: from files to files."""

import math
import time
from pathlib import Path

from noise_resistance.datasets.prepared import Split, read_split
from noise_resistance.errors import TrainingError
from noise_resistance.models.resnet import ResNet
from noise_resistance.models.weights import write_weights
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.numbers import format_number
from noise_resistance.study.request import TrainingRequest
from noise_resistance.training.checkpoints import Checkpoint, CheckpointFolder
from noise_resistance.training.engine import Engine
from noise_resistance.training.history import History

__all__ = ["train"]


def train(
    request: TrainingRequest, dataset: Path, weights: Path, history: Path, provenance: Provenance
) -> None:
    """Train one model and write its weights and history.

    A training that was interrupted goes on from its last finished epoch and ends, on the same
    machine's CPU, with the same bits.

    Args:
        request: what to train.
        dataset: the prepared dataset.
        weights: the Keras weights file to write.
        history: the history file to write.
        provenance: of this step.

    Raises:
        DataError: the dataset cannot be read, or a file not written.
        TrainingError: the loss is no longer finite; the message says at which epoch and rate.
    """
    engine = _engine(request, read_split(dataset, "train"), read_split(dataset, "test"))
    checkpoints = CheckpointFolder(weights, request.parameters(), provenance)
    progress = _resume(engine, checkpoints)
    for epoch in range(progress.epochs, request.recipe.epochs):
        _train_epoch(engine, epoch, request, progress)
        checkpoints.write(Checkpoint(engine.state(), progress))
    attributes = provenance.attributes(request.parameters())
    write_weights(engine.network, engine.weights(), weights, attributes)
    pixel_mean = Variable(
        ("row", "column", "channel"),
        engine.pixel_mean,
        "what is subtracted from images scaled to [0, 1]",
    )
    write_record(history, "history", {**progress.variables(), "pixel_mean": pixel_mean}, attributes)
    checkpoints.remove()


def _engine(request: TrainingRequest, training_split: Split, test_split: Split) -> Engine:
    height, width, channels = training_split.images.shape[1:]
    network = ResNet.named(request.model, (height, width, channels), training_split.classes)
    return Engine(
        network, training_split, test_split, request.optimizer_definition, request.learning_rate,
        request.recipe, request.seed,
    )  # fmt: skip


def _resume(engine: Engine, checkpoints: CheckpointFolder) -> History:
    checkpoint = checkpoints.read()
    if checkpoint is None:
        return History()
    engine.restore(checkpoint.state)
    print(f"resume: going on after epoch {checkpoint.history.epochs}", flush=True)
    return checkpoint.history


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
    left = (request.recipe.epochs - epoch - 1) * seconds
    print(
        f"epoch {epoch + 1}/{request.recipe.epochs}: loss {result.loss:.4f}, accuracy "
        f"{100 * result.accuracy:.2f} %, "
        f"test accuracy {100 * test_accuracy:.2f} %, {seconds:.1f} s, {left / 60:.1f} min left",
        flush=True,
    )
