"""What may explain a model's resistance: dead channels, amplification, gradient noise.

Each is measured at several points of a training: its start, its snapshots and its end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from noise_resistance.datasets.prepared import read_split
from noise_resistance.evaluation.gradients import (
    MODES,
    Estimate,
    GradientSampler,
    spread_of,
    squared_norm_of,
)
from noise_resistance.evaluation.updates import UpdateStep
from noise_resistance.models.resnet import BATCHNORM_EPSILON, ResNet
from noise_resistance.models.weights import read_weights
from noise_resistance.noise.filters import dead_filters
from noise_resistance.storage.checksums import digest_of_arrays
from noise_resistance.storage.hdf5 import Variable, read_record, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.recipe import Recipe
from noise_resistance.study.request import TrainingRequest
from noise_resistance.study.seeds import derive_seed

__all__ = ["DiagnosedTraining", "diagnose"]


@dataclass(frozen=True)
class DiagnosedTraining:
    """A training whose files are read.

    Attributes:
        model: such as ``resnet20``.
        optimizer_definition: Keras class and arguments.
        learning_rate: the initial one.
        seed: the training seed.
        recipe: everything else.
        folders: of its snapshots and of its end, in the order of the training.
    """

    model: str
    optimizer_definition: Mapping[str, Any]
    learning_rate: float
    seed: int
    recipe: Recipe
    folders: tuple[Path, ...]

    @classmethod
    def of(cls, request: TrainingRequest, folders: Sequence[Path]) -> "DiagnosedTraining":
        """Take what is needed from a training's request."""
        return cls(
            request.model,
            request.optimizer_definition,
            request.learning_rate,
            request.seed,
            request.recipe,
            tuple(folders),
        )


@dataclass(frozen=True)
class _Point:
    """A training at one time: its weights, learning rate and optimizer's state, if not new."""

    epochs: int
    learning_rate: float
    weights: dict[str, np.ndarray]
    state: Mapping[str, np.ndarray] | None


def diagnose(
    training: DiagnosedTraining,
    dataset: Path,
    images: int,
    batches: int,
    output: Path,
    provenance: Provenance,
    parameters: Mapping[str, Any],
) -> None:
    """Measure one training and write it.

    Args:
        training: what was trained, and where its files are.
        dataset: the prepared dataset.
        images: training images that C of equation (3) is measured on, at most.
        batches: batches that the noise of batch gradients and of updates is measured on.
        output: the file to write, of kind ``diagnostics``.
        provenance: of this step.
        parameters: what decided the result, for the file's attributes.

    Raises:
        DataError: a file is missing or damaged.
    """
    split = read_split(dataset, "train")
    height, width, channels = split.images.shape[1:]
    network = ResNet.named(training.model, (height, width, channels), split.classes)
    history = read_record(training.folders[-1] / "history.h5", "history", ["pixel_mean"])
    sampler = GradientSampler(
        network, split.images, split.labels, history["pixel_mean"], training.recipe.l2
    )
    points = [_start(network, training), *(_read(network, one) for one in training.folders)]
    measured = [_gradient_noise(sampler, training, one, images, batches) for one in points]
    variables = {
        **_weight_variables(network, points),
        **_gradient_variables(points, measured),
    }
    attributes = {
        **provenance.attributes(parameters),
        "weights_sha256": digest_of_arrays(points[-1].weights),
    }
    write_record(output, "diagnostics", variables, attributes)


def _start(network: ResNet, training: DiagnosedTraining) -> _Point:
    weights = {one.path: one.numpy() for one in network.build(training.seed).variables}
    factors = [factor for epoch, factor in training.recipe.schedule if epoch <= 0]
    rate = training.learning_rate * (factors[-1] if factors else 1.0)
    return _Point(0, rate, weights, None)


def _read(network: ResNet, folder: Path) -> _Point:
    history = read_record(folder / "history.h5", "history", ["learning_rate"])
    rates = history["learning_rate"]
    state = read_record(folder / "optimizer.h5", "optimizer").variables
    weights = read_weights(folder / "model.weights.h5", network.arrays())
    return _Point(len(rates), float(rates[-1]), weights, state)


def _gradient_noise(
    sampler: GradientSampler, training: DiagnosedTraining, point: _Point, images: int, batches: int
) -> dict[str, Estimate]:
    """Measure C, the noise of batch gradients in both modes, and of updates, at one point."""
    size = training.recipe.batch_size
    weights = {name: tf.constant(one) for name, one in point.weights.items()}
    passes = sampler.passes(derive_seed(training.seed, "diagnostics batches"), size, batches)
    found: dict[str, list[Estimate]] = {}
    reference = np.zeros(sum(array.size for array in sampler.arrays))
    step = UpdateStep(training.optimizer_definition, training.recipe, point.learning_rate)
    step.load(np.concatenate([point.weights[one.name].ravel() for one in sampler.arrays]))
    for mode in MODES:
        for gradients in sampler.batch_gradients(weights, passes, mode):
            found.setdefault(mode, []).append(spread_of(gradients, size, sampler.count))
            if mode == "fixed":
                reference = gradients.mean(axis=0, dtype=np.float64)
                norm = squared_norm_of(gradients, size, sampler.count)
                found.setdefault("norm", []).append(norm)
            else:
                updates = np.stack([step.update(one, point.state) for one in gradients])
                found.setdefault("update", []).append(spread_of(updates, size, sampler.count))
                norm = squared_norm_of(updates, size, sampler.count)
                found.setdefault("update size", []).append(norm)
    seed = derive_seed(training.seed, "diagnostics images")
    single = sampler.single_variance(weights, reference, seed, min(images, sampler.count))
    nothing = Estimate(np.nan, np.nan)
    names = (*MODES, "norm", "update", "update size")
    joined = {name: _joined(found[name]) if name in found else nothing for name in names}
    scale = 1 / size
    bound = Estimate(single.value * scale, single.error * scale)
    return {**joined, "single": single, "bound": bound}


