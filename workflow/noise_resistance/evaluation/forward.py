"""The two ways to run a model's inference: folded for our own networks, general for any other."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias

import tensorflow as tf

from noise_resistance.errors import ConfigurationError, suggest
from noise_resistance.models.folding import fold, forward_folded
from noise_resistance.models.resnet import ResNet
from noise_resistance.study.arrays import ROLES, Array

if TYPE_CHECKING:
    import keras

__all__ = ["PRECISIONS", "FoldedForward", "Forward", "GeneralForward", "forward_of"]

PRECISIONS = {"float32": tf.float32, "bfloat16": tf.bfloat16}

Tensors: TypeAlias = Mapping[str, tf.Tensor]


class Forward(Protocol):
    """From weights to logits, inside a compiled function."""

    def arrays(self) -> tuple[Array, ...]:
        """Return all arrays of the model."""

    def batchnorms(self) -> dict[str, str]:
        """Return the BatchNorm right after each layer that has one, layer name by layer name."""

    def prepare(self, weights: Tensors) -> Tensors:
        """Do what is needed once a set of weights (float32, by array name)."""

    def logits(self, prepared: Tensors, images: tf.Tensor, zero_nan: bool) -> tf.Tensor:
        """Return logits (batch, classes), float32, of normalized images."""


class FoldedForward:
    """Our own networks, BatchNorm folded into the convolutions."""

    def __init__(self, network: ResNet, precision: str) -> None:
        """Run a network.

        Args:
            network: the structure.
            precision: a key of `PRECISIONS`; weights are folded in float32, then cast.
        """
        self._network, self._dtype = network, _precision_named(precision)

    def arrays(self) -> tuple[Array, ...]:
        """Return all arrays of the network."""
        return self._network.arrays()

    def batchnorms(self) -> dict[str, str]:
        """Return the BatchNorm of each convolution that has one."""
        return {one.layer: one.batchnorm for one in self._network.convolutions if one.batchnorm}

    def prepare(self, weights: Tensors) -> Tensors:
        """Fold, and cast."""
        folded = fold(self._network, weights)
        return {name: tf.cast(values, self._dtype) for name, values in folded.items()}

    def logits(self, prepared: Tensors, images: tf.Tensor, zero_nan: bool) -> tf.Tensor:
        """Return logits (batch, classes), float32."""
        return forward_folded(self._network, prepared, tf.cast(images, self._dtype), zero_nan)


class GeneralForward:
    """Any Keras classifier, through ``stateless_call``."""

    def __init__(self, model: "keras.Model", precision: str) -> None:
        """Run a model.

        Args:
            model: a built Keras model from images to logits or probabilities.
            precision: ``float32``; another model's layers decide their own precision.

        Raises:
            ConfigurationError: another precision, or a floating-point variable of no known role.
        """
        if precision != "float32":
            raise ConfigurationError(f"precision {precision} is for this workflow's own networks")
        self._model = model
        self._gives_probabilities = _ends_in_softmax(model)
        numbers = [one for one in model.variables if tf.as_dtype(one.dtype).is_floating]
        self._arrays = tuple(_array_of(variable) for variable in numbers)

    def arrays(self) -> tuple[Array, ...]:
        """Return all arrays of the model, in Keras's order."""
        return self._arrays

    def batchnorms(self) -> dict[str, str]:
        """Return the BatchNorm right after each layer, as far as the model's graph tells."""
        found = {}
        for layer in self._model.layers:
            if type(layer).__name__ != "BatchNormalization":
                continue
            history = getattr(layer.input, "_keras_history", None)
            weights = getattr(history.operation, "weights", None) if history else None
            if weights:
                before = weights[0].path.rpartition("/")[0]
                found[before] = layer.moving_variance.path.rpartition("/")[0]
        return found

    def prepare(self, weights: Tensors) -> Tensors:
        """Return the weights as they are."""
        return weights

    def logits(self, prepared: Tensors, images: tf.Tensor, zero_nan: bool) -> tf.Tensor:
        """Return the model's outputs (batch, classes), float32; probabilities as logarithms.

        Raises:
            ConfigurationError: ReLUs that turn NaN to zero are asked for; Keras's own are used.
        """
        if zero_nan:
            raise ConfigurationError(
                "variance_policy relu_nan_to_zero is for this workflow's own networks; "
                "write clip, propagate or absolute"
            )
        model = self._model
        # What holds no numbers, such as the state of a Dropout's generator, stays as it is.
        trainable = [prepared.get(one.path, one.value) for one in model.trainable_variables]
        others = [prepared.get(one.path, one.value) for one in model.non_trainable_variables]
        outputs, _ = model.stateless_call(trainable, others, images, training=False)
        outputs = tf.cast(outputs, tf.float32)
        # The smallest normal number: the logarithm of zero is not finite.
        return tf.math.log(outputs + 1.2e-38) if self._gives_probabilities else outputs


def forward_of(model: "ResNet | keras.Model", precision: str) -> Forward:
    """Return the way to run a model.

    Raises:
        ConfigurationError: an unknown precision, or one that the model cannot be run in.
    """
    if isinstance(model, ResNet):
        return FoldedForward(model, precision)
    return GeneralForward(model, precision)


def _precision_named(name: str) -> tf.DType:
    """Return the type of this name.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        return PRECISIONS[name]
    except KeyError:
        raise ConfigurationError(
            f"unknown precision '{name}'; {suggest(name, PRECISIONS)}"
        ) from None


def _ends_in_softmax(model: "keras.Model") -> bool:
    last = model.layers[-1]
    activation = getattr(getattr(last, "activation", None), "__name__", "")
    return activation == "softmax" or type(last).__name__ == "Softmax"


def _array_of(variable: "keras.Variable") -> Array:
    layer, _, kind = variable.path.rpartition("/")
    role = "kernel" if kind.endswith("kernel") or kind == "embeddings" else kind
    if role not in ROLES:
        raise ConfigurationError(f"{variable.path}: noise has no role for such a variable")
    return Array(layer, role, tuple(variable.shape), "" if kind == role else kind)
