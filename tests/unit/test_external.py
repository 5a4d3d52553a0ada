"""Models that were trained elsewhere, against plain Keras and NumPy."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from noise_resistance.errors import ConfigurationError, DataError
from noise_resistance.evaluation.external import evaluate_external, read_external
from noise_resistance.models.external import load_external
from noise_resistance.models.resnet import ResNet
from noise_resistance.noise.draws import standard_normal
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.storage.sources import write_dataset_file
from noise_resistance.study.arrays import Array
from noise_resistance.study.external import ExternalModel
from noise_resistance.study.noise_settings import NoiseSettings
from noise_resistance.study.readings import Reading

SETTINGS = NoiseSettings(3, 0, "array", "clip", "float32")
MEAN, DEVIATION = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
layers = keras.layers


def classifier(name="theirs"):
    """Another architecture, another input size, three channels, probabilities."""
    return keras.Sequential(
        [
            keras.Input((12, 10, 3)),
            layers.Conv2D(6, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(3),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(5, activation="softmax"),
        ],
        name=name,
    )


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(3).integers(0, 256, (130, 8, 8, 1)).astype(np.uint8)


def prepared(images):
    """The preprocessing once more, in NumPy but for the resizing."""
    large = tf.image.resize(images.astype(np.float32), (12, 10)).numpy()
    return (np.repeat(large, 3, axis=3) / 128 - np.array(MEAN)) / np.array(DEVIATION)


@pytest.fixture(scope="module")
def made(tmp_path_factory, images):
    folder = tmp_path_factory.mktemp("external")
    model = classifier()
    for variable in model.variables:
        if "moving_variance" in variable.path:
            variable.assign(np.random.default_rng(1).uniform(0.1, 2, variable.shape))
    dense = model.layers[-1]
    logits = np.log(model(prepared(images), training=False).numpy())
    dense.bias.assign(dense.bias - logits.mean(axis=0))
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    predicted = model(prepared(images), training=False).numpy().argmax(axis=1)
    assert len(np.unique(predicted)) > 2
    generator = np.random.default_rng(5)
    labels = np.where(generator.random(130) < 0.7, predicted, generator.integers(0, 5, 130))
    variables = {}
    for split in ("train", "test"):
        names = (f"{split}_image", "row", "column", "channel")
        variables[f"{split}_images"] = Variable(names, images, "images")
        variables[f"{split}_labels"] = Variable(names[:1], labels.astype(np.uint8), "labels")
    attributes = {**Provenance("f").attributes({}), "name": "made", "title": "Made", "classes": 5}
    write_record(folder / "data.h5", "dataset", variables, attributes)
    sizes = {"height": 8, "width": 8, "channels": 1, "train_images": 130, "test_images": 130}
    write_dataset_file(folder / "data.json", {"name": "made"}, {"classes": 5, **sizes})
    return folder, model, labels


def entry_of(folder, name="model.keras"):
    return ExternalModel(str(folder / name), "made", "", 128.0, MEAN, DEVIATION)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_accuracy_is_plain_keras_s_without_noise_and_numpy_s_with_it(tmp_path, made, images, name):
    folder, model, labels = made
    readings = {"kernels": Reading("kernels", "kernels", SETTINGS)}
    entry = entry_of(folder, name)
    requests = entry.requests(readings, [0.0, 0.2], "float32")
    wanted = [(request, tmp_path / file) for file, request in requests.items()]
    provenance = Provenance("f", sources={"file_sha256": "0"})
    found = evaluate_external(entry, folder / "data.h5", wanted, provenance)

    def accuracy(one):
        return (one(prepared(images), training=False).numpy().argmax(axis=1) == labels).mean()

    clean = accuracy(model)
    assert list(requests) == ["baseline.h5", *map("noise/kernels/eta-{}.h5".format, ("0", "0.2"))]
    assert found[:2] == [clean, clean]
    expected = []
    trained, _ = read_external(entry, folder / "data.h5")
    paths = [one.path for one in trained.network.variables]
    for draw in range(3):
        noisy = keras.models.clone_model(model)
        noisy.set_weights(model.get_weights())
        # Keras calls a variable by other paths once it is read from a file.
        for path, variable in zip(paths, noisy.variables, strict=True):
            if path.endswith("kernel"):
                w = variable.numpy().astype(np.float64)
                layer, _, kind = path.rpartition("/")
                role = Array(layer, "kernel", w.shape, "" if kind == "kernel" else kind)
                variable.assign(w + 0.2 * w.std() * standard_normal(role, 0, draw).numpy())
        expected.append(accuracy(noisy))
    assert found[2] == pytest.approx(np.mean(expected))
    assert np.mean(expected) < clean
    with h5py.File(tmp_path / "noise/kernels/eta-0.2.h5") as file:
        np.testing.assert_allclose(file["accuracy"], expected)
        assert json.loads(file.attrs["parameters"]) == requests["noise/kernels/eta-0.2.h5"]
        stated = {one: file.attrs[one] for one in ("model_file", "resized", "input_shape")}
        assert file.attrs["file_sha256"] == "0"
    assert stated == {
        "model_file": entry.file,
        "resized": "bilinear",
        "input_shape": "[12, 10, 3]",
    }


def test_weights_alone_need_an_architecture(tmp_path, made):
    folder, _, _ = made
    network = ResNet.named("resnet8", (8, 8, 1), 5)
    ours = network.build(3)
    ours.save_weights(tmp_path / "ours.weights.h5")
    entry = ExternalModel(str(tmp_path / "ours.weights.h5"), "made")
    with pytest.raises(ConfigurationError, match="holds weights and no architecture; name it"):
        read_external(entry, folder / "data.h5")
    named = ExternalModel(entry.file, "made", architecture="resnet8")
    trained, stated = read_external(named, folder / "data.h5")
    assert stated["resized"] == "not resized"
    for variable in ours.variables:
        np.testing.assert_array_equal(trained.weights[variable.path], variable.numpy())


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_code_in_a_file_is_not_run(tmp_path, ending):
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Lambda(lambda x: 2 * x), layers.Flatten(), layers.Dense(5)]
    )
    path = tmp_path / f"model.{ending}"
    model.save(path)
    with pytest.raises(DataError, match="holds a Lambda layer, which is code and is not run"):
        load_external(ExternalModel(str(path), "made"), (8, 8, 1), 5)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no such file"), (b"not a model", "cannot be loaded")]
)
def test_a_file_that_is_no_model_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "model.keras"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load_external(ExternalModel(str(path), "made"), (8, 8, 1), 5)
    assert "\n" not in str(caught.value)


def test_a_model_of_other_classes_or_sizes_is_refused(made):
    folder, _, _ = made
    with pytest.raises(ConfigurationError, match="the dataset has 7 classes"):
        load_external(entry_of(folder), (8, 8, 1), 7)
    wrong = ExternalModel(str(folder / "model.keras"), "made", input_size=(9, 9))
    with pytest.raises(ConfigurationError, match=r"input_size is \[9, 9\]"):
        read_external(wrong, folder / "data.h5")


def test_the_command_measures_a_file(tmp_path, made):
    folder, _, _ = made
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "noise_resistance", "evaluate", "--device", "cpu"]
    command += ["--weights", str(folder / "model.keras"), "--dataset", str(folder / "data.json")]
    command += ["--eta", "0.2", "--draws", "3", "--scale", "128", "--folder", str(tmp_path)]
    command += ["--scope", "all", "--sigma-of", "layer", "--variance-policy", "absolute"]
    command += ["--noise-seed", "5", "--kind", "additive_max", "--figure"]
    for one, other in zip(MEAN, DEVIATION, strict=True):
        command += ["--mean", str(one), "--deviation", str(other)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    # By hand, nothing is kept but what is asked for.
    assert not (tmp_path / "results").exists()
    assert "eta 0.2, all, mean of 3 draws: accuracy" in done.stdout
    with h5py.File(tmp_path / "noise/all/eta-0.2.h5") as file:
        accuracies = file["accuracy"][()]
        stated = json.loads(file.attrs["parameters"])
    expected = {"sigma_of": "layer", "variance_policy": "absolute", "kind": "additive_max"}
    assert expected.items() <= stated.items()
    assert stated["seed"] == 5
    rows = pd.read_csv(tmp_path / "external_models.csv")
    np.testing.assert_array_equal(rows["accuracy"], accuracies)
    assert rows["model"].tolist() == ["model"] * 3
    assert rows["dataset"].tolist() == ["made"] * 3
    for ending in ("png", "svg", "pdf"):
        assert (tmp_path / f"external.{ending}").stat().st_size > 5_000


def test_an_option_that_is_not_possible_is_refused_before_anything_is_read():
    command = [sys.executable, "-m", "noise_resistance", "evaluate", "--weights", "none.keras"]
    command += ["--dataset", "none", "--eta", "0.1", "--sigma-of", "layers"]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "--sigma-of: 'layers' is not possible; did you mean 'layer'?" in done.stderr
