"""The commands that train and measure, as rules call them: what they keep, and what it states."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.locks import hold
from noise_resistance.storage.provenance import Provenance
from noise_resistance.storage.sources import read_dataset_file, write_dataset_file
from noise_resistance.store.folders import discard
from noise_resistance.store.results import KIND_OF_FILE
from noise_resistance.store.versions import STORED_STEPS
from noise_resistance.study.choices import chosen
from noise_resistance.study.external import ExternalModel
from noise_resistance.study.noise_settings import NoiseSettings
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.readings import Reading
from noise_resistance.study.recipe import Recipe
from noise_resistance.study.request import TrainingRequest

PACKAGE = Path(__file__).parents[2] / "workflow"
RECIPE = Recipe(3, 16, 1e-3, ((2, 0.1),), 0.1, True, True, "float32")
TRAINING = TrainingRequest(
    {"name": "made"}, "resnet8", "adam", OPTIMIZERS["adam"].definition(), 0.01, 7, RECIPE
).parameters()
SETTINGS = NoiseSettings(2, 0, "array", "clip", "float32")
NOISE = {"scope": "kernels", "noise_level": 0.1, **chosen(SETTINGS)}
MEASURED = {"model": "resnet8", "training": TRAINING}
EXTERNAL = ExternalModel("one/model.weights.h5", "made", "resnet8").requests(
    {"kernels": Reading("kernels", "kernels", SETTINGS)}, [0.1], "float32"
)
ON_ONE = "--training=one"
# A name for the log, the command, its request, and its options.
COMMANDS: list[tuple[str, str, Mapping[str, Any], tuple[str, ...]]] = [
    ("train", "train", TRAINING, ("--folder=one",)),
    ("again", "train", TRAINING, ("--folder=one",)),
    ("renamed", "train", TRAINING, ("--folder=renamed",)),
    ("decay", "train", TRAINING, ("--folder=one", "--keep-epoch=2")),
    ("snapshot", "train", TRAINING, ("--folder=one", "--keep-epoch=1", "--keep-epoch=2")),
    (
        "baseline",
        "evaluate-baseline",
        {**MEASURED, "precision": "float32"},
        (ON_ONE, "--output=one/baseline.h5"),
    ),
    ("noise", "evaluate-noise", {**MEASURED, **NOISE}, (ON_ONE, "--output=one/eta-0.1.h5")),
    (
        "diagnose",
        "diagnose",
        {**MEASURED, "images": 8, "batches": 2, "epochs": [2]},
        (ON_ONE, "--output=one/diagnostics.h5"),
    ),
    (
        "external",
        "evaluate-external",
        EXTERNAL,
        ("--file=one/model.weights.h5", "--folder=theirs"),
    ),
]
# One process, so that TensorFlow is imported once.
SCRIPT = """
import json, sys
from noise_resistance import cli
for arguments in json.load(sys.stdin):
    sys.argv = ["noise-resistance", *arguments]
    cli.main()
