"""Diagnostics: gradient noise against exact enumeration, updates against Keras, layers by hand."""

import itertools
import json

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from noise_resistance.evaluation.diagnostics import DiagnosedTraining, diagnose
from noise_resistance.evaluation.gradients import GradientSampler, spread_of, squared_norm_of
from noise_resistance.evaluation.updates import UpdateStep
from noise_resistance.models.resnet import ResNet
from noise_resistance.models.weights import read_weights
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.storage.sources import digest_of_weights
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.recipe import Recipe
from noise_resistance.study.request import TrainingRequest
from noise_resistance.training.train import train

NETWORK = ResNet.named("resnet8", (4, 4, 1), 3)
IMAGES, BATCH = 14, 3
L2 = 1e-3


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(5)
    images = generator.integers(0, 256, (IMAGES, 4, 4, 1), dtype=np.uint8)
    return images, generator.integers(0, 3, IMAGES), generator.random((4, 4, 1), dtype=np.float32)


@pytest.fixture(scope="module")
def model():
    model = NETWORK.build(3)
    generator = np.random.default_rng(6)
    for variable in model.variables:
        if "moving_variance" in variable.path:
            variable.assign(generator.uniform(0.3, 1.5, variable.shape))
        elif "kernel" not in variable.path:
            variable.assign(variable + generator.normal(0, 0.1, variable.shape))
    return model


@pytest.fixture(scope="module")
def sampler(data):
    return GradientSampler(NETWORK, *data, L2)


@pytest.fixture(scope="module")
def exact(data, model):
    """The gradient of each image's own loss, by plain Keras: (image, weight), float64."""
    images, labels, mean = data
    names = [array.name for array in NETWORK.arrays() if not array.moving]
    variables = {one.path: one for one in model.variables}
    trained = [variables[name].value for name in names]
    rows = []
    for image, label in zip(images, labels, strict=True):
        with tf.GradientTape() as tape:
            logits = model(image[None].astype(np.float32) / 255 - mean, training=False)
            loss = keras.losses.sparse_categorical_crossentropy(
                tf.constant([label]), logits, from_logits=True
            )
            kernels = [
                value for name, value in zip(names, trained, strict=True) if "kernel" in name
            ]
            penalty = sum(tf.reduce_sum(one**2) for one in kernels[:-1])
            total = tf.reduce_sum(loss) + L2 * penalty
        gradients = tape.gradient(total, trained)
        rows.append(np.concatenate([one.numpy().ravel() for one in gradients]))
    return np.array(rows, np.float64)


def weights_of(model):
    return {one.path: tf.constant(one.numpy()) for one in model.variables}


def exact_noise(exact):
    """E||grad L_B - grad L_D||^2 over all batches, enumerated."""
    mean = exact.mean(axis=0)
    batches = itertools.combinations(range(IMAGES), BATCH)
    return np.mean([np.sum((exact[list(one)].mean(axis=0) - mean) ** 2) for one in batches])


def test_a_batch_gradient_is_kerass(sampler, model, exact):
    chosen = np.array([2, 7, 11])
    found = sampler.gradient(weights_of(model), chosen, "fixed")
    np.testing.assert_allclose(found, exact[chosen].mean(axis=0), rtol=1e-3, atol=1e-5)


def test_c_of_all_images_is_exact(sampler, model, exact):
    expected = np.mean(np.sum((exact - exact.mean(axis=0)) ** 2, axis=1))
    found = sampler.single_variance(weights_of(model), exact.mean(axis=0), 1, IMAGES)
    assert found.value == pytest.approx(expected, rel=1e-3)
    assert found.error == 0


def test_c_of_a_sample_is_unbiased_and_its_error_is_its_spread(sampler, model, exact):
    expected = np.mean(np.sum((exact - exact.mean(axis=0)) ** 2, axis=1))
    weights = weights_of(model)
    found = [sampler.single_variance(weights, exact.mean(axis=0), seed, 6) for seed in range(250)]
    values = np.array([one.value for one in found])
    assert abs(values.mean() - expected) < 4 * values.std() / np.sqrt(len(values))
    assert values.mean() == pytest.approx(expected, rel=0.03)
    assert np.mean([one.error for one in found]) == pytest.approx(values.std(), rel=0.4)


