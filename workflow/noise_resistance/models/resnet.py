"""CIFAR ResNet v1 of depth 6n+2 (He et al. 2015, section 4.2; the Keras CIFAR10 example's variant).

Filters 16/32/64 in three stages of n blocks, identity shortcuts, and where the size changes a 1x1
convolution with stride 2 and no BatchNorm; biases on; global average pooling; one dense layer.

The structure is written once, as `ResNet`. Three things walk it: `ResNet.build` makes the Keras
model (initial values, files), `ResNet.forward` is the same function of plain tensors with the fused
BatchNorm (training), and `models.folding` computes inference with BatchNorm inside the convolutions
(noisy evaluation). The tests hold the three to each other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import tensorflow as tf

from noise_resistance.study.architectures import depth_of
from noise_resistance.study.arrays import Array
from noise_resistance.study.seeds import derive_seed

if TYPE_CHECKING:
    import keras

__all__ = [
    "BATCHNORM_EPSILON",
    "BATCHNORM_MOMENTUM",
    "BATCHNORM_ROLES",
    "DENSE",
    "Block",
    "Convolution",
    "ResNet",
    "Tensors",
    "classify",
    "convolve_with",
]

BATCHNORM_EPSILON = 1e-3
BATCHNORM_MOMENTUM = 0.99
BATCHNORM_ROLES = ("gamma", "beta", "moving_mean", "moving_variance")
_STAGE_FILTERS = (16, 32, 64)
DENSE = "dense"

Tensors: TypeAlias = Mapping[str, tf.Tensor]


@dataclass(frozen=True)
class Convolution:
    """A convolution with bias, padded to the same size, and the BatchNorm after it, if any."""

    layer: str
    size: int
    strides: int
    channels: int
    filters: int
    batchnorm: str | None

    def arrays(self) -> Iterator[Array]:
        """Give the convolution's arrays, then the BatchNorm's."""
        yield Array(self.layer, "kernel", (self.size, self.size, self.channels, self.filters))
        yield Array(self.layer, "bias", (self.filters,))
        if self.batchnorm:
            for role in BATCHNORM_ROLES:
                yield Array(self.batchnorm, role, (self.filters,))


@dataclass(frozen=True)
class Block:
    """Two convolutions and a shortcut: identity, or a convolution where the size changes."""

    first: Convolution
    second: Convolution
    shortcut: Convolution | None

    def convolutions(self) -> tuple[Convolution, ...]:
        """Return the block's convolutions."""
        return (
            (self.first, self.second)
            if self.shortcut is None
            else (self.first, self.second, self.shortcut)
        )


