"""A training that ended at chance wins nothing: best rates, claims, comparison, readings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from known_studies import paper_outline, study_of
from noise_resistance.analysis import best_rate, claims, comparison, uncertainty
from noise_resistance.analysis.cells import Cells
from noise_resistance.study.grid import Training
from noise_resistance.study.outline import Outline

LOST = ("cifar10", "resnet20", "adam", 0.0015)


@pytest.fixture
def cells() -> Cells:
    """A study of two models in which one of three trainings at the highest rate collapsed."""
    outline = paper_outline(seeds=3)
    rates = replace(outline.experiments[0], datasets=("cifar10",), models=("resnet20", "resnet56"))
    return study_of_one_lost(replace(outline, experiments=(rates,)))


def study_of_one_lost(outline: Outline) -> Cells:
    lost = Training(*LOST, 1)
    return study_of(
        outline,
        lambda one: 0.999 if one == lost else 0.7 - 200 * one.learning_rate,
        lambda one: 0.1 if one == lost else 0.9,
        noise=0.0005,
        slope=0.1,
    )


def test_a_cell_at_chance_is_neither_the_best_rate_nor_on_the_front(cells: Cells) -> None:
    rates = best_rate.rates_of(cells)
    row = rates[rates["model"] == "resnet20"]
    assert 0.0015 not in set(row["learning_rate"])
    best = row.loc[row["probability_best"].idxmax()]
    assert (best["learning_rate"], bool(best["on_front"])) == (0.0005, True)
    assert row["probability_best"].sum() == pytest.approx(1)
    assert 0.0015 in set(rates.loc[rates["model"] == "resnet56", "learning_rate"])
    assert cells.left_out("learning_rate") == {LOST: 1}


def test_claims_are_decided_without_a_cell_at_chance_and_say_so(cells: Cells) -> None:
    found = claims.claims_of(cells)
    falls = found[found["claim"] == "resistance_falls_with_rate"].set_index("where")
    with_hole = falls.loc["ResNet20, CIFAR10"]
    assert with_hole["verdict"] == "holds"
    assert with_hole["value"] == pytest.approx(200 * (0.00125 - 0.0005), abs=0.002)
    assert with_hole["note"] == (
        "Left out since a training ended at chance accuracy: ResNet20 on CIFAR10, adam, 0.0015"
    )
    assert falls.loc["ResNet56, CIFAR10", "note"] == ""
    assert falls.loc["ResNet56, CIFAR10", "value"] == pytest.approx(0.2, abs=0.002)


def test_chance_correction_divides_by_no_baseline_at_chance(cells: Cells) -> None:
    for one in (cells, replace(cells, with_chance=True)):
        assert LOST not in one.corrected
        assert max(np.abs(values).max() for values in one.corrected.values()) < 1.1


def test_the_comparison_shows_a_cell_at_chance_and_does_not_judge_it(cells: Cells) -> None:
    values = comparison.compare(replace(cells, with_chance=True))
    is_lost = (values[["dataset", "model", "optimizer", "learning_rate"]] == list(LOST)).all(axis=1)
    assert set(values.loc[is_lost, "agrees"]) == {"at chance"}
    assert np.isfinite(values.loc[is_lost, "value"]).all()
    assert "at chance" not in set(values.loc[~is_lost, "agrees"])
    assert comparison.readings_of(cells)["cells"] == 11


def test_the_uncertainty_table_marks_a_cell_at_chance(cells: Cells) -> None:
    everything = replace(cells, with_chance=True)
    values = uncertainty.uncertainty_of(everything, {"cifar10": 10_000})
    marked = values[values["at_chance"] > 0]
    assert marked[["model", "learning_rate", "at_chance"]].to_numpy().tolist() == [
        ["resnet20", 0.0015, 1]
    ]


def test_tables_for_people_name_the_cells_left_out(
    cells: Cells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = cells.table.assign(nonfinite=0, settled=1.0)
    for module in (best_rate, claims, comparison, uncertainty):
        monkeypatch.setattr(module, "read_summary", lambda _: table)
    best_rate.write(cells.outline, Path(), "all", tmp_path / "best_rate")
    claims.write(cells.outline, Path(), tmp_path / "claims")
    comparison.write(cells.outline, Path(), "all", tmp_path / "comparison")
    comparison.write_readings(cells.outline, Path(), tmp_path / "readings")
    uncertainty.write(cells.outline, Path(), "all", tmp_path / "uncertainty")
    named = "Left out since a training ended at chance accuracy: ResNet20 on CIFAR10, adam, 0.0015"
    for name in ("best_rate", "claims", "readings"):
        assert named in (tmp_path / f"{name}.md").read_text(encoding="utf-8"), name
    assert "| at chance |" in (tmp_path / "comparison.md").read_text(encoding="utf-8")
    assert "†: a training" in (tmp_path / "uncertainty.md").read_text(encoding="utf-8")
    assert pd.read_csv(tmp_path / "uncertainty.csv")["at_chance"].sum() == 1


def test_one_seed_decides_on_its_trainings_only_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outline = paper_outline(seeds=1)
    alone = replace(outline, experiments=outline.experiments[2:])
    study = study_of(alone, lambda one: 0.9 - 200 * one.learning_rate, lambda _: 0.9)
    monkeypatch.setattr(claims, "read_summary", lambda _: study.table.assign(settled=1.0))
    monkeypatch.setattr(best_rate, "read_summary", lambda _: study.table.assign(settled=1.0))
    claims.write(alone, Path(), tmp_path / "claims")
    best_rate.write(alone, Path(), "all", tmp_path / "best_rate")
    text = (tmp_path / "claims.md").read_text(encoding="utf-8")
    assert "| holds (these trainings) |" in text
    assert "**holds" not in text
    assert "on these very trainings and not on their learning rates" in text
    table = pd.read_csv(tmp_path / "claims.csv")
    decided = table[table["verdict"].isin(["holds", "fails"])]
    assert decided["note"].str.startswith("these trainings only").all()
    text = (tmp_path / "best_rate.md").read_text(encoding="utf-8")
    assert "that this very training is the most resistant of its row" in text
