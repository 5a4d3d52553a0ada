"""The probability that each of some cells has the highest true mean.

Bayesian throughout, by importance sampling: true means are a sample of a normal distribution whose
spread is unknown; each cell's variance between trainings is a sample of an inverse chi-square
distribution whose centre and spread are unknown, so that cells lend each other what three seeds do
not tell without being taken for equally steady (Smyth, Statistical Applications in Genetics and
Molecular Biology 3 (2004) 3). `docs/uncertainty.md` says how often the probabilities are right.
"""

import numpy as np
from scipy import stats
from scipy.linalg import helmert

from noise_resistance.analysis.crossed import mean_squares

__all__ = ["probability_best"]

_SIMULATIONS = 8000
# How alike the cells' variances are, as degrees of freedom: from hardly to all but equal.
_FREEDOMS = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 1000.0])
_CENTRES = 31  # of the logarithm of their centre
# The true means' variance, as a factor of the mean square of what is observed.
_PRIOR_RANGE = (0.1, 10.0)


def probability_best(
    values: np.ndarray, seed: int = 0, simulations: int = _SIMULATIONS
) -> np.ndarray:
    """Return for each cell the probability that its mean is the highest.

    Args:
        values: by (cell, seed, draw), complete. With one seed the means are those of these very
            trainings over all draws; with one seed and one draw the result is NaN.
        seed: of the simulation.
        simulations: how many sets of means are drawn.
    """
    cells, seeds, draws = values.shape
    if seeds == 1 and draws == 1:
        return np.full(cells, np.nan)
    generator = np.random.default_rng(seed)
    # Which mean is the highest is decided by contrasts alone, so what is common to all goes.
    contrasts = helmert(cells)
    observed = contrasts @ values.mean((1, 2))
    errors = _error_covariances(generator, values, contrasts, simulations)
    base = max(float(observed @ observed) / (cells - 1), 1e-300)
    low, high = np.log(_PRIOR_RANGE)
    prior = base * np.exp(generator.uniform(low, high, simulations))[:, None, None]
    total = prior * np.eye(cells - 1) + errors
    weights = _likelihoods(observed, total)
    gain = prior * np.linalg.inv(total)
    after = prior * (np.eye(cells - 1) - gain)
    eigenvalues, vectors = np.linalg.eigh((after + after.swapaxes(-1, -2)) / 2)
    normal = generator.standard_normal((simulations, cells - 1))
    scattered = np.einsum("nij,nj->ni", vectors, np.sqrt(np.maximum(eigenvalues, 0)) * normal)
    best = ((gain @ observed + scattered) @ contrasts).argmax(1)
    return np.bincount(best, weights=weights, minlength=cells) / weights.sum()


def _error_covariances(
    generator: np.random.Generator, values: np.ndarray, contrasts: np.ndarray, count: int
) -> np.ndarray:
    """Return samples of the contrasts' error covariance, by (sample, contrast, contrast)."""
    cells, seeds, draws = values.shape
    of_draws = np.zeros((cells, cells))
    if draws > 1:
        of_draws = np.atleast_2d(np.cov(values.mean(1))) / draws
    of_seeds = np.zeros((count, cells))
    if seeds > 1:
        by_seed, remainder = mean_squares(values)
        # The remainder is in the seeds' part already.
        of_draws = _without_negative(of_draws - np.diag(remainder) / (seeds * draws))
        of_seeds = _variances(generator, by_seed / (seeds * draws), seeds - 1, count)
    scale = (draws - 1) / generator.chisquare(draws - 1, count) if draws > 1 else np.ones(count)
    return np.asarray(
        scale[:, None, None] * (contrasts @ of_draws @ contrasts.T)
        + np.einsum("ic,nc,jc->nij", contrasts, of_seeds, contrasts)
    )


def _variances(
    generator: np.random.Generator, estimates: np.ndarray, freedom: int, count: int
) -> np.ndarray:
    """Return samples of the cells' variances, by (sample, cell), given estimates of each.

    An estimate over the centre is F-distributed with its degrees of freedom and those that say how
    alike the variances are; both unknowns are on a grid.
    """
    estimates = np.maximum(estimates, max(float(estimates.max()), 1e-300) * 1e-6)
    logarithms = np.log(estimates)
    centres = np.linspace(logarithms.min() - 1.5, logarithms.max() + 1.5, _CENTRES)
    ratios = np.exp(logarithms - centres[:, None])
    likely = stats.f.logpdf(ratios, freedom, _FREEDOMS[:, None, None]) - centres[:, None]
    surface = likely.sum(-1)
    chances = np.exp(surface - surface.max()).ravel()
    chosen = generator.choice(chances.size, count, p=chances / chances.sum())
    alike = _FREEDOMS[chosen // _CENTRES][:, None]
    centre = np.exp(centres[chosen % _CENTRES])[:, None]
    spread = generator.chisquare(freedom + alike, (count, len(estimates)))
    return np.asarray((freedom * estimates + alike * centre) / spread)


def _likelihoods(observed: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """Return how likely what is observed is under each covariance, up to a factor."""
    solved = np.linalg.solve(covariances, observed[np.newaxis, :, np.newaxis])[..., 0]
    logarithms = -(solved @ observed + np.linalg.slogdet(covariances)[1]) / 2
    return np.asarray(np.exp(logarithms - logarithms.max()))


def _without_negative(covariance: np.ndarray) -> np.ndarray:
    eigenvalues, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.maximum(eigenvalues, 0)) @ vectors.T)
