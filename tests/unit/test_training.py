"""Training: the recipe, the same steps as plain Keras, and resuming without a trace."""

import dataclasses

import keras
import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from noise_resistance.datasets.prepared import Split
from noise_resistance.errors import TrainingError
from noise_resistance.models.optimizers import AdamX
from noise_resistance.models.preprocessing import mean_image, normalize
from noise_resistance.models.resnet import ResNet
from noise_resistance.models.weights import read_weights
from noise_resistance.storage.hdf5 import Variable, read_record, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.recipe import Recipe
from noise_resistance.study.request import TrainingRequest
from noise_resistance.study.seeds import derive_seed
from noise_resistance.training import train as train_module
from noise_resistance.training.augmentation import augment, resampling_matrix
from noise_resistance.training.engine import Engine
from noise_resistance.training.schedules import learning_rate_at
from noise_resistance.training.train import STATE_FILES, train

NETWORK = ResNet.named("resnet8", (8, 8, 1), 4)
RECIPE = Recipe(
    epochs=3,
    batch_size=16,
    l2=1e-3,
    schedule=((2, 0.1),),
    shift=0.2,
    horizontal_flip=True,
    subtract_pixel_mean=True,
    precision="float32",
)


def split(count, seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 4, count, dtype=np.uint8)
    images = generator.integers(0, 128, (count, 8, 8, 1), dtype=np.uint8)
    images[np.arange(count), labels * 2] += 100
    return Split(images, labels, 4)


def engine(recipe=RECIPE, optimizer="adam", learning_rate=0.01, count=70):
    definition = OPTIMIZERS[optimizer].definition()
    train_split, test_split = split(count, 1), split(30, 2)
    return Engine(NETWORK, train_split, test_split, definition, learning_rate, recipe, seed=7)


def test_the_schedule_is_the_keras_examples():
    schedule = [(81, 0.1), (121, 0.01), (161, 0.001), (181, 0.0005)]
    rates = [learning_rate_at(epoch, 0.001, schedule) for epoch in range(200)]
    expected = [1e-3] * 81 + [1e-4] * 40 + [1e-5] * 40 + [1e-6] * 20 + [5e-7] * 19
    np.testing.assert_allclose(rates, expected)


@pytest.mark.parametrize("shift", [-1.6, -1.0, 0.0, 0.5, 2.0])
def test_a_shift_interpolates_linearly_and_fills_with_the_nearest_pixel(shift):
    image = np.random.default_rng(0).random((8, 6))
    rows = resampling_matrix(8, tf.constant([shift], tf.float32), tf.constant([False]))[0]
    expected = scipy.ndimage.shift(image, (-shift, 0), order=1, mode="nearest")
    np.testing.assert_allclose(rows @ image.astype(np.float32), expected, atol=1e-6)


def test_augmentation_shifts_within_the_limit_mirrors_half_and_needs_only_its_seed():
    ramp = np.tile(np.arange(20, dtype=np.float32), (4000, 20, 1))[..., None]
    recipe = Recipe(1, 1, 0, (), 0.1, True, False, "float32")
    shown = augment(tf.constant(ramp), recipe, tf.constant([1, 2])).numpy()
    slopes = shown[:, 10, 11, 0] - shown[:, 10, 10, 0]
    assert abs((slopes < 0).mean() - 0.5) < 0.05
    np.testing.assert_allclose(np.abs(slopes), 1, atol=1e-5)
    centre = np.where(slopes < 0, 9 - (shown[:, 10, 10, 0]) + 0, shown[:, 10, 10, 0] - 10)
    assert 1.9 < np.abs(centre).max() <= 2.00001
    np.testing.assert_array_equal(shown, augment(tf.constant(ramp), recipe, tf.constant([1, 2])))
    assert (shown != augment(tf.constant(ramp), recipe, tf.constant([1, 3])).numpy()).any()


def test_augmentation_is_the_same_eagerly_and_compiled():
    images = tf.random.stateless_uniform((5, 8, 8, 1), [1, 2])
    compiled = tf.function(lambda seed: augment(images, RECIPE, seed))
    eager = augment(images, RECIPE, tf.constant([3, 4]))
    np.testing.assert_allclose(compiled(tf.constant([3, 4])), eager, atol=1e-6)


