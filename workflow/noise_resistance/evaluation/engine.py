"""Running draws: noise and forward pass in one compiled function, traced once for all draws."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from noise_resistance.evaluation.forward import Forward, forward_of
from noise_resistance.evaluation.measure import ImageSet, Outcome, measure
from noise_resistance.evaluation.trained_model import TrainedModel
from noise_resistance.noise.additive import perturb, weight_deviations
from noise_resistance.noise.filters import filter_masks
from noise_resistance.noise.scopes import arrays_in_scope
from noise_resistance.noise.variances import VariancePolicy, variance_policy_named
from noise_resistance.study.arrays import Array
from noise_resistance.study.noise_settings import NoiseSettings

__all__ = ["Evaluator", "evaluate_weights"]


class Evaluator:
    """Measures one model as it is, and noisy copies of it under one noise scope.

    The function behind it is traced once; noise level and draw are its arguments.

    Attributes:
        arrays: the arrays in scope on which noise falls.
        deviations: the noise's standard deviation over eta by array name: of all of an array, or
            of each of its weights.
    """

    def __init__(self, trained: TrainedModel, scope: str, settings: NoiseSettings) -> None:
        """Prepare to draw; nothing is computed yet.

        Raises:
            ConfigurationError: an unknown scope, policy or precision.
        """
        forward = forward_of(trained.network, settings.precision)
        arrays = arrays_in_scope(scope, forward.arrays())
        masks = filter_masks(scope, arrays, trained.weights, forward.batchnorms())
        self.arrays: Sequence[Array] = [
            array for array in arrays if masks.get(array.name, np.ones(1)).any()
        ]
        deviations = weight_deviations(
            trained.weights, self.arrays, settings.sigma_of, settings.kind
        )
        self.deviations = {
            name: one * masks[name] if name in masks else one for name, one in deviations.items()
        }
        # Tensors, so that large ones are not written into the graph.
        self._deviations = {
            name: tf.constant(one, tf.float32) for name, one in self.deviations.items()
        }
        self._weights = _on_device(trained.weights)
        policy = variance_policy_named(settings.variance_policy)
        self._run = self._compile(forward, trained.test_set, settings.seed, policy)

    def evaluate(self, noise_level: float, draw: int) -> Outcome:
        """Measure one noisy copy.

        Args:
            noise_level: eta, a fraction >= 0.
            draw: index of the draw.

        Returns: NumPy values.
        """
        return self._call(True, noise_level, draw)

    def evaluate_clean(self) -> Outcome:
        """Measure the model without adding anything to its weights."""
        return self._call(False, 0.0, 0)

    def _call(self, noisy: bool, noise_level: float, draw: int) -> Outcome:
        eta = tf.constant(noise_level, tf.float32)
        return _to_numpy(self._run(self._weights, tf.constant(noisy), eta, tf.constant(draw)))

    def _compile(
        self, forward: Forward, test_set: ImageSet, noise_seed: int, policy: VariancePolicy
    ) -> Callable[..., Outcome]:
        def run(
            weights: Mapping[str, tf.Tensor], noisy: tf.Tensor, eta: tf.Tensor, draw: tf.Tensor
        ) -> Outcome:
            def draw_noise() -> dict[str, tf.Tensor]:
                return perturb(
                    weights, self._deviations, self.arrays, eta, draw, noise_seed, policy
                )

            chosen = tf.cond(noisy, draw_noise, lambda: dict(weights))
            return _measure(forward, test_set, chosen, policy.zero_nan)

        # No Python control flow depends on a tensor, and tracing without AutoGraph is faster.
        compiled: Callable[..., Outcome] = tf.function(run, autograph=False)
        return compiled


def evaluate_weights(trained: TrainedModel, precision: str) -> Outcome:
    """Measure a model as it was trained, without noise.

    Args:
        trained: the model and its test set.
        precision: of the forward pass.

    Returns: NumPy values.
    """
    forward = forward_of(trained.network, precision)

    def run(weights: Mapping[str, tf.Tensor]) -> Outcome:
        return _measure(forward, trained.test_set, weights, zero_nan=False)

    return _to_numpy(tf.function(run, autograph=False)(_on_device(trained.weights)))


def _measure(
    forward: Forward, test_set: ImageSet, weights: Mapping[str, tf.Tensor], zero_nan: bool
) -> Outcome:
    prepared = forward.prepare(weights)
    return measure(lambda images: forward.logits(prepared, images, zero_nan), test_set)


def _on_device(weights: Mapping[str, np.ndarray]) -> dict[str, tf.Tensor]:
    """Put weights on the device."""
    return {name: tf.constant(values) for name, values in weights.items()}


def _to_numpy(outcome: Outcome) -> Outcome:
    """Bring an outcome back."""
    return Outcome(*(value.numpy() for value in outcome))
