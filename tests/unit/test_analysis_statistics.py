"""Equations (7) to (9) and their intervals, against hand-worked and published numbers."""

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from noise_resistance.analysis import statistics
from noise_resistance.analysis.labels import rate_in_force

BASELINE = 0.8
WORKED = {0.0: (0.8, 0.8), 0.1: (0.8, 0.6), 0.2: (0.4, 0.2)}  # accuracies of two draws by level


def table_of(
    accuracies: dict[int, dict[float, tuple[float, ...]]], baselines: dict[int, float]
) -> pd.DataFrame:
    """Make the tidy table of one cell from accuracies by seed, noise level and draw."""
    rows = [
        {
            "dataset": "digits",
            "model": "resnet8",
            "optimizer": "adam",
            "learning_rate": 0.001,
            "seed": seed,
            "scope": "all",
            "noise_level": level,
            "draw": draw,
            "accuracy": accuracy,
            "baseline_accuracy": baselines[seed],
            "normalized_accuracy": accuracy / baselines[seed],
        }
        for seed, by_level in accuracies.items()
        for level, by_draw in by_level.items()
        for draw, accuracy in enumerate(by_draw)
    ]
    return pd.DataFrame(rows)


def test_equations_7_to_9_give_the_hand_worked_numbers() -> None:
    table = table_of({1: WORKED}, {1: BASELINE})
    accuracy = statistics.accuracy(table).set_index("noise_level")["value"]
    normalized = statistics.normalized_accuracy(table).set_index("noise_level")["value"]
    average = statistics.average_normalized_accuracy(table, WORKED)["value"].item()
    assert accuracy.to_dict() == pytest.approx({0.0: 0.8, 0.1: 0.7, 0.2: 0.3})
    assert normalized.to_dict() == pytest.approx({0.0: 1.0, 0.1: 0.875, 0.2: 0.375})
    assert average == pytest.approx((0.875 + 0.375) / 2), "the level 0 has no part in equation (9)"


def test_interval_of_the_average_is_over_averages_of_each_draw() -> None:
    found = statistics.average_normalized_accuracy(
        table_of({1: WORKED}, {1: BASELINE}), WORKED
    ).iloc[0]
    # Draw 0: (1 + 0.5) / 2 = 0.75; draw 1: (0.75 + 0.25) / 2 = 0.5; standard error 0.125; t is
    # 12.7062 for one degree of freedom.
    assert found["low"] == pytest.approx(0.625 - 12.7062 * 0.125, abs=1e-5)
    assert found["high"] == pytest.approx(0.625 + 12.7062 * 0.125, abs=1e-5)
    assert (found["seeds"], found["draws"]) == (1, 2)


@pytest.mark.parametrize(
    ("percent_by_level", "published"),
    [
        ((98.34, 88.81, 80.91, 53.32, 25.25, 12.27), 59.81),
        ((91.12, 63.87, 56.98, 18.33, 4.29, 2.09), 39.45),
    ],
)
def test_equation_9_gives_table_3_from_the_values_in_the_papers_text(
    percent_by_level: tuple[float, ...], published: float
) -> None:
    levels = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4)
    by_level = {
        level: (percent / 100,) for level, percent in zip(levels, percent_by_level, strict=True)
    }
    table = table_of({1: by_level}, {1: 1.0})
    average = statistics.average_normalized_accuracy(table, levels)["value"].item()
    assert 100 * average == pytest.approx(published, abs=0.01)


def test_one_seed_gives_students_t_over_draws() -> None:
    draws = tuple(np.random.default_rng(3).uniform(0.2, 0.7, 25))
    found = statistics.normalized_accuracy(table_of({1: {0.1: draws}}, {1: BASELINE})).iloc[0]
    values = np.array(draws) / BASELINE
    low, high = stats.t.interval(0.95, 24, loc=values.mean(), scale=stats.sem(values))
    assert (found["low"], found["high"]) == pytest.approx((low, high))


