"""Kinds of weight noise: how large the noise on each weight is, beside the noise level.

Every kind is w + eta * s * z with z ~ N(0, 1) from `noise.draws`, the same for all kinds; a kind is
the function that gives s. A new kind is one such function, its entry in `NOISE_KINDS`, and its name
in the configuration's schema.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from noise_resistance.errors import ConfigurationError, suggest

__all__ = ["NOISE_KINDS", "NoiseKind", "noise_kind_named"]

# From an array's values and the values that `sigma_of` pools, both float64, to s: one number, or
# one for each weight of the array.
NoiseKind: TypeAlias = Callable[[np.ndarray, np.ndarray], float | np.ndarray]


def _additive(_: np.ndarray, pooled: np.ndarray) -> float:
    """The standard deviation of the weights (paper, equation 6)."""
    return float(np.std(pooled))


def _additive_max(_: np.ndarray, pooled: np.ndarray) -> float:
    """The largest absolute weight, which a crossbar maps to its largest conductance."""
    return float(np.max(np.abs(pooled)))


def _multiplicative(weights: np.ndarray, _: np.ndarray) -> np.ndarray:
    """The weight itself: w (1 + eta z)."""
    return weights


NOISE_KINDS: dict[str, NoiseKind] = {
    "additive": _additive,
    "additive_max": _additive_max,
    "multiplicative": _multiplicative,
}


def noise_kind_named(name: str) -> NoiseKind:
    """Return the kind of this name.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        return NOISE_KINDS[name]
    except KeyError:
        raise ConfigurationError(
            f"unknown noise kind '{name}'; {suggest(name, NOISE_KINDS)}"
        ) from None
