"""A trained model and the test set it is measured on, read from their files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from noise_resistance.datasets.prepared import read_split
from noise_resistance.errors import DataError
from noise_resistance.evaluation.measure import ImageSet
from noise_resistance.evaluation.origin import check_origin
from noise_resistance.models.resnet import ResNet
from noise_resistance.models.weights import read_weights
from noise_resistance.storage.checksums import digest_of_arrays
from noise_resistance.storage.hdf5 import read_record
from noise_resistance.storage.sources import digest_of_weights

if TYPE_CHECKING:
    import keras

__all__ = ["TrainedModel", "read_trained_model"]

# Images a pass: large enough to keep every core busy, small enough for any GPU.
_BATCH_SIZE = 500


@dataclass(frozen=True)
class TrainedModel:
    """A network or any Keras model, its weights by array name, and its test set on the device."""

    network: "ResNet | keras.Model"
    weights: dict[str, np.ndarray]
    test_set: ImageSet

    @property
    def digest(self) -> str:
        """The SHA-256 of its weights."""
        return digest_of_arrays(self.weights)


def read_trained_model(
    images: Path, training: Mapping[str, Any], folder: Path, batch_size: int = _BATCH_SIZE
) -> TrainedModel:
    """Read a trained model and its test set.

    Args:
        images: the prepared dataset.
        training: the request of its training, as plain values.
        folder: of the training or of a snapshot: its ``model.weights.h5``, and ``history.h5``,
            which holds the mean image that the model subtracts.
        batch_size: images a pass.

    Raises:
        DataError: a file is missing, damaged, or belongs to another training, model or dataset.
    """
    weights, history = folder / "model.weights.h5", folder / "history.h5"
    check_origin(weights, history, training)
    test = read_split(images, "test")
    height, width, channels = test.images.shape[1:]
    network = ResNet.named(training["model"], (height, width, channels), test.classes)
    pixel_mean = read_record(history, "history", ["pixel_mean"])["pixel_mean"]
    values = read_weights(weights, network.arrays())
    test_set = ImageSet(test.images, test.labels, test.classes, pixel_mean, batch_size)
    trained = TrainedModel(network, values, test_set)
    if trained.digest != digest_of_weights(weights):
        raise DataError(f"{weights}: states the digest of other weights; delete it and run again")
    return trained
