"""Scopes, kinds, pools and policies, each array by array against NumPy written a second time."""

import dataclasses

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from noise_resistance.errors import ConfigurationError
from noise_resistance.evaluation.engine import Evaluator
from noise_resistance.evaluation.forward import FoldedForward, GeneralForward
from noise_resistance.evaluation.measure import ImageSet
from noise_resistance.evaluation.noise import evaluate_noise
from noise_resistance.evaluation.trained_model import TrainedModel
from noise_resistance.models.resnet import ResNet
from noise_resistance.noise.additive import perturb
from noise_resistance.noise.draws import standard_normal
from noise_resistance.noise.kinds import NOISE_KINDS
from noise_resistance.noise.scopes import SCOPES, arrays_in_scope
from noise_resistance.noise.variances import VARIANCE_POLICIES, variance_policy_named
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.layers import layers_of
from noise_resistance.study.noise_settings import NoiseSettings

NETWORK = ResNet.named("resnet8", (8, 8, 1), 10)
ARRAYS = NETWORK.arrays()
DEAD = {"stem_bn": [0, 5], "stage2_block1_bn2": [31], "stage3_block1_bn1": list(range(64))}
SETTINGS = NoiseSettings(2, 0, "array", "clip", "float32")
ETA, DRAW = 0.3, 4


@pytest.fixture(scope="module")
def weights():
    generator = np.random.default_rng(8)
    values = {array.name: generator.normal(0.1, 0.5, array.shape) for array in ARRAYS}
    for array in ARRAYS:
        if array.role == "moving_variance":
            values[array.name] = generator.uniform(1e-5, 0.02, array.shape)
            values[array.name][DEAD.get(array.layer, [])] = 5e-7
    return {name: one.astype(np.float32) for name, one in values.items()}


@pytest.fixture(scope="module")
def trained(weights):
    images = np.random.default_rng(1).integers(0, 256, (20, 8, 8, 1)).astype(np.uint8)
    labels = np.arange(20) % 10
    mean = np.zeros((8, 8, 1), np.float32)
    return TrainedModel(NETWORK, weights, ImageSet(images, labels, 10, mean, 20))


def expected_array(weights, array, scope, kind, sigma_of, policy):
    """What noise makes of one array, written from the definitions and from nothing else."""
    roles = {
        "kernels": ["kernel"],
        "live_kernels": ["kernel"],
        "dead_kernels": ["kernel"],
        "trainable": ["kernel", "bias", "gamma", "beta"],
        "batchnorm": ["gamma", "beta", "moving_mean", "moving_variance"],
        "all": ["kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"],
    }[scope]
    w = weights[array.name].astype(np.float64)
    if array.role not in roles:
        return w
    pool = w.ravel()
    if sigma_of == "layer":
        names = [f"{array.layer}/{role}" for role in roles]
        pool = np.concatenate([weights[one].ravel() for one in names if one in weights])
    z = standard_normal(array, 0, DRAW).numpy().astype(np.float64)
    if kind == "additive":
        size = np.sqrt(np.mean((pool - pool.mean(dtype=np.float64)) ** 2, dtype=np.float64))
    elif kind == "additive_max":
        size = max(abs(float(one)) for one in pool)
    else:
        size = w
    noise = ETA * size * z
    if scope in ("live_kernels", "dead_kernels"):
        batchnorm = array.layer.replace("conv", "bn")
        dead = np.zeros(array.shape[-1], bool)
        if f"{batchnorm}/moving_variance" in weights and batchnorm != array.layer:
            dead = weights[f"{batchnorm}/moving_variance"] < 1e-6
        noise = noise * (dead if scope == "dead_kernels" else ~dead)
    noisy = w + noise
    if array.role == "moving_variance":
        noisy = {"clip": np.maximum(noisy, 0), "absolute": abs(noisy)}.get(policy, noisy)
    return noisy


@pytest.mark.parametrize("policy", VARIANCE_POLICIES)
@pytest.mark.parametrize("sigma_of", ["array", "layer"])
@pytest.mark.parametrize("kind", NOISE_KINDS)
@pytest.mark.parametrize("scope", SCOPES)
def test_every_array_is_what_the_definition_says(trained, weights, scope, kind, sigma_of, policy):
    settings = NoiseSettings(2, 0, sigma_of, policy, "float32", kind)
    evaluator = Evaluator(trained, scope, settings)
    tensors = {name: tf.constant(one) for name, one in weights.items()}
    copy = perturb(
        tensors, evaluator.deviations, evaluator.arrays, ETA, DRAW, 0, variance_policy_named(policy)
    )
    for array in ARRAYS:
        expected = expected_array(weights, array, scope, kind, sigma_of, policy)
        np.testing.assert_allclose(copy[array.name], expected, rtol=2e-5, atol=2e-6)


