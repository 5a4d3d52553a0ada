"""A study of made-up accuracies: real HDF5 files, no training."""

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from noise_resistance.analysis.summary import summarise
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.store.versions import counts, version_of
from noise_resistance.study.grid import Evaluation, Experiment, Training
from noise_resistance.study.outline import DatasetOutline, Outline
from noise_resistance.study.specification import Specification

PROVENANCE = Provenance("0" * 16)
# What makes each kind of measured file.
STEPS = {
    "history": "train",
    "baseline": "evaluate_baseline",
    "noise": "evaluate_noise",
    "diagnostics": "diagnose",
}
OPTIMIZERS = ("sgd", "sgd_momentum", "sgd_nesterov", "adam", "nadam", "adamax")
DATASETS = {
    "digits": DatasetOutline("Digits", 10),
    "digit_pairs": DatasetOutline("Digit pairs", 100),
}


@dataclass(frozen=True)
class SyntheticStudy:
    """What was written, and the numbers that went in."""

    outline: Outline
    folder: Path
    baselines: dict[Training, float]
    accuracies: dict[Evaluation, np.ndarray]

    @property
    def summary(self) -> Path:
        return self.folder / f"{self.outline.paths.summary}.h5"

    def file(self, template: str, one: Training | Evaluation) -> Path:
        return self.folder / self.outline.paths.fill(template, one)


def outline_of(
    models: int = 2,
    rates: int = 3,
    datasets: int = 2,
    optimizers: int = 6,
    seeds: int = 1,
    draws: int = 4,
) -> Outline:
    names = tuple(DATASETS)[:datasets]
    depths = tuple(f"resnet{depth}" for depth in (8, 14, 20, 26)[:models])
    learning_rates = tuple(round(0.0005 * 1.5**index, 6) for index in range(rates))
    scopes = ("kernels", "all")
    return Outline(
        study="synthetic",
        experiments=(
            Experiment("learning_rate", names, depths, ("adam",), learning_rates, scopes),
            Experiment(
                "optimizer",
                names[:1],
                depths[:1],
                OPTIMIZERS[:optimizers],
                (learning_rates[0],),
                scopes,
            ),
            Experiment("tradeoff", names, depths, ("adam",), (0.00001, *learning_rates), scopes),
        ),
        seeds=tuple(range(1, seeds + 1)),
        noise_levels=(0, 0.05, 0.2, 0.4),
        draws=draws,
        epochs=7,
        datasets={name: DATASETS[name] for name in names},
    )


def specification_of(outline: Outline) -> Specification:
    """What the made-up files say they were made from."""
    noise = {
        "draws": outline.draws,
        "seed": 0,
        "sigma_of": "array",
        "variance_policy": "clip",
        "precision": "float32",
        "kind": "additive",
    }
    recipe = {
        "epochs": outline.epochs,
        "batch_size": 32,
        "l2": 0.0001,
        "schedule": [[5, 0.1]],
        "shift": 0.1,
        "horizontal_flip": True,
        "subtract_pixel_mean": True,
        "precision": "float32",
    }
    return Specification(
        recipe=recipe,
        optimizers={name: {"class": name, "arguments": {}} for name in OPTIMIZERS},
        datasets={name: {"name": name, "version": "1"} for name in DATASETS},
        noise=noise,
        readings={name: {"arrays": name, "settings": noise} for name in ("kernels", "all")},
        layer_scope="kernels",
        diagnostics={"images": 16, "batches": 4, "epochs": [5]},
    )


