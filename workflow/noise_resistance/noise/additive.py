"""Gaussian noise on weights: w + eta * s * z (paper, equations 4 to 6, where s is sigma_w)."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from noise_resistance.errors import ConfigurationError
from noise_resistance.noise.draws import standard_normal
from noise_resistance.noise.kinds import noise_kind_named
from noise_resistance.noise.variances import VariancePolicy
from noise_resistance.study.arrays import Array

__all__ = ["perturb", "weight_deviations"]

Deviation: TypeAlias = float | np.ndarray


def weight_deviations(
    weights: Mapping[str, np.ndarray],
    arrays: Sequence[Array],
    sigma_of: str,
    kind: str = "additive",
) -> dict[str, Deviation]:
    """Return s for each array that receives noise: the noise's standard deviation over eta.

    Args:
        weights: values by array name.
        arrays: the arrays in scope.
        sigma_of: ``array``: what a kind measures is measured on each array by itself; ``layer``: on
            all arrays in scope of its layer together.
        kind: a key of `noise.kinds.NOISE_KINDS`.

    Returns: one number an array, or one a weight, in the unit of the weights, by array name.
    """
    measure = noise_kind_named(kind)
    flat = {array.name: weights[array.name].astype(np.float64) for array in arrays}
    if sigma_of == "array":
        return {array.name: measure(flat[array.name], flat[array.name]) for array in arrays}
    if sigma_of == "layer":
        layers: dict[str, list[np.ndarray]] = {}
        for array in arrays:
            layers.setdefault(array.layer, []).append(flat[array.name].ravel())
        pooled = {layer: np.concatenate(values) for layer, values in layers.items()}
        return {array.name: measure(flat[array.name], pooled[array.layer]) for array in arrays}
    raise ConfigurationError(f"unknown sigma_of '{sigma_of}'; write array or layer")


def perturb(
    weights: Mapping[str, tf.Tensor],
    deviations: Mapping[str, float | tf.Tensor],
    arrays: Sequence[Array],
    noise_level: tf.Tensor | float,
    draw: tf.Tensor | int,
    noise_seed: int,
    policy: VariancePolicy,
) -> dict[str, tf.Tensor]:
    """Make one noisy copy of a model's weights.

    Args:
        weights: all arrays by name, float32.
        deviations: s by array name, as `weight_deviations` gives it, zero where no noise falls.
        arrays: the arrays in scope.
        noise_level: eta, a fraction >= 0; at 0 the copy equals the weights to the last bit.
        draw: index of the draw.
        noise_seed: the study's noise seed.
        policy: what becomes of negative variances.

    Returns: all arrays by name.
    """
    noisy = dict(weights)
    for array in arrays:
        sigma = tf.cast(noise_level, tf.float32) * tf.cast(deviations[array.name], tf.float32)
        values = weights[array.name] + sigma * standard_normal(array, noise_seed, draw)
        noisy[array.name] = policy.mend(values) if array.role == "moving_variance" else values
    return noisy
