"""Dead filters: those whose outputs BatchNorm has seen to be constant.

Adam, the L2 penalty and ReLU drive some filters to zero; BatchNorm then divides what noise puts
into them by the root of epsilon.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from noise_resistance.study.arrays import Array

__all__ = ["DEAD_VARIANCE", "dead_filters", "filter_masks"]

DEAD_VARIANCE = 1e-6

# The scopes that choose filters, and whether they choose the dead ones.
_CHOOSES_DEAD = {"live_kernels": False, "dead_kernels": True}


def dead_filters(moving_variance: np.ndarray) -> np.ndarray:
    """Say for each channel of a BatchNorm whether it is dead: its moving variance below 1e-6."""
    return np.asarray(moving_variance) < DEAD_VARIANCE


def filter_masks(
    scope: str,
    arrays: Sequence[Array],
    weights: Mapping[str, np.ndarray],
    batchnorms: Mapping[str, str],
) -> dict[str, np.ndarray]:
    """Return which weights of each array a scope takes, where it does not take all of them.

    Args:
        scope: a noise scope.
        arrays: the arrays in scope.
        weights: values by array name.
        batchnorms: for each convolution that has one, the name of the BatchNorm after it. Without
            one a layer counts as live.

    Returns: by array name 1 where noise falls and 0 elsewhere, float32, broadcast against the
        array's last axes; empty for a scope that chooses no filters.
    """
    scope = scope.partition("@")[0]
    if scope not in _CHOOSES_DEAD:
        return {}
    masks = {}
    for array in arrays:
        batchnorm = batchnorms.get(array.layer)
        dead = np.zeros(array.shape[-1:], bool)
        if batchnorm is not None:
            dead = _by_weight(array, dead_filters(weights[f"{batchnorm}/moving_variance"]))
        masks[array.name] = (dead == _CHOOSES_DEAD[scope]).astype(np.float32)
    return masks


def _by_weight(array: Array, dead: np.ndarray) -> np.ndarray:
    """Bring channels to a kernel's last axes: (.., filters), or depthwise (.., inputs, filters)."""
    if array.shape[-1] == dead.size:
        return dead
    if np.prod(array.shape[-2:]) == dead.size:
        return dead.reshape(array.shape[-2:])
    return np.zeros(array.shape[-1:], bool)
