"""What the plan says of each job, nothing, look, restore or compute, beside what the job does."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import yaml

from noise_resistance.analysis.actions import Outlook, Progress
from noise_resistance.analysis.plan import NOTHING, Job
from noise_resistance.storage.checksums import checksum_of_attributes
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.locks import hold
from noise_resistance.storage.provenance import Provenance
from noise_resistance.storage.sources import read_dataset_file
from noise_resistance.store.entries import Store
from noise_resistance.store.jobs import Job as StoreJob
from noise_resistance.store.results import KIND_OF_FILE, Result
from noise_resistance.store.versions import counts, version_of
from noise_resistance.store.wanted import (
    diagnosis_of,
    evaluation_of,
    external_evaluations_of,
    trainings_of,
)
from noise_resistance.study.configuration import Study, load
from noise_resistance.study.products import Products

CONFIG = Path(__file__).parents[2] / "config"
OURS: dict[str, Any] = {
    "study": "s",
    "device": "cpu",
    "experiments": [
        {
            "name": "tradeoff",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "learning_rates": [0.001],
            "scopes": ["kernels"],
        }
    ],
    "training": {"epochs": 3, "schedule": [[2, 0.1]], "snapshots": [1]},
    "noise": {"levels": [0.1], "draws": 2},
    "diagnostics": {"images": 8, "batches": 2, "before_decay": False},
    "external_models": {"theirs": {"file": "theirs.keras", "dataset": "digits"}},
}
TRAINING = {
    "dataset": "digits",
    "model": "resnet8",
    "recipe": "standard",
    "optimizer": "adam",
    "learning_rate": "0.001",
    "seed": "1",
}
NOISE = {"scope": "kernels", "noise_level": "0.1"}
FOLDER = Path("results/s/trainings/digits/resnet8/standard/adam/lr-0.001/seed-1")
RULES = (
    "train",
    "evaluate_baseline",
    "evaluate_noise",
    "evaluate_snapshot_baseline",
    "evaluate_snapshot_noise",
    "diagnose",
    "evaluate_external",
)


def study_of(**changes: Any) -> Study:
    values: dict[str, Any] = {}
    for name in ("datasets", "config"):
        values |= yaml.safe_load((CONFIG / f"{name}.yaml").read_text(encoding="utf-8"))
    return load({**values, **OURS, **changes})


class Made:
    """A made-up study: its jobs, and files as they would write them."""

    def __init__(self, study: Study) -> None:
        self.study, self.products = study, Products(study)
        self.job = StoreJob(Store(study.store_folder))

    @property
    def jobs(self) -> list[Job]:
        """All planned, as Snakemake does with --forceall."""
        snapshot = {"epoch": "1"}
        named: dict[str, tuple[Mapping[str, str], Sequence[Path]]] = {
            "train": (TRAINING, [path for one in self.trainings for path in one.files.values()]),
            "evaluate_baseline": (TRAINING, [FOLDER / "baseline.h5"]),
            "evaluate_noise": ({**TRAINING, **NOISE}, [FOLDER / "noise/kernels/eta-0.1.h5"]),
            "evaluate_snapshot_baseline": (
                {**TRAINING, **snapshot},
                [FOLDER / "snapshots/epoch-1/baseline.h5"],
            ),
            "evaluate_snapshot_noise": (
                {**TRAINING, **NOISE, **snapshot},
                [FOLDER / "snapshots/epoch-1/noise/kernels/eta-0.1.h5"],
            ),
            "diagnose": (TRAINING, [FOLDER / "diagnostics.h5"]),
            "evaluate_external": (
                {"external": "theirs"},
                [Path("results/s/external/theirs", one) for one in self._external_files()],
            ),
        }
        # The order of a graph is any.
        return [
            Job(rule, values, tuple(map(str, outputs)), stale=True)
            for rule, (values, outputs) in reversed(named.items())
        ]

    @property
    def dataset(self) -> Path:
        return Path(self.products.datasets["digits"])

    @property
    def trainings(self) -> list[Result]:
        described = read_dataset_file(self.dataset)
        return trainings_of(
            described, self.request("train"), FOLDER, self.study.kept_epochs, stored=False
        )

    def request(self, step: str) -> dict[str, Any]:
        values = {"external": "theirs"} if step == "evaluate_external" else {**TRAINING, **NOISE}
        found: dict[str, Any] = json.loads(self.products.request(step, values))
        return found

    def _external_files(self) -> list[str]:
        return list(self.request("evaluate_external"))

    def results(self, rule: str) -> list[Result]:
        """What a job makes, when what it reads is there."""
        described, baseline = read_dataset_file(self.dataset), self.request("evaluate_baseline")
        noise, snapshot = self.request("evaluate_noise"), FOLDER / "snapshots/epoch-1"
        outputs = [Path(one) for job in self.jobs if job.rule == rule for one in job.outputs]
        match rule:
            case "train":
                return self.trainings
            case "evaluate_baseline" | "evaluate_snapshot_baseline":
                folder = snapshot if "snapshot" in rule else FOLDER
                return [evaluation_of("evaluate_baseline", described, baseline, folder, *outputs)]
            case "evaluate_noise" | "evaluate_snapshot_noise":
                folder = snapshot if "snapshot" in rule else FOLDER
                return [evaluation_of("evaluate_noise", described, noise, folder, *outputs)]
            case "diagnose":
                return [diagnosis_of(described, self.request("diagnose"), FOLDER, *outputs)]
            case _:
                return external_evaluations_of(
                    described,
                    self.request("evaluate_external"),
                    Path("theirs.keras"),
                    Path("results/s/external/theirs"),
                )

    def make(self, *rules: str, weights: str = "w") -> None:
        """Run these jobs: they compute, and the store keeps it."""
        for rule in rules:
            results = self.results(rule)

            def compute(folder: Path, missing: Sequence[Result]) -> None:
                for one in missing:
                    for name in one.files:
                        write(folder / (one.part or one.key) / name, name, one, weights)

            self.job.provide(results, compute)

    def run(self, rule: str) -> None:
        """Run a job that is not to compute."""

        def compute(folder: Path, missing: Sequence[Result]) -> NoReturn:
            pytest.fail(f"{rule} computes")

        self.job.provide(self.results(rule), compute)

    def actions(self) -> dict[str, str]:
        return {job.rule: job.action for job in Outlook(self.study).of(self.jobs)}


def write(path: Path, name: str, result: Result, weights: str) -> None:
    """Write a file that states what made it."""
    provenance = Provenance(counts(result.step)[0], device="cpu: 1 thread", sources=result.sources)
    attributes = provenance.attributes(result.request)
    if result.finished_epochs is not None:
        attributes["finished_epochs"] = result.finished_epochs
        attributes["weights_sha256"] = f"{weights}{result.finished_epochs}"
    value = Variable(("slot",), np.array([len(weights)]), "made up")
    write_record(path, KIND_OF_FILE[name], {"optimizer": value, "counters": value}, attributes)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """A study whose dataset is described, and nothing else is there."""
    monkeypatch.chdir(tmp_path)
    made = Made(study_of())
    describe_dataset(made)
    Path("theirs.keras").write_bytes(b"a model")
    return made


def describe_dataset(made: Made, digest: str = "0") -> None:
    names = ("train_images", "train_labels", "test_images", "test_labels")
    sizes = ("classes", "height", "width", "channels", "train_images", "test_images")
    values: dict[str, Any] = {
        "entry": {},
        "counts": dict.fromkeys(sizes, 8),
        "arrays": dict.fromkeys(names, digest * 64),
    }
    values["sha256"] = checksum_of_attributes(values)
    made.dataset.parent.mkdir(parents=True, exist_ok=True)
    made.dataset.write_text(json.dumps(values), encoding="utf-8")


def all_are(action: str, **others: str) -> dict[str, str]:
    return {**dict.fromkeys(RULES, action), **others}


def test_without_anything_all_is_computed(made: Made) -> None:
    assert made.actions() == all_are("compute")


def test_what_is_there_and_planned_stays(made: Made) -> None:
    made.make(*RULES)
    shutil.rmtree("results/store")
    assert made.actions() == all_are("look")
    for rule in RULES:
        made.run(rule)


def test_what_the_store_has_is_restored_by_the_weights_that_will_be_there(made: Made) -> None:
    made.make(*RULES)
    shutil.rmtree("results/s")
    assert made.actions() == all_are("restore")
    for rule in RULES:
        made.run(rule)
    assert made.actions() == all_are("look")


def test_what_is_not_planned_is_nothing(made: Made) -> None:
    made.make(*RULES)
    jobs = [
        replace(job, action=job.action if job.rule == "evaluate_noise" else NOTHING, stale=False)
        for job in made.jobs
    ]
    (FOLDER / "noise/kernels/eta-0.1.h5").unlink()
    found = {job.rule: job.action for job in Outlook(made.study).of(jobs)}
    assert found == all_are("nothing", evaluate_noise="restore")


def test_aggregates_that_are_planned_are_computed(made: Made) -> None:
    made.make(*RULES)
    summary = Path("results/s/summary.h5")
    summary.touch()
    (found,) = Outlook(made.study).of([Job("summarise", {}, (str(summary),), stale=True)])
    assert (found.action, found.stale) == ("compute", True)


def test_only_what_is_there_and_does_not_stay_is_stale(made: Made) -> None:
    made.make("train", "evaluate_baseline")
    write(FOLDER / "diagnostics.h5", "diagnostics.h5", made.results("evaluate_baseline")[0], "")
    stale = {job.rule for job in Outlook(made.study).of(made.jobs) if job.stale}
    assert stale == {"diagnose"}


def test_evaluations_of_a_training_that_is_computed_are_computed(made: Made) -> None:
    made.make(*RULES)
    shutil.rmtree("results/store/train")
    shutil.rmtree(FOLDER)
    assert made.actions() == all_are("compute", evaluate_external="look")


def test_evaluations_of_other_weights_are_computed(made: Made) -> None:
    made.make(*RULES)
    # Trained on another machine: the same request, other bits.
    shutil.rmtree("results/store/train")
    shutil.rmtree(FOLDER)
    made.make("train", weights="other")
    kept = {"train": "look", "evaluate_external": "look"}
    assert made.actions() == all_are("compute", **kept)
    shutil.rmtree("results/s")
    restored = {"train": "restore", "evaluate_external": "restore"}
    assert made.actions() == all_are("compute", **restored)


def test_a_training_that_lacks_a_snapshot_is_computed_and_what_follows_from_its_end_stays(
    made: Made,
) -> None:
    made.make(*RULES)
    shutil.rmtree(FOLDER / "snapshots")
    (entry,) = made.job.store.root.glob("train/*/*/epoch-1")
    kept = {"evaluate_baseline": "look", "evaluate_noise": "look", "evaluate_external": "look"}
    assert made.actions() == all_are("restore", **kept, diagnose="look")
    made.job.store.drop(entry)
    assert made.actions() == all_are("compute", **kept)


def test_without_the_description_of_a_dataset_nobody_knows_and_all_is_computed(made: Made) -> None:
    made.make(*RULES)
    jobs = made.jobs
    made.dataset.unlink()
    assert {job.action for job in Outlook(made.study).of(jobs)} == {"compute"}


def test_other_images_or_labels_make_another_key(made: Made) -> None:
    made.make(*RULES)
    describe_dataset(made, "1")
    assert made.actions() == all_are("compute")


def test_another_model_in_the_file_of_one_trained_elsewhere_is_computed(made: Made) -> None:
    made.make(*RULES)
    Path("theirs.keras").write_bytes(b"another one")
    assert made.actions() == all_are("look", evaluate_external="compute")


def test_without_a_store_all_that_is_planned_is_computed(made: Made) -> None:
    made.make(*RULES)
    without = Made(study_of(store=False))
    assert without.actions() == all_are("compute")


def test_a_store_in_another_folder_is_looked_into(made: Made) -> None:
    made.make(*RULES)
    shutil.rmtree("results/s")
    Path("results/store").rename("shared")
    assert made.actions() == all_are("compute")
    assert Made(study_of(store="shared")).actions() == all_are("restore")


def test_nothing_is_written(made: Made) -> None:
    made.make(*RULES)
    (FOLDER / "baseline.h5").unlink()
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    made.actions()
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before


def keep_state(folder: Path, parameters: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    """Write the state after two epochs, as a training does."""
    from noise_resistance.training.checkpoints import Checkpoint, CheckpointFolder
    from noise_resistance.training.engine import State
    from noise_resistance.training.history import HISTORY, History

    history = History(**{name: [1.0, 0.5] for name in HISTORY})
    state = State(**{name: np.zeros(2, np.float32) for name in State._fields})
    provenance = Provenance("code", sources=sources)
    CheckpointFolder(folder, parameters, provenance).write(Checkpoint(state, history))


def progress_of(made: Made) -> Progress:
    (train,) = (job for job in made.jobs if job.rule == "train")
    return Outlook(made.study).progress(train)


@pytest.mark.parametrize("store", [True, False])
def test_a_training_has_begun_by_the_states_of_its_own_request(made: Made, store: bool) -> None:
    made = Made(study_of(store=store))
    result = made.trainings[0]
    key = FOLDER / ".resume" if not store else made.job.store.key_folder(result)
    states = key / f"states-{version_of('train')}"
    assert progress_of(made) == Progress(0, "")
    keep_state(key / "states-before", result.request, result.sources)
    keep_state(states, {**result.request, "seed": 2}, result.sources)
    assert progress_of(made) == Progress(0, "")
    keep_state(states, result.request, {"dataset_sha256": "others"})
    assert progress_of(made) == Progress(0, "")
    keep_state(states, result.request, result.sources)
    assert progress_of(made) == Progress(2, "")
    with hold(key / "lock"):
        found = progress_of(made)
    assert found.epochs == 2
    assert found.process.startswith("process ")


def test_a_damaged_state_is_none(made: Made) -> None:
    result = made.trainings[0]
    states = made.job.store.key_folder(result) / f"states-{version_of('train')}"
    states.mkdir(parents=True)
    (states / "last.h5").write_bytes(b"half")
    assert progress_of(made) == Progress(0, "")


def test_a_training_on_a_dataset_that_is_not_described_has_not_begun(made: Made) -> None:
    (train,) = (job for job in made.jobs if job.rule == "train")
    made.dataset.unlink()
    assert Outlook(made.study).progress(train) == Progress(0, "")
