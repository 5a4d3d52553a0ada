"""Evaluation: every image counted once, every draw the one it claims to be."""

import dataclasses
import hashlib

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from noise_resistance.errors import ConfigurationError, DataError
from noise_resistance.evaluation import noise as noise_module
from noise_resistance.evaluation.baseline import evaluate_baseline
from noise_resistance.evaluation.engine import Evaluator, evaluate_weights
from noise_resistance.evaluation.measure import ImageSet
from noise_resistance.evaluation.noise import evaluate_noise
from noise_resistance.evaluation.trained_model import TrainedModel, read_trained_model
from noise_resistance.models.resnet import ResNet
from noise_resistance.models.weights import write_weights
from noise_resistance.noise.draws import standard_normal
from noise_resistance.noise.scopes import SCOPES, arrays_in_scope
from noise_resistance.noise.variances import VARIANCE_POLICIES
from noise_resistance.storage.hdf5 import Variable, stamp_tree, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.storage.sources import digest_of_weights
from noise_resistance.study.noise_settings import NoiseSettings

NETWORK = ResNet.named("resnet8", (8, 8, 1), 5)
IMAGES = 173
SETTINGS = NoiseSettings(
    draws=4, seed=0, sigma_of="array", variance_policy="clip", precision="float32"
)


@pytest.fixture(scope="module")
def images():
    generator = np.random.default_rng(3)
    brightness = generator.integers(20, 256, (IMAGES, 1, 1, 1))
    return generator.integers(0, brightness, (IMAGES, 8, 8, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def pixel_mean():
    return np.random.default_rng(4).random((8, 8, 1), dtype=np.float32)


@pytest.fixture(scope="module")
def model(images, pixel_mean):
    """A Keras model far from its initial values that uses all five classes."""
    model = NETWORK.build(seed=4)
    generator = np.random.default_rng(2)
    for variable in model.variables:
        if "moving_variance" in variable.path:
            variable.assign(generator.uniform(0.02, 0.6, variable.shape))
        elif "kernel" not in variable.path:
            variable.assign(variable + generator.normal(0, 0.1, variable.shape))
    logits = model(images.astype(np.float32) / 255 - pixel_mean, training=False).numpy()
    bias = _variable(model, "dense/bias")
    bias.assign(bias - logits.mean(axis=0))
    assert len(np.unique(predictions_of(model, images, pixel_mean))) == 5
    return model


@pytest.fixture(scope="module")
def labels(model, images, pixel_mean):
    """Labels that the clean model predicts right about six times in ten."""
    predicted = predictions_of(model, images, pixel_mean)
    generator = np.random.default_rng(5)
    return np.where(generator.random(IMAGES) < 0.6, predicted, generator.integers(0, 5, IMAGES))


def predictions_of(model, images, pixel_mean):
    logits = model(images.astype(np.float32) / 255 - pixel_mean, training=False).numpy()
    return np.where(np.isfinite(logits).all(axis=-1), np.argmax(logits, axis=-1), -1)


def _old_relu(x):
    """ReLU as TensorFlow up to 2.3 computed it on GPUs: NaN becomes zero."""
    return keras.ops.where(x > 0, x, 0.0)


@pytest.fixture(scope="module")
def trained(model, images, labels, pixel_mean):
    weights = {one.path: one.numpy() for one in model.variables}
    return TrainedModel(NETWORK, weights, ImageSet(images, labels, 5, pixel_mean, 50))


def test_every_test_image_counts_once_the_last_partial_batch_included(
    trained, model, images, labels, pixel_mean
):
    outcome = evaluate_weights(trained, "float32")
    expected = predictions_of(model, images, pixel_mean)
    np.testing.assert_array_equal(outcome.predictions, expected)
    by_class = [int(((expected == labels) & (labels == one)).sum()) for one in range(5)]
    assert outcome.correct.tolist() == by_class
    assert outcome.nonfinite == 0


def test_loss_is_the_mean_cross_entropy(trained, model, images, labels, pixel_mean):
    logits = model(images.astype(np.float32) / 255 - pixel_mean, training=False).numpy()
    logits = logits.astype(np.float64)
    log_sum = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1)
    expected = (log_sum - logits[np.arange(IMAGES), labels]).mean()
    assert evaluate_weights(trained, "float32").loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("policy", ["clip", "propagate", "absolute", "relu_nan_to_zero"])
def test_a_draw_equals_the_keras_model_with_numpy_noise(
    trained, images, labels, pixel_mean, scope, policy, monkeypatch
):
    settings = NoiseSettings(4, 0, "array", policy, "float32")
    outcome = Evaluator(trained, scope, settings).evaluate(0.2, 3)
    if policy == "relu_nan_to_zero":
        monkeypatch.setattr(keras.ops, "relu", _old_relu)
    noisy = NETWORK.build()
    # No filter of this model is dead.
    names = [array.name for array in arrays_in_scope(scope, NETWORK.arrays())]
    in_scope = set() if scope == "dead_kernels" else set(names)
    for array, variable in ((one, _variable(noisy, one.name)) for one in NETWORK.arrays()):
        w = trained.weights[array.name].astype(np.float64)
        if array.name in in_scope:
            w = w + 0.2 * w.std() * standard_normal(array, 0, 3).numpy()
            if array.role == "moving_variance":
                w = {"clip": np.maximum(w, 0), "absolute": np.abs(w)}.get(policy, w)
        variable.assign(w)
    expected = predictions_of(noisy, images, pixel_mean)
    assert (outcome.predictions != expected).mean() < 0.01
    assert abs(outcome.correct.sum() - (expected == labels).sum()) <= 1


def _variable(model, path):
    return next(one for one in model.variables if one.path == path)


@pytest.mark.parametrize("scope", SCOPES)
def test_eta_zero_is_the_baseline_image_by_image(trained, scope):
    evaluator = Evaluator(trained, scope, SETTINGS)
    zero = evaluator.evaluate(0.0, 2)
    baseline = evaluate_weights(trained, "float32")
    np.testing.assert_array_equal(evaluator.evaluate_clean().predictions, baseline.predictions)
    np.testing.assert_array_equal(zero.predictions, baseline.predictions)
    assert zero.loss == baseline.loss


def test_a_draw_is_the_same_whatever_ran_before_and_whatever_the_batch_size(
    trained, images, labels, pixel_mean
):
    evaluator = Evaluator(trained, "all", SETTINGS)
    forwards = [evaluator.evaluate(0.3, draw).predictions for draw in range(4)]
    backwards = [evaluator.evaluate(0.3, draw).predictions for draw in reversed(range(4))]
    whole = TrainedModel(NETWORK, trained.weights, ImageSet(images, labels, 5, pixel_mean, 1000))
    alone = Evaluator(whole, "all", SETTINGS).evaluate(0.3, 3).predictions
    np.testing.assert_array_equal(forwards, backwards[::-1])
    assert (forwards[3] != alone).sum() <= 1


def test_draws_are_traced_once(trained):
    evaluator = Evaluator(trained, "kernels", SETTINGS)
    for draw in range(5):
        evaluator.evaluate(0.1 * draw, draw)
    assert evaluator._run.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("layer", ["stem_bn/moving_variance", "stage3_block1_bn2/moving_variance"])
def test_images_with_outputs_that_are_not_finite_are_counted_and_wrong(trained, layer):
    """TensorFlow's fused convolution and ReLU on a CPU turn NaN into zero; we must not."""
    broken = dict(trained.weights)
    broken[layer] = broken[layer].copy()
    broken[layer][3] = -0.5
    outcome = evaluate_weights(TrainedModel(NETWORK, broken, trained.test_set), "float32")
    assert outcome.nonfinite == IMAGES
    assert outcome.correct.sum() == 0
    assert (outcome.predictions == -1).all()


def test_a_policy_decides_what_a_negative_variance_does_to_the_outputs(trained):
    """Under a large noise some variance falls below minus epsilon in every draw."""
    nonfinite, right = {}, {}
    for policy in VARIANCE_POLICIES:
        settings = NoiseSettings(4, 0, "array", policy, "float32")
        outcome = Evaluator(trained, "all", settings).evaluate(1.5, 1)
        nonfinite[policy], right[policy] = int(outcome.nonfinite), int(outcome.correct.sum())
    assert nonfinite == {"clip": 0, "propagate": IMAGES, "absolute": 0, "relu_nan_to_zero": 0}
    assert right["propagate"] == 0


def test_the_noise_file_holds_what_was_measured(tmp_path, trained):
    path = tmp_path / "eta-0.3.h5"
    mean = evaluate_noise(
        trained, "all", 0.3, SETTINGS, path, Provenance("f"), {"model": "resnet8"}
    )
    evaluator = Evaluator(trained, "all", SETTINGS)
    with h5py.File(path) as file:
        accuracy, correct = file["accuracy"][()], file["correct"][()]
        assert correct.shape == (4, 5)
        np.testing.assert_allclose(accuracy, correct.sum(axis=1) / IMAGES)
        assert mean == pytest.approx(accuracy.mean())
        for draw in range(4):
            assert correct[draw].tolist() == evaluator.evaluate(0.3, draw).correct.tolist()
        names = file["array"].asstr()[()].tolist()
        for name, sigma in zip(names, file["sigma_w"][()], strict=True):
            assert sigma == pytest.approx(trained.weights[name].astype(np.float64).std())
        assert file.attrs["fingerprint"] == "f"


def test_the_baseline_file_holds_the_accuracy_and_every_prediction(tmp_path, trained, labels):
    path = tmp_path / "baseline.h5"
    accuracy = evaluate_baseline(trained, "float32", path, Provenance("f"), {"model": "resnet8"})
    with h5py.File(path) as file:
        assert file["accuracy"][()] == pytest.approx((file["prediction"][()] == labels).mean())
        assert file["accuracy"][()] == accuracy


def test_noise_that_is_not_zero_at_eta_zero_is_never_published(tmp_path, trained, monkeypatch):
    def biased(*arguments):
        weights = dict(arguments[0])
        weights["dense/bias"] = weights["dense/bias"] + tf.constant([0.5, 0, 0, 0, 0])
        return weights

    monkeypatch.setattr("noise_resistance.evaluation.engine.perturb", biased)
    path = tmp_path / "eta-0.1.h5"
    with pytest.raises(DataError, match="with eta = 0 the model answers"):
        noise_module.evaluate_noise(trained, "all", 0.1, SETTINGS, path, Provenance("f"), {})
    assert not path.exists()


@pytest.mark.parametrize("scope", SCOPES)
def test_the_general_way_gives_the_folded_ones_predictions(trained, model, scope):
    general = TrainedModel(model, trained.weights, trained.test_set)
    ours = Evaluator(trained, scope, SETTINGS)
    theirs = Evaluator(general, scope, SETTINGS)
    assert set(theirs.arrays) == set(ours.arrays)
    for noise_level, draw in ((0.0, 0), (0.2, 1), (0.2, 2)):
        one, other = ours.evaluate(noise_level, draw), theirs.evaluate(noise_level, draw)
        assert (one.predictions != other.predictions).mean() < 0.01
        assert one.loss == pytest.approx(other.loss, rel=1e-3)


def test_any_keras_classifier_can_be_evaluated(images, labels, pixel_mean):
    """Another architecture, a Dropout's generator and a depthwise kernel included."""
    layers = keras.layers
    other = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.SeparableConv2D(6, 3),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(5, activation="softmax"),
        ]
    )
    weights = {one.path: one.numpy() for one in other.variables if "seed" not in one.path}
    trained = TrainedModel(other, weights, ImageSet(images, labels, 5, pixel_mean, 60))
    evaluator = Evaluator(trained, "kernels", SETTINGS)
    assert sorted(array.name.rpartition("/")[2] for array in evaluator.arrays) == [
        "depthwise_kernel",
        "kernel",
        "pointwise_kernel",
    ]
    expected = predictions_of(other, images, pixel_mean)
    np.testing.assert_array_equal(evaluator.evaluate(0.0, 0).predictions, expected)
    for array in evaluator.arrays:
        w = weights[array.name]
        noise = 0.2 * w.astype(np.float64).std() * standard_normal(array, 0, 1).numpy()
        _variable(other, array.name).assign(w + noise)
    expected = predictions_of(other, images, pixel_mean)
    np.testing.assert_array_equal(evaluator.evaluate(0.2, 1).predictions, expected)