def test_several_seeds_give_an_interval_over_seeds_and_draws_each_with_its_own_baseline() -> None:
    # Normalized: seed 1 has 0.9, 0.5; seed 2 has 0.8, 0.2. Means 0.7, 0.5; of draws 0.85, 0.35.
    table = table_of({1: {0.1: (0.72, 0.4)}, 2: {0.1: (0.4, 0.1)}}, {1: 0.8, 2: 0.5})
    found = statistics.normalized_accuracy(table).iloc[0]
    # Mean squares: seeds 2 * 0.02 = 0.04, draws 2 * 0.125 = 0.25, remainder 4 * 0.05^2 = 0.01.
    variance = (0.04 + 0.25 - 0.01) / 4
    # In the degrees of freedom that of the seeds, which has one of its own, weighs 5-fold.
    freedom = (5 * 0.04 + (0.25 - 0.01)) ** 2 / ((5 * 0.04) ** 2 + (0.25 - 0.01) ** 2)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    assert found["value"] == pytest.approx(0.6)
    assert (found["low"], found["high"]) == pytest.approx((0.6 - half, 0.6 + half))
    assert (found["seeds"], found["draws"]) == (2, 2)


def test_a_difference_is_paired_over_draws_and_not_over_seeds() -> None:
    generator = np.random.default_rng(5)
    draws, seeds = generator.normal(0, 0.3, 8), generator.normal(0, 0.01, (2, 4, 1))
    first, second = 0.6 + draws + seeds[0], 0.5 + draws + seeds[1]
    value, low, high = statistics.difference(first, second)
    # What is common to all draws is gone; Welch's interval over the seeds' means is left.
    welch = stats.ttest_ind(first.mean(1), second.mean(1), equal_var=False)
    assert value == pytest.approx(first.mean() - second.mean())
    assert (low, high) == pytest.approx(tuple(welch.confidence_interval(0.95)))


def test_a_baseline_has_an_interval_only_over_seeds() -> None:
    one = statistics.baseline_accuracy(table_of({1: WORKED}, {1: BASELINE})).iloc[0]
    assert one["value"] == BASELINE
    assert math.isnan(one["low"])
    assert math.isnan(one["high"])
    three = statistics.baseline_accuracy(
        table_of(dict.fromkeys((1, 2, 3), WORKED), {1: 0.7, 2: 0.8, 3: 0.9})
    ).iloc[0]
    half = stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3)
    assert (three["value"], three["low"], three["high"]) == pytest.approx(
        (0.8, 0.8 - half, 0.8 + half)
    )


def test_one_draw_of_one_seed_has_no_interval() -> None:
    found = statistics.normalized_accuracy(table_of({1: {0.1: (0.4,)}}, {1: BASELINE})).iloc[0]
    assert found["value"] == 0.5
    assert math.isnan(found["low"])


def test_a_cell_without_one_of_the_levels_has_no_average() -> None:
    table = table_of({1: WORKED}, {1: BASELINE})
    assert math.isnan(
        statistics.average_normalized_accuracy(table, [0.1, 0.2, 0.3])["value"].item()
    )
    without_one_draw = table[~((table["noise_level"] == 0.2) & (table["draw"] == 1))]
    assert math.isnan(
        statistics.average_normalized_accuracy(without_one_draw, WORKED)["value"].item()
    )


def test_cells_are_kept_apart_and_in_the_order_of_the_table() -> None:
    tables = [
        table_of({1: WORKED}, {1: BASELINE}).assign(learning_rate=rate, scope=scope)
        for rate, scope in product((0.002, 0.0005), ("kernels", "all"))
    ]
    found = statistics.average_normalized_accuracy(pd.concat(tables), WORKED)
    expected = [(0.002, "kernels"), (0.002, "all"), (0.0005, "kernels"), (0.0005, "all")]
    assert list(zip(found["learning_rate"], found["scope"], strict=True)) == expected
    assert found["value"].tolist() == pytest.approx([0.625] * 4)


def test_chance_is_one_over_the_classes_over_the_baseline() -> None:
    assert statistics.normalized_chance(10, 0.8) == pytest.approx(0.125)


def test_captions_are_told_what_an_interval_covers() -> None:
    assert statistics.describe_interval(1, 25) == "95 % interval over draws"
    assert statistics.describe_interval(3, 25) == "95 % interval over seeds and draws"
    assert statistics.describe_interval(3, 1) == "95 % interval over seeds"
    assert statistics.describe_interval(1, 1) == ""


def test_a_rate_in_force_is_written_without_the_rounding_of_its_product() -> None:
    assert 0.0001 * 0.001 != 1e-7
    assert rate_in_force(0.0001 * 0.001) == "0.0000001"
    assert rate_in_force(0.000625) == "0.000625"
