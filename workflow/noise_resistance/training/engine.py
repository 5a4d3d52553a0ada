"""Training steps inside one compiled function: data on the device, many steps a call."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from noise_resistance.datasets.prepared import Split
from noise_resistance.models.optimizers import make_optimizer
from noise_resistance.models.preprocessing import mean_image, normalize
from noise_resistance.models.resnet import BATCHNORM_MOMENTUM, ResNet
from noise_resistance.study.arrays import Array
from noise_resistance.study.recipe import Recipe
from noise_resistance.study.seeds import derive_seed
from noise_resistance.training.augmentation import augment
from noise_resistance.training.schedules import learning_rate_at

__all__ = ["Engine", "EpochResult", "State"]

_STEPS_A_CALL = 200
_TEST_BATCH_SIZE = 500
_CAST = ("kernel", "bias")
# The type activations are computed in, and whether its range needs the loss scaled.
_PRECISIONS = {
    "float32": (tf.float32, False),
    "mixed_bfloat16": (tf.bfloat16, False),
    "mixed_float16": (tf.float16, True),
}


class EpochResult(NamedTuple):
    """Means over one epoch's training images: the loss, L2 penalty included, and the accuracy."""

    loss: float
    accuracy: float


class State(NamedTuple):
    """All that the next epoch depends on, besides the recipe and the seed.

    Attributes:
        trained: every array that gradients change, in the model's order, as one float32 vector.
        moving: BatchNorm's moving statistics likewise.
        optimizer: the optimizer's floating-point state, as one float32 vector.
        counters: the optimizer's integer state.
    """

    trained: np.ndarray
    moving: np.ndarray
    optimizer: np.ndarray
    counters: np.ndarray


