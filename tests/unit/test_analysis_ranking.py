"""The probability to be the best is right as often as it says, also of unequally steady cells."""

import numpy as np
import pytest

from noise_resistance.analysis.ranking import probability_best
from simulated_studies import Spread, unbounded

STUDIES = 300
# Standard deviations between trainings by rate: from steady to fickle.
UNEQUAL = np.array([1.0, 2.0, 4.0, 6.0, 9.0, 12.0])


def made_up(
    generator: np.random.Generator, truth: np.ndarray, seeds: int, deviations: np.ndarray
) -> np.ndarray:
    """Return values by (study, cell, seed, draw) about true means by (study, cell)."""
    studies, cells = truth.shape
    values = unbounded(generator, Spread(0, 20, 10), (studies, cells, seeds, 10))
    effects = generator.standard_normal((studies, cells, seeds, 1)) * deviations[:, None, None]
    return truth[..., None, None] + values + effects * (seeds > 1)


def said_of(values: np.ndarray) -> np.ndarray:
    return np.stack([probability_best(one, simulations=600) for one in values])


@pytest.mark.parametrize(
    ("seeds", "deviations"),
    [(1, UNEQUAL), (3, np.full(6, 5.0)), (3, UNEQUAL), (5, UNEQUAL), (10, UNEQUAL)],
)
def test_rates_are_the_best_as_often_as_their_probability_says(
    seeds: int, deviations: np.ndarray
) -> None:
    generator = np.random.default_rng(seeds)
    truth = generator.normal(0, 10, (STUDIES, 6))
    said = said_of(made_up(generator, truth, seeds, deviations))
    is_best = truth == truth.max(1, keepdims=True)
    assert said.sum(1) == pytest.approx(1)
    for low, high in ((0, 0.1), (0.1, 0.4), (0.4, 0.7), (0.7, 0.9), (0.9, 1.01)):
        chosen = (said >= low) & (said < high)
        error = np.sqrt((said * (1 - said))[chosen].sum()) / chosen.sum()
        assert is_best[chosen].mean() == pytest.approx(said[chosen].mean(), abs=0.03 + 3 * error)


def test_a_fickle_rate_is_not_trusted_as_if_it_were_as_steady_as_the_others() -> None:
    generator = np.random.default_rng(9)
    truth = generator.normal(0, 10, (STUDIES, 6))
    values = truth[..., None, None] + unbounded(generator, Spread(0, 5, 3), (STUDIES, 6, 3, 10))
    values += generator.standard_normal((STUDIES, 6, 3, 1)) * UNEQUAL[:, None, None]
    said = said_of(values)
    is_best = truth == truth.max(1, keepdims=True)
    # With one variance for all rates, 75 % of what is said of the last with 89 % are right, and
    # the two steadiest are told to be the best in 41 studies.
    last = said[:, 5] >= 0.7
    assert is_best[last, 5].mean() >= said[last, 5].mean() - 0.08
    assert (said[:, :2] >= 0.7).sum() >= 55


@pytest.mark.parametrize("order", [UNEQUAL, UNEQUAL[::-1]])
def test_of_means_that_fall_steadily_a_wrong_rate_is_seldom_nearly_certain(
    order: np.ndarray,
) -> None:
    generator = np.random.default_rng(6)
    truth = np.tile(-2.0 * np.arange(6), (STUDIES, 1))
    said = said_of(made_up(generator, truth, 3, order))
    assert (said[:, 1:].max(1) >= 0.9).mean() <= 0.02
    assert said[:, 0].mean() > said[:, 1:].mean(0).max()


def test_of_two_rates_that_are_all_but_tied_neither_is_often_nearly_certain() -> None:
    generator = np.random.default_rng(7)
    truth = np.tile([0.0, -0.01, -10, -10, -10, -10], (STUDIES, 1))
    said = said_of(made_up(generator, truth, 3, UNEQUAL[[2, 3, 0, 1, 4, 5]]))
    assert (said.max(1) >= 0.9).mean() <= 0.1
    assert said[:, :2].sum(1).mean() > 0.55


def test_equal_learning_rates_share_the_probability() -> None:
    values = np.random.default_rng(0).normal(0, 1, (1, 4, 30))
    said = probability_best(np.concatenate([values, values + 1e-9, values - 5]))
    assert said == pytest.approx([0.5, 0.5, 0], abs=0.05)


def test_one_value_a_cell_has_no_probability() -> None:
    assert np.isnan(probability_best(np.ones((2, 1, 1)))).all()


def test_trainings_without_any_spread_are_told_apart() -> None:
    values = np.ones((3, 4, 5)) * np.array([0.5, 0.7, 0.6])[:, None, None]
    assert probability_best(values) == pytest.approx([0, 1, 0])
