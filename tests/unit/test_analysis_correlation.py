"""Rank correlations over cells: known numbers, and intervals and tests that are right as often."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from noise_resistance.analysis.correlation import FEWEST_FOR_INTERVAL, rank_correlation

STUDIES = 400


def made_up(
    generator: np.random.Generator, cells: int, rho: float, seeds: int, within: float = 0.5
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Make trainings whose cells are normal with correlation rho, seeds scattered about them."""
    covariance = [[1, rho], [rho, 1]]
    of_cells = generator.multivariate_normal([0, 0], covariance, cells)
    values = of_cells[:, None] + within * generator.standard_normal((cells, seeds, 2))
    x, y = values.reshape(-1, 2).T
    return x, y, list(np.repeat(np.arange(cells), seeds))


def true_correlation(rho: float, seeds: int, within: float = 0.5) -> float:
    """Spearman's correlation of normal cell means, from Pearson's."""
    return float(6 / np.pi * np.arcsin(rho / (1 + within**2 / seeds) / 2))


def test_replicates_are_averaged_and_cells_ranked() -> None:
    x = [1, 3, 5, 7, 9, 9, 2, 2]
    y = [1, 1, 5, 3, 2, 2, 9, 9]
    found = rank_correlation(x, y, ["a", "a", "b", "b", "c", "c", "d", "d"])
    # Means: a (2, 1), b (6, 4), c (9, 2), d (2, 9); ranks 1.5 3 4 1.5 and 1 3 2 4.
    assert found.value == pytest.approx(np.corrcoef([1.5, 3, 4, 1.5], [1, 3, 2, 4])[0, 1])
    assert found.cells == 4
    orders = [np.corrcoef([1.5, 3, 4, 1.5], one)[0, 1] for one in permutations([1, 3, 2, 4])]
    assert found.p == pytest.approx(np.mean(np.abs(orders) >= abs(found.value) - 1e-9))
    assert np.isnan(found.low)
    assert np.isnan(found.high)


def test_the_interval_is_fishers_with_bonett_and_wrights_variance() -> None:
    x, y, groups = made_up(np.random.default_rng(3), 16, 0.7, 1)
    found = rank_correlation(x, y, groups)
    rho, p = stats.spearmanr(x, y)
    half = 1.959964 * np.sqrt((1 + rho**2 / 2) / 13)
    assert found.value == pytest.approx(rho)
    assert np.arctanh([found.low, found.high]) == pytest.approx(
        [np.arctanh(rho) - half, np.arctanh(rho) + half]
    )
    assert found.p == pytest.approx(p, abs=0.01)


def test_what_is_not_known_is_left_out_and_what_cannot_be_told_is_nan() -> None:
    found = rank_correlation([1, 2, 3, np.nan, 5], [1, 2, 3, 4, np.inf], list(range(5)))
    assert found.cells == 3
    assert np.isnan([found.value, found.low, found.high, found.p]).all()
    assert np.isnan(rank_correlation([1] * 12, range(12), range(12)).value)
    assert rank_correlation([], [], []).cells == 0


def test_agreement_of_all_ranks_has_a_lower_limit_below_one() -> None:
    found = rank_correlation(range(12), range(12), range(12))
    assert (found.value, found.high) == (1, 1)
    assert 0.9 < found.low < 1
    assert found.p < 0.001
    turned = rank_correlation(range(12), range(0, -12, -1), range(12))
    assert (turned.low, turned.high) == (-1, pytest.approx(-found.low))


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("cells", [FEWEST_FOR_INTERVAL, 24])
@pytest.mark.parametrize("rho", [0, 0.6, 0.9])
def test_intervals_cover_the_truth_whatever_the_number_of_replicates(
    cells: int, rho: float, seeds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noise_resistance.analysis.correlation._PERMUTATIONS", 1)
    generator = np.random.default_rng(cells + seeds)
    truth = true_correlation(rho, seeds)
    found = [rank_correlation(*made_up(generator, cells, rho, seeds)) for _ in range(STUDIES)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.93 - 0.025 <= covered <= 0.97 + 0.02  # two standard errors of the simulation


@pytest.mark.parametrize(("cells", "seeds"), [(5, 3), (6, 3), (12, 3)])
def test_the_test_finds_a_correlation_where_there_is_none_in_at_most_5_percent(
    cells: int, seeds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noise_resistance.analysis.correlation._PERMUTATIONS", 199)
    generator = np.random.default_rng(cells)
    found = [rank_correlation(*made_up(generator, cells, 0, seeds)).p for _ in range(STUDIES)]
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 0.022