def test_no_augmentation_leaves_images_alone():
    images = tf.random.stateless_uniform((5, 8, 8, 1), [1, 2])
    recipe = Recipe(1, 1, 0, (), 0, False, False, "float32")
    np.testing.assert_array_equal(augment(images, recipe, tf.constant([1, 2])), images)


def test_the_mean_image_is_subtracted_after_scaling():
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)
    mean = mean_image(images, subtract=True)
    np.testing.assert_allclose(mean, images.mean(axis=0) / 255, rtol=1e-6)
    shown = normalize(tf.constant(images), mean).numpy()
    np.testing.assert_allclose(shown, images / 255 - images.mean(axis=0) / 255, atol=1e-6)
    assert not mean_image(images, subtract=False).any()


@pytest.mark.parametrize("optimizer", ["sgd_nesterov", "adam", "nadam", "adamax"])
def test_twenty_steps_equal_plain_keras(optimizer):
    """The same initial weights, order and augmentation: the same losses to 1e-4."""
    ours = engine(optimizer=optimizer, learning_rate=0.002, count=80)
    model = keras_model(ours)
    definition = OPTIMIZERS[optimizer]
    optimizer_class = getattr(keras.optimizers, definition.keras_class)
    model.compile(
        optimizer_class(0.002, **definition.arguments),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    data = split(80, 1)
    for epoch in range(2):
        losses = []
        for first, batches in ours._batches(epoch):
            for step, chosen in enumerate(batches):
                seed = tf.constant([derive_seed(7, "augmentation", epoch), first + step])
                shown = augment(
                    normalize(tf.constant(data.images[chosen]), ours.pixel_mean), RECIPE, seed
                )
                model.reset_metrics()
                losses.append(float(model.train_on_batch(shown, data.labels[chosen])))
        assert len(losses) == 5
        assert ours.train_epoch(epoch).loss == pytest.approx(np.mean(losses), rel=1e-4)


def keras_model(ours):
    """The same network in plain Keras, with its own regularizers and the engine's weights."""
    model = NETWORK.build(seed=7)
    config = model.get_config()
    for layer in config["layers"]:
        if layer["class_name"] == "Conv2D":
            layer["config"]["kernel_regularizer"] = keras.regularizers.serialize(
                keras.regularizers.L2(RECIPE.l2)
            )
    regularized = keras.Model.from_config(config)
    values = ours.weights()
    for variable in regularized.variables:
        variable.assign(values[variable.path])
    return regularized


def test_an_epoch_sees_every_image_once_in_an_order_of_its_own():
    ours = engine()
    orders = [np.concatenate([b.ravel() for _, b in ours._batches(epoch)]) for epoch in range(2)]
    assert all(sorted(order) == list(range(70)) for order in orders)
    assert (orders[0] != orders[1]).any()
    assert [batches.shape for _, batches in ours._batches(0)] == [(4, 16), (1, 6)]


def test_adamx_with_constant_beta1_is_amsgrad_without_bias_correction():
    generator = np.random.default_rng(0)
    gradients = generator.normal(size=(12, 5)) * np.linspace(3, 0.1, 12)[:, None]
    variable = keras.Variable(np.ones(5, np.float32))
    optimizer = AdamX(learning_rate=0.01, beta_1_decay=1.0)
    optimizer.build([variable])
    w, m, v, largest = np.ones(5), 0.0, 0.0, 0.0
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient, tf.float32)], [variable])
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        largest = np.maximum(largest, v)
        w = w - 0.01 * m / (np.sqrt(largest) + 1e-7)
    np.testing.assert_allclose(variable.numpy(), w, rtol=1e-5)


@pytest.fixture
def dataset(tmp_path):
    """A prepared dataset with two splits."""
    path = tmp_path / "dataset.h5"
    variables = {}
    for name, data in (("train", split(70, 1)), ("test", split(30, 2))):
        axes = (f"{name}_image", "row", "column", "channel")
        variables[f"{name}_images"] = Variable(axes, data.images, "images")
        variables[f"{name}_labels"] = Variable(axes[:1], data.labels, "labels")
    write_record(path, "dataset", variables, {"classes": 4})
    return path


