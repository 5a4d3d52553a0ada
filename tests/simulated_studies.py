"""Made-up studies whose true means are known, for the calibration of intervals."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = ["SPREADS", "Spread", "bounded", "skewed", "unbounded"]


@dataclass(frozen=True)
class Spread:
    """Standard deviations of one average normalized accuracy, in points."""

    seeds: float
    draws: float
    both: float


# As seen in trainings on CIFAR10: from calm cells to those whose draws decide everything.
SPREADS = {
    "usual": Spread(5, 20, 10),
    "draws decide": Spread(3, 35, 10),
    "seeds decide": Spread(8, 3, 5),
    "equal parts": Spread(6, 6, 6),
    "calm": Spread(2, 3, 2),
    # A draw that does to each training something else.
    "remainder": Spread(0, 0, 6),
}


def unbounded(
    generator: np.random.Generator, spread: Spread, shape: tuple[int, int, int, int]
) -> np.ndarray:
    """Return Gaussian values by (study, cell, seed, draw) with true mean 0, in points.

    Half of the draws' variance is common to the cells.
    """
    return _crossed(generator.standard_normal, spread, shape)


def skewed(
    generator: np.random.Generator, spread: Spread, shape: tuple[int, int, int, int]
) -> np.ndarray:
    """Return values as `unbounded`, of gamma-distributed effects with skewness -1."""
    return _crossed(lambda size: -(generator.gamma(4, 1, size) - 4) / 2, spread, shape)


def bounded(
    generator: np.random.Generator, spread: Spread, shape: tuple[int, int, int, int]
) -> np.ndarray:
    """Return values that lie between chance and 100 %, their true mean subtracted, in points.

    A Gaussian is squeezed by a logistic curve around 65 %, as accuracies are by chance and 1.
    """
    latent = _crossed(generator.standard_normal, spread, shape) / 100
    total = float(np.hypot(np.hypot(spread.seeds, spread.draws), spread.both)) / 100
    nodes, weights = np.polynomial.hermite_e.hermegauss(201)
    mean = (weights * _squeeze(total * nodes)).sum() / weights.sum()
    return 100 * (_squeeze(latent) - mean)


def _squeeze(latent: np.ndarray) -> np.ndarray:
    return np.asarray(0.1 + 0.9 * stats.logistic.cdf(0.45 + 4.4 * latent))


def _crossed(effect, spread: Spread, shape: tuple[int, int, int, int]) -> np.ndarray:  # type: ignore[no-untyped-def]
    studies, cells, seeds, draws = shape
    common = np.sqrt(0.5) * (effect((studies, 1, 1, draws)) + effect((studies, cells, 1, draws)))
    return (
        spread.seeds * effect((studies, cells, seeds, 1))
        + spread.draws * common
        + spread.both * effect(shape)
    )
