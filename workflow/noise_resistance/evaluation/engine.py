"""Running draws: noise and forward pass in one compiled function, traced once for all draws."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from noise_resistance.evaluation.measure import Outcome, measure
from noise_resistance.evaluation.trained_model import TrainedModel
from noise_resistance.models.folding import fold, forward_folded
from noise_resistance.noise.additive import perturb, weight_deviations
from noise_resistance.noise.scopes import arrays_in_scope
from noise_resistance.noise.variances import VariancePolicy, variance_policy_named
from noise_resistance.study.arrays import Array
from noise_resistance.study.noise_settings import NoiseSettings

__all__ = ["NoisyEvaluator", "evaluate_weights"]

_PRECISIONS = {"float32": tf.float32}


def evaluate_weights(trained: TrainedModel, precision: str) -> Outcome:
    """Measure a model as it was trained, without noise.

    Args:
        trained: the model and its test set.
        precision: of the forward pass.

    Returns: NumPy values.
    """

    @tf.function
    def run(weights: Mapping[str, tf.Tensor]) -> Outcome:
        return _measure(trained, weights, precision, zero_nan=False)

    return _to_numpy(run(_on_device(trained.weights)))


class NoisyEvaluator:
    """Measures noisy copies of one model under one noise scope.

    Attributes:
        arrays: the arrays in scope.
        deviations: sigma_w by array name.
    """

    def __init__(self, trained: TrainedModel, scope: str, settings: NoiseSettings) -> None:
        """Prepare to draw; nothing is computed yet.

        Raises:
            ConfigurationError: an unknown scope, policy or precision.
        """
        self.arrays: Sequence[Array] = arrays_in_scope(scope, trained.network.arrays())
        self.deviations = weight_deviations(trained.weights, self.arrays, settings.sigma_of)
        self._weights = _on_device(trained.weights)
        self._run = self._compile(
            trained, settings, variance_policy_named(settings.variance_policy)
        )

    def evaluate(self, noise_level: float, draw: int) -> Outcome:
        """Measure one noisy copy.

        Args:
            noise_level: eta, a fraction >= 0.
            draw: index of the draw.

        Returns: NumPy values.
        """
        return _to_numpy(
            self._run(self._weights, tf.constant(noise_level, tf.float32), tf.constant(draw))
        )

    def _compile(
        self, trained: TrainedModel, settings: NoiseSettings, policy: VariancePolicy
    ) -> Callable[[Mapping[str, tf.Tensor], tf.Tensor, tf.Tensor], Outcome]:
        @tf.function
        def run(
            weights: Mapping[str, tf.Tensor], noise_level: tf.Tensor, draw: tf.Tensor
        ) -> Outcome:
            noisy = perturb(
                weights, self.deviations, self.arrays, noise_level, draw, settings.seed, policy
            )
            return _measure(trained, noisy, settings.precision, policy.zero_nan)

        return run


def _measure(
    trained: TrainedModel, weights: Mapping[str, tf.Tensor], precision: str, zero_nan: bool
) -> Outcome:
    dtype = _PRECISIONS[precision]
    folded = {
        name: tf.cast(values, dtype) for name, values in fold(trained.network, weights).items()
    }

    def logits_of(images: tf.Tensor) -> tf.Tensor:
        return forward_folded(trained.network, folded, tf.cast(images, dtype), zero_nan)

    return measure(logits_of, trained.test_set)


def _on_device(weights: Mapping[str, np.ndarray]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(values) for name, values in weights.items()}


def _to_numpy(outcome: Outcome) -> Outcome:
    return Outcome(*(value.numpy() for value in outcome))
