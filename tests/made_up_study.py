"""A study whose jobs have run in no time: its files, logs and store, with made-up numbers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from snakemake.utils import update_config

from made_up_results import add
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.storage.sources import write_dataset_file
from noise_resistance.store.entries import Store
from noise_resistance.store.restoring import Wanted
from noise_resistance.store.results import Result
from noise_resistance.store.study_results import StudyResults
from noise_resistance.study.configuration import load
from noise_resistance.study.paths import wildcards
from noise_resistance.study.products import Products

__all__ = ["CONFIG", "MadeUpStudy"]

ROOT = Path(__file__).parents[1]
# Two trainings, with all that is measured of one.
CONFIG: dict[str, Any] = {
    "study": "tiny",
    "device": "cpu",
    "experiments": [
        {
            "name": "learning_rate",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "learning_rates": [0.001, 0.002],
            "scopes": ["kernels"],
        }
    ],
    "training": {"epochs": 3, "schedule": [[2, 0.1]], "snapshots": [1]},
    "noise": {"levels": [0.1], "draws": 2},
    "diagnostics": {"images": 8, "batches": 2},
    "external_models": {"theirs": {"file": "theirs.keras", "dataset": "digits"}},
}


@dataclass(frozen=True)
class MadeUpStudy:
    """A study in the current folder."""

    products: Products

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "MadeUpStudy":
        """Make it from a configuration, laid over that of the paper."""
        values: dict[str, Any] = {}
        for name in ("datasets", "config"):
            text = (ROOT / f"config/{name}.yaml").read_text(encoding="utf-8")
            update_config(values, yaml.safe_load(text))
        update_config(values, dict(config))
        return cls(Products(load(values)))

    @property
    def store(self) -> Store:
        return Store(self.products.study.store_folder)

    @property
    def jobs(self) -> list[Wanted]:
        """The jobs that train and measure, in the order of the pipeline."""
        study, paths = self.products.study, self.products.paths
        trainings = [dict(wildcards(one)) for one in study.trainings]
        evaluations = [dict(wildcards(one)) for one in study.evaluations]
        epochs = [{"epoch": str(one)} for one in study.snapshots]
        measured = {
            "evaluate_baseline": (trainings, paths.baseline),
            "evaluate_noise": (evaluations, paths.noise),
            "evaluate_snapshot_baseline": (trainings, paths.baseline),
            "evaluate_snapshot_noise": (evaluations, paths.noise),
            "diagnose": (trainings, paths.diagnostics),
        }
        names = ("model.weights.h5", "history.h5", "optimizer.h5")
        outputs = [f"{paths.training}/{name}" for name in names] + self.products.kept(*names)
        jobs = [
            Wanted("train", one, tuple(output.format(**one) for output in outputs))
            for one in trainings
        ]
        for rule, (places, template) in measured.items():
            snapshots = "snapshot" in rule
            path = self.products.of_snapshot(template) if snapshots else template
            for place, epoch in product(places, epochs if snapshots else [{}]):
                values = {**place, **epoch}
                jobs.append(Wanted(rule, values, (path.format(**values),)))
        for name in study.external_models:
            of_it = {"external": name}
            outputs = [one.format(**of_it) for one in self.products.external_outputs()]
            jobs.append(Wanted("evaluate_external", of_it, tuple(outputs)))
        return jobs

    def results(self) -> list[tuple[Wanted, list[Result]]]:
        """All jobs with their results, of a study whose trainings are there."""
        found = StudyResults(self.products)
        return [(job, found.of(job.rule, job.wildcards)) for job in self.jobs]

    def prepare(self) -> None:
        """Write what the jobs read: the datasets, and the models from elsewhere."""
        for name, file in self.products.datasets.items():
            values = np.frombuffer(name.encode(), np.uint8)
            arrays = ("train_images", "train_labels", "test_images", "test_labels")
            images = {one: Variable(("value",), values, "made up") for one in arrays}
            dataset = self.products.study.catalogue[name]
            attributes = Provenance("0" * 16).attributes(dataset.identity())
            write_record(Path(file).with_suffix(".h5"), "dataset", images, attributes)
            counted = ("height", "width", "channels", "train_images", "test_images")
            counts = {**dict.fromkeys(counted, 1), "classes": dataset.classes}
            write_dataset_file(file, dataset.as_mapping(), counts)
        for model in self.products.study.external_models.values():
            Path(model.file).write_bytes(b"a model")

    def run(self) -> None:
        """Write all files and logs as jobs do, and keep them in the store."""
        self.prepare()
        found = StudyResults(self.products)
        for job in self.jobs:
            text = f"computed by {job.rule}\n"
            for result in found.of(job.rule, job.wildcards):
                place = add(self.store, result, log=text)
                for name, path in result.files.items():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes((place / name).read_bytes())
            log = found.log(job.rule, job.wildcards)
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(text, encoding="utf-8")
        settings = Path(self.products.paths.root, "summary.h5")
        write_record(settings, "summary", {}, Provenance("0" * 16).attributes({"made": "up"}))

    def configuration(self, path: Path, config: Mapping[str, Any]) -> Path:
        """Write a configuration file."""
        path.write_text(json.dumps(config), encoding="utf-8")
        return path
