"""From an optimizer's definition to the Keras optimizer; and AdamX, which Keras has not."""

from collections.abc import Mapping
from typing import Any

import keras

__all__ = ["AdamX", "make_optimizer"]


def make_optimizer(
    definition: Mapping[str, Any], learning_rate: float, scales_loss: bool = False
) -> keras.Optimizer:
    """Make an optimizer.

    Args:
        definition: ``class``, a class of this module or of ``keras.optimizers``, and its
            ``arguments`` besides the learning rate.
        learning_rate: the initial one.
        scales_loss: whether the loss is scaled against underflow of its gradients (float16).
    """
    name = definition["class"]
    optimizer_class = {"AdamX": AdamX}.get(name) or getattr(keras.optimizers, name)
    optimizer: keras.Optimizer = optimizer_class(
        learning_rate=learning_rate, **definition["arguments"]
    )
    return keras.optimizers.LossScaleOptimizer(optimizer) if scales_loss else optimizer


class AdamX(keras.optimizers.Optimizer):
    """AdamX (Phuong and Phong 2019, arXiv 1904.03590, algorithm 2).

    AMSGrad with the maximum over second moments weighted so that its proof of convergence holds
    for a falling beta1; with a constant one it is AMSGrad without bias correction.

    Args:
        learning_rate: alpha.
        beta_1: beta1 of the first step.
        beta_2: decay of the second moment.
        beta_1_decay: lambda; beta1 of step t is ``beta_1 * lambda ** (t - 1)``.
        epsilon: added to the root of the second moment.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        beta_1_decay: float = 1.0 - 1e-8,
        epsilon: float = 1e-7,
        name: str = "adamx",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.beta_1, self.beta_2, self.beta_1_decay, self.epsilon = (
            beta_1,
            beta_2,
            beta_1_decay,
            epsilon,
        )

    def build(self, variables: list[keras.Variable]) -> None:
        """Make the moments of every variable."""
        if self.built:
            return
        super().build(variables)
        self._first, self._second, self._largest = self.add_optimizer_variables(
            variables, ["first_moment", "second_moment", "largest_second_moment"]
        )

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        """Take one step for one variable."""
        ops = keras.ops
        index = self._get_variable_index(variable)
        first, second, largest = self._first[index], self._second[index], self._largest[index]
        step = ops.cast(self.iterations, variable.dtype)
        beta_now = self.beta_1 * ops.power(self.beta_1_decay, step)
        beta_before = self.beta_1 * ops.power(self.beta_1_decay, ops.maximum(step - 1, 0))
        self.assign(first, beta_now * first + (1 - beta_now) * gradient)
        self.assign(second, self.beta_2 * second + (1 - self.beta_2) * ops.square(gradient))
        self.assign(
            largest, ops.maximum(ops.square((1 - beta_now) / (1 - beta_before)) * largest, second)
        )
        rate = ops.cast(learning_rate, variable.dtype)
        self.assign_sub(variable, rate * first / (ops.sqrt(largest) + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, as Keras asks."""
        own = ("beta_1", "beta_2", "beta_1_decay", "epsilon")
        config: dict[str, Any] = {
            **super().get_config(),
            **{name: getattr(self, name) for name in own},
        }
        return config
