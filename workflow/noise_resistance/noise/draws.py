"""The random numbers of a draw: common to all noise levels, learning rates, seeds and jobs."""

import tensorflow as tf

from noise_resistance.study.arrays import Array
from noise_resistance.study.seeds import derive_seed

__all__ = ["standard_normal"]

_PHILOX = 1


def standard_normal(array: Array, noise_seed: int, draw: tf.Tensor | int) -> tf.Tensor:
    """Return z ~ N(0, 1) of one array in one draw.

    It depends on the noise seed, the draw, the array's name and its shape alone, so two models of
    one architecture meet the same z, and any draw of any job can be made again by itself. The
    generator is Philox: its key is derived from the noise seed and the name, the upper half of its
    counter is the draw, and its bits are the same on every device.

    Args:
        array: the array.
        noise_seed: the study's noise seed.
        draw: index of the draw, >= 0.

    Returns: float32, of the array's shape.
    """
    key = tf.constant([derive_seed(noise_seed, array.name, bits=64)], tf.uint64)
    counter = tf.stack([tf.constant(0, tf.uint64), tf.cast(draw, tf.uint64)])
    # One operation; tf.random.stateless_normal takes thirty to mix its seed into the same two.
    return tf.raw_ops.StatelessRandomNormalV2(
        shape=array.shape, key=key, counter=counter, alg=_PHILOX, dtype=tf.float32
    )
