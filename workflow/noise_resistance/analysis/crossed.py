"""Intervals from trainings and draws together, and what the spread is made of.

The design is crossed: value[seed, draw] = mean + effect of the training + effect of the draw + what
is left. Draw 7 is the same z in every training of an architecture, so its effect is common to the
trainings of a cell, and in part to the cells; trainings of different cells are independent, also
where they bear the same seed. `contrast` is a weighted sum of cells under this model: a mean, a
difference between two learning rates, a trend. Satterthwaite, Biometrics Bulletin 2 (1946) 110-114,
gives the degrees of freedom. `docs/uncertainty.md` has the simulations that chose the method.

Every function takes leading axes, so that many studies are computed at once.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

__all__ = [
    "Contrast",
    "VarianceParts",
    "contrast",
    "further_training",
    "mean_squares",
    "variance_parts",
]

_SEEDS_WEIGH = 4  # chosen by simulation, see `docs/uncertainty.md`


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of cells: its value, standard error and degrees of freedom.

    The error and the degrees of freedom are NaN where one value leaves nothing to tell them from.
    """

    value: np.ndarray
    error: np.ndarray
    freedom: np.ndarray

    def limits(self, confidence: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper limit of the interval with this coverage."""
        half = special.stdtrit(self.freedom, (1 + confidence) / 2) * self.error
        return self.value - half, self.value + half


@dataclass(frozen=True)
class VarianceParts:
    """Variances of one value[seed, draw]; NaN where the study cannot tell.

    Attributes:
        seeds: between trainings, for the same draw on average.
        draws: between draws, common to the trainings.
        both: of a training and a draw together; with one seed it is in `draws`.
    """

    seeds: np.ndarray
    draws: np.ndarray
    both: np.ndarray


def contrast(values: np.ndarray, weights: np.ndarray) -> Contrast:
    """Return a weighted sum of cells' means with its standard error over seeds and draws.

    The variance is the seeds' part plus what the draws' part exceeds the remainder by, which both
    contain (`_combined`). With one seed it is the draws' part alone, with one draw the seeds'.

    Args:
        values: by (..., cell, seed, draw), complete.
        weights: by cell.
    """
    *_, seeds, draws = values.shape
    weights = np.asarray(weights, dtype=np.float64)
    value = values.mean((-2, -1)) @ weights
    by_cell = mean_squares(values)
    # Each is the variance of the contrast that the part would give by itself.
    of_cells = weights**2 * by_cell[0] / (seeds * draws)
    of_draws = _variance(np.einsum("...csd,c->...d", values, weights) / seeds, -1) / draws
    remainder = (weights**2 * by_cell[1]).sum(-1) / (seeds * draws)
    if seeds == 1 and draws == 1:
        hole = np.full(value.shape, np.nan)
        return Contrast(value, hole, hole)
    if seeds == 1:
        return Contrast(value, np.sqrt(of_draws), np.full(value.shape, draws - 1.0))
    return _combined(value, of_cells, of_draws, remainder, values)


def further_training(values: np.ndarray) -> Contrast:
    """Return how far one further training's mean over as many new draws lies from this mean.

    The value is 0; the error is that of the difference. The further training brings the seeds'
    variance, and new draws bring theirs once more:
    ((S + 1) MS_seeds + 2 MS_draws - 2 MS_remainder) / (S D). With one seed it is a further
    evaluation of this training.

    Args:
        values: of one cell, by (..., seed, draw), complete.
    """
    *_, seeds, draws = values.shape
    nothing = np.zeros(values.shape[:-2])
    if seeds == 1 and draws == 1:
        return Contrast(nothing, nothing + np.nan, nothing + np.nan)
    if seeds == 1:
        variance = 2 * _variance(values[..., 0, :], -1) / draws
        return Contrast(nothing, np.sqrt(variance), nothing + draws - 1.0)
    by_seed, remainder = mean_squares(values)
    of_seeds = (seeds + 1) * by_seed / (seeds * draws)
    of_draws = 2 * _variance(values.mean(-2), -1) / draws
    of_both = 2 * remainder / (seeds * draws)
    return _combined(nothing, of_seeds[..., np.newaxis], of_draws, of_both, values)


def variance_parts(values: np.ndarray) -> VarianceParts:
    """Split the variance of one cell's values into seeds, draws and both together.

    Args:
        values: by (..., seed, draw), complete.
    """
    *_, seeds, draws = values.shape
    hole = np.full(values.shape[:-2], np.nan)
    if seeds == 1:
        return VarianceParts(hole, _variance(values[..., 0, :], -1) if draws > 1 else hole, hole)
    if draws == 1:
        return VarianceParts(_variance(values[..., 0], -1), hole, hole)
    of_seeds, remainder = mean_squares(values)
    of_draws = seeds * _variance(values.mean(-2), -1)
    return VarianceParts(
        np.maximum(of_seeds - remainder, 0) / draws,
        np.maximum(of_draws - remainder, 0) / seeds,
        remainder,
    )


def _combined(
    value: np.ndarray,
    of_cells: np.ndarray,
    of_draws: np.ndarray,
    remainder: np.ndarray,
    values: np.ndarray,
) -> Contrast:
    """Add up the parts of a variance and give the sum its degrees of freedom.

    Satterthwaite's degrees of freedom weigh the parts by their estimates. Few seeds that happen to
    lie close to each other then lend the sum the draws' many degrees of freedom, and the interval
    misses too often. So the seeds' part, with f degrees of freedom, weighs (1 + 4 / f) times its
    estimate there.

    Args:
        value: of the contrast.
        of_cells: the seeds' part by (..., cell).
        of_draws: the draws' part.
        remainder: what both contain.
        values: by (..., seed, draw), for their numbers.
    """
    *_, seeds, draws = values.shape
    of_seeds = of_cells.sum(-1)
    common = np.maximum(of_draws - remainder, 0)
    variance = of_seeds + common
    with np.errstate(invalid="ignore", divide="ignore"):
        of_their_own = (seeds - 1) * of_seeds**2 / (of_cells**2).sum(-1)
        weight = of_seeds * (1 + _SEEDS_WEIGH / of_their_own)
        spread = weight**2 / of_their_own + (common**2 / (draws - 1) if draws > 1 else 0)
        freedom = np.where(of_seeds > 0, (weight + common) ** 2 / spread, seeds - 1.0)
    return Contrast(value, np.sqrt(variance), np.maximum(freedom, 1.0))


def mean_squares(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean squares of seeds and of the remainder; 0 where there are too few values."""
    *_, seeds, draws = values.shape
    by_seed, by_draw = values.mean(-1, keepdims=True), values.mean(-2, keepdims=True)
    remainder = values - by_seed - by_draw + values.mean((-2, -1), keepdims=True)
    freedom = max((seeds - 1) * (draws - 1), 1)
    return draws * _variance(by_seed[..., 0], -1), (remainder**2).sum((-2, -1)) / freedom


def _variance(values: np.ndarray, axis: int) -> np.ndarray:
    return values.var(axis, ddof=1) if values.shape[axis] > 1 else np.zeros(values.mean(axis).shape)
