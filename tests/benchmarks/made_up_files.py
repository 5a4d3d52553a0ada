"""The files of a finished study, made by the real writers from made-up accuracies.

python tests/benchmarks/made_up_files.py CONFIG PART PARTS

CONFIG is a complete configuration as JSON; every PARTS-th training, beginning with number PART, is
written below the working directory with its evaluations. Nothing is trained: the network's part is
played by random numbers, and the functions that turn outcomes into files are those of the workflow.
Weights and optimizer states are small stand-ins with real attributes.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import astuple
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from noise_resistance.storage import provenance
from noise_resistance.storage.checksums import digest_of, digest_of_arrays
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.storage.sources import write_dataset_file
from noise_resistance.store.fingerprint import fingerprint
from noise_resistance.store.versions import counts, version_of
from noise_resistance.study.arrays import ROLES, Array
from noise_resistance.study.configuration import Study, load
from noise_resistance.study.grid import Evaluation, Training
from noise_resistance.study.layers import layers_of
from noise_resistance.study.seeds import derive_seed
from noise_resistance.training.history import History

TEST_IMAGES = 10_000


def main() -> None:
    configuration, part, parts = sys.argv[1:]
    # Imported for its types alone; without Keras it takes half the time.
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_USE_LEGACY_KERAS="1", CUDA_VISIBLE_DEVICES="-1")
    study = load(json.loads(Path(configuration).read_text(encoding="utf-8")))
    write_files(study, int(part), int(parts))


def write_files(study: Study, part: int = 0, parts: int = 1) -> None:
    from noise_resistance.evaluation import baseline, noise

    # Looked up for every file; here they cannot change.
    provenance.versions = cache(provenance.versions)
    noise.Evaluator = MadeUpEvaluator  # type: ignore[misc,assignment]
    baseline.evaluate_weights = lambda trained, precision: trained.outcome  # type: ignore[assignment]
    paths, requests = study.paths, study.requests
    if part == 0:
        write_datasets(study)
    trainings = study.trainings[part::parts]
    by_training: dict[Training, list[Evaluation]] = {one: [] for one in trainings}
    for evaluation in study.evaluations:
        if evaluation.training in by_training:
            by_training[evaluation.training].append(evaluation)
    for training, evaluations in by_training.items():
        model = MadeUpModel(training, study.catalogue[training.dataset].classes)
        sources = {"dataset_sha256": digest_of_arrays(images_of(training.dataset))}
        epochs = study.recipe.epochs
        attributes = {
            **made_by("train", sources).attributes(requests.training(training)),
            "weights_sha256": model.digest,
            "finished_epochs": epochs,
        }
        for template, kind in ((paths.weights, "weights"), (paths.optimizer, "optimizer")):
            state = {name: stand_in() for name in ("optimizer", "counters")}
            write_record(paths.fill(template, training), kind, state, attributes)
        history = history_of(epochs).variables()
        write_record(paths.fill(paths.history, training), "history", history, attributes)
        sources["weights_sha256"] = model.digest
        baseline.evaluate_baseline(
            model,
            study.noise.precision,
            Path(paths.fill(paths.baseline, training)),
            made_by("evaluate_baseline", sources),
            requests.baseline(training),
        )
        for one in evaluations:
            noise.evaluate_noise(
                model,
                one.scope,
                one.noise_level,
                study.reading(one.scope).settings,
                Path(paths.fill(paths.noise, one)),
                made_by("evaluate_noise", sources),
                requests.evaluation(one),
            )


def made_by(step: str, sources: Mapping[str, str]) -> Provenance:
    return Provenance(counts(step)[0], version_of(step), "cpu: 1 thread", sources=sources)


def write_datasets(study: Study) -> None:
    """Write stand-ins for archives and prepared datasets, so that planning finds them."""
    for name in study.outline.datasets:
        dataset = study.catalogue[name]
        for archive in dataset.archives:
            place = {"dataset": name, "checksum": archive.folder, "archive": archive.name}
            path = Path(study.paths.archive.format(**place))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"an archive")
        attributes = Provenance(fingerprint("prepare_dataset")).attributes(dataset.identity())
        images = {
            one: Variable(("value",), values, "stands in for images")
            for one, values in images_of(name).items()
        }
        path = Path(study.paths.dataset.format(dataset=name, digest=dataset.digest))
        write_record(path.with_suffix(".h5"), "dataset", images, attributes)
        counted = dict.fromkeys(("height", "width", "channels", "train_images", "test_images"), 1)
        write_dataset_file(path, dataset.as_mapping(), {**counted, "classes": dataset.classes})


def images_of(dataset: str) -> dict[str, np.ndarray]:
    """Make up what tells a dataset's content from another's."""
    values = np.frombuffer(dataset.encode(), np.uint8)
    return dict.fromkeys(("train_images", "train_labels", "test_images", "test_labels"), values)


def stand_in() -> Variable:
    return Variable((), np.float64(0.5), "stands in for arrays")


class MadeUpModel:
    """Stands in for a trained model: a baseline, and accuracies that fall with the noise level."""

    def __init__(self, training: Training, classes: int) -> None:
        self.name = training.model
        self.classes = classes
        self.generator = np.random.default_rng(derive_seed(*map(str, astuple(training))))
        self.test_set = SimpleNamespace(count=TEST_IMAGES)
        self.predictions = self.generator.integers(0, classes, TEST_IMAGES).astype(np.int32)
        self.baseline = float(self.generator.uniform(0.85, 0.93))
        self.outcome = self.outcome_of(0.0)
        self.digest = digest_of(dict(zip("abcde", map(str, astuple(training)), strict=True)))

    def outcome_of(self, noise_level: float) -> SimpleNamespace:
        accuracy = self.baseline * np.exp(-4 * noise_level)
        images = TEST_IMAGES // self.classes
        correct = self.generator.binomial(images, accuracy, self.classes).astype(np.int32)
        loss, nonfinite = np.float32(-np.log(accuracy)), np.int32(0)
        return SimpleNamespace(
            correct=correct, loss=loss, nonfinite=nonfinite, predictions=self.predictions
        )


class MadeUpEvaluator:
    """Stands in for `evaluation.engine.Evaluator`; its arrays bear the real ones' names."""

    def __init__(self, trained: MadeUpModel, scope: str, settings: Any) -> None:
        self.trained = trained
        layers = layers_of(trained.name, scope)
        self.arrays = [
            Array(layer, role, ())
            for layer in layers
            for role in (ROLES[2:] if "_bn" in layer else ROLES[: 1 if scope == "kernels" else 2])
        ]
        self.deviations = {array.name: np.float64(0.05) for array in self.arrays}

    def evaluate(self, noise_level: float, draw: int) -> SimpleNamespace:
        return self.trained.outcome_of(noise_level) if noise_level else self.trained.outcome

    def evaluate_clean(self) -> SimpleNamespace:
        return self.trained.outcome


def history_of(epochs: int) -> History:
    history = History()
    for epoch in range(epochs):
        falling = float(np.exp(-3 * epoch / epochs))
        history.append(
            loss=falling,
            accuracy=1 - falling,
            test_accuracy=1 - falling,
            learning_rate=0.001,
            seconds=60.0,
        )
    return history


if __name__ == "__main__":
    main()
