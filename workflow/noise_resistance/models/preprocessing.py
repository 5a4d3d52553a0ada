"""From stored images to what a network sees."""

import numpy as np
import tensorflow as tf

__all__ = ["mean_image", "normalize"]


def mean_image(images: np.ndarray, subtract: bool) -> np.ndarray:
    """Return what is subtracted from every image: the mean training image, or zeros.

    Args:
        images: (image, height, width, channels), uint8.
        subtract: whether the mean is subtracted at all.

    Returns: (height, width, channels), float32, in [0, 1].
    """
    if not subtract:
        return np.zeros(images.shape[1:], np.float32)
    total = np.zeros(images.shape[1:], np.int64)
    for start in range(0, len(images), 4096):
        total += images[start : start + 4096].sum(axis=0, dtype=np.int64)
    return (total / (255.0 * len(images))).astype(np.float32)


def normalize(images: tf.Tensor, pixel_mean: tf.Tensor) -> tf.Tensor:
    """Scale uint8 images to [0, 1] and subtract the mean image.

    Args:
        images: (batch, height, width, channels), uint8.
        pixel_mean: (height, width, channels), float32.

    Returns: float32, of the images' shape.
    """
    return tf.cast(images, tf.float32) / 255.0 - pixel_mean