def request(**changes):
    values = {
        "dataset": {"name": "squares"},
        "model": "resnet8",
        "optimizer": "adam",
        "optimizer_definition": OPTIMIZERS["adam"].definition(),
        "learning_rate": 0.01,
        "seed": 7,
        "recipe": RECIPE,
    }
    return TrainingRequest(**{**values, **changes})


def run(folder, dataset, images="those of the dataset", **changes):
    """Train into a folder, beside the states that the training goes on from."""
    wanted = request(**changes)
    provenance = Provenance("fingerprint", sources={"dataset_sha256": images})
    train(wanted, dataset, {wanted.recipe.epochs: folder}, states_of(folder), provenance)
    weights = read_weights(folder / "model.weights.h5", NETWORK.arrays())
    return weights, read_record(folder / "history.h5", "history")


def states_of(folder):
    return folder.with_name(f"{folder.name}-states")


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return {}


@pytest.mark.parametrize("epochs_before", [1, 2, 3])
def test_an_interrupted_training_ends_with_the_same_bits(
    tmp_path, dataset, monkeypatch, epochs_before
):
    expected, history = run(tmp_path / "undisturbed", dataset)
    finished = []
    real = train_module._train_epoch

    def stop_after(engine, epoch, *rest):
        if epoch == epochs_before:
            raise Killed
        real(engine, epoch, *rest)
        finished.append(epoch)

    folder = tmp_path / "killed"
    if epochs_before < RECIPE.epochs:
        monkeypatch.setattr(train_module, "_train_epoch", stop_after)
        with pytest.raises(Killed):
            run(folder, dataset)
        monkeypatch.setattr(train_module, "_train_epoch", real)
    else:
        monkeypatch.setattr(train_module, "write_weights", _raise_killed)
        with pytest.raises(Killed):
            run(folder, dataset)
        monkeypatch.undo()
    assert not (folder / "model.weights.h5").exists()
    weights, resumed = run(folder, dataset)
    for name, values in expected.items():
        np.testing.assert_array_equal(weights[name], values)
    for name in ("loss", "accuracy", "test_accuracy", "learning_rate"):
        np.testing.assert_array_equal(resumed[name], history[name])


def test_a_finished_training_that_is_started_again_writes_its_files_and_trains_nothing(
    tmp_path, dataset, monkeypatch
):
    """As after a kill between its last epoch and its entry in the store."""
    weights, history = run(tmp_path / "one", dataset)
    for name in STATE_FILES:
        (tmp_path / "one" / name).unlink()
    monkeypatch.setattr(train_module, "_train_epoch", _raise_killed)
    again, same = run(tmp_path / "one", dataset)
    assert all(np.array_equal(again[name], weights[name]) for name in weights)
    np.testing.assert_array_equal(same["seconds"], history["seconds"])
    assert (tmp_path / "one" / "optimizer.h5").exists()


@pytest.mark.parametrize("part", ["optimizer", "counters", "trained", "moving", "missing"])
def test_a_whole_checkpoint_that_does_not_fit_is_said_and_not_used(
    tmp_path, dataset, monkeypatch, capsys, part
):
    """A library may number an optimizer's variables otherwise in its next version."""
    expected, _ = run(tmp_path / "alone", dataset)
    monkeypatch.setattr(train_module, "write_weights", _raise_killed)
    with pytest.raises(Killed):
        run(tmp_path / "one", dataset)
    monkeypatch.undo()
    (path,) = states_of(tmp_path / "one").glob("*.h5")
    record = read_record(path, "checkpoint")
    values = {**record.variables}
    if part == "missing":
        del values["moving"]
    else:
        values[part] = np.append(values[part], 1).astype(values[part].dtype)
    variables = {name: Variable((f"of_{name}",), one, "values") for name, one in values.items()}
    kept = {name: record.attributes[name] for name in ("fingerprint", "dataset_sha256")}
    write_record(path, "checkpoint", variables, {"parameters": record.parameters, **kept})
    weights, _ = run(tmp_path / "one", dataset)
    said = capsys.readouterr().out
    wanted = "has no moving" if part == "missing" else "does not fit"
    assert f"{path} {wanted}" in said
    assert "starting anew" in said
    assert all(np.array_equal(weights[name], expected[name]) for name in expected)


def _raise_killed(*_):
    raise Killed


