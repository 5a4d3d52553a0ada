"""One trained model without noise: from files to a file."""

from pathlib import Path
from typing import Any

import numpy as np

from noise_resistance.evaluation.engine import evaluate_weights
from noise_resistance.evaluation.trained_model import TrainedModel
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance

__all__ = ["evaluate_baseline"]


def evaluate_baseline(
    trained: TrainedModel,
    precision: str,
    output: Path,
    provenance: Provenance,
    parameters: dict[str, Any],
) -> float:
    """Measure a model's baseline accuracy a_o and write it.

    Args:
        trained: the model and its test set.
        precision: of the forward pass.
        output: the file to write, of kind ``baseline``.
        provenance: of this step.
        parameters: what decided the result, for the file's attributes.

    Returns: the baseline accuracy, a fraction.
    """
    outcome = evaluate_weights(trained, precision)
    images = trained.test_set.count
    accuracy = int(outcome.correct.sum()) / images
    variables = {
        "accuracy": Variable(
            (), np.float64(accuracy), "test accuracy a_o without noise, a fraction"
        ),
        "loss": Variable(
            (), np.float64(outcome.loss), "mean cross-entropy over the finite outputs", "nat"
        ),
        "nonfinite": Variable((), outcome.nonfinite, "test images whose outputs were not finite"),
        "correct": Variable(("class",), outcome.correct, "right predictions by class"),
        "prediction": Variable(
            ("test_image",),
            outcome.predictions.astype(np.int16),
            "predicted class, -1 where not finite",
        ),
    }
    attributes = {
        **provenance.attributes({**parameters, "precision": precision}),
        "weights_sha256": trained.digest,
        "images": images,
    }
    write_record(output, "baseline", variables, attributes)
    return accuracy
