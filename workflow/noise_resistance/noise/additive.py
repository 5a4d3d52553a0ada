"""Additive white Gaussian noise on weights: w + eta * sigma_w * z (paper, equations 4 to 6)."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from noise_resistance.errors import ConfigurationError
from noise_resistance.noise.draws import standard_normal
from noise_resistance.noise.variances import VariancePolicy
from noise_resistance.study.arrays import Array

__all__ = ["perturb", "weight_deviations"]


def weight_deviations(
    weights: Mapping[str, np.ndarray], arrays: Sequence[Array], sigma_of: str
) -> dict[str, float]:
    """Return sigma_w of equation (6) for each array that receives noise.

    Args:
        weights: values by array name.
        arrays: the arrays in scope.
        sigma_of: ``array``: each array's own standard deviation; ``layer``: that of all arrays in
            scope of its layer together.

    Returns: the population standard deviation, in the unit of the weights, by array name.
    """
    if sigma_of == "array":
        return {array.name: _deviation([weights[array.name]]) for array in arrays}
    if sigma_of == "layer":
        layers: dict[str, list[np.ndarray]] = {}
        for array in arrays:
            layers.setdefault(array.layer, []).append(weights[array.name])
        return {array.name: _deviation(layers[array.layer]) for array in arrays}
    raise ConfigurationError(f"unknown sigma_of '{sigma_of}'; write array or layer")


def perturb(
    weights: Mapping[str, tf.Tensor],
    deviations: Mapping[str, float],
    arrays: Sequence[Array],
    noise_level: tf.Tensor | float,
    draw: tf.Tensor | int,
    noise_seed: int,
    policy: VariancePolicy,
) -> dict[str, tf.Tensor]:
    """Make one noisy copy of a model's weights.

    Args:
        weights: all arrays by name, float32.
        deviations: sigma_w by array name, as `weight_deviations` gives them.
        arrays: the arrays in scope.
        noise_level: eta, a fraction >= 0; at 0 the copy equals the weights to the last bit.
        draw: index of the draw.
        noise_seed: the study's noise seed.
        policy: what becomes of negative variances.

    Returns: all arrays by name.
    """
    noisy = dict(weights)
    for array in arrays:
        sigma = tf.cast(noise_level, tf.float32) * deviations[array.name]
        values = weights[array.name] + sigma * standard_normal(array, noise_seed, draw)
        noisy[array.name] = policy.mend(values) if array.role == "moving_variance" else values
    return noisy


def _deviation(values: Sequence[np.ndarray]) -> float:
    return float(np.std(np.concatenate([one.ravel() for one in values]).astype(np.float64)))