def test_a_checkpoint_of_other_parameters_is_not_used(tmp_path, dataset, monkeypatch):
    monkeypatch.setattr(train_module, "write_weights", _raise_killed)
    with pytest.raises(Killed):
        run(tmp_path / "one", dataset)
    monkeypatch.undo()
    changed, _ = run(tmp_path / "one", dataset, learning_rate=0.02)
    alone, _ = run(tmp_path / "two", dataset, learning_rate=0.02)
    assert all(np.array_equal(changed[name], alone[name]) for name in alone)


def test_a_checkpoint_of_other_images_is_not_used(tmp_path, dataset, monkeypatch, capsys):
    monkeypatch.setattr(train_module, "write_weights", _raise_killed)
    with pytest.raises(Killed):
        run(tmp_path / "one", dataset, images="others")
    monkeypatch.undo()
    capsys.readouterr()
    run(tmp_path / "one", dataset)
    said = capsys.readouterr().out
    assert "was trained on other images or labels; starting anew" in said
    assert "epoch 1/" in said


def test_a_damaged_checkpoint_is_not_used(tmp_path, dataset, monkeypatch, capsys):
    monkeypatch.setattr(train_module, "write_weights", _raise_killed)
    with pytest.raises(Killed):
        run(tmp_path / "one", dataset)
    monkeypatch.undo()
    (checkpoint,) = states_of(tmp_path / "one").glob("*.h5")
    checkpoint.write_bytes(checkpoint.read_bytes()[:2000])
    run(tmp_path / "one", dataset)
    assert "starting anew" in capsys.readouterr().out


def test_the_history_records_each_epoch(tmp_path, dataset):
    _, history = run(tmp_path / "one", dataset)
    np.testing.assert_allclose(history["learning_rate"], [0.01, 0.01, 0.001])
    assert history["loss"][2] < history["loss"][0]
    assert (history["seconds"] > 0).all()
    assert history["pixel_mean"].shape == (8, 8, 1)
    assert history.parameters["learning_rate"] == 0.01
    assert history.parameters["recipe"]["epochs"] == 3


def test_a_loss_that_is_not_finite_stops_the_training_and_says_where(tmp_path, dataset):
    with pytest.raises(
        TrainingError, match=r"epoch \d of 3 with learning rate 1000000000000000000000000000000"
    ):
        run(
            tmp_path / "one",
            dataset,
            optimizer="sgd",
            optimizer_definition=OPTIMIZERS["sgd"].definition(),
            learning_rate=1e30,
        )
    assert not (tmp_path / "one" / "model.weights.h5").exists()


def test_seeds_differ_and_repeat(tmp_path, dataset):
    first, _ = run(tmp_path / "one", dataset)
    again, _ = run(tmp_path / "two", dataset)
    other, _ = run(tmp_path / "three", dataset, seed=8)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["dense/kernel"], other["dense/kernel"])


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_a_mixed_precision_follows_float32_and_keeps_float32_weights(precision):
    low = engine(dataclasses.replace(RECIPE, precision=precision), learning_rate=0.002)
    full = engine(learning_rate=0.002)
    for epoch in range(2):
        assert low.train_epoch(epoch).loss == pytest.approx(full.train_epoch(epoch).loss, rel=0.1)
    assert all(one.dtype == np.float32 for one in low.weights().values())
    differing = [name for name, one in low.weights().items() if (one != full.weights()[name]).any()]
    assert "stem_conv/kernel" in differing


def test_mixed_float16_scales_its_loss_and_resumes_with_the_scale():
    recipe = dataclasses.replace(RECIPE, precision="mixed_float16")
    first, second = engine(recipe), engine(recipe)
    first.train_epoch(0)
    second.restore(first.state())
    assert first.train_epoch(1) == second.train_epoch(1)
    np.testing.assert_array_equal(first.state().optimizer, second.state().optimizer)


def test_steps_compiled_with_xla_equal_those_without():
    """Without augmentation: XLA's random generator gives other numbers for the same seed."""
    recipe = dataclasses.replace(RECIPE, shift=0.0, horizontal_flip=False)
    definition = OPTIMIZERS["adam"].definition()
    data = split(70, 1), split(30, 2)
    losses = [
        Engine(NETWORK, *data, definition, 0.002, recipe, 7, xla=xla).train_epoch(0).loss
        for xla in (True, False)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
