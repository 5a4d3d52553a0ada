"""The optimizers a study can name: a Keras class and its arguments, as data.

The definition, not this module, is a parameter of a training: adding an optimizer here makes no
training stale.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from noise_resistance.errors import ConfigurationError, suggest

__all__ = ["OPTIMIZERS", "Optimizer", "optimizer_named"]


@dataclass(frozen=True)
class Optimizer:
    """One optimizer.

    Attributes:
        label: its name in figures and tables.
        adaptive: whether it keeps a step size for each parameter (paper, section III-4).
        keras_class: a class of ``keras.optimizers`` or of `models.optimizers`.
        arguments: the class's arguments besides the learning rate.
    """

    label: str
    adaptive: bool
    keras_class: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def definition(self) -> dict[str, Any]:
        """Return what decides a training's numbers, as plain values."""
        return {"class": self.keras_class, "arguments": dict(self.arguments)}


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer("SGD", False, "SGD"),
    "sgd_momentum": Optimizer("SGD with momentum", False, "SGD", {"momentum": 0.9}),
    "sgd_nesterov": Optimizer(
        "SGD with Nesterov momentum", False, "SGD", {"momentum": 0.9, "nesterov": True}
    ),
    "adam": Optimizer("Adam", True, "Adam"),
    "nadam": Optimizer("Nadam", True, "Nadam"),
    "adamax": Optimizer("Adamax", True, "Adamax"),
    "adamx": Optimizer("AdamX", True, "AdamX"),
}


def optimizer_named(name: str) -> Optimizer:
    """Return the optimizer of this name.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        return OPTIMIZERS[name]
    except KeyError:
        raise ConfigurationError(
            f"unknown optimizer '{name}'; {suggest(name, OPTIMIZERS)}"
        ) from None
