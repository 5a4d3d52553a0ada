"""The training recipe: all that decides a training's numbers besides its place in the grid."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """How every model of a study is trained. The paper is silent; see `config/config.yaml`.

    Attributes:
        epochs: passes over the training images.
        batch_size: images a step; the last step of an epoch takes what is left.
        l2: factor of the sum of squares of the convolution kernels in the loss.
        schedule: pairs (epoch, factor), rising: from this epoch on (counted from zero) the
            learning rate is the study's times the factor.
        shift: largest random shift, as a fraction of height and width; 0 is none.
        horizontal_flip: whether half of the images are mirrored.
        subtract_pixel_mean: whether the mean training image is subtracted.
        precision: ``float32``, ``mixed_bfloat16`` or ``mixed_float16``.
    """

    epochs: int
    batch_size: int
    l2: float = 0.0
    schedule: tuple[tuple[int, float], ...] = ()
    shift: float = 0.0
    horizontal_flip: bool = False
    subtract_pixel_mean: bool = False
    precision: str = "float32"

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Recipe":
        """Make a recipe from plain values, as `as_mapping` gives them.

        A number is the same however it was written: 0 and 0.0 make one recipe, and nothing stale.
        """
        steps = values.get("schedule", ())
        schedule = tuple((int(epoch), float(factor)) for epoch, factor in steps)
        floats = {name: float(values.get(name, 0)) for name in ("l2", "shift")}
        return cls(**{**values, **floats, "schedule": schedule})

    def as_mapping(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {**asdict(self), "schedule": [list(step) for step in self.schedule]}

    @property
    def first_decay(self) -> int | None:
        """The first epoch, counted from zero, at a lower learning rate than the one before."""
        before = 1.0
        for epoch, factor in self.schedule:
            if 0 < epoch < self.epochs and factor < before:
                return epoch
            before = factor
        return None
