"""Noise scopes: which arrays of a model receive noise.

The paper says "all the model weights" and no more; a crossbar stores kernels alone.
"""

from collections.abc import Iterable

from noise_resistance.errors import ConfigurationError, suggest
from noise_resistance.study.arrays import ROLES, Array

__all__ = ["SCOPES", "arrays_in_scope"]

SCOPES: dict[str, frozenset[str]] = {
    "kernels": frozenset({"kernel"}),
    "trainable": frozenset({"kernel", "bias", "gamma", "beta"}),
    "all": frozenset(ROLES),
}


def arrays_in_scope(scope: str, arrays: Iterable[Array]) -> tuple[Array, ...]:
    """Return the arrays that receive noise, in the model's order.

    Raises:
        ConfigurationError: there is no such scope.
    """
    try:
        roles = SCOPES[scope]
    except KeyError:
        raise ConfigurationError(
            f"unknown noise scope '{scope}'; {suggest(scope, SCOPES)}"
        ) from None
    return tuple(array for array in arrays if array.role in roles)
