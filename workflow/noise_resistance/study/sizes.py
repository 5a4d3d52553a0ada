"""How large the files of a study become: for planning, before the first of its kind is there."""

import math
from pathlib import Path

from noise_resistance.study.architectures import depth_of
from noise_resistance.study.configuration import Study
from noise_resistance.study.dataset import Dataset
from noise_resistance.study.optimizers import OPTIMIZERS

__all__ = ["archive_size", "count_parameters", "dataset_size", "file_size"]

_FLOAT, _DOUBLE = 4, 8
# Pixels times channels of an image by reader; others are taken to be CIFAR's.
_PIXELS = {"fashion_mnist": 28 * 28, "digits": 8 * 8, "digit_pairs": 8 * 16}
_CIFAR_PIXELS = 32 * 32 * 3
_IMAGES = 60_000
# HDF5's own part of a file: names, attributes, checksums; by layer in a file of weights.
_HEAD = {"history.h5": 13_500, "optimizer.h5": 12_000, "baseline.h5": 11_500, "noise": 13_500}
_LAYER_HEAD = 4_300
_DIAGNOSTICS = 60_000
# Vectors as long as the weights that an optimizer keeps; SGD has one with momentum.
_SLOTS = {"Adam": 2, "Nadam": 2, "Adamax": 2, "AdamX": 3, "RMSprop": 1}


def count_parameters(model: str, classes: int, channels: int = 3) -> int:
    """Return how many numbers a CIFAR ResNet has, BatchNorm's moving statistics included.

    Args:
        model: such as ``resnet20``.
        classes: of the dataset.
        channels: of its images.
    """
    blocks = (depth_of(model) - 2) // 6
    count, inputs = 9 * channels * 16 + 5 * 16, 16
    for filters in (16, 32, 64):
        if filters != inputs:
            count += inputs * filters + filters
        for block in range(blocks):
            first = inputs if block == 0 else filters
            # Two 3x3 convolutions with biases, each followed by a BatchNorm of four vectors.
            count += 9 * first * filters + 9 * filters * filters + 10 * filters
        inputs = filters
    return count + 64 * classes + classes


def dataset_size(dataset: Dataset) -> int:
    """Return the bytes of a prepared dataset, which is not compressed."""
    images = (dataset.train_images or _IMAGES) + (dataset.test_images or 0)
    return images * (_PIXELS.get(dataset.reader, _CIFAR_PIXELS) + 1)


def archive_size(dataset: Dataset, name: str) -> int:
    """Return the bytes of one archive: a local file's own, otherwise its share of the images.

    Images hardly shrink by compression.
    """
    url = next(one.url for one in dataset.archives if one.name == name)
    local = Path(url.removeprefix("file://"))
    if url and "://" not in url.removeprefix("file://") and local.is_file():
        return local.stat().st_size
    return math.ceil(dataset_size(dataset) / len(dataset.archives))


def file_size(study: Study, name: str, dataset: str, model: str, optimizer: str) -> int:
    """Return the bytes of one file of a training, its evaluations or its diagnostics.

    Args:
        study: the configuration.
        name: the file's name, such as ``model.weights.h5`` or ``eta-0.1.h5``.
        dataset: key of the catalogue.
        model: such as ``resnet20``.
        optimizer: key of `OPTIMIZERS`.
    """
    entry = study.catalogue[dataset]
    parameters = count_parameters(model, entry.classes)
    depth = depth_of(model)
    if name == "model.weights.h5":
        # A convolution and a BatchNorm by depth, two shortcuts, the dense layer in the depth.
        return _FLOAT * parameters + _LAYER_HEAD * 2 * depth
    if name == "optimizer.h5":
        return _HEAD[name] + _FLOAT * parameters * _slots(optimizer)
    if name == "history.h5":
        pixels = _PIXELS.get(entry.reader, _CIFAR_PIXELS)
        return _HEAD[name] + _FLOAT * pixels + 6 * _DOUBLE * study.recipe.epochs
    if name == "baseline.h5":
        return _HEAD[name] + 2 * (entry.test_images or _IMAGES) + _DOUBLE * entry.classes
    if name == "diagnostics.h5":
        points = len(study.snapshots) + 2
        return _DIAGNOSTICS + _DOUBLE * points * (12 + 6 * depth)
    return _HEAD["noise"] + study.noise.draws * (4 + entry.classes) * _DOUBLE


def _slots(optimizer: str) -> int:
    definition = OPTIMIZERS[optimizer]
    if definition.keras_class == "SGD":
        return 1 if definition.arguments.get("momentum") else 0
    return _SLOTS.get(definition.keras_class, 2)
