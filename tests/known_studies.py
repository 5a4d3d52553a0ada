"""Studies of the paper's grid whose true means are given: tidy tables, no files."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from noise_resistance.analysis.cells import Cells
from noise_resistance.study.grid import Experiment
from noise_resistance.study.outline import DatasetOutline, Outline

__all__ = ["MODELS", "OPTIMIZERS", "RATES", "paper_outline", "study_of"]

RATES = (0.0005, 0.000625, 0.00075, 0.001, 0.00125, 0.0015)
OPTIMIZERS = ("sgd", "sgd_momentum", "sgd_nesterov", "adam", "nadam", "adamax")
MODELS = ("resnet20", "resnet32", "resnet44", "resnet56")


def paper_outline(seeds: int = 5) -> Outline:
    datasets = {
        "cifar10": DatasetOutline("CIFAR10", 10),
        "cifar100": DatasetOutline("CIFAR100", 100),
    }
    names = tuple(datasets)
    low = (0.00005, *RATES)
    return Outline(
        study="paper",
        experiments=(
            Experiment("learning_rate", names, MODELS, ("adam",), RATES, ("all",)),
            Experiment("optimizer", names[:1], MODELS[:1], OPTIMIZERS, (0.00075,), ("all",)),
            Experiment("tradeoff", names, MODELS[:1], ("adam",), low, ("all",)),
        ),
        seeds=tuple(range(1, seeds + 1)),
        noise_levels=(0.01, 0.05, 0.1, 0.2, 0.3, 0.4),
        draws=6,
        epochs=7,
        datasets=datasets,
    )


def study_of(
    outline: Outline,
    average: Callable[..., float],
    baseline: Callable[..., float],
    noise: float = 0.001,
    slope: float = 0.0,
) -> Cells:
    """Make the tidy table of a study whose true means are these functions of the training.

    Args:
        outline: the study.
        average: of a training, its average normalized accuracy.
        baseline: of a training, its baseline accuracy.
        noise: standard deviation of every effect.
        slope: how much normalized accuracy falls by a noise level of 1 more.
    """
    middle = np.mean(outline.noise_levels)
    generator = np.random.default_rng(1)
    rows = []
    for training in outline.trainings:
        a_o = baseline(training) + noise * generator.standard_normal()
        of_seed = noise * generator.standard_normal()
        for level in outline.noise_levels:
            for draw in range(outline.draws):
                normalized = average(training) + of_seed + noise * generator.standard_normal()
                normalized += slope * (middle - level)
                rows.append(
                    {
                        **vars(training),
                        "scope": "all",
                        "noise_level": level,
                        "draw": draw,
                        "test_images": 10_000,
                        "accuracy": a_o * normalized,
                        "baseline_accuracy": a_o,
                        "normalized_accuracy": normalized,
                    }
                )
    return Cells(pd.DataFrame(rows), outline, "all")
