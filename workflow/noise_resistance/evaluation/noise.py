"""One trained model at one noise level: from files to a file."""

from pathlib import Path
from typing import Any

import numpy as np

from noise_resistance.errors import DataError
from noise_resistance.evaluation.engine import Evaluator
from noise_resistance.evaluation.measure import Outcome
from noise_resistance.evaluation.trained_model import TrainedModel
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.choices import chosen
from noise_resistance.study.noise_settings import NoiseSettings

__all__ = ["evaluate_noise"]


def evaluate_noise(
    trained: TrainedModel,
    scope: str,
    noise_level: float,
    settings: NoiseSettings,
    output: Path,
    provenance: Provenance,
    parameters: dict[str, Any],
) -> float:
    """Measure the draws of a model at one noise level and write them.

    Before the first draw the model is measured with eta = 0 and without noise: unless the two
    agree image by image, the noise is not what it claims to be and nothing is written.

    Args:
        trained: the model and its test set.
        scope: the noise scope.
        noise_level: eta, a fraction >= 0.
        settings: number of draws and all that is common to the study.
        output: the file to write, of kind ``noise``.
        provenance: of this step.
        parameters: what else decided the result, for the file's attributes.

    Returns: the mean accuracy a^x over the draws, equation (7), a fraction.

    Raises:
        DataError: eta = 0 does not give the baseline, or the file cannot be written.
    """
    evaluator = Evaluator(trained, scope, settings)
    _check_zero_noise(evaluator.evaluate(0.0, 0), evaluator.evaluate_clean(), output)
    outcomes = [evaluator.evaluate(noise_level, draw) for draw in range(settings.draws)]
    correct = np.stack([outcome.correct for outcome in outcomes])
    images = trained.test_set.count
    accuracy = correct.sum(axis=1) / images
    names = [array.name for array in evaluator.arrays]
    variables = {
        "draw": Variable(
            ("draw",), np.arange(settings.draws, dtype=np.int32), "index of the noisy copy"
        ),
        "accuracy": Variable(
            ("draw",), accuracy, "test accuracy a_i of the noisy copy, a fraction"
        ),
        "loss": Variable(
            ("draw",),
            np.array([outcome.loss for outcome in outcomes], np.float64),
            "mean cross-entropy over the finite outputs",
            "nat",
        ),
        "nonfinite": Variable(
            ("draw",),
            np.array([outcome.nonfinite for outcome in outcomes], np.int32),
            "test images whose outputs were not finite; they count as wrong",
        ),
        "correct": Variable(("draw", "class"), correct, "right predictions by draw and class"),
        "array": Variable(
            ("array",), np.array(names, dtype=object), "arrays that received noise, <layer>/<role>"
        ),
        "sigma_w": Variable(
            ("array",),
            np.array(
                [np.sqrt(np.mean(np.square(evaluator.deviations[name]))) for name in names],
                np.float64,
            ),
            "standard deviation of the noise over eta: for additive noise on whole arrays that of "
            "the weights, equation (6); else its root mean square over the array",
        ),
    }
    all_parameters = {
        **parameters,
        "scope": scope,
        "noise_level": noise_level,
        **chosen(settings),
    }
    attributes = {
        **provenance.attributes(all_parameters),
        "weights_sha256": trained.digest,
        "images": images,
    }
    write_record(output, "noise", variables, attributes)
    return float(accuracy.mean())


def _check_zero_noise(zero: Outcome, baseline: Outcome, output: Path) -> None:
    if not np.array_equal(zero.predictions, baseline.predictions):
        raise DataError(
            f"{output}: not written: with eta = 0 the model answers "
            f"{(zero.predictions != baseline.predictions).sum()} test images otherwise than "
            "without noise; this is a fault of the program or of the machine, please report it "
            "with the log"
        )
