"""Noise: what it is, against NumPy and the paper's equations (4) to (6)."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from noise_resistance.errors import ConfigurationError
from noise_resistance.models.resnet import ResNet
from noise_resistance.noise.additive import perturb, weight_deviations
from noise_resistance.noise.draws import standard_normal
from noise_resistance.noise.scopes import SCOPES, arrays_in_scope
from noise_resistance.noise.variances import VARIANCE_POLICIES, variance_policy_named
from noise_resistance.study.arrays import Array

NETWORK = ResNet.named("resnet8", (8, 8, 1), 10)
ARRAYS = NETWORK.arrays()


@pytest.fixture(scope="module")
def weights():
    generator = np.random.default_rng(1)
    values = {array.name: generator.normal(0.1, 0.5, array.shape) for array in ARRAYS}
    for array in ARRAYS:
        if array.role == "moving_variance":
            values[array.name] = np.abs(values[array.name]) * 0.01
    return {name: one.astype(np.float32) for name, one in values.items()}


def noisy_copy(weights, scope, noise_level=0.2, draw=3, sigma_of="array", policy="propagate"):
    arrays = arrays_in_scope(scope, ARRAYS)
    deviations = weight_deviations(weights, arrays, sigma_of)
    tensors = {name: tf.constant(one) for name, one in weights.items()}
    copy = perturb(tensors, deviations, arrays, noise_level, draw, 0, variance_policy_named(policy))
    return {name: one.numpy() for name, one in copy.items()}


@pytest.mark.parametrize(
    ("scope", "roles"),
    [
        ("kernels", {"kernel"}),
        ("trainable", {"kernel", "bias", "gamma", "beta"}),
        ("all", {"kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"}),
    ],
)
def test_a_scope_noises_its_arrays_and_no_others(weights, scope, roles):
    copy = noisy_copy(weights, scope)
    changed = {array.role for array in ARRAYS if (copy[array.name] != weights[array.name]).any()}
    assert changed == roles
    untouched = [array.name for array in ARRAYS if array.role not in roles]
    assert all(np.array_equal(copy[name], weights[name]) for name in untouched)


def test_every_array_receives_w_plus_eta_sigma_z_with_its_own_sigma(weights):
    copy = noisy_copy(weights, "all", noise_level=0.2)
    for array in ARRAYS:
        w = weights[array.name].astype(np.float64)
        z = standard_normal(array, 0, 3).numpy().astype(np.float64)
        expected = w + 0.2 * w.std() * z
        np.testing.assert_allclose(copy[array.name], expected, rtol=1e-5, atol=1e-6)


def test_sigma_of_layer_pools_the_layers_arrays_in_scope(weights):
    arrays = arrays_in_scope("trainable", ARRAYS)
    deviations = weight_deviations(weights, arrays, "layer")
    pooled = np.concatenate([weights["stem_conv/kernel"].ravel(), weights["stem_conv/bias"]])
    assert deviations["stem_conv/kernel"] == pytest.approx(pooled.astype(np.float64).std())
    assert deviations["stem_conv/bias"] == deviations["stem_conv/kernel"]
    kernels = weight_deviations(weights, arrays_in_scope("kernels", ARRAYS), "layer")
    assert kernels["stem_conv/kernel"] == pytest.approx(
        weights["stem_conv/kernel"].astype(np.float64).std()
    )


def test_measured_deviation_of_the_noise_is_eta_sigma_within_sampling_error(weights):
    draws = [noisy_copy(weights, "all", 0.3, draw) for draw in range(20)]
    for array in ARRAYS:
        noise = np.stack([copy[array.name] - weights[array.name] for copy in draws]).astype(float)
        expected = 0.3 * weights[array.name].astype(np.float64).std()
        error = expected / np.sqrt(2 * noise.size)
        assert abs(noise.std() - expected) < 5 * error + 1e-6 * expected
        assert abs(noise.mean()) < 5 * expected / np.sqrt(noise.size)


def test_eta_zero_changes_no_bit(weights):
    copy = noisy_copy(weights, "all", noise_level=0.0, policy="clip")
    assert all(np.array_equal(copy[name], weights[name]) for name in weights)


def test_z_depends_on_seed_draw_name_and_shape_alone(weights):
    array = ARRAYS[0]
    z = standard_normal(array, 0, 3).numpy()
    compiled = tf.function(lambda draw: standard_normal(array, 0, draw))
    np.testing.assert_array_equal(z, compiled(tf.constant(3)).numpy())
    np.testing.assert_array_equal(z, standard_normal(array, 0, 3).numpy())
    for other in (
        standard_normal(array, 1, 3),
        standard_normal(array, 0, 4),
        standard_normal(Array("another", array.role, array.shape), 0, 3),
    ):
        assert abs(np.corrcoef(z.ravel(), other.numpy().ravel())[0, 1]) < 0.25
    small = noisy_copy(weights, "kernels", 0.1)[array.name] - weights[array.name]
    large = noisy_copy(weights, "all", 0.4)[array.name] - weights[array.name]
    np.testing.assert_allclose(4 * small, large, rtol=1e-3, atol=1e-5)


def test_z_is_standard_normal_and_arrays_are_independent():
    z = standard_normal(Array("layer", "kernel", (200, 500)), 0, 0).numpy().ravel()
    assert stats.kstest(z, "norm").pvalue > 1e-3
    other = standard_normal(Array("layer", "bias", (200, 500)), 0, 0).numpy().ravel()
    assert abs(np.corrcoef(z, other)[0, 1]) < 5 / np.sqrt(z.size)


@pytest.mark.parametrize("policy", VARIANCE_POLICIES)
def test_a_variance_policy_changes_negative_variances_alone(weights, policy):
    raw = noisy_copy(weights, "all", 2.0, policy="propagate")
    copy = noisy_copy(weights, "all", 2.0, policy=policy)
    expected = {"clip": lambda v: np.maximum(v, 0), "absolute": np.abs}.get(policy, np.asarray)
    below_zero = 0
    for array in ARRAYS:
        if array.role == "moving_variance":
            below_zero += (raw[array.name] < 0).sum()
            np.testing.assert_array_equal(copy[array.name], expected(raw[array.name]))
        else:
            np.testing.assert_array_equal(copy[array.name], raw[array.name])
    assert below_zero > 10


def test_unknown_names_are_refused_with_the_nearest_known_one(weights):
    with pytest.raises(ConfigurationError, match="did you mean 'kernels'"):
        arrays_in_scope("kernel", ARRAYS)
    with pytest.raises(ConfigurationError, match="did you mean 'clip'"):
        variance_policy_named("clipp")
    with pytest.raises(ConfigurationError, match="array or layer"):
        weight_deviations(weights, arrays_in_scope("all", ARRAYS), "model")


def test_scopes_grow_from_kernels_to_all():
    assert SCOPES["kernels"] < SCOPES["trainable"] < SCOPES["all"]