"""


@dataclass(frozen=True)
class Made:
    """A working folder in which the commands ran one after the other."""

    folder: Path

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def entries(self, step: str) -> list[Path]:
        return sorted(one.parent for one in (self.folder / "store" / step).rglob("entry.json"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("commands")
    generator = np.random.default_rng(1)
    variables = {}
    for split, count in (("train", 50), ("test", 20)):
        names = (f"{split}_image", "row", "column", "channel")
        images = generator.integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)
        labels = generator.integers(0, 4, count, dtype=np.uint8)
        variables[f"{split}_images"] = Variable(names, images, "images")
        variables[f"{split}_labels"] = Variable(names[:1], labels, "labels")
    about = {**Provenance("f").attributes({}), "name": "made", "title": "Made", "classes": 4}
    write_record(folder / "made.h5", "dataset", variables, about)
    sizes = {"height": 8, "width": 8, "channels": 1, "train_images": 50, "test_images": 20}
    write_dataset_file(folder / "made.json", {"name": "made"}, {"classes": 4, **sizes})
    arguments = [
        [
            f"--log={name}.log",
            command,
            "--dataset=made.json",
            f"--request={json.dumps(request)}",
            *options,
            "--device=cpu",
            "--store=store",
        ]
        for name, command, request, options in COMMANDS
    ]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Made(folder)


def test_a_training_keeps_its_state_before_the_first_decay_though_nobody_asked(made: Made) -> None:
    assert "epoch 3/3" in made.log("train")
    assert {one.name for one in made.entries("train")} == {"epoch-1", "epoch-2", "epoch-3"}
    # Who asks for it later does not train again.
    assert "restored: one/snapshots/epoch-2/model.weights.h5" in made.log("decay")
    assert "bit by bit" not in made.log("decay")
    # A state that nobody kept is trained for, and the rest comes out the same.
    said = made.log("snapshot")
    assert said.count("bit by bit") == 2
    assert (made.folder / "one/snapshots/epoch-1/optimizer.h5").is_file()


def test_what_is_there_stays_and_another_study_takes_it_from_the_store(made: Made) -> None:
    assert made.log("again").splitlines()[-1].startswith("kept: one/model.weights.h5")
    last = made.log("renamed").splitlines()[-1]
    assert last.startswith("restored: renamed/model.weights.h5")
    # From when, on what, and how long it took; above it the log of the training.
    assert " on cpu: 1 thread in " in last
    assert "epoch 3/3" in made.log("renamed")
    for name in ("model.weights.h5", "history.h5", "optimizer.h5"):
        one, other = (made.folder / study / name for study in ("one", "renamed"))
        assert one.read_bytes() == other.read_bytes()
        # Copies: Snakemake sets the times of its outputs.
        assert one.stat().st_nlink == other.stat().st_nlink == 1


def test_of_a_finished_training_no_state_and_no_lock_is_left(made: Made) -> None:
    (key,) = (made.folder / "store/train").iterdir()
    (code,) = key.iterdir()
    assert {one.name for one in code.iterdir()} == {"epoch-1", "epoch-2", "epoch-3"}
    assert not [*made.folder.rglob(".resume"), *made.folder.rglob("*lock*")]
    assert not [*made.folder.rglob(".tmp*")]


def test_the_states_of_a_training_that_a_process_is_at_again_stay(tmp_path: Path) -> None:
    states, lock = tmp_path / "key/states-1", tmp_path / "key/lock"
    states.mkdir(parents=True)
    (states / "last.h5").touch()
    with hold(lock):
        assert not discard([states], lock, tmp_path)
        assert (states / "last.h5").exists()
    assert discard([states], lock, tmp_path)
    assert not (tmp_path / "key").exists()
    assert discard([states], lock, tmp_path)  # nothing is there, and nothing is made
    assert not (tmp_path / "key").exists()


# What is not decided by the request, and decides no number.
ABOUT = {"kind", "title", "schema_version", "Conventions", "attributes_sha256", "parameters"}
ABOUT |= {"created", "seconds", "peak_memory_mb", "device", "processor", "threads", "versions"}
CODE = {"fingerprint", "version"}
# What the result itself is or has, by step.
OF_THE_RESULT = {
    "train": {"weights_sha256", "finished_epochs"},
    "evaluate_baseline": {"images"},
    "evaluate_noise": {"images"},
    "diagnose": {"weights_sha256"},
    # Read out of the model's file, whose digest is in the key; the name is one more title.
    "evaluate_external": {"images", "weights_sha256", "model_file", "input_shape", "resized"},
}


@pytest.mark.parametrize("step", STORED_STEPS)
def test_all_that_a_file_states_about_its_making_is_in_its_key(made: Made, step: str) -> None:
    entries = made.entries(step)
    assert entries
    for entry in entries:
        about = json.loads((entry / "entry.json").read_text(encoding="utf-8"))
        files = [entry / name for name in about["files"] if name in KIND_OF_FILE]
        assert len(files) == (3 if step == "train" else 1)
        for path in files:
            with h5py.File(path) as file:
                stated = dict(file.attrs)
            assert json.loads(stated["parameters"]) == about["request"], path
            assert {*stated} > CODE
            sources = {*stated} - ABOUT - CODE - OF_THE_RESULT[step]
            assert sources == {*about["sources"]}, path
            assert all(stated[name] == about["sources"][name] for name in sources), path


def test_files_state_what_was_read(made: Made) -> None:
    dataset = read_dataset_file(made.folder / "made.json").sha256
    for step in STORED_STEPS:
        for entry in made.entries(step):
            for path in entry.glob("*.h5"):
                with h5py.File(path) as file:
                    assert file.attrs["dataset_sha256"] == dataset
    with h5py.File(made.folder / "one/history.h5") as file:
        weights = file.attrs["weights_sha256"]
    for name in ("model.weights.h5", "baseline.h5", "eta-0.1.h5", "diagnostics.h5"):
        with h5py.File(made.folder / "one" / name) as file:
            assert file.attrs["weights_sha256"] == weights
    # A model that was trained elsewhere is told by its file as well.
    with h5py.File(made.folder / "theirs/noise/kernels/eta-0.1.h5") as file:
        assert len(file.attrs["file_sha256"]) == 64
        assert file.attrs["model_file"] == "one/model.weights.h5"
        assert json.loads(file.attrs["input_shape"]) == [8, 8, 1]