def test_live_and_dead_filters_together_are_all_kernels(trained):
    whole, live, dead = (
        Evaluator(trained, scope, SETTINGS) for scope in ("kernels", "live_kernels", "dead_kernels")
    )
    for name, deviation in whole.deviations.items():
        parts = live.deviations.get(name, 0) + dead.deviations.get(name, 0)
        np.testing.assert_allclose(np.broadcast_to(parts, np.shape(parts)), deviation)
    layers = {"stem_conv", "stage2_block1_conv2", "stage3_block1_conv1"}
    assert {array.layer for array in dead.arrays} == layers
    assert "stage3_block1_conv1" not in {array.layer for array in live.arrays}
    assert {"dense", "stage2_block1_shortcut"} <= {array.layer for array in live.arrays}


def test_a_model_without_dead_filters_loses_nothing_under_their_noise(tmp_path, trained):
    alive = {
        name: np.full_like(one, 0.01) if name.endswith("moving_variance") else one
        for name, one in trained.weights.items()
    }
    model = TrainedModel(NETWORK, alive, trained.test_set)
    path = tmp_path / "eta-0.4.h5"
    evaluate_noise(model, "dead_kernels", 0.4, SETTINGS, path, Provenance("f"), {})
    clean = Evaluator(model, "kernels", SETTINGS).evaluate_clean()
    with h5py.File(path) as file:
        assert file["array"].shape == file["sigma_w"].shape == (0,)
        np.testing.assert_array_equal(file["correct"][()], [clean.correct, clean.correct])


@pytest.mark.parametrize("kind", NOISE_KINDS)
@pytest.mark.parametrize("scope", SCOPES)
def test_eta_zero_is_the_model_itself_under_every_scope_and_kind(trained, scope, kind):
    evaluator = Evaluator(trained, scope, dataclasses.replace(SETTINGS, kind=kind))
    np.testing.assert_array_equal(
        evaluator.evaluate(0.0, 1).predictions, evaluator.evaluate_clean().predictions
    )


def test_one_layer_alone_receives_noise():
    found = arrays_in_scope("trainable@stem_conv", ARRAYS)
    assert [array.name for array in found] == ["stem_conv/kernel", "stem_conv/bias"]
    with pytest.raises(ConfigurationError, match="did you mean 'stem_conv'"):
        arrays_in_scope("kernels@stem_con", ARRAYS)


@pytest.mark.parametrize("scope", SCOPES)
def test_the_plan_names_the_layers_the_network_has(scope):
    network = ResNet.named("resnet14", (8, 8, 1), 10)
    found = dict.fromkeys(array.layer for array in arrays_in_scope(scope, network.arrays()))
    assert layers_of("resnet14", scope) == list(found)


def test_the_batchnorms_of_a_keras_model_are_those_of_our_own():
    ours = FoldedForward(NETWORK, "float32").batchnorms()
    assert GeneralForward(NETWORK.build(), "float32").batchnorms() == ours


def test_dead_filters_of_a_depthwise_kernel_are_found_by_input_channel():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise"),
            layers.BatchNormalization(name="bn"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, name="out"),
        ],
        name="other",
    )
    weights = {one.path: one.numpy() for one in model.variables}
    weights["other/bn/moving_variance"] = np.array([1, 0, 1, 1, 1, 1], np.float32)
    images = ImageSet(
        np.zeros((4, 8, 8, 3), np.uint8), np.arange(4), 4, np.zeros((8, 8, 3), np.float32), 4
    )
    evaluator = Evaluator(TrainedModel(model, weights, images), "dead_kernels", SETTINGS)
    assert [array.name for array in evaluator.arrays] == ["other/depthwise/kernel"]
    noised = np.broadcast_to(evaluator.deviations["other/depthwise/kernel"], (3, 3, 3, 2)) > 0
    assert noised[:, :, 0, 1].all()
    assert noised.sum() == 9


def test_unknown_kinds_are_refused_with_the_nearest_known_one(trained):
    with pytest.raises(ConfigurationError, match="did you mean 'additive'"):
        Evaluator(trained, "kernels", dataclasses.replace(SETTINGS, kind="aditive"))
