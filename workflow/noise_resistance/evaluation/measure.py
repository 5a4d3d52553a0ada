"""Counting right answers over a whole set of images inside one compiled function."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from noise_resistance.models.preprocessing import normalize

__all__ = ["ImageSet", "Outcome", "measure"]


class Outcome(NamedTuple):
    """What a model made of a set of images.

    Attributes:
        correct: right answers by class, int32 (classes,).
        loss: mean cross-entropy over the images with finite outputs, nats, float32.
        nonfinite: images whose outputs were not all finite; they count as wrong, int32.
        predictions: the predicted class of each image, -1 where not finite, int32 (images,).
    """

    correct: tf.Tensor
    loss: tf.Tensor
    nonfinite: tf.Tensor
    predictions: tf.Tensor


class ImageSet:
    """Images and labels on the device, in batches of one size, the last padded and masked."""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        classes: int,
        pixel_mean: np.ndarray | None,
        batch_size: int,
        preprocess: Callable[[tf.Tensor], tf.Tensor] | None = None,
    ):
        """Put a set on the device.

        Args:
            images: (image, height, width, channels), uint8.
            labels: (image,), integers in [0, classes).
            classes: number of classes.
            pixel_mean: what is subtracted from scaled images, (height, width, channels); None
                where `preprocess` says it all.
            batch_size: images a pass; it changes no result beyond rounding.
            preprocess: from stored images to what the model gets; scaling and subtracting the mean
                by default.
        """
        self.count = len(images)
        self.classes = classes
        self.batch_size = min(batch_size, self.count)
        padding = -self.count % self.batch_size
        self.images = tf.constant(np.pad(images, [(0, padding), (0, 0), (0, 0), (0, 0)]))
        self.labels = tf.constant(np.pad(labels.astype(np.int32), (0, padding), constant_values=-1))
        mean = tf.constant(0.0 if pixel_mean is None else pixel_mean)
        self.preprocess = preprocess or (lambda batch: normalize(batch, mean))

    @property
    def batches(self) -> int:
        """The number of batches."""
        return len(self.images) // self.batch_size


def measure(logits_of: Callable[[tf.Tensor], tf.Tensor], images: ImageSet) -> Outcome:
    """Classify every image of a set; to be called inside a compiled function.

    Args:
        logits_of: from normalized images (batch, height, width, channels) to logits.
        images: the set.
    """
    size, classes = images.batch_size, images.classes

    def one_batch(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        begin = index * size
        labels = images.labels[begin : begin + size]
        shown = images.preprocess(images.images[begin : begin + size])
        logits = tf.cast(logits_of(shown), tf.float32)
        finite = tf.reduce_all(tf.math.is_finite(logits), axis=-1)
        predicted = tf.where(finite, tf.argmax(logits, axis=-1, output_type=tf.int32), -1)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(labels, 0), logits)
        losses = tf.where(finite & (labels >= 0), losses, tf.zeros_like(losses))
        return predicted, tf.reduce_sum(losses)

    predictions, losses = tf.map_fn(
        one_batch,
        tf.range(images.batches),
        fn_output_signature=(tf.TensorSpec((size,), tf.int32), tf.TensorSpec((), tf.float32)),
        parallel_iterations=1,
    )
    predictions = tf.reshape(predictions, [-1])[: images.count]
    labels = images.labels[: images.count]
    right = tf.cast(predictions == labels, tf.int32)
    nonfinite = tf.reduce_sum(tf.cast(predictions < 0, tf.int32))
    return Outcome(
        correct=tf.math.unsorted_segment_sum(right, labels, classes),
        loss=tf.reduce_sum(losses) / tf.cast(images.count - nonfinite, tf.float32),
        nonfinite=nonfinite,
        predictions=predictions,
    )
