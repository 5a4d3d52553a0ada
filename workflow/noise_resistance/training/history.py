"""What a training writes down after each epoch."""

from dataclasses import dataclass, field

import numpy as np

from noise_resistance.storage.hdf5 import Variable

__all__ = ["HISTORY", "History"]

HISTORY = {
    "loss": ("mean training loss, L2 penalty included", "nat"),
    "accuracy": ("training accuracy, a fraction", "1"),
    "test_accuracy": ("test accuracy after the epoch, a fraction; it chooses nothing", "1"),
    "learning_rate": ("learning rate of the epoch", "1"),
    "seconds": ("time the epoch took", "s"),
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
            name: Variable(("epoch",), np.array(getattr(self, name), np.float64), description, unit)
            for name, (description, unit) in HISTORY.items()
        }
        return {"epoch": epochs, **columns}
