"""The noise of gradients and updates (paper, equations 1 to 3), by sampling the training set.

Images are taken as they are stored, without augmentation. The theory needs a loss that is a mean
over images, L_D = mean of L_i: it is one where BatchNorm uses its moving statistics (mode
``fixed``). In training it uses the batch's (mode ``batch``), which couples the images of a batch:
there equation (2) follows from nothing, and may fail.

With n training images and batches of B drawn without replacement, where C is equation (3),
E||grad L_B - grad L_D||^2 = C / B * (n - B) / (n - 1), which is below C / B, equation (2).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from noise_resistance.models.preprocessing import normalize
from noise_resistance.models.resnet import ResNet

__all__ = ["MODES", "Estimate", "GradientSampler", "spread_of", "squared_norm_of"]

MODES = ("fixed", "batch")


@dataclass(frozen=True)
class Estimate:
    """A measured quantity and its standard error."""

    value: float
    error: float


class GradientSampler:
    """Gradients of one network's loss on batches of the training set."""

    def __init__(
        self,
        network: ResNet,
        images: np.ndarray,
        labels: np.ndarray,
        pixel_mean: np.ndarray,
        l2: float,
    ) -> None:
        """Put the images on the device.

        Args:
            network: the structure.
            images: training images (image, height, width, channels), uint8.
            labels: their classes.
            pixel_mean: what is subtracted from scaled images.
            l2: factor of the L2 penalty, which is the same for all batches.
        """
        self.network, self.count, self._l2 = network, len(labels), l2
        self.arrays = [array for array in network.arrays() if not array.moving]
        self._images = tf.constant(images)
        self._labels = tf.constant(labels.astype(np.int32))
        self._pixel_mean = tf.constant(pixel_mean)
        self._compiled = {
            mode: tf.function(self._differentiate(mode == "batch"), autograph=False)
            for mode in MODES
        }

    def gradient(
        self, weights: Mapping[str, tf.Tensor], chosen: np.ndarray, mode: str
    ) -> np.ndarray:
        """Return the gradient of the mean loss of some images as one vector, L2 penalty included.

        Args:
            weights: all arrays by name.
            chosen: the images' indices.
            mode: one of `MODES`.

        Returns: float32, the arrays that gradients change in the network's order.
        """
        values: np.ndarray = self._compiled[mode](weights, tf.constant(chosen, tf.int32)).numpy()
        return values

    def batch_gradients(
        self, weights: Mapping[str, tf.Tensor], passes: list[np.ndarray], mode: str
    ) -> Iterator[np.ndarray]:
        """Give the gradients (batch, weight) of each pass over some disjoint batches."""
        for batches in passes:
            yield np.stack([self.gradient(weights, chosen, mode) for chosen in batches])

    def passes(self, seed: int, batch_size: int, batches: int) -> list[np.ndarray]:
        """Draw batches as an epoch does: without replacement until the images are used up.

        Returns: indices (batch, image in it) a pass; empty if no two batches fit into a pass.
        """
        generator = np.random.Generator(np.random.PCG64(seed))
        found, left = [], batches
        while left > 1 and self.count >= 2 * batch_size:
            here = min(left, self.count // batch_size)
            order = generator.permutation(self.count)[: here * batch_size]
            found.append(order.reshape(here, batch_size))
            left -= here
        return found

    def single_variance(
        self, weights: Mapping[str, tf.Tensor], reference: np.ndarray, seed: int, images: int
    ) -> Estimate:
        """Measure C of equation (3) on images drawn without replacement; all of them make it exact.

        Args:
            weights: all arrays by name.
            reference: a vector near the mean gradient, for the numbers' sake.
            seed: of the draw.
            images: how many, at least two.
        """
        generator = np.random.Generator(np.random.PCG64(seed))
        sample = generator.permutation(self.count)[:images]
        distances = np.empty(len(sample))
        total = np.zeros(len(reference))
        for index, image in enumerate(sample):
            difference = self.gradient(weights, np.array([image]), "fixed") - reference
            distances[index] = np.dot(difference, difference)
            total += difference
        size = len(sample)
        spread = (distances.sum() - np.dot(total, total) / size) / (size - 1)
        unsampled = 1 - size / self.count
        error = distances.std(ddof=1) * np.sqrt(unsampled / size)
        return Estimate(float(spread * (self.count - 1) / self.count), float(error))

    def _differentiate(self, of_batch: bool) -> object:
        def run(weights: Mapping[str, tf.Tensor], chosen: tf.Tensor) -> tf.Tensor:
            images = normalize(tf.gather(self._images, chosen), self._pixel_mean)
            trained = [weights[array.name] for array in self.arrays]
            with tf.GradientTape() as tape:
                tape.watch(trained)
                logits, _ = self.network.forward(weights, images, training=of_batch)
                labels = tf.gather(self._labels, chosen)
                entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
                penalty = tf.add_n(
                    [tf.nn.l2_loss(weights[name]) for name in self.network.regularized()]
                )
                loss = tf.reduce_mean(entropy) + 2 * self._l2 * penalty
            gradients = tape.gradient(loss, trained)
            return tf.concat([tf.reshape(one, [-1]) for one in gradients], axis=0)

        return run


def spread_of(vectors: np.ndarray, batch_size: int, count: int) -> Estimate:
    """Return the mean squared distance of batch means from the mean over all images, unbiased.

    Args:
        vectors: (batch, weight), from disjoint batches drawn without replacement.
        batch_size: images in each.
        count: images in all.

    Returns: the sample variance of disjoint batches estimates S^2 / B, of which
        E||grad L_B - grad L_D||^2 is the fraction (1 - B / n).
    """
    batches = len(vectors)
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    distances = np.einsum("ij,ij->i", centred, centred)
    factor = batches / (batches - 1) * (1 - batch_size / count)
    error = distances.std(ddof=1) / np.sqrt(batches)
    return Estimate(float(distances.mean() * factor), float(error * factor))


def squared_norm_of(vectors: np.ndarray, batch_size: int, count: int) -> Estimate:
    """Return the squared norm of the mean over all images, unbiased: it can be negative.

    The square of the batches' mean exceeds it by that mean's own variance,
    S^2 / (k B) * (1 - k B / n) with k batches, which is most of it where a training has converged.

    Args:
        vectors: (batch, weight), from disjoint batches drawn without replacement.
        batch_size: images in each.
        count: images in all.

    Returns: the standard error is the jackknife's over batches; NaN for two batches, which leave
        none to compare.
    """
    batches = len(vectors)
    unsampled = 1 - batches * batch_size / count
    total = vectors.sum(axis=0, dtype=np.float64)
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    whole, parts = float(total @ total), float(squares.sum())
    variance = (parts - whole / batches) / (batches - 1)
    value = whole / batches**2 - variance / batches * unsampled
    if batches == 2:
        return Estimate(value, np.nan)
    left = whole - 2 * (vectors @ total) + squares - (parts - squares)
    pairs = left / ((batches - 1) * (batches - 2))
    error = np.sqrt((batches - 1) * pairs.var() * unsampled)
    return Estimate(value, float(error))