class Engine:
    """One network in training.

    Random numbers are derived from the seed, the epoch and the step, never from what ran before:
    a training that is resumed after an epoch goes on exactly as it would have.

    All arrays lie in two flat variables, those that gradients change and BatchNorm's moving
    statistics. Every optimizer here works element by element, so one update of the flat vector is
    the same as one of each array, with a fraction of the operations.
    """

    def __init__(
        self,
        network: ResNet,
        train: Split,
        test: Split,
        optimizer: Mapping[str, Any],
        learning_rate: float,
        recipe: Recipe,
        seed: int,
        xla: bool | None = None,
    ) -> None:
        """Put the data on the device and draw the initial weights.

        Args:
            network: the structure to train.
            train: training images and labels.
            test: test images and labels, looked at after each epoch and used for nothing.
            optimizer: the optimizer's definition.
            learning_rate: the initial learning rate.
            recipe: everything else.
            seed: the training seed: initial weights, order and augmentation.
            xla: whether steps are compiled with XLA: by default where there is a GPU, since it is
                slower on a CPU.
        """
        xla = bool(tf.config.list_physical_devices("GPU")) if xla is None else xla
        self.network = network
        self.images = len(train.labels)
        model = network.build(seed)
        self.pixel_mean = mean_image(train.images, recipe.subtract_pixel_mean)
        self._recipe, self._seed, self._initial_rate = recipe, seed, learning_rate
        initial = {one.path: one.numpy() for one in model.variables}
        self._trained = _FlatArrays([one for one in network.arrays() if not one.moving], initial)
        self._moving = _FlatArrays([one for one in network.arrays() if one.moving], initial)
        self._dtype, scales_loss = _PRECISIONS[recipe.precision]
        self._optimizer = make_optimizer(optimizer, learning_rate, scales_loss)
        self._optimizer.build([self._trained.variable])
        self._images, self._labels = (
            tf.constant(train.images),
            tf.constant(train.labels.astype(np.int32)),
        )
        self._test_images, self._test_labels = (
            tf.constant(test.images),
            tf.constant(test.labels.astype(np.int32)),
        )
        self._run_steps = {
            size: tf.function(self._steps, _signature(size), autograph=False, jit_compile=xla)
            for size in {recipe.batch_size, len(train.labels) % recipe.batch_size} - {0}
        }
        self._run_test = tf.function(self._count_right_test_images, autograph=False)

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from zero."""
        return learning_rate_at(epoch, self._initial_rate, self._recipe.schedule)

    def train_epoch(self, epoch: int) -> EpochResult:
        """Train for one epoch, counted from zero; stop at the first loss that is not finite.

        Returns: the means over the images seen; a loss that is not finite ends the epoch early.
        """
        self._optimizer.learning_rate.assign(self.learning_rate(epoch))
        seed = tf.constant(derive_seed(self._seed, "augmentation", epoch))
        losses, right, seen = 0.0, 0, 0
        for first, batches in self._batches(epoch):
            run = self._run_steps[batches.shape[1]]
            loss, correct = run(tf.constant(batches), tf.constant(first), seed)
            losses, right, seen = losses + float(loss), right + int(correct), seen + batches.size
            if not np.isfinite(losses):
                break
        return EpochResult(losses / seen, right / seen)

    def test_accuracy(self) -> float:
        """Return the accuracy on the test set, a fraction."""
        return int(self._run_test()) / len(self._test_labels)

    def weights(self) -> dict[str, np.ndarray]:
        """Return all arrays by name."""
        tensors = {**self._trained.tensors(), **self._moving.tensors()}
        return {name: tensor.numpy() for name, tensor in tensors.items()}

    def state(self) -> State:
        """Return what `restore` needs to go on from here."""
        floats, integers = self._optimizer_variables()
        return State(
            trained=self._trained.variable.numpy(),
            moving=self._moving.variable.numpy(),
            optimizer=np.concatenate([np.ravel(one.numpy()) for one in floats]),
            counters=np.array([int(one.numpy()) for one in integers], np.int64),
        )

    def restore(self, state: State) -> None:
        """Go back to a state that `state` gave.

        Raises:
            ValueError: the state belongs to another network or optimizer.
        """
        floats, integers = self._optimizer_variables()
        self._trained.variable.assign(state.trained)
        self._moving.variable.assign(state.moving)
        ends = np.cumsum([int(np.prod(one.shape)) for one in floats])
        for variable, values in zip(floats, np.split(state.optimizer, ends[:-1]), strict=True):
            variable.assign(values.reshape(variable.shape))
        for variable, value in zip(integers, state.counters, strict=True):
            variable.assign(int(value))

    def _batches(self, epoch: int) -> list[tuple[int, np.ndarray]]:
        """Cut the epoch's order into calls: (first step, indices (steps, batch)), the rest last."""
        size = self._recipe.batch_size
        order = np.random.Generator(np.random.PCG64(derive_seed(self._seed, "order", epoch)))
        indices = order.permutation(len(self._labels)).astype(np.int32)
        whole = len(indices) // size
        calls = [
            (
                first,
                indices[first * size : min(first + _STEPS_A_CALL, whole) * size].reshape(-1, size),
            )
            for first in range(0, whole, _STEPS_A_CALL)
        ]
        rest = indices[whole * size :]
        return [*calls, (whole, rest[None])] if len(rest) else calls

    def _steps(
        self, batches: tf.Tensor, first: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        def body(step: Any, losses: Any, right: Any) -> tuple[Any, Any, Any]:
            chosen = batches[step]
            loss, correct = self._step(chosen, tf.stack([seed, first + step]))
            return step + 1, losses + loss * tf.cast(tf.size(chosen), tf.float32), right + correct

        steps = tf.shape(batches)[0]
        start = (tf.constant(0), tf.constant(0.0), tf.constant(0))
        _, losses, right = tf.while_loop(
            lambda step, *_: step < steps, body, start, parallel_iterations=1
        )
        return losses, right

    def _step(self, chosen: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        labels = tf.gather(self._labels, chosen)
        images = augment(
            normalize(tf.gather(self._images, chosen), self.pixel_mean), self._recipe, seed
        )
        with tf.GradientTape() as tape:
            weights = self._trained.tensors()
            logits, statistics = self.network.forward(
                {**self._in_precision(weights), **self._moving.tensors()},
                tf.cast(images, self._dtype),
                training=True,
            )
            entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            penalty = tf.add_n(
                [tf.nn.l2_loss(weights[name]) for name in self.network.regularized()]
            )
            # tf.nn.l2_loss halves the sum of squares, Keras's l2 does not.
            loss = tf.reduce_mean(entropy) + 2 * self._recipe.l2 * penalty
            scaled = self._optimizer.scale_loss(loss)
        gradient = tape.gradient(scaled, self._trained.variable.value)
        self._optimizer.apply([gradient], [self._trained.variable])
        moving = self._moving.variable.value
        moving.assign(
            moving * BATCHNORM_MOMENTUM
            + self._moving.flatten(statistics) * (1 - BATCHNORM_MOMENTUM)
        )
        return loss, _count_right(logits, labels)

    def _in_precision(self, weights: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Cast the convolutions' arrays; BatchNorm and the dense layer stay in float32."""
        if self._dtype == tf.float32:
            return weights
        cast = tf.cast(self._trained.variable.value, self._dtype)
        low = self._trained.split(cast)
        names = {f"{one.layer}/{role}" for one in self.network.convolutions for role in _CAST}
        return {name: low[name] if name in names else one for name, one in weights.items()}

    def _count_right_test_images(self) -> tf.Tensor:
        weights = {**self._trained.tensors(), **self._moving.tensors()}

        def body(begin: Any, right: Any) -> tuple[Any, Any]:
            chosen = slice(begin, begin + _TEST_BATCH_SIZE)
            images = normalize(self._test_images[chosen], self.pixel_mean)
            logits, _ = self.network.forward(weights, images, training=False)
            right += _count_right(logits, self._test_labels[chosen])
            return begin + _TEST_BATCH_SIZE, right

        count = len(self._test_labels)
        start = (tf.constant(0), tf.constant(0))
        _, right = tf.while_loop(lambda begin, _: begin < count, body, start, parallel_iterations=1)
        return right

    def _optimizer_variables(self) -> tuple[list[Any], list[Any]]:
        variables = self._optimizer.variables
        floats = [one for one in variables if one.value.dtype.is_floating]
        return floats, [one for one in variables if not one.value.dtype.is_floating]


class _FlatArrays:
    """Some arrays of a model, one after the other in one variable."""

    def __init__(self, arrays: list[Array], values: Mapping[str, np.ndarray]) -> None:
        self._arrays = arrays
        self.variable = keras.Variable(
            np.concatenate([values[one.name].ravel() for one in arrays]), name="arrays"
        )

    def tensors(self) -> dict[str, tf.Tensor]:
        """Return the arrays by name, differentiable with respect to the variable."""
        return self.split(self.variable.value)

    def split(self, values: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return a vector in the variable's order as arrays by name."""
        parts = tf.split(values, [one.size for one in self._arrays])
        return {
            one.name: tf.reshape(part, one.shape)
            for one, part in zip(self._arrays, parts, strict=True)
        }

    def flatten(self, values: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Return values by name as one vector in the variable's order."""
        return tf.concat([tf.reshape(values[one.name], [-1]) for one in self._arrays], axis=0)


def _count_right(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(
        tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32) == labels, tf.int32)
    )


def _signature(batch_size: int) -> list[tf.TensorSpec]:
    batches = tf.TensorSpec((None, batch_size), tf.int32)
    return [batches, tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.int32)]