@dataclass(frozen=True)
class ResNet:
    """The structure of one network.

    Attributes:
        depth: 6n+2, the number of layers with kernels, shortcuts not counted.
        input_shape: (height, width, channels) of an image.
        classes: the number of outputs.
    """

    depth: int
    input_shape: tuple[int, int, int]
    classes: int

    @classmethod
    def named(cls, name: str, input_shape: tuple[int, int, int], classes: int) -> "ResNet":
        """Return the structure of a model such as ``resnet20``.

        Raises:
            ConfigurationError: no such model, or a depth that is not 6n+2.
        """
        return cls(depth_of(name), input_shape, classes)

    @property
    def stem(self) -> Convolution:
        """The first convolution."""
        return Convolution("stem_conv", 3, 1, self.input_shape[-1], _STAGE_FILTERS[0], "stem_bn")

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The residual blocks in order."""
        blocks = []
        channels = _STAGE_FILTERS[0]
        for stage, filters in enumerate(_STAGE_FILTERS, start=1):
            for number in range(1, (self.depth - 2) // 6 + 1):
                name = f"stage{stage}_block{number}"
                resized = stage > 1 and number == 1
                strides = 2 if resized else 1
                first = Convolution(f"{name}_conv1", 3, strides, channels, filters, f"{name}_bn1")
                second = Convolution(f"{name}_conv2", 3, 1, filters, filters, f"{name}_bn2")
                shortcut = (
                    Convolution(f"{name}_shortcut", 1, 2, channels, filters, None)
                    if resized
                    else None
                )
                blocks.append(Block(first, second, shortcut))
                channels = filters
        return tuple(blocks)

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """All convolutions in order."""
        return (self.stem, *(one for block in self.blocks for one in block.convolutions()))

    def arrays(self) -> tuple[Array, ...]:
        """Return all arrays, in order."""
        dense = (
            Array(DENSE, "kernel", (_STAGE_FILTERS[-1], self.classes)),
            Array(DENSE, "bias", (self.classes,)),
        )
        return (*(array for one in self.convolutions for array in one.arrays()), *dense)

    def regularized(self) -> tuple[str, ...]:
        """Return the names of the arrays that the L2 penalty falls on: the convolution kernels."""
        return tuple(f"{one.layer}/kernel" for one in self.convolutions)

    def build(self, seed: int = 0) -> "keras.Model":
        """Make the Keras model, its kernels drawn by ``glorot_uniform``.

        Args:
            seed: the training seed; a kernel's initial values depend on it and on the layer alone.

        Returns: a model from images (height, width, channels) to logits; its weights' paths are
        the arrays' names. The softmax belongs to the loss.
        """
        return _KerasBuilder(seed).build(self)

    def forward(
        self, weights: Tensors, images: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Compute logits with the fused BatchNorm.

        Args:
            weights: arrays by name, in the precision to compute in (BatchNorm's stay float32).
            images: (batch, height, width, channels) in the same precision.
            training: whether BatchNorm uses the statistics of the batch, or the moving ones.

        Returns: logits (batch, classes), float32; and in training the batch's mean and biased
        variance under the names of the moving ones, for `BATCHNORM_MOMENTUM` to take in.
        """
        statistics: dict[str, tf.Tensor] = {}

        def convolve(one: Convolution, x: tf.Tensor) -> tf.Tensor:
            x = convolve_with(one, x, weights)
            if one.batchnorm is None:
                return x
            gamma, beta, mean, variance = (
                weights[f"{one.batchnorm}/{role}"] for role in BATCHNORM_ROLES
            )
            moving = {} if training else {"mean": mean, "variance": variance}
            x, mean, variance = tf.compat.v1.nn.fused_batch_norm(
                x, gamma, beta, **moving, epsilon=BATCHNORM_EPSILON, is_training=training
            )
            if training:
                count = tf.cast(tf.reduce_prod(tf.shape(x)[:3]), tf.float32)
                statistics[f"{one.batchnorm}/moving_mean"] = mean
                # The fused kernel gives Bessel's unbiased variance; Keras keeps the biased one.
                statistics[f"{one.batchnorm}/moving_variance"] = variance * ((count - 1) / count)
            return x

        features = self.features(convolve, images, tf.nn.relu, tf.add)
        return classify(features, weights), statistics

    def features(self, convolve: Any, x: Any, relu: Any, add: Any) -> Any:
        """Walk the network up to the last activation.

        Args:
            convolve: applies a `Convolution`, with its BatchNorm, to an activation.
            x: images.
            relu: the activation.
            add: joins a shortcut and a block's output.
        """
        x = relu(convolve(self.stem, x))
        for block in self.blocks:
            y = convolve(block.second, relu(convolve(block.first, x)))
            shortcut = x if block.shortcut is None else convolve(block.shortcut, x)
            x = relu(add(shortcut, y))
        return x


def convolve_with(one: Convolution, x: tf.Tensor, weights: Tensors) -> tf.Tensor:
    """Apply a convolution with its bias."""
    convolved = tf.nn.conv2d(x, weights[f"{one.layer}/kernel"], one.strides, "SAME")
    return tf.nn.bias_add(convolved, weights[f"{one.layer}/bias"])


def classify(features: tf.Tensor, weights: Tensors) -> tf.Tensor:
    """Pool the last activation and apply the dense layer, in float32."""
    pooled = tf.reduce_mean(tf.cast(features, tf.float32), axis=[1, 2])
    kernel, bias = (tf.cast(weights[f"{DENSE}/{role}"], tf.float32) for role in ("kernel", "bias"))
    return tf.linalg.matmul(pooled, kernel) + bias


class _KerasBuilder:
    """Walks a `ResNet` and makes the Keras layers of the same names."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def build(self, structure: ResNet) -> "keras.Model":
        import keras

        inputs = keras.Input(structure.input_shape, name="image")
        features = structure.features(self._convolve, inputs, keras.ops.relu, keras.ops.add)
        pooled = keras.layers.GlobalAveragePooling2D(name="pool")(features)
        dense = keras.layers.Dense(
            structure.classes, kernel_initializer=self._initializer(DENSE), name=DENSE
        )
        return keras.Model(inputs, dense(pooled), name=f"resnet{structure.depth}")

    def _convolve(self, one: Convolution, x: Any) -> Any:
        import keras

        x = keras.layers.Conv2D(
            one.filters, one.size, one.strides, "same",
            kernel_initializer=self._initializer(one.layer), name=one.layer,
        )(x)  # fmt: skip
        if one.batchnorm is None:
            return x
        return keras.layers.BatchNormalization(
            momentum=BATCHNORM_MOMENTUM, epsilon=BATCHNORM_EPSILON, name=one.batchnorm
        )(x)

    def _initializer(self, layer: str) -> "keras.Initializer":
        import keras

        return keras.initializers.GlorotUniform(derive_seed(self._seed, "initial", layer))