def test_measured_gradient_noise_is_the_enumerated_one_within_three_percent(sampler, model, exact):
    """Of samples drawn without replacement, also where a pass leaves images out."""
    weights, expected = weights_of(model), exact_noise(exact)
    passes = sampler.passes(4, BATCH, 1600)
    assert all(len(np.unique(one)) == one.size for one in passes)
    gradients = sampler.batch_gradients(weights, passes, "fixed")
    measured = [spread_of(one, BATCH, IMAGES).value for one in gradients]
    assert np.mean(measured) == pytest.approx(expected, rel=0.03)


def test_the_squared_norm_of_the_mean_gradient_is_unbiased_where_noise_is_most_of_it(exact):
    """A converged model's: the mean gradient is small beside a batch's distance from it."""
    converged = exact - 0.9 * exact.mean(axis=0)
    expected = np.sum(converged.mean(axis=0) ** 2)
    generator = np.random.default_rng(8)
    found, naive = [], []
    for _ in range(4000):
        batches = generator.permutation(IMAGES)[:12].reshape(4, BATCH)
        gradients = converged[batches].mean(axis=1)
        found.append(squared_norm_of(gradients, BATCH, IMAGES))
        naive.append(np.sum(gradients.mean(axis=0) ** 2))
    values = np.array([one.value for one in found])
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - expected) < 4 * error
    assert np.mean(naive) > expected + 20 * error
    assert (values < 0).any()


def test_the_squared_norm_of_all_images_is_exact(exact):
    for batch in (1, 2, 7):
        gradients = exact.reshape(-1, batch, exact.shape[1]).mean(axis=1)
        found = squared_norm_of(gradients, batch, IMAGES)
        assert found.value == pytest.approx(np.sum(exact.mean(axis=0) ** 2))
        assert np.isnan(found.error) if batch == 7 else found.error == 0


def test_the_error_of_the_squared_norm_is_its_spread():
    """Of images so many that those not drawn do not matter."""
    generator = np.random.default_rng(9)
    found = [squared_norm_of(0.3 + generator.normal(size=(30, 5)), 1, 10**9) for _ in range(2000)]
    values = np.array([one.value for one in found])
    assert values.mean() == pytest.approx(5 * 0.3**2, abs=4 * values.std() / np.sqrt(2000))
    error = np.sqrt(np.mean([one.error**2 for one in found]))
    assert values.std() < error < 1.2 * values.std()  # the jackknife errs on the safe side


def test_the_theory_holds_exactly_where_it_should(exact):
    """E = C / B (n - B) / (n - 1), below the paper's C / B."""
    c = np.mean(np.sum((exact - exact.mean(axis=0)) ** 2, axis=1))
    noise = exact_noise(exact)
    assert noise == pytest.approx(c / BATCH * (IMAGES - BATCH) / (IMAGES - 1))
    assert noise < c / BATCH


@pytest.mark.parametrize("optimizer", ["sgd", "sgd_momentum", "adam", "adamax"])
def test_an_update_is_what_keras_does_next_from_the_same_state(optimizer):
    definition = OPTIMIZERS[optimizer].definition()
    generator = np.random.default_rng(2)
    gradients = generator.normal(size=(4, 9)).astype(np.float32)
    variable = keras.Variable(generator.normal(size=9).astype(np.float32))
    real = getattr(keras.optimizers, definition["class"])(0.01, **definition["arguments"])
    real.build([variable])
    for one in gradients[:3]:
        real.apply([tf.constant(one)], [variable])
    floats = [one for one in real.variables if one.value.dtype.is_floating]
    integers = [one for one in real.variables if not one.value.dtype.is_floating]
    state = {
        "optimizer": np.concatenate([np.ravel(one.numpy()) for one in floats]),
        "counters": np.array([int(one.numpy()) for one in integers]),
    }
    before = variable.numpy()
    recipe = Recipe(1, 1, 0.0, (), 0, False, False, "float32")
    step = UpdateStep(definition, recipe, 0.01)
    step.load(before)
    step.update(gradients[0], state)
    found = step.update(gradients[3], state)
    real.apply([tf.constant(gradients[3])], [variable])
    np.testing.assert_allclose(found, variable.numpy() - before, rtol=1e-4, atol=1e-7)
    assert np.abs(found).max() > 1e-4


