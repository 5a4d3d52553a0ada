"""A model that was trained elsewhere, measured like the study's own."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from noise_resistance.datasets.prepared import read_split
from noise_resistance.errors import DataError
from noise_resistance.evaluation.baseline import evaluate_baseline
from noise_resistance.evaluation.measure import ImageSet
from noise_resistance.evaluation.noise import evaluate_noise
from noise_resistance.evaluation.trained_model import TrainedModel
from noise_resistance.models.external import input_shape_of, load_external, prepare_images
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.external import ExternalModel
from noise_resistance.study.noise_settings import NoiseSettings

__all__ = ["evaluate_external", "read_external"]

_BATCH_SIZE = 100


def read_external(entry: ExternalModel, dataset: Path) -> tuple[TrainedModel, dict[str, Any]]:
    """Read a model and the test set it is measured on.

    Args:
        entry: the model.
        dataset: the prepared dataset.

    Returns: the model, and what was seen of it, for files.

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
    seen = {
        "model_file": entry.file,
        "input_shape": list(shape),
        "resized": "bilinear" if shape[:2] != stored[:2] else "not resized",
    }
    return TrainedModel(model, weights, test_set), seen


def evaluate_external(
    entry: ExternalModel,
    images: Path,
    wanted: Iterable[tuple[Mapping[str, Any], Path]],
    provenance: Provenance,
) -> list[float]:
    """Measure a model as each of some requests says.

    Args:
        entry: the model.
        images: the prepared dataset.
        wanted: requests, as `study.external.ExternalModel.requests` gives them, and the file to
            write for each: of kind ``baseline`` where it has no noise level, else ``noise``.
        provenance: of this step.

    Returns: the accuracies, fractions, in the order of the requests; means over the draws.
    """
    trained, seen = read_external(entry, images)
    provenance = replace(provenance, sources={**provenance.sources, **seen})
    found = []
    for request, output in wanted:
        if "noise_level" not in request:
            precision = request["precision"]
            found.append(evaluate_baseline(trained, precision, output, provenance, dict(request)))
        else:
            settings = NoiseSettings.from_request(request)
            scope, level = request["scope"], request["noise_level"]
            found.append(
                evaluate_noise(trained, scope, level, settings, output, provenance, dict(request))
            )
    return found
