"""Noise scopes: which arrays of a model receive noise.

The paper says "all the model weights" and no more; a crossbar stores kernels alone. The scopes
``live_kernels`` and ``dead_kernels`` take some filters of each kernel: `noise.filters`.
"""

from collections.abc import Iterable

from noise_resistance.errors import ConfigurationError, suggest
from noise_resistance.study.arrays import ROLES, Array

__all__ = ["SCOPES", "arrays_in_scope"]

SCOPES: dict[str, frozenset[str]] = {
    "kernels": frozenset({"kernel"}),
    "live_kernels": frozenset({"kernel"}),
    "dead_kernels": frozenset({"kernel"}),
    "trainable": frozenset({"kernel", "bias", "gamma", "beta"}),
    "batchnorm": frozenset({"gamma", "beta", "moving_mean", "moving_variance"}),
    "all": frozenset(ROLES),
}


def arrays_in_scope(scope: str, arrays: Iterable[Array]) -> tuple[Array, ...]:
    """Return the arrays that receive noise, in the model's order.

    Args:
        scope: a key of `SCOPES`; ``<scope>@<layer>`` is that scope in one layer alone.
        arrays: all arrays of the model.

    Raises:
        ConfigurationError: there is no such scope, or nothing of that layer is in it.
    """
    scope, _, layer = scope.partition("@")
    try:
        roles = SCOPES[scope]
    except KeyError:
        raise ConfigurationError(
            f"unknown noise scope '{scope}'; {suggest(scope, SCOPES)}"
        ) from None
    chosen = tuple(array for array in arrays if array.role in roles)
    if not layer:
        return chosen
    layers = dict.fromkeys(array.layer for array in chosen)
    if layer not in layers:
        raise ConfigurationError(
            f"no layer '{layer}' in noise scope '{scope}'; {suggest(layer, layers)}"
        )
    return tuple(array for array in chosen if array.layer == layer)
