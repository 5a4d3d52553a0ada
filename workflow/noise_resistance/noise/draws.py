"""The random numbers of a draw: common to all noise levels, learning rates, seeds and jobs."""

import tensorflow as tf

from noise_resistance.study.arrays import Array
from noise_resistance.study.seeds import derive_seed

__all__ = ["standard_normal"]


def standard_normal(array: Array, noise_seed: int, draw: tf.Tensor | int) -> tf.Tensor:
    """Return z ~ N(0, 1) of one array in one draw.

    It depends on the noise seed, the draw, the array's name and its shape alone, so two models of
    one architecture meet the same z, and any draw of any job can be made again by itself. The
    generator is Philox, whose bits are the same on every device.

    Args:
        array: the array.
        noise_seed: the study's noise seed.
        draw: index of the draw, >= 0.

    Returns: float32, of the array's shape.
    """
    seed = tf.stack([tf.constant(derive_seed(noise_seed, array.name)), tf.cast(draw, tf.int32)])
    return tf.random.stateless_normal(array.shape, seed, alg="philox")