def attributes_of(
    outline: Outline, one: Training | Evaluation, kind: str, snapshot: int | None = None
) -> dict[str, Any]:
    """Return the attributes of a measured file of this kind, as the workflow writes them.

    Args:
        outline: the study.
        one: a training, or an evaluation for the kind ``noise``.
        kind: ``history``, ``baseline``, ``noise`` or ``diagnostics``.
        snapshot: after how many epochs, of a snapshot.
    """
    specification = specification_of(outline)
    if isinstance(one, Evaluation):
        training, parameters = one.training, specification.evaluation(one)
    else:
        training = one
        request = {
            "history": specification.training,
            "baseline": specification.baseline,
            "diagnostics": specification.diagnosis,
        }
        parameters = request[kind](one)
    step = STEPS[kind]
    return {
        **Provenance(counts(step)[0], version_of(step)).attributes(parameters),
        "weights_sha256": hashlib.sha256(f"{training} {snapshot}".encode()).hexdigest(),
        "dataset_sha256": hashlib.sha256(training.dataset.encode()).hexdigest(),
    }


def made_up_table(outline: Outline) -> pd.DataFrame:
    """Make the tidy table of a study, as `read_summary` gives it, without any file."""
    generator = np.random.default_rng(7)
    baselines = {one: float(generator.uniform(0.6, 0.95)) for one in outline.trainings}
    rows = [
        {
            **vars(one.training),
            "scope": one.scope,
            "noise_level": one.noise_level,
            "draw": draw,
            "accuracy": accuracy,
            "baseline_accuracy": baselines[one.training],
            "test_images": 1000,
            "settled": 1.0,
            "settled_before_decay": 0.0,
            "normalized_accuracy": accuracy / baselines[one.training],
        }
        for one in outline.evaluations
        for draw, accuracy in enumerate(
            falling(one, baselines[one.training], generator, outline.draws)
        )
    ]
    return pd.DataFrame(rows)


def write_study(folder: Path, outline: Outline) -> SyntheticStudy:
    """Write every file that the analysis reads, the summary among them."""
    generator = np.random.default_rng(7)
    paths = outline.paths
    baselines = {one: float(generator.uniform(0.6, 0.95)) for one in outline.trainings}
    accuracies = {
        one: falling(one, baselines[one.training], generator, outline.draws)
        for one in outline.evaluations
    }
    with contextlib.chdir(folder):
        for training, baseline in baselines.items():
            variables = {
                "accuracy": Variable((), baseline, "test accuracy"),
                "prediction": Variable(("test_image",), np.zeros(1000, np.int64), "class"),
            }
            attributes = attributes_of(outline, training, "baseline")
            write_record(paths.fill(paths.baseline, training), "baseline", variables, attributes)
            # The first training's loss still fell at the end.
            falling_loss = training == outline.trainings[0]
            losses = np.linspace(2, 1, outline.epochs) if falling_loss else np.ones(outline.epochs)
            rates = np.full(outline.epochs, training.learning_rate)
            for epoch, factor in outline.schedule:
                rates[epoch:] = training.learning_rate * factor
            history = {
                "loss": Variable(("epoch",), losses, "loss"),
                "learning_rate": Variable(("epoch",), rates, "learning rate"),
            }
            attributes = attributes_of(outline, training, "history")
            write_record(paths.fill(paths.history, training), "history", history, attributes)
        for evaluation, accuracy in accuracies.items():
            by_draw = {
                "accuracy": accuracy,
                "loss": 1 - accuracy,
                "nonfinite": np.zeros(len(accuracy), np.int64),
            }
            variables = {
                name: Variable(("draw",), values, name) for name, values in by_draw.items()
            }
            attributes = attributes_of(outline, evaluation, "noise")
            write_record(paths.fill(paths.noise, evaluation), "noise", variables, attributes)
        summarise(outline, Path(f"{paths.summary}.csv"), Path(f"{paths.summary}.h5"), PROVENANCE)
    return SyntheticStudy(outline, folder, baselines, accuracies)


def falling(
    evaluation: Evaluation, baseline: float, generator: np.random.Generator, draws: int
) -> np.ndarray:
    """Accuracies that fall with the noise level; without noise they are the baseline."""
    if evaluation.noise_level == 0:
        return np.full(draws, baseline)
    mean = baseline * np.exp(-4 * evaluation.noise_level)
    return np.clip(mean + 0.03 * generator.standard_normal(draws), 0.01, 1)
