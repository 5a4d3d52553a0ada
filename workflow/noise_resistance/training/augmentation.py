"""Random shifts and mirror images, as two small matrix products an image.

A shift by a fraction of a pixel with linear interpolation, its edges filled with the nearest
pixel, is linear along each axis: the output's row i is a weighted mean of the input's rows next to
i + t. The same matrix takes the mirror image. This is what Keras's ``ImageDataGenerator`` does
with ``width_shift_range``, ``height_shift_range`` and ``horizontal_flip``.
"""

import tensorflow as tf

from noise_resistance.study.recipe import Recipe

__all__ = ["augment", "resampling_matrix"]


def augment(images: tf.Tensor, recipe: Recipe, seed: tf.Tensor) -> tf.Tensor:
    """Shift and mirror each image at random.

    Args:
        images: (batch, height, width, channels), float32.
        recipe: ``shift`` and ``horizontal_flip`` are used.
        seed: two integers; they alone decide the random numbers.

    Returns: float32, of the images' shape.
    """
    if recipe.shift == 0 and not recipe.horizontal_flip:
        return images
    batch, (height, width) = tf.shape(images)[0], images.shape[1:3]
    uniform = tf.random.stateless_uniform((batch, 3), seed, alg="philox")
    shifts = (2 * uniform[:, :2] - 1) * recipe.shift
    mirrored = uniform[:, 2] < (0.5 if recipe.horizontal_flip else 0.0)
    rows = resampling_matrix(height, shifts[:, 0] * height, tf.zeros_like(mirrored))
    columns = resampling_matrix(width, shifts[:, 1] * width, mirrored)
    shifted = tf.einsum("bij,bjwc->biwc", rows, images)
    return tf.einsum("bkw,biwc->bikc", columns, shifted)


def resampling_matrix(size: int, shift: tf.Tensor, mirrored: tf.Tensor) -> tf.Tensor:
    """Return the matrix that shifts, and mirrors, one axis of an image.

    Args:
        size: pixels along the axis.
        shift: (batch,), pixels.
        mirrored: (batch,), boolean.

    Returns: (batch, size, size), float32; each row sums to 1.
    """
    pixels = tf.range(size, dtype=tf.float32)
    origin = tf.where(mirrored[:, None], size - 1 - pixels, pixels)
    position = tf.clip_by_value(origin + shift[:, None], 0.0, float(size - 1))
    return tf.nn.relu(1 - tf.abs(position[:, :, None] - pixels))
