"""What decides one training's numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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

    def parameters(self) -> dict[str, Any]:
        """Return plain values, for files and keys."""
        return {**self.__dict__, "recipe": self.recipe.as_mapping()}
