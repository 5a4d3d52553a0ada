"""The names of the models a study can train."""

import re

from noise_resistance.errors import ConfigurationError

__all__ = ["depth_of"]


def depth_of(model: str) -> int:
    """Return the depth of a CIFAR ResNet from its name.

    Args:
        model: ``resnet<depth>`` with a depth of 6n+2.

    Raises:
        ConfigurationError: another name, or a depth that is not 6n+2.
    """
    match = re.fullmatch(r"resnet([1-9][0-9]{0,3})", model)
    if not match:
        raise ConfigurationError(
            f"unknown model '{model}'; write resnet<depth> with a depth of 6n+2, such as resnet20"
        )
    depth = int(match[1])
    if depth < 8 or depth % 6 != 2:
        raise ConfigurationError(
            f"model '{model}': a CIFAR ResNet v1 has a depth of 6n+2; the nearest are "
            f"{_nearest(depth)}"
        )
    return depth


def _nearest(depth: int) -> str:
    lower = max(8, (depth - 2) // 6 * 6 + 2)
    return f"resnet{lower} and resnet{lower + 6}"
