"""Snapshots: the model as a shorter training would have left it, whatever was killed on the way."""

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml

from noise_resistance.models.resnet import ResNet
from noise_resistance.models.weights import read_weights
from noise_resistance.storage.hdf5 import Variable, read_record, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.configuration import load
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.recipe import Recipe
from noise_resistance.study.request import TrainingRequest
from noise_resistance.training import train as train_module
from noise_resistance.training.train import STATE_FILES, train

NETWORK = ResNet.named("resnet8", (8, 8, 1), 4)
RECIPE = Recipe(4, 16, 1e-3, ((3, 0.1),), 0.1, True, True, "float32")
PARTS = ("optimizer", "counters")


class Killed(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    generator = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("data") / "data.h5"
    variables = {}
    for split, count in (("train", 50), ("test", 20)):
        images = generator.integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)
        labels = generator.integers(0, 4, count, dtype=np.uint8)
        dimensions = (f"{split}_image", "row", "column", "channel")
        variables[f"{split}_images"] = Variable(dimensions, images, "images")
        variables[f"{split}_labels"] = Variable((f"{split}_image",), labels, "labels")
    attributes = {**Provenance("f").attributes({}), "name": "made", "title": "Made", "classes": 4}
    write_record(path, "dataset", variables, attributes)
    return path


def run(folder, dataset, epochs=4, snapshots=()):
    definition = OPTIMIZERS["adam"].definition()
    recipe = dataclasses.replace(RECIPE, epochs=epochs)
    request = TrainingRequest(
        {"name": "made"}, "resnet8", "adam", definition, 0.01, seed=7, recipe=recipe
    )
    folders = {epoch: folder / f"snapshots/epoch-{epoch}" for epoch in snapshots}
    states = folder.with_name(f"{folder.name}-states")
    train(request, dataset, {epochs: folder, **folders}, states, Provenance("f"))


def content(folder):
    history = read_record(folder / "history.h5", "history")
    optimizer = read_record(folder / "optimizer.h5", "optimizer")
    columns = {name: history[name] for name in ("loss", "test_accuracy", "pixel_mean")}
    weights = read_weights(folder / "model.weights.h5", NETWORK.arrays())
    return {**weights, **columns, **{name: optimizer[name] for name in PARTS}}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


@pytest.mark.parametrize(
    ("training", "diagnostics", "kept", "evaluated"),
    [
        ({}, {}, (81,), ()),
        ({"snapshots": [100, 24]}, {}, (24, 81, 100), (100, 24)),
        ({"snapshots": [81]}, {}, (81,), (81,)),
        ({"snapshots": [24]}, {"before_decay": False}, (24,), (24,)),
        # Kept without diagnostics too: who asks for them later need not train again.
        ({}, {"images": 0}, (81,), ()),
        ({"epochs": 81}, {}, (), ()),
        ({"schedule": []}, {}, (), ()),
        ({"schedule": [[0, 0.1], [5, 1.0], [9, 0.5]]}, {}, (9,), ()),
    ],
)
def test_trainings_keep_their_snapshots_and_their_state_before_the_first_decay(
    training, diagnostics, kept, evaluated
):
    values = {}
    for name in ("datasets", "config"):
        path = Path(__file__).parents[2] / f"config/{name}.yaml"
        values |= yaml.safe_load(path.read_text(encoding="utf-8"))
    values["training"] |= training
    values["diagnostics"] |= diagnostics
    study = load(values)
    assert study.kept_epochs == kept
    assert study.snapshots == evaluated


def test_a_snapshot_is_what_a_shorter_training_ends_with(tmp_path, dataset):
    run(tmp_path / "long", dataset, snapshots=(1, 2))
    for epochs in (1, 2):
        run(tmp_path / f"short{epochs}", dataset, epochs=epochs)
        kept = content(tmp_path / f"long/snapshots/epoch-{epochs}")
        assert_same(kept, content(tmp_path / f"short{epochs}"))
    run(tmp_path / "plain", dataset)
    assert_same(content(tmp_path / "plain"), content(tmp_path / "long"))


@pytest.mark.parametrize("killed_in", [2, 3, "end"])
def test_snapshots_survive_a_kill(tmp_path, dataset, monkeypatch, killed_in):
    """Files that were written in part are lost with the job; what is kept lies elsewhere."""
    run(tmp_path / "whole", dataset, snapshots=(1, 3))
    real_epoch, real_write = train_module._train_epoch, train_module._write

    def epoch_or_kill(engine, epoch, *rest):
        if epoch == killed_in:
            raise Killed
        real_epoch(engine, epoch, *rest)

    def write_or_kill(engine, progress, *rest):
        if killed_in == "end" and progress.epochs == 3:
            raise Killed
        real_write(engine, progress, *rest)

    monkeypatch.setattr(train_module, "_train_epoch", epoch_or_kill)
    monkeypatch.setattr(train_module, "_write", write_or_kill)
    with pytest.raises(Killed):
        run(tmp_path / "killed", dataset, snapshots=(1, 3))
    monkeypatch.undo()
    for path in (tmp_path / "killed").rglob("*.h5"):
        path.unlink()
    run(tmp_path / "killed", dataset, snapshots=(1, 3))
    for place in (".", "snapshots/epoch-1", "snapshots/epoch-3"):
        assert_same(content(tmp_path / "whole" / place), content(tmp_path / "killed" / place))


def test_a_finished_training_writes_its_snapshots_again_from_what_it_kept(
    tmp_path, dataset, monkeypatch
):
    run(tmp_path / "one", dataset, snapshots=(1, 3))
    places = (".", "snapshots/epoch-1", "snapshots/epoch-3")
    before = [content(tmp_path / "one" / place) for place in places]
    for place in places:
        for name in STATE_FILES:
            (tmp_path / "one" / place / name).unlink()
    monkeypatch.delattr(train_module, "_train_epoch")
    run(tmp_path / "one", dataset, snapshots=(1, 3))
    for place, expected in zip(places, before, strict=True):
        assert_same(expected, content(tmp_path / "one" / place))


def test_a_snapshot_asked_for_after_its_epoch_starts_anew(tmp_path, dataset, monkeypatch, capsys):
    real = train_module._train_epoch

    def kill_third(engine, epoch, *rest):
        if epoch == 2:
            raise Killed
        real(engine, epoch, *rest)

    monkeypatch.setattr(train_module, "_train_epoch", kill_third)
    with contextlib.suppress(Killed):
        run(tmp_path / "one", dataset)
    monkeypatch.undo()
    run(tmp_path / "one", dataset, snapshots=(1,))
    assert "the state after epoch 1 was not kept; starting anew" in capsys.readouterr().out
    assert len(content(tmp_path / "one/snapshots/epoch-1")["loss"]) == 1
