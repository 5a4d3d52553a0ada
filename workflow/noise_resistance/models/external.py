"""Keras models from anyone's files, loaded without running code that the files bring."""

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import tensorflow as tf

from noise_resistance.errors import ConfigurationError, DataError
from noise_resistance.models.resnet import ResNet
from noise_resistance.study.external import ExternalModel

if TYPE_CHECKING:
    import keras

__all__ = ["input_shape_of", "load_external", "prepare_images"]


def load_external(
    entry: ExternalModel, image_shape: tuple[int, int, int], classes: int
) -> "keras.Model":
    """Load a classifier.

    Args:
        entry: the file and what is known of it.
        image_shape: (height, width, channels) of the dataset, for an architecture.
        classes: of the dataset.

    Raises:
        ConfigurationError: the file holds weights alone and no architecture is named, or the model
            has another number of classes than the dataset.
        DataError: the file is missing, no Keras file, or holds code (a Lambda layer).
    """
    path = Path(entry.file)
    if not path.is_file():
        raise DataError(f"{path}: no such file; name a .keras, .h5 or .weights.h5 file")
    try:
        model = _load(path, entry, image_shape, classes)
    except (ConfigurationError, DataError):
        raise
    except Exception as error:
        raise DataError(
            f"{path}: cannot be loaded as a Keras model ({_first_line(error)}); save it with "
            "Keras 3, or name its architecture"
        ) from error
    outputs = model.output_shape
    if not isinstance(outputs, tuple) or len(outputs) != 2 or outputs[-1] != classes:
        raise ConfigurationError(
            f"{path}: the model's output is {outputs}, the dataset has {classes} classes; name the "
            "dataset it was trained for"
        )
    return model


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def input_shape_of(
    model: "keras.Model", entry: ExternalModel, image_shape: tuple[int, int, int]
) -> tuple[int, int, int]:
    """Return (height, width, channels) of what the model gets.

    Raises:
        ConfigurationError: the model takes no images, or channels that the dataset cannot give.
    """
    stated = model.input_shape
    if not isinstance(stated, tuple) or len(stated) != 4:
        raise ConfigurationError(
            f"{entry.file}: the model's input is {stated}, not one image of height, width, channels"
        )
    wanted = entry.input_size or image_shape[:2]
    height, width = (one or other for one, other in zip(stated[1:3], wanted, strict=True))
    if entry.input_size and (height, width) != tuple(entry.input_size):
        raise ConfigurationError(
            f"{entry.file}: input_size is {list(entry.input_size)}, the model takes "
            f"{[height, width]}; write that or nothing"
        )
    channels = stated[3] or image_shape[2]
    if channels != image_shape[2] and (image_shape[2], channels) != (1, 3):
        raise ConfigurationError(
            f"{entry.file}: the model takes {channels} channels, the dataset has {image_shape[2]}"
        )
    return height, width, channels


def prepare_images(
    images: tf.Tensor, entry: ExternalModel, shape: tuple[int, int, int]
) -> tf.Tensor:
    """Turn stored images into what a model gets.

    Args:
        images: (batch, height, width, channels), uint8.
        entry: scale, mean and deviation.
        shape: (height, width, channels) of the result.

    Returns: float32.
    """
    values = tf.cast(images, tf.float32)
    if tuple(images.shape[1:3]) != shape[:2]:
        values = tf.image.resize(values, shape[:2], "bilinear")
    if images.shape[3] != shape[2]:
        values = tf.repeat(values, shape[2], axis=3)
    return (values / entry.scale - tf.constant(entry.mean)) / tf.constant(entry.deviation)


def _load(
    path: Path, entry: ExternalModel, image_shape: tuple[int, int, int], classes: int
) -> "keras.Model":
    import keras

    if entry.architecture:
        height, width = entry.input_size or image_shape[:2]
        structure = ResNet.named(entry.architecture, (height, width, image_shape[2]), classes)
        model = structure.build()
        model.load_weights(path)
        return model
    _refuse_code(path, _configuration(path))
    return keras.models.load_model(path, compile=False, safe_mode=True)


def _configuration(path: Path) -> Any:
    """Read the model's configuration without building anything.

    Raises:
        ConfigurationError: the file holds weights alone.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    with h5py.File(path, "r") as file:
        found = file.attrs.get("model_config")
    if found is None:
        raise ConfigurationError(
            f"{path}: holds weights and no architecture; name it with --model, or 'architecture' "
            "in the configuration, such as resnet20"
        )
    return json.loads(found)


def _refuse_code(path: Path, node: Any) -> None:
    """Refuse Lambda layers, whose Python code would run on loading."""
    if isinstance(node, dict):
        if node.get("class_name") in ("Lambda", "__lambda__"):
            raise DataError(
                f"{path}: holds a Lambda layer, which is code and is not run; save the model with "
                "layers of Keras in its place"
            )
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            _refuse_code(path, one)
