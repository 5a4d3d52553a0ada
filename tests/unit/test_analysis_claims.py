"""Claims, comparison and best rates of studies whose answers are known by construction."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from known_studies import RATES, paper_outline, study_of
from noise_resistance.analysis import best_rate, checks, claims, comparison, uncertainty
from noise_resistance.analysis.cells import Cells
from noise_resistance.analysis.figures import learning_rate, optimizer, style, tradeoff
from noise_resistance.analysis.published import KEYS, published
from noise_resistance.store import fingerprint
from synthetic_study import outline_of, write_study

TABLE3 = published("average_normalized_accuracy", "Table III").set_index(KEYS)["value"].to_dict()
TABLE2 = published("baseline_accuracy", "Table II").set_index(KEYS)["value"].to_dict()


def good(one) -> float:  # type: ignore[no-untyped-def]
    """Every claim on noise holds: falling above 0.0005, with depth, classes and fixed steps."""
    value = 0.9 - 100 * max(one.learning_rate - 0.0005, 0) - 0.001 * int(one.model[6:])
    value -= 0.3 * (one.learning_rate < 0.0005) + 0.3 * (one.dataset == "cifar100")
    if one.dataset == "cifar10" and (one.model in ("resnet32", "resnet44")):
        value += 0.03 * (one.learning_rate == 0.000625)
    if one.dataset == "cifar100" and (one.model in ("resnet20", "resnet32")):
        value += 0.03 * (one.learning_rate == 0.000625)
    return value - 0.3 * one.optimizer.startswith("sgd")


def good_baseline(one) -> float:  # type: ignore[no-untyped-def]
    value = 0.9 - 0.2 * (one.dataset == "cifar100") + 0.02 * (one.learning_rate >= 0.001)
    return value - 0.2 * one.optimizer.startswith("sgd") - 0.2 * (one.learning_rate < 0.0005)


def bad(one) -> float:  # type: ignore[no-untyped-def]
    value = 1.3 - good(one)
    return value + 0.05 * (one.learning_rate == 0.0015)


def bad_baseline(one) -> float:  # type: ignore[no-untyped-def]
    return 1.5 - good_baseline(one) - 0.1 * (one.learning_rate == 0.0015)


def verdicts(cells: Cells) -> dict[str, set[str]]:
    found = claims.claims_of(cells)
    return found.groupby("claim")["verdict"].agg(set).to_dict()


def test_every_claim_holds_where_the_truth_is_as_the_paper_says() -> None:
    found = verdicts(study_of(paper_outline(), good, good_baseline, slope=0.2))
    assert len(found) == 18
    assert found == {name: {"holds"} for name in found}


def test_every_claim_fails_where_the_truth_is_the_opposite() -> None:
    found = verdicts(study_of(paper_outline(), bad, bad_baseline, slope=-0.2))
    assert found == {name: {"fails"} for name in found}


def test_every_claim_is_undecided_where_nothing_differs_and_the_noise_is_large() -> None:
    flat = study_of(paper_outline(seeds=3), lambda _: 0.6, lambda _: 0.7, noise=0.02)
    found = verdicts(flat)
    undecided = [name for name, said in found.items() if "undecided" in said]
    # Baselines are the same at every rate, so that claim may hold; and equal shares of what is
    # right without correction are not equal with it.
    assert set(found) - set(undecided) <= {
        "baseline_spread_small",
        "easier_task_more_resistant_corrected",
    }
    assert "fails" not in found["baseline_spread_small"]
    spread = verdicts(study_of(paper_outline(seeds=3), lambda _: 0.6, lambda _: 0.7, noise=0.05))
    assert "undecided" in spread["baseline_spread_small"]
    equal = {
        "cifar10": 0.6,
        "cifar100": 0.01 / 0.7 + (0.6 - 1 / 7) / (1 - 1 / 7) * (1 - 0.01 / 0.7),
    }
    corrected = study_of(
        paper_outline(seeds=3), lambda one: equal[one.dataset], lambda _: 0.7, noise=0.02
    )
    assert verdicts(corrected)["easier_task_more_resistant_corrected"] == {"undecided"}


def test_a_wrong_verdict_is_as_rare_as_the_interval_says() -> None:
    wrong = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        values = generator.normal(0.6, 0.05, (3, 3, 6)) + generator.normal(0, 0.1, 6)
        names = [("d", "m", "o", rate) for rate in (1.0, 2.0, 3.0)]
        table = dict(zip(names, values, strict=True))
        parts = [checks.difference_of(table, [names[0]], [one]) for one in names[1:]]
        wrong += checks.decide([parts]).verdict in ("holds", "fails")
    assert wrong <= 0.05 * 200 + 3 * np.sqrt(0.05 * 0.95 * 200)


def test_with_one_seed_baselines_are_undecided_and_noise_is_of_draws_only() -> None:
    found = claims.claims_of(study_of(paper_outline(seeds=1), good, good_baseline))
    baseline = found[found["claim"] == "easier_task_better_baseline"].iloc[0]
    assert (baseline["verdict"], baseline["note"]) == (
        "undecided",
        "no interval: needs several seeds",
    )
    noise = found[found["claim"] == "easier_task_more_resistant"].iloc[0]
    assert (noise["verdict"], noise["note"]) == (
        "holds",
        "these trainings only: one seed, interval over draws",
    )


def test_low_rates_are_tested_at_0_00005_and_lower_at_noise_level_0_1() -> None:
    outline = paper_outline()
    tradeoff = replace(outline.experiments[2], learning_rates=(0.00005, 0.0004, *RATES))
    outline = replace(outline, experiments=(*outline.experiments[:2], tradeoff))
    cells = study_of(
        outline,
        lambda one: {0.00005: 0.3, 0.0004: 0.9}.get(one.learning_rate, 0.5),
        lambda one: {0.00005: 0.7, 0.0004: 0.9}.get(one.learning_rate, 0.75),
        noise=0.0001,
        slope=1.0,
    )
    found = claims.claims_of(cells).groupby("claim")["value"].first()
    # The study's noise levels have the mean 0.1767, so at each level all rates shift alike.
    assert found["lowest_rates_less_resistant"] == pytest.approx(0.5 - 0.3, abs=0.001)
    assert found["low_rates_less_resistant"] == pytest.approx(0.5 - (0.3 + 0.9) / 2, abs=0.001)
    assert found["lowest_rates_worse_baseline"] == pytest.approx(0.05, abs=0.001)
    assert found["low_rates_worse_baseline"] == pytest.approx(0.75 - 0.8, abs=0.001)
    at_level = replace(outline, noise_levels=(0.05, 0.2))
    without = claims.claims_of(study_of(at_level, good, good_baseline)).set_index("claim")
    assert without.loc["lowest_rates_less_resistant", "verdict"] == "not tested"
    assert without.loc["lowest_rates_less_resistant", "note"].startswith("needs noise level 0.1,")


def test_accuracy_that_rises_between_two_noise_levels_at_one_rate_fails_that_claim() -> None:
    cells = study_of(paper_outline(), good, good_baseline, slope=0.2)
    table = cells.table.copy()
    odd = (table["noise_level"] == 0.3) & (table["model"] == "resnet32")
    odd &= (table["learning_rate"] == 0.001) & (table["dataset"] == "cifar10")
    table.loc[odd, "normalized_accuracy"] += 0.1
    found = claims.claims_of(replace(cells, table=table))
    found = found[found["claim"] == "accuracy_falls_with_noise"].set_index("where")
    assert found.loc["ResNet32, CIFAR10", "verdict"] == "fails"
    assert found.loc["ResNet32, CIFAR10", "value"] == pytest.approx(0.02 - 0.1, abs=0.002)
    assert found.drop("ResNet32, CIFAR10")["verdict"].eq("holds").all()


def test_a_claim_that_the_study_cannot_test_says_what_it_needs() -> None:
    outline = paper_outline()
    alone = replace(outline, experiments=outline.experiments[:1])
    found = claims.claims_of(study_of(alone, good, good_baseline)).set_index("claim")
    row = found.loc["adaptive_more_resistant"]
    assert row["verdict"] == "not tested"
    assert row["note"].startswith("needs experiment optimizer")


def test_chance_correction_can_turn_the_task_claim_round() -> None:
    # At chance both tasks have lost everything, yet 10 classes keep a larger share.
    outline = paper_outline()
    chance = {"cifar10": 0.1 / 0.9, "cifar100": 0.012 / 0.7}
    cells = study_of(
        outline,
        lambda one: chance[one.dataset],
        lambda one: 0.9 if one.dataset == "cifar10" else 0.7,
        noise=0.0001,
    )
    found = verdicts(cells)
    assert found["easier_task_more_resistant"] == {"holds"}
    assert found["easier_task_more_resistant_corrected"] == {"fails"}


def test_published_values_are_the_papers() -> None:
    table = published()
    assert table["source"].value_counts().to_dict() == {
        "Table II": 48,
        "Table III": 48,
        "Figure 3": 12,
        "Section III-2": 12,
        "Section III-3": 12,
    }
    assert set(table["learning_rate"]) == set(RATES), "0.000725 is the 0.00075 of the text"
    assert TABLE3["cifar100", "resnet56", "adam", 0.00125] == pytest.approx(0.0367)
    text = table[table["source"] == "Section III-2"].groupby("dataset")["value"].mean()
    for dataset in ("cifar10", "cifar100"):
        assert text[dataset] == pytest.approx(
            TABLE3[dataset, "resnet56", "adam", 0.00075], abs=1e-4
        )


def test_the_published_values_are_in_the_fingerprint_of_what_shows_them() -> None:
    for step in ("comparison", "claims", "learning_rate_figure", "tradeoff_figure"):
        assert "analysis.published" in fingerprint.modules_behind(fingerprint.STEPS[step][0])
    assert "analysis.published" not in fingerprint.modules_behind("training.train")
    assert "analysis.published" not in fingerprint.modules_behind("analysis.summary")


def of(values: dict[tuple[object, ...], float], default: float) -> Callable[..., float]:
    return lambda one: values.get(
        (one.dataset, one.model, one.optimizer, one.learning_rate), default
    )


def test_a_study_with_the_papers_means_agrees_and_one_far_away_does_not() -> None:
    near = study_of(paper_outline(), of(TABLE3, 0.6), of(TABLE2, 0.8), noise=0.01)
    values = comparison.compare(near)
    agrees = values[values["source"] == "Table III"]["agrees"]
    assert (agrees == "yes").mean() > 0.9
    reading = comparison.readings_of(near)
    assert reading["cells"] == 48
    assert reading["spearman"] > 0.98
    assert reading["rmse"] < 0.01
    far = study_of(
        paper_outline(),
        lambda one: 1 - TABLE3.get((one.dataset, one.model, one.optimizer, one.learning_rate), 0.5),
        of(TABLE2, 0.8),
    )
    reading = comparison.readings_of(far)
    expected = [1 - 2 * value for value in TABLE3.values()]
    assert reading["spearman"] == pytest.approx(-1, abs=0.01)
    assert reading["rmse"] == pytest.approx(np.sqrt(np.mean(np.square(expected))), abs=0.001)
    values = comparison.compare(far)
    assert (values[values["source"] == "Table III"]["agrees"] == "no").mean() > 0.9


def test_what_is_missing_is_said_for_any_subset_of_the_grid() -> None:
    outline = replace(paper_outline(), noise_levels=(0.05, 0.4))
    values = comparison.compare(study_of(outline, good, good_baseline))
    text = values[values["source"] == "Section III-2"]
    at = text.set_index("noise_level")["agrees"]
    assert (at[0.1] == "missing").all()
    assert (at[0.05] != "missing").all()
    needs = text.set_index("noise_level")["missing"]
    assert needs[0.01].iloc[0] == "noise level 0.01", "the cell is there"
    alone = replace(outline, experiments=outline.experiments[2:])
    values = comparison.compare(study_of(alone, good, good_baseline))
    row = values[(values["source"] == "Table III") & (values["model"] == "resnet56")].iloc[0]
    assert row["missing"] == (
        "cifar10, resnet56, adam, learning rate 0.0005, noise levels 0.01, 0.1, 0.2, 0.3"
    )


def test_averages_over_other_noise_levels_than_the_papers_are_not_compared_with_its() -> None:
    outline = replace(paper_outline(), noise_levels=(0.05, 0.1, 0.4))
    cells = study_of(outline, of(TABLE3, 0.6), of(TABLE2, 0.8))
    values = comparison.compare(cells).groupby("quantity")
    averages = values.get_group("average_normalized_accuracy")
    assert (averages["agrees"] == "missing").all()
    assert set(averages["missing"]) == {"noise levels 0.01, 0.2, 0.3"}
    assert (values.get_group("baseline_accuracy")["agrees"] != "missing").all()
    assert comparison.readings_of(cells)["cells"] == 0


def test_averages_are_over_the_papers_noise_levels_where_the_study_has_more() -> None:
    levels = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4)
    outline = replace(paper_outline(), noise_levels=(0.0, *levels, 0.8))
    cells = study_of(outline, lambda _: 0.6, lambda _: 0.8, noise=0, slope=0.5)
    values = comparison.compare(cells)
    found = values[values["source"] == "Table III"]["value"]
    middle = np.mean(outline.noise_levels)
    assert list(found) == pytest.approx([0.6 + 0.5 * (middle - np.mean(levels))] * 48)
    assert cells.average["cifar10", "resnet20", "adam", 0.001].mean() < found.iloc[0] - 0.02


def test_best_rates_and_pareto_front_of_a_known_study() -> None:
    found = best_rate.rates_of(study_of(paper_outline(), good, good_baseline))
    row = found[(found["dataset"] == "cifar10") & (found["model"] == "resnet20")]
    best = row.set_index("learning_rate")
    assert best["probability_best"].idxmax() == 0.0005
    assert best.loc[0.0005, "probability_best"] > 0.95
    assert best["probability_best"].sum() == pytest.approx(1)
    # 0.001 has the better baseline of the two kinds and the best resistance among its kind.
    assert not best.loc[0.00005, "on_front"]
    assert best.loc[0.0005, "on_front"]
    assert not best.loc[0.0005, "behind_best"]
    assert best.loc[0.0015, "behind_best"] == pytest.approx(0.1, abs=0.005)


def test_a_point_is_on_the_front_unless_another_is_as_good_in_all_and_better_in_one() -> None:
    points = np.array([[1, 3], [2, 2], [2, 1], [0, 0], [2, 2]])
    assert best_rate.pareto_front(points).tolist() == [True, True, False, False, True]


def test_figures_draw_the_papers_values_where_the_grid_has_them() -> None:
    outline = paper_outline(seeds=1)
    table = study_of(outline, good, good_baseline).table
    with style.styled():
        first = learning_rate.figure_of(table, outline, "all", "cifar10")
        third = optimizer.figure_of(table, outline, "all")
        fourth = tradeoff.figure_of(table, outline, "all")
    deepest = next(axes for axes in first.axes if axes.get_title() == "ResNet56")
    curve = next(line for line in deepest.lines if line.get_markerfacecolor() == "none")
    assert list(curve.get_ydata()) == pytest.approx(
        [0.9834, 0.8881, 0.8091, 0.5332, 0.2525, 0.1227]
    )
    hollow = [line for line in third.axes[0].lines if line.get_markerfacecolor() == "none"]
    assert list(hollow[1].get_xdata()) == pytest.approx([0.52, 0.6, 0.6, 0.72, 0.7, 0.68])
    hollow = [line for line in fourth.axes[0].lines if line.get_markerfacecolor() == "none"]
    assert list(hollow[1].get_ydata()) == pytest.approx(
        [0.7228, 0.7193, 0.7157, 0.6815, 0.6087, 0.5526]
    )
    for figure in (first, third, fourth):
        assert "paper" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_figures_draw_no_average_of_the_paper_beside_one_over_other_noise_levels() -> None:
    outline = replace(paper_outline(seeds=1), noise_levels=(0.1, 0.4))
    table = study_of(outline, good, good_baseline).table
    with style.styled():
        third = optimizer.figure_of(table, outline, "all")
        fourth = tradeoff.figure_of(table, outline, "all")
    for figure in (third, fourth):
        hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "none"]
        assert len(hollow) == 1, "the baselines"
        assert TABLE2["cifar10", "resnet20", "adam", 0.00075] in [
            *hollow[0].get_xdata(),
            *hollow[0].get_ydata(),
        ]


def test_tables_are_written_from_files_with_named_columns(tmp_path: Path) -> None:
    study = write_study(tmp_path, outline_of(seeds=3))
    with contextlib.chdir(tmp_path):
        uncertainty.write(study.outline, study.summary, "all", tmp_path / "uncertainty-all")
    best_rate.write(study.outline, study.summary, "all", tmp_path / "best_rate-all")
    comparison.write(study.outline, study.summary, "all", tmp_path / "comparison-all")
    comparison.write_readings(study.outline, study.summary, tmp_path / "readings")
    claims.write(study.outline, study.summary, tmp_path / "claims")
    table = pd.read_csv(tmp_path / "uncertainty-all.csv")
    assert len(table) == 12
    assert table["at_chance"].eq(0).all()
    found = pd.read_csv(tmp_path / "claims.csv")
    assert {"claim", "scope", "where", "statistic", "value", "low", "high", "verdict"} <= set(found)
    assert not found.duplicated(["claim", "scope", "where"]).any()
    # The study has no cell of the paper, so the table for people has a row a source.
    text = (tmp_path / "comparison-all.md").read_text(encoding="utf-8")
    # ResNet20 is not in it under the paper's datasets.
    assert text.count("missing: needs") == 5
