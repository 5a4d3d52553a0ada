"""A model that was trained elsewhere: its file, and what it wants images to be like."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["ExternalModel"]


@dataclass(frozen=True)
class ExternalModel:
    """Any Keras classifier.

    Images are resized (bilinear), a single channel is repeated where the model takes three, and
    then each becomes (image / scale - mean) / deviation.

    Attributes:
        file: ``.keras``, legacy ``.h5``, or a weights file of a known architecture.
        dataset: name of the dataset it is measured on.
        architecture: such as ``resnet20``, for a file that holds weights alone.
        scale: what stored pixel values 0..255 are divided by.
        mean: subtracted after that, one number or one a channel.
        deviation: divided by after that, likewise.
        input_size: (height, width); empty for the size the model states, or the dataset's.
    """

    file: str
    dataset: str
    architecture: str = ""
    scale: float = 255.0
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)
    input_size: tuple[int, ...] = ()

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "ExternalModel":
        """Make a model from plain values, as `as_mapping` gives them."""
        tuples = {
            name: tuple(values[name])
            for name in ("mean", "deviation", "input_size")
            if name in values
        }
        return cls(**{**values, **tuples})

    def as_mapping(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            key: list(one) if isinstance(one, tuple) else one for key, one in asdict(self).items()
        }
