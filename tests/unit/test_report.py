"""The report's sentences, warnings and explorer, against numbers worked by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from noise_resistance.analysis.flags import trainings_at_chance
from noise_resistance.analysis.report.answer import answer, warnings
from noise_resistance.analysis.report.content import tables
from noise_resistance.analysis.report.explorer import explorer_data
from noise_resistance.study.outline import Outline
from synthetic_study import made_up_table, outline_of


@pytest.fixture
def outline() -> Outline:
    return outline_of(models=1, rates=2, datasets=1, optimizers=1)


def table_with(outline: Outline, averages: dict[float, float]) -> pd.DataFrame:
    """A table in which each learning rate keeps the same share of accuracy at every noise level."""
    table = made_up_table(outline).assign(nonfinite=0)
    share = table["learning_rate"].map(averages).astype(float)
    wiggle = 0.01 * np.where(table["draw"] % 2, 1.0, -1.0)
    noisy = table["noise_level"] > 0
    table["normalized_accuracy"] = np.where(noisy, share + wiggle, 1.0)
    table["accuracy"] = table["normalized_accuracy"] * table["baseline_accuracy"]
    return table


def test_the_answer_names_the_best_rate_of_each_scope_with_its_number(outline: Outline) -> None:
    low, mid, high = 0.00001, 0.0005, 0.00075
    table = table_with(outline, {low: 0.3, mid: 0.5, high: 0.8})
    kernels, everything, paper = answer(table, outline, None)
    assert kernels.startswith("With noise on kernels, the learning rate 0.00075 gave the most")
    assert everything.startswith("With noise on all, the learning rate 0.00075 gave the most")
    assert "in 1 of 1 cases" in kernels
    assert "keeps 80.0 % of its accuracy" in kernels
    assert "no table of claims" in paper


def test_verdicts_on_the_paper_s_claims_are_counted(outline: Outline) -> None:
    verdicts = ["holds"] * 2 + ["fails"] * 3 + ["not tested"]
    table = table_with(outline, {0.00001: 0.3, 0.0005: 0.5, 0.00075: 0.8})
    paper = answer(table, outline, pd.DataFrame({"verdict": verdicts}))[-1]
    assert "checked 6 times" in paper
    assert "2 hold, 3 fail, 0 are undecided, 1 could not be tested here" in paper


@pytest.mark.parametrize(("right", "flagged"), [(10, True), (15, True), (19, False), (90, False)])
def test_a_training_is_at_chance_when_guessing_could_have_reached_it(
    outline: Outline, right: int, flagged: bool
) -> None:
    # Of 100 images with ten classes, guessing has 10 right, 18 or more with a probability of 1 %.
    table = made_up_table(outline).assign(baseline_accuracy=right / 100, test_images=100)
    assert bool(len(trainings_at_chance(table, outline))) == flagged


def test_one_seed_chance_and_outputs_that_are_not_finite_are_said(outline: Outline) -> None:
    table = made_up_table(outline).assign(nonfinite=0, baseline_accuracy=0.9)
    (one_seed,) = warnings(table, outline)
    assert one_seed.startswith("One training a cell (7 epochs, 1 seed, 4 draws)")
    table.loc[table.index[:3], "nonfinite"] = 5
    table["baseline_accuracy"] = 0.1
    _, chance, nonfinite = warnings(table, outline)
    assert "trainings ended at chance accuracy" in chance
    assert nonfinite.startswith(f"3 of {len(table)} draws gave outputs that were not finite")


def test_several_seeds_are_no_reason_to_warn() -> None:
    outline = outline_of(models=1, rates=2, datasets=1, optimizers=1, seeds=3)
    table = made_up_table(outline).assign(nonfinite=0, baseline_accuracy=0.9)
    assert warnings(table, outline) == []


def test_every_point_of_the_explorer_is_the_mean_of_its_draws(outline: Outline) -> None:
    table = made_up_table(outline).assign(nonfinite=0)
    data = explorer_data(table, outline)
    keys = ["dataset", "model", "optimizer", "scope"]
    for curve in data["curves"]:
        chosen = table[table["learning_rate"] == float(curve["learning_rate"])]
        for key in keys:
            chosen = chosen[chosen[key] == curve[key]]
        for point in curve["points"]:
            draws = chosen.loc[chosen["noise_level"] == point["noise_level"], "normalized_accuracy"]
            assert point["value"] == pytest.approx(draws.mean(), abs=1e-6)
            assert (point["draws"], point["seeds"]) == (4, 1)
            assert point["file"].endswith(f"eta-{point['noise_level']:g}.h5")
    assert set(data["colours"]) == {curve["learning_rate"] for curve in data["curves"]}


def test_a_table_is_shown_with_its_text_and_without_any_markup_in_it(tmp_path: Path) -> None:
    (tmp_path / "table2.md").write_text(
        "**Table II.** About <b>.\n\n| Name | Value |\n| :--- | ---: |\n"
        "| a \\| b <script> | **1.0** \\[0, 2\\] |\n",
        encoding="utf-8",
    )
    (table,) = tables(tmp_path, ["table2"])
    assert table.group == "The paper's tables"
    assert table.caption == "<strong>Table II.</strong> About &lt;b&gt;."
    assert table.headings == ("Name", "Value")
    assert table.right == (False, True)
    assert table.rows == (("a &#124; b &lt;script&gt;", "<strong>1.0</strong> &#91;0, 2&#93;"),)