def _joined(passes: Sequence[Estimate]) -> Estimate:
    """Average independent passes; each has as many batches as the others, but for the last."""
    value = float(np.mean([one.value for one in passes]))
    error = float(np.sqrt(np.sum([one.error**2 for one in passes]))) / len(passes)
    return Estimate(value, error)


def _weight_variables(network: ResNet, points: Sequence[_Point]) -> dict[str, Variable]:
    norms = [one.batchnorm for one in network.convolutions if one.batchnorm]
    names = [array.name for array in network.arrays()]
    amplification = [[_amplification(one.weights, norm) for norm in norms] for one in points]
    dead = [
        [dead_filters(one.weights[f"{norm}/moving_variance"]).sum() for norm in norms]
        for one in points
    ]
    channels = [len(points[0].weights[f"{norm}/gamma"]) for norm in norms]
    deviations = [
        [np.std(one.weights[name].astype(np.float64)) for name in names] for one in points
    ]
    of_layer = ("point", "batchnorm")
    return {
        "epochs": Variable(
            ("point",),
            np.array([one.epochs for one in points], np.int32),
            "finished epochs at this point of the training; 0 is its start",
        ),
        "learning_rate": Variable(
            ("point",),
            np.array([one.learning_rate for one in points]),
            "learning rate of the last finished epoch, at the start of the first",
        ),
        "batchnorm": Variable(("batchnorm",), np.array(norms, object), "BatchNorm layers"),
        "channels": Variable(("batchnorm",), np.array(channels, np.int32), "channels"),
        "dead_channels": Variable(
            of_layer, np.array(dead, np.int32), "channels whose moving variance is below 1e-6"
        ),
        "amplification_median": Variable(
            of_layer,
            np.array([[np.median(one) for one in row] for row in amplification]),
            "|gamma| / sqrt(moving variance + epsilon), median over the channels",
        ),
        "amplification_max": Variable(
            of_layer,
            np.array([[one.max() for one in row] for row in amplification]),
            "the same, largest channel",
        ),
        "array": Variable(("array",), np.array(names, object), "arrays, <layer>/<role>"),
        "weight_deviation": Variable(
            ("point", "array"), np.array(deviations), "standard deviation of the array's weights"
        ),
    }


def _amplification(weights: Mapping[str, np.ndarray], batchnorm: str) -> np.ndarray:
    gamma, variance = (
        weights[f"{batchnorm}/{role}"].astype(np.float64) for role in ("gamma", "moving_variance")
    )
    values: np.ndarray = np.abs(gamma) / np.sqrt(variance + BATCHNORM_EPSILON)
    return values


def _gradient_variables(
    points: Sequence[_Point], measured: Sequence[Mapping[str, Estimate]]
) -> dict[str, Variable]:
    rates = np.array([one.learning_rate for one in points])

    def values(name: str) -> np.ndarray:
        return np.array([one[name].value for one in measured])

    def errors(name: str) -> np.ndarray:
        return np.array([one[name].error for one in measured])

    squared = rates[:, None] ** 2
    noise = np.stack([values(mode) for mode in MODES], axis=1)
    noise_error = np.stack([errors(mode) for mode in MODES], axis=1)
    slack = 2 * np.hypot(noise_error, errors("bound")[:, None])
    holds = noise < values("bound")[:, None] + slack
    by_mode = ("point", "mode")
    return {
        "mode": Variable(
            ("mode",),
            np.array(MODES, object),
            "fixed: BatchNorm's moving statistics, a loss that is a mean over images; batch: the "
            "batch's own, as in training",
        ),
        "bound_by_theory": Variable(
            ("mode",),
            np.array([1, 0], np.int8),
            "1 where equation (2) follows from the loss being a mean over images",
        ),
        "C": Variable(("point",), values("single"), "C of equation (3), mode fixed"),
        "C_error": Variable(("point",), errors("single"), "standard error of C"),
        "gradient_norm_squared": Variable(
            ("point",),
            values("norm"),
            "||grad L_D||^2, L2 penalty included, mode fixed; unbiased, so it can be negative",
        ),
        "gradient_norm_squared_error": Variable(("point",), errors("norm"), "its standard error"),
        "gradient_bound": Variable(("point",), values("bound"), "C / B"),
        "gradient_noise": Variable(by_mode, noise, "measured E||grad L_B - grad L_D||^2"),
        "gradient_noise_error": Variable(by_mode, noise_error, "its standard error"),
        "step_noise": Variable(
            by_mode, squared * noise, "alpha^2 E||grad L_B - grad L_D||^2, left of equation (2)"
        ),
        "bound": Variable(
            ("point",), rates**2 * values("bound"), "alpha^2 C / B, right of equation (2)"
        ),
        "bound_holds": Variable(
            by_mode,
            holds.astype(np.int8),
            "1 where the measured noise is not above the bound by more than two standard errors",
        ),
        "update_noise": Variable(
            ("point",),
            values("update"),
            "E||u_B - mean u||^2 of the optimizer's own updates u from its state at this point, "
            "batch mode; equation (2) speaks of it for plain SGD alone",
        ),
        "update_noise_error": Variable(("point",), errors("update"), "its standard error"),
        "update_size": Variable(
            ("point",), values("update size"), "||mean u||^2; unbiased, so it can be negative"
        ),
        "update_size_error": Variable(("point",), errors("update size"), "its standard error"),
    }
