"""A trained model and the test set it is measured on, read from their files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from noise_resistance.datasets.prepared import read_split
from noise_resistance.evaluation.measure import ImageSet
from noise_resistance.evaluation.origin import Origin, origin_of
from noise_resistance.models.resnet import ResNet
from noise_resistance.models.weights import read_weights
from noise_resistance.storage.checksums import digest_of_arrays
from noise_resistance.storage.hdf5 import read_record

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
    origin: Origin = field(default_factory=Origin)

    def attributes(self) -> dict[str, str]:
        """Return what a file says of the model and dataset it was measured on."""
        return {
            "weights_sha256": digest_of_arrays(self.weights),
            "training_fingerprint": self.origin.training_fingerprint,
            "dataset_sha256": self.origin.dataset_sha256,
        }


def read_trained_model(
    dataset: Path, model: str, weights: Path, history: Path, batch_size: int = _BATCH_SIZE
) -> TrainedModel:
    """Read a trained model and its test set.

    Args:
        dataset: the prepared dataset.
        model: the model's name, such as ``resnet20``.
        weights: the trained weights.
        history: the training's history, which holds the mean image that the model subtracts.
        batch_size: images a pass.

    Raises:
        DataError: a file is missing, damaged, or belongs to another training, model or dataset.
    """
    test = read_split(dataset, "test")
    height, width, channels = test.images.shape[1:]
    network = ResNet.named(model, (height, width, channels), test.classes)
    pixel_mean = read_record(history, "history", ["pixel_mean"])["pixel_mean"]
    values = read_weights(weights, network.arrays())
    images = ImageSet(test.images, test.labels, test.classes, pixel_mean, batch_size)
    return TrainedModel(network, values, images, origin_of(weights, history, dataset))
