"""Inference with BatchNorm folded into the convolutions before it."""

import tensorflow as tf

from noise_resistance.models.resnet import (
    BATCHNORM_EPSILON,
    BATCHNORM_ROLES,
    DENSE,
    Convolution,
    ResNet,
    Tensors,
    classify,
    convolve_with,
)

__all__ = ["fold", "forward_folded"]


def fold(network: ResNet, weights: Tensors) -> dict[str, tf.Tensor]:
    """Put BatchNorm's inference into the convolutions: kernels scaled, one bias each.

    Args:
        network: the structure.
        weights: arrays by name, float32, noisy or not. A moving variance below minus epsilon makes
            its filter's outputs NaN, as it does in Keras.

    Returns: kernels and biases by array name.
    """
    folded = {f"{DENSE}/{role}": weights[f"{DENSE}/{role}"] for role in ("kernel", "bias")}
    for one in network.convolutions:
        kernel, bias = weights[f"{one.layer}/kernel"], weights[f"{one.layer}/bias"]
        if one.batchnorm is not None:
            gamma, beta, mean, variance = (
                weights[f"{one.batchnorm}/{role}"] for role in BATCHNORM_ROLES
            )
            scale = gamma * tf.math.rsqrt(variance + BATCHNORM_EPSILON)
            kernel, bias = kernel * scale, (bias - mean) * scale + beta
        folded[f"{one.layer}/kernel"], folded[f"{one.layer}/bias"] = kernel, bias
    return folded


def forward_folded(
    network: ResNet, folded: Tensors, images: tf.Tensor, zero_nan: bool = False
) -> tf.Tensor:
    """Compute logits from folded weights.

    Args:
        network: the structure.
        folded: what `fold` gives, in the precision to compute in.
        images: (batch, height, width, channels) in the same precision.
        zero_nan: whether a ReLU turns NaN into zero (TensorFlow <= 2.3 on GPUs did). If not, one
            weight that is not finite makes every output NaN.

    Returns: logits (batch, classes), float32.
    """

    def convolve(one: Convolution, x: tf.Tensor) -> tf.Tensor:
        return convolve_with(one, x, folded)

    if zero_nan:
        return classify(network.features(convolve, images, _relu_of_nan_is_zero, tf.add), folded)
    logits = classify(network.features(convolve, images, tf.nn.relu, tf.add), folded)
    # A filter with NaN weights spreads NaN to every output, unless a fused ReLU swallows it, as
    # oneDNN's does on a CPU. This term is zero, and NaN where a weight is not finite.
    return logits + tf.add_n(
        [0.0 * tf.reduce_sum(tf.cast(values, tf.float32)) for values in folded.values()]
    )


def _relu_of_nan_is_zero(x: tf.Tensor) -> tf.Tensor:
    # A comparison with NaN is false, so NaN becomes zero here, as in max(x, 0) of old GPU kernels.
    return tf.where(x > 0, x, tf.zeros_like(x))
