"""What decides one training's numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from noise_resistance.study.choices import chosen
from noise_resistance.study.recipe import Recipe

__all__ = ["TrainingRequest"]


@dataclass(frozen=True)
class TrainingRequest:
    """All that decides one training's numbers.

    Attributes:
        dataset: identity of the dataset: name, version, checksums.
        model: the model's name.
        optimizer: the optimizer's name.
        optimizer_definition: its Keras class and arguments.
        learning_rate: the initial learning rate.
        seed: the training seed.
        recipe: everything else.
    """

    dataset: Mapping[str, Any]
    model: str
    optimizer: str
    optimizer_definition: Mapping[str, Any]
    learning_rate: float
    seed: int
    recipe: Recipe

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "TrainingRequest":
        """Make a request from plain values, as `parameters` gives them."""
        return cls(**{**values, "recipe": Recipe.from_mapping(values["recipe"])})

    def parameters(self) -> dict[str, Any]:
        """Return plain values, for files and keys; choices that are off are left out."""
        return {**self.__dict__, "recipe": chosen(self.recipe)}
