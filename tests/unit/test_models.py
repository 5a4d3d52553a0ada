"""The networks: one structure, walked in three ways that must agree, and files Keras can read."""

import numpy as np
import pytest
import tensorflow as tf

from noise_resistance.errors import ConfigurationError, DataError
from noise_resistance.models.folding import fold, forward_folded
from noise_resistance.models.resnet import ResNet
from noise_resistance.models.weights import read_weights, write_weights

CIFAR = (32, 32, 3)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("resnet20", 274_442), ("resnet32", 470_218), ("resnet44", 665_994), ("resnet56", 861_770)],
)
def test_parameter_counts_are_the_published_ones(name, parameters):
    ten = ResNet.named(name, CIFAR, 10)
    hundred = ResNet.named(name, CIFAR, 100)
    assert sum(array.size for array in ten.arrays()) == parameters
    assert sum(array.size for array in hundred.arrays()) == parameters + 5_850


def test_the_keras_model_has_the_arrays_the_structure_names():
    network = ResNet.named("resnet20", CIFAR, 10)
    model = network.build()
    assert model.count_params() == 274_442
    assert {one.path: tuple(one.shape) for one in model.variables} == {
        array.name: array.shape for array in network.arrays()
    }


def test_shortcuts_are_identities_except_two_strided_ones_without_batchnorm():
    blocks = ResNet.named("resnet20", CIFAR, 10).blocks
    shortcuts = [block.shortcut for block in blocks if block.shortcut]
    assert len(blocks) == 9
    assert [(one.size, one.strides, one.batchnorm) for one in shortcuts] == [(1, 2, None)] * 2


@pytest.mark.parametrize("name", ["resnet9", "resnet2", "vgg16", "resnet", "ResNet20"])
def test_a_depth_that_is_not_6n_plus_2_is_refused(name):
    with pytest.raises(ConfigurationError, match="6n\\+2"):
        ResNet.named(name, CIFAR, 10)


@pytest.fixture(scope="module")
def network():
    return ResNet.named("resnet14", (8, 16, 1), 7)


@pytest.fixture(scope="module")
def model(network):
    """A Keras model whose every array is far from its initial value."""
    model = network.build(seed=3)
    generator = np.random.default_rng(5)
    for variable in model.variables:
        values = generator.normal(0, 0.3, variable.shape)
        variable.assign(np.abs(values) + 0.2 if "variance" in variable.path else values)
    return model


@pytest.fixture(scope="module")
def weights(model):
    return {one.path: tf.constant(one.numpy()) for one in model.variables}


@pytest.fixture(scope="module")
def images(network):
    generator = np.random.default_rng(6)
    return tf.constant(generator.normal(size=(9, *network.input_shape)), tf.float32)


def test_inference_of_tensors_equals_the_keras_model(network, model, weights, images):
    logits, statistics = network.forward(weights, images, training=False)
    np.testing.assert_allclose(logits, model(images, training=False), rtol=2e-4, atol=1e-4)
    assert statistics == {}


def test_folded_inference_equals_the_keras_model(network, model, weights, images):
    logits = forward_folded(network, fold(network, weights), images)
    np.testing.assert_allclose(logits, model(images, training=False), rtol=2e-4, atol=1e-4)


def test_training_mode_and_moving_statistics_equal_the_keras_model(network, model, weights, images):
    logits, statistics = network.forward(weights, images, training=True)
    copy = network.build()
    copy.set_weights(model.get_weights())
    np.testing.assert_allclose(logits, copy(images, training=True), rtol=1e-3, atol=1e-3)
    assert len(statistics) == sum("moving" in name for name in weights)
    for variable in copy.variables:
        if variable.path in statistics:
            expected = weights[variable.path] * 0.99 + statistics[variable.path] * 0.01
            np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_a_variance_below_minus_epsilon_is_nan_unless_the_relu_turns_it_to_zero(
    network, weights, images
):
    negative = dict(weights)
    name = "stem_bn/moving_variance"
    negative[name] = tf.tensor_scatter_nd_update(negative[name], [[2]], [-0.01])
    folded = fold(network, negative)
    assert np.isnan(forward_folded(network, folded, images)).all()
    mended = forward_folded(network, folded, images, zero_nan=True)
    others = np.arange(16) != 2
    silent = fold(network, weights)
    for name in ("stem_conv/kernel", "stem_conv/bias"):
        silent[name] = silent[name] * others
    np.testing.assert_allclose(mended, forward_folded(network, silent, images), rtol=1e-5)


def test_initial_kernels_are_glorot_uniform_and_depend_on_seed_and_layer_alone():
    small, deep = (ResNet.named(name, CIFAR, 10).build(seed=1) for name in ("resnet8", "resnet14"))
    other = ResNet.named("resnet8", CIFAR, 10).build(seed=2)
    kernel = {one.path: one.numpy() for one in small.variables}["stage3_block1_conv2/kernel"]
    limit = np.sqrt(6 / (2 * 9 * 64))
    assert np.abs(kernel).max() <= limit
    assert np.abs(kernel).max() > 0.99 * limit
    assert abs(kernel.std() / (limit / np.sqrt(3)) - 1) < 0.02
    in_deep = {one.path: one.numpy() for one in deep.variables}["stage3_block1_conv2/kernel"]
    in_other = {one.path: one.numpy() for one in other.variables}["stage3_block1_conv2/kernel"]
    np.testing.assert_array_equal(kernel, in_deep)
    assert not np.array_equal(kernel, in_other)


def test_a_weights_file_is_read_alike_by_keras_and_by_us(tmp_path, network, model):
    path = tmp_path / "model.weights.h5"
    values = {one.path: one.numpy() for one in model.variables}
    write_weights(network, values, path, {"parameters": {}})
    fresh = network.build(seed=9)
    fresh.load_weights(path)
    ours = read_weights(path, network.arrays())
    for variable in fresh.variables:
        np.testing.assert_array_equal(variable.numpy(), values[variable.path])
        np.testing.assert_array_equal(ours[variable.path], values[variable.path])


def test_weights_of_another_network_are_refused_by_name(tmp_path, network, model):
    path = tmp_path / "model.weights.h5"
    values = {one.path: one.numpy() for one in model.variables}
    write_weights(network, values, path, {"parameters": {}})
    for other in (ResNet.named("resnet8", (8, 16, 1), 7), ResNet.named("resnet14", (8, 16, 1), 8)):
        with pytest.raises(DataError, match=r"model\.weights\.h5: weights of another network"):
            read_weights(path, other.arrays())


def test_a_flipped_bit_in_a_weights_file_is_found(tmp_path, network, model):
    path = tmp_path / "model.weights.h5"
    write_weights(network, {one.path: one.numpy() for one in model.variables}, path, {})
    content = bytearray(path.read_bytes())
    needle = next(one for one in model.variables if one.path == "dense/kernel").numpy().tobytes()
    content[content.find(needle) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="does not match its checksum"):
        read_weights(path, network.arrays())