def test_bfloat16_answers_almost_like_float32(trained):
    low = dataclasses.replace(SETTINGS, precision="bfloat16")
    for noise_level in (0.0, 0.1):
        full = Evaluator(trained, "all", SETTINGS).evaluate(noise_level, 1)
        half = Evaluator(trained, "all", low).evaluate(noise_level, 1)
        assert (full.predictions != half.predictions).mean() < 0.1
        assert half.loss != full.loss


def test_what_another_model_cannot_do_is_refused(trained, model):
    general = TrainedModel(model, trained.weights, trained.test_set)
    low = dataclasses.replace(SETTINGS, precision="bfloat16")
    old = dataclasses.replace(SETTINGS, variance_policy="relu_nan_to_zero")
    with pytest.raises(ConfigurationError, match="precision bfloat16"):
        Evaluator(general, "all", low)
    with pytest.raises(ConfigurationError, match="relu_nan_to_zero"):
        Evaluator(general, "all", old).evaluate(0.1, 0)


def digest_by_hand(weights):
    """SHA-256 over a line of name and checksum for each array, of little-endian values."""
    lines = []
    for name in sorted(weights):
        array = weights[name].astype("<f4")
        whole = hashlib.sha256(f"<f4{array.shape}".encode() + array.tobytes()).hexdigest()
        lines.append(f"{name} {whole}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_baseline_and_noise_files_say_which_weights_they_measured(tmp_path, trained):
    other = dict(trained.weights)
    other["dense/bias"] = np.nextafter(other["dense/bias"], np.float32(1))
    changed = TrainedModel(NETWORK, other, trained.test_set)
    evaluate_baseline(trained, "float32", tmp_path / "baseline.h5", Provenance("f"), {})
    evaluate_noise(trained, "all", 0.1, SETTINGS, tmp_path / "noise.h5", Provenance("g"), {})
    evaluate_noise(changed, "all", 0.1, SETTINGS, tmp_path / "other.h5", Provenance("g"), {})
    stated = {}
    for name in ("baseline", "noise", "other"):
        with h5py.File(tmp_path / f"{name}.h5") as file:
            stated[name] = file.attrs["weights_sha256"]
    assert stated["baseline"] == stated["noise"] == digest_by_hand(trained.weights)
    assert stated["other"] == digest_by_hand(other) != stated["noise"]


TRAINING = {"model": "resnet8", "seed": 3}


@pytest.fixture
def files(tmp_path, model, images, labels, pixel_mean):
    """A prepared dataset, and the folder of a training."""
    variables = {}
    for split in ("train", "test"):
        axes = (f"{split}_image", "row", "column", "channel")
        variables[f"{split}_images"] = Variable(axes, images, "images")
        variables[f"{split}_labels"] = Variable(axes[:1], labels.astype(np.uint8), "labels")
    about = {**Provenance("p").attributes({}), "classes": 5}
    write_record(tmp_path / "data.h5", "dataset", variables, about)
    write_training(tmp_path / "training", model, pixel_mean)
    return tmp_path / "data.h5", tmp_path / "training"


def write_training(folder, model, pixel_mean, parameters=TRAINING, code="t", **changes):
    """Write weights and history as a training does; changes are of the history's attributes."""
    weights = {one.path: one.numpy() for one in model.variables}
    attributes = Provenance(code).attributes(parameters)
    write_weights(NETWORK, weights, folder / "model.weights.h5", attributes)
    digest = {"weights_sha256": digest_by_hand(weights)}
    mean = Variable(("row", "column", "channel"), pixel_mean, "mean")
    write_record(
        folder / "history.h5", "history", {"pixel_mean": mean}, {**attributes, **digest, **changes}
    )


def test_a_trained_model_is_read_with_the_weights_that_its_file_states(files, model):
    dataset, folder = files
    read = read_trained_model(dataset, TRAINING, folder)
    expected = {one.path: one.numpy() for one in model.variables}
    assert all(np.array_equal(read.weights[name], one) for name, one in expected.items())
    assert read.digest == digest_by_hand(expected)
    assert read.digest == digest_of_weights(folder / "model.weights.h5")
    assert read.test_set.count == IMAGES


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"parameters": {**TRAINING, "seed": 4}}, "history.h5: of another training than"),
        ({"fingerprint": "u"}, "trained by other code than"),
        ({"weights_sha256": "0" * 64}, "holds other weights than"),
    ],
)
def test_weights_and_history_of_two_trainings_are_refused(files, model, pixel_mean, change, said):
    dataset, folder = files
    write_training(folder, model, pixel_mean, **{"parameters": TRAINING, **change})
    if "parameters" in change:
        # The weights' own are those that are asked for.
        attributes = Provenance("t").attributes(TRAINING)
        weights = {one.path: one.numpy() for one in model.variables}
        write_weights(NETWORK, weights, folder / "model.weights.h5", attributes)
    with pytest.raises(DataError, match=said):
        read_trained_model(dataset, TRAINING, folder)


def test_weights_that_are_not_those_their_file_states_are_refused(files, model):
    dataset, folder = files
    path = folder / "model.weights.h5"
    weights = {one.path: one.numpy() for one in model.variables}
    other = {**weights, "dense/bias": weights["dense/bias"] + 1}
    about = {**Provenance("t").attributes(TRAINING), "weights_sha256": digest_by_hand(weights)}
    write_weights(NETWORK, other, path, about)
    stamp_tree(path, "weights", about)
    with pytest.raises(DataError, match="states the digest of other weights"):
        read_trained_model(dataset, TRAINING, folder)
