"""What a moving variance becomes that noise has pushed below zero: a gap of the paper."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from noise_resistance.errors import ConfigurationError, suggest

__all__ = ["VARIANCE_POLICIES", "VariancePolicy", "variance_policy_named"]


@dataclass(frozen=True)
class VariancePolicy:
    """One way to go on with a negative variance.

    Attributes:
        mend: from a noisy moving variance to the one that is used.
        zero_nan: whether a ReLU turns NaN into zero.
    """

    mend: Callable[[tf.Tensor], tf.Tensor]
    zero_nan: bool = False


VARIANCE_POLICIES = {
    "clip": VariancePolicy(lambda variance: tf.maximum(variance, 0.0)),
    "propagate": VariancePolicy(tf.identity),
    "absolute": VariancePolicy(tf.abs),
    "relu_nan_to_zero": VariancePolicy(tf.identity, zero_nan=True),
}


def variance_policy_named(name: str) -> VariancePolicy:
    """Return the policy of this name.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        return VARIANCE_POLICIES[name]
    except KeyError:
        raise ConfigurationError(
            f"unknown variance policy '{name}'; {suggest(name, VARIANCE_POLICIES)}"
        ) from None
