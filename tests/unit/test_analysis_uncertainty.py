"""The error by the choice of test images is never above what the table says."""

import numpy as np
import pytest

from noise_resistance.analysis.uncertainty import error_of_test_set

IMAGES = 500


def spread_over_test_sets(right: np.ndarray, shares: np.ndarray) -> tuple[float, float, float]:
    """Draw many test sets from a large population; return A, a_o and the deviation of A."""
    generator = np.random.default_rng(0)
    chosen = generator.integers(0, len(right), (4000, IMAGES))
    ratios = shares[chosen].mean(1) / right[chosen].mean(1)
    return float(shares.mean() / right.mean()), float(right.mean()), float(ratios.std())


@pytest.mark.parametrize("baseline", [0.6, 0.9])
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.95])
@pytest.mark.parametrize("gained", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("sharpness", [0.2, 5.0])
def test_no_population_of_images_has_a_larger_error(
    baseline: float, kept: float, gained: float, sharpness: float
) -> None:
    # Of each image, the share of draws and levels in which it is right: near 0 or 1, or between.
    generator = np.random.default_rng(1)
    right = generator.random(50_000) < baseline
    mean = np.where(right, kept, gained * 0.999)
    shares = generator.beta(sharpness * mean + 1e-3, sharpness * (1 - mean) + 1e-3)
    value, share_right, error = spread_over_test_sets(right, shares)
    bound = error_of_test_set(np.array([value]), np.array([share_right]), IMAGES)
    assert error <= 1.03 * bound  # 4,000 test sets know a deviation to 1.1 %


def test_the_bound_is_reached_where_each_image_is_right_always_or_never() -> None:
    generator = np.random.default_rng(2)
    right = generator.random(50_000) < 0.8
    shares = np.where(right, generator.random(50_000) < 0.5, 1.0)
    value, share_right, error = spread_over_test_sets(right, shares)
    bound = error_of_test_set(np.array([value]), np.array([share_right]), IMAGES)
    assert error == pytest.approx(bound, rel=0.05)


def test_trainings_share_the_test_images_so_more_of_them_make_the_error_no_smaller() -> None:
    one = error_of_test_set(np.array([0.6]), np.array([0.9]), 10_000)
    assert one == pytest.approx(np.sqrt((0.9 * 0.24 + 1.2 * 0.1) / (10_000 * 0.81)))
    assert error_of_test_set(np.full(10, 0.6), np.full(10, 0.9), 10_000) == pytest.approx(one)
