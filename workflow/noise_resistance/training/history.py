"""What a training writes down after each epoch."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from noise_resistance.storage.hdf5 import Variable

__all__ = ["HISTORY", "History", "Quantity"]


class Quantity(NamedTuple):
    """What is written down after each epoch.

    Attributes:
        unit: the unit, ``1`` for fractions.
        description: what it is, for people.
    """

    unit: str
    description: str


HISTORY = {
    "loss": Quantity("nat", description="mean training loss, L2 penalty included"),
    "accuracy": Quantity("1", description="training accuracy, a fraction"),
    "test_accuracy": Quantity(
        "1", description="test accuracy after the epoch, a fraction; it chooses nothing"
    ),
    "learning_rate": Quantity("1", description="learning rate of the epoch"),
    "seconds": Quantity("s", description="time the epoch took"),
}


@dataclass
class History:
    """One value an epoch of each quantity in `HISTORY`."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """The number of finished epochs."""
        return len(self.loss)

    def append(self, **values: float) -> None:
        """Add one epoch, a value for each quantity."""
        for name in HISTORY:
            getattr(self, name).append(float(values[name]))

    def variables(self) -> dict[str, Variable]:
        """Return the history as variables over the dimension ``epoch``."""
        epochs = Variable(
            ("epoch",), np.arange(self.epochs, dtype=np.int32), "epoch, counted from zero"
        )
        columns = {
            name: Variable(
                ("epoch",),
                np.array(getattr(self, name), np.float64),
                description=one.description,
                unit=one.unit,
            )
            for name, one in HISTORY.items()
        }
        return {"epoch": epochs, **columns}
