"""One step of an optimizer from a given state, as often as wanted."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noise_resistance.models.optimizers import make_optimizer
from noise_resistance.study.recipe import Recipe

__all__ = ["UpdateStep"]


class UpdateStep:
    """What an optimizer adds to the weights for a gradient, its state put back before each."""

    def __init__(self, definition: Mapping[str, Any], recipe: Recipe, learning_rate: float) -> None:
        """Make the optimizer.

        Args:
            definition: the optimizer's definition.
            recipe: its precision decides whether the state holds a loss scale.
            learning_rate: of the step.
        """
        scales_loss = recipe.precision == "mixed_float16"
        self._optimizer = make_optimizer(definition, learning_rate, scales_loss)
        self._rate = learning_rate

    def load(self, weights: np.ndarray) -> None:
        """Put weights in, one vector."""
        self._weights = weights
        self._variable = keras.Variable(weights, name="arrays")
        self._optimizer.build([self._variable])
        self._initial = [one.numpy() for one in self._optimizer.variables]

    def update(self, gradient: np.ndarray, state: Mapping[str, np.ndarray] | None) -> np.ndarray:
        """Return the change of the weights, float64.

        Args:
            gradient: one vector.
            state: ``optimizer`` and ``counters`` of a file of kind ``optimizer``; None for a new
                optimizer.
        """
        self._restore(state)
        self._optimizer.learning_rate.assign(self._rate)
        self._variable.assign(self._weights)
        scaled = self._optimizer.scale_loss(tf.constant(gradient))
        self._optimizer.apply([scaled], [self._variable])
        changed: np.ndarray = self._variable.numpy().astype(np.float64) - self._weights
        return changed

    def _restore(self, state: Mapping[str, np.ndarray] | None) -> None:
        variables = self._optimizer.variables
        if state is None:
            for variable, value in zip(variables, self._initial, strict=True):
                variable.assign(value)
            return
        floats = [one for one in variables if one.value.dtype.is_floating]
        integers = [one for one in variables if not one.value.dtype.is_floating]
        ends = np.cumsum([int(np.prod(one.shape)) for one in floats])
        for variable, values in zip(floats, np.split(state["optimizer"], ends[:-1]), strict=True):
            variable.assign(values.reshape(variable.shape))
        for variable, value in zip(integers, state["counters"], strict=True):
            variable.assign(int(value))
