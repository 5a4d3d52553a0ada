"""A model that was trained elsewhere, measured like the study's own."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from noise_resistance.datasets.prepared import read_split
from noise_resistance.errors import DataError
from noise_resistance.evaluation.baseline import evaluate_baseline
from noise_resistance.evaluation.measure import ImageSet
from noise_resistance.evaluation.noise import evaluate_noise
from noise_resistance.evaluation.origin import Origin
from noise_resistance.evaluation.trained_model import TrainedModel
from noise_resistance.models.external import input_shape_of, load_external, prepare_images
from noise_resistance.storage.provenance import Provenance
from noise_resistance.storage.sources import digest_of_dataset
from noise_resistance.study.external import ExternalModel
from noise_resistance.study.noise_settings import NoiseSettings
from noise_resistance.study.numbers import format_number

__all__ = ["evaluate_external", "read_external"]

_BATCH_SIZE = 100


def read_external(entry: ExternalModel, dataset: Path) -> tuple[TrainedModel, dict[str, Any]]:
    """Read a model and the test set it is measured on.

    Args:
        entry: the model.
        dataset: the prepared dataset.

    Returns: the model, and its preprocessing in words and numbers, for files.

    Raises:
        ConfigurationError: model and dataset do not fit.
        DataError: a file is missing, damaged, or holds code.
    """
    test = read_split(dataset, "test")
    stored = test.images.shape[1:]
    model = load_external(entry, stored, test.classes)
    shape = input_shape_of(model, entry, stored)
    numbers = [one for one in model.variables if tf.as_dtype(one.dtype).is_floating]
    weights = {one.path: one.numpy() for one in numbers}
    if len(weights) != len(numbers):
        raise DataError(f"{entry.file}: two arrays of the model have one name; rename its layers")
    test_set = ImageSet(
        test.images,
        test.labels,
        test.classes,
        pixel_mean=None,
        batch_size=_BATCH_SIZE,
        preprocess=lambda images: prepare_images(images, entry, shape),
    )
    stated = {
        "model": "external",
        "external": {**entry.as_mapping(), "input_size": list(shape[:2]), "channels": shape[2]},
        "resized": "bilinear" if shape[:2] != stored[:2] else "not resized",
    }
    origin = Origin(dataset_sha256=digest_of_dataset(dataset))
    return TrainedModel(model, weights, test_set, origin), stated


def evaluate_external(
    entry: ExternalModel,
    dataset: Path,
    readings: Mapping[str, tuple[str, NoiseSettings]],
    noise_levels: Iterable[float],
    folder: Path,
    provenance: Provenance,
) -> dict[tuple[str, float], float]:
    """Measure a model without noise and under each reading at each noise level.

    Args:
        entry: the model.
        dataset: the prepared dataset.
        readings: noise scope and settings by the name in paths.
        noise_levels: eta, fractions.
        folder: receives ``baseline.h5`` and ``noise/<reading>/eta-<level>.h5``, laid out as for the
            study's own models.
        provenance: of this step.

    Returns: accuracies, fractions, by reading and level; the baseline's key is ("", 0).
    """
    trained, stated = read_external(entry, dataset)
    found = {
        ("", 0.0): evaluate_baseline(trained, "float32", folder / "baseline.h5", provenance, stated)
    }
    for name, (scope, settings) in readings.items():
        for level in noise_levels:
            output = folder / "noise" / name / f"eta-{format_number(level)}.h5"
            found[name, level] = evaluate_noise(
                trained, scope, level, settings, output, provenance, stated
            )
    return found
