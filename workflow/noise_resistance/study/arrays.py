"""The named arrays of a model: what noise falls on, and what files hold."""

from dataclasses import dataclass
from math import prod

__all__ = ["ROLES", "Array", "roles_of_layer"]

ROLES = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")


@dataclass(frozen=True)
class Array:
    """One array of a model.

    Attributes:
        layer: the layer's name.
        role: what it is in its layer, one of `ROLES`.
        shape: its shape.
        variable: what Keras calls it in its layer, where that is not the role, such as
            ``depthwise_kernel``.
    """

    layer: str
    role: str
    shape: tuple[int, ...]
    variable: str = ""

    @property
    def name(self) -> str:
        """Its name in files and in the noise's seed: Keras's own path, ``<layer>/<role>``."""
        return f"{self.layer}/{self.variable or self.role}"

    @property
    def moving(self) -> bool:
        """Whether it is a moving statistic, which gradients do not change."""
        return self.role.startswith("moving_")

    @property
    def size(self) -> int:
        """The number of its elements."""
        return prod(self.shape)


def roles_of_layer(count: int) -> tuple[str, ...]:
    """Return what the arrays of a saved layer are, in Keras's order; their numbers where unknown.

    Args:
        count: how many arrays the layer has.
    """
    if count == 2:
        return ROLES[:2]
    return ROLES[2:] if count == 4 else tuple(map(str, range(count)))