@pytest.fixture(scope="module")
def diagnosed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diagnosed")
    generator = np.random.default_rng(1)
    variables = {}
    for split in ("train", "test"):
        images = generator.integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
        labels = generator.integers(0, 4, 40, dtype=np.uint8)
        names = (f"{split}_image", "row", "column", "channel")
        variables[f"{split}_images"] = Variable(names, images, "images")
        variables[f"{split}_labels"] = Variable((f"{split}_image",), labels, "labels")
    attributes = {**Provenance("f").attributes({}), "name": "made", "title": "Made", "classes": 4}
    write_record(folder / "data.h5", "dataset", variables, attributes)
    definition = OPTIMIZERS["adam"].definition()
    recipe = Recipe(3, 4, 1e-3, ((2, 0.1),), 0.1, True, True, "float32")
    request = TrainingRequest({"name": "made"}, "resnet8", "adam", definition, 0.01, 7, recipe)
    images, folders = folder / "data.h5", {1: folder / "snapshots/epoch-1", 3: folder}
    train(request, images, folders, folder / "states", Provenance("f"))
    training = DiagnosedTraining.of(request, [*folders.values()])
    output, asked = folder / "diagnostics.h5", {"images": 40, "batches": 20}
    diagnose(training, images, 40, 20, output, Provenance("f"), asked)
    return folder


def test_the_file_tells_start_snapshots_and_end(diagnosed):
    with h5py.File(diagnosed / "diagnostics.h5") as file:
        assert json.loads(file.attrs["parameters"]) == {"images": 40, "batches": 20}
        weights = digest_of_weights(diagnosed / "model.weights.h5")
        assert file.attrs["weights_sha256"] == weights
        assert file["epochs"][()].tolist() == [0, 1, 3]
        np.testing.assert_allclose(file["learning_rate"], [0.01, 0.01, 0.001])
        rates = file["learning_rate"][()]
        np.testing.assert_allclose(file["bound"], rates**2 * file["C"][()] / 4)
        noise = rates[:, None] ** 2 * file["gradient_noise"][()]
        np.testing.assert_allclose(file["step_noise"], noise)
        # All images and whole passes: the theory's factor (n - B) / (n - 1) is met.
        expected = file["C"][()] / 4 * (40 - 4) / (40 - 1)
        error = file["gradient_noise_error"][:, 0]
        assert (np.abs(file["gradient_noise"][:, 0] - expected) < 4 * error).all()
        assert file["bound_by_theory"][()].tolist() == [1, 0]
        assert file["bound_holds"][:, 0].all()
        assert (file["update_noise"][()] > 0).all()
        np.testing.assert_allclose(file["gradient_bound"], file["C"][()] / 4)


def test_the_norm_of_the_gradient_of_all_images_is_that_of_one_large_batch(diagnosed):
    with h5py.File(diagnosed / "data.h5") as file:
        images, labels = file["train_images"][()], file["train_labels"][()]
    with h5py.File(diagnosed / "history.h5") as file:
        sampler = GradientSampler(
            ResNet.named("resnet8", (8, 8, 1), 4), images, labels, file["pixel_mean"][()], 1e-3
        )
    weights = read_weights(diagnosed / "model.weights.h5", sampler.network.arrays())
    tensors = {name: tf.constant(one) for name, one in weights.items()}
    whole = sampler.gradient(tensors, np.arange(40), "fixed").astype(np.float64)
    with h5py.File(diagnosed / "diagnostics.h5") as file:
        assert file["gradient_norm_squared"][-1] == pytest.approx(whole @ whole, rel=1e-3)
        assert (file["gradient_norm_squared_error"][()] < 1e-6).all()


def test_layers_are_described_as_by_hand(diagnosed):
    network = ResNet.named("resnet8", (8, 8, 1), 4)
    weights = read_weights(diagnosed / "model.weights.h5", network.arrays())
    with h5py.File(diagnosed / "diagnostics.h5") as file:
        for index, layer in enumerate(file["batchnorm"].asstr()[()]):
            variance = weights[f"{layer}/moving_variance"].astype(np.float64)
            gain = np.abs(weights[f"{layer}/gamma"]) / np.sqrt(variance + 0.001)
            assert file["amplification_max"][-1, index] == pytest.approx(gain.max())
            assert file["amplification_median"][-1, index] == pytest.approx(np.median(gain))
            assert file["dead_channels"][-1, index] == sum(one < 1e-6 for one in variance)
            assert file["channels"][index] == len(variance)
        for index, name in enumerate(file["array"].asstr()[()]):
            assert file["weight_deviation"][-1, index] == pytest.approx(
                weights[name].astype(np.float64).std()
            )
