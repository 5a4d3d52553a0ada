"""A model that was trained elsewhere: its file, and what it wants images to be like."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from noise_resistance.study.choices import chosen
from noise_resistance.study.numbers import format_number

if TYPE_CHECKING:
    from noise_resistance.study.readings import Reading

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
        """Make a model from plain values, as `as_mapping` gives them.

        A number is the same however it was written.
        """
        read: dict[str, Callable[[Any], Any]] = {
            "scale": float,
            "mean": _floats,
            "deviation": _floats,
            "input_size": tuple,
        }
        return cls(**{name: read.get(name, str)(one) for name, one in values.items()})

    def as_mapping(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            key: list(one) if isinstance(one, tuple) else one for key, one in asdict(self).items()
        }

    def requests(
        self, readings: Mapping[str, "Reading"], noise_levels: Iterable[float], precision: str
    ) -> dict[str, dict[str, Any]]:
        """Return what is measured, by the file below the model's folder that it is written to.

        The model's file is left out: where it lies decides nothing, and what it holds is a source.

        Args:
            readings: noise scopes by name.
            noise_levels: eta, fractions.
            precision: of the forward pass without noise.
        """
        entry = {name: value for name, value in chosen(self).items() if name != "file"}
        about = {"model": "external", "external": entry}
        noise = {
            f"noise/{name}/eta-{format_number(level)}.h5": {
                **about,
                "scope": one.arrays,
                "noise_level": level,
                **chosen(one.settings),
            }
            for name, one in readings.items()
            for level in noise_levels
        }
        return {"baseline.h5": {**about, "precision": precision}, **noise}


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(map(float, values))
