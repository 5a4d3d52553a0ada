"""The report's sentences, captions, flags, explorer and provenance, against hand-worked numbers."""

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from noise_resistance.analysis.flags import trainings_at_chance
from noise_resistance.analysis.published import published
from noise_resistance.analysis.report.answer import answer
from noise_resistance.analysis.report.captions import captions
from noise_resistance.analysis.report.cautions import cautions
from noise_resistance.analysis.report.content import figures, tables
from noise_resistance.analysis.report.curves import training_panels
from noise_resistance.analysis.report.explorer import explorer_data
from noise_resistance.analysis.report.measured import diagnostics_table, external_table
from noise_resistance.analysis.report.page import write_report
from noise_resistance.analysis.report.sources import Sources
from noise_resistance.datasets.prepare import prepare
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.study.configuration import load
from noise_resistance.study.outline import DatasetOutline, Outline
from noise_resistance.study.settings import settings_of
from synthetic_study import PROVENANCE, SyntheticStudy, made_up_table, outline_of, write_study

LOWEST, LOW, HIGH = 0.00001, 0.0005, 0.00075
NOTHING = Sources(Path("none"))


@pytest.fixture
def outline() -> Outline:
    """One network: two rates in Figure 1, a third that Figure 4 alone has."""
    return outline_of(models=1, rates=2, datasets=1, optimizers=1)


def table_with(outline: Outline, averages: dict[tuple[str, float], float]) -> pd.DataFrame:
    """A table in which a scope and rate keep one share of accuracy at every noise level.

    Draws differ by two points, and all cells alike, so that paired differences have no spread.
    """
    table = made_up_table(outline).assign(nonfinite=0, baseline_accuracy=0.9)
    keys = zip(table["scope"], table["learning_rate"], strict=True)
    share = np.array([averages[key] for key in keys])
    wiggle = 0.01 * np.where(table["draw"] % 2, 1.0, -1.0)
    table["normalized_accuracy"] = np.where(table["noise_level"] > 0, share + wiggle, 1.0)
    table["accuracy"] = table["normalized_accuracy"] * table["baseline_accuracy"]
    return table


@pytest.fixture
def shares() -> dict[tuple[str, float], float]:
    """The low rate keeps less under 'kernels' and more under 'all'; 0.00001 is the extreme."""
    return {
        ("kernels", LOWEST): 0.99,
        ("kernels", LOW): 0.5,
        ("kernels", HIGH): 0.8,
        ("all", LOWEST): 0.05,
        ("all", LOW): 0.6,
        ("all", HIGH): 0.55,
    }


def test_the_answer_is_three_sentences_with_the_differences_and_their_intervals(
    outline: Outline, shares: dict[tuple[str, float], float]
) -> None:
    extremes, scopes, paper = answer(table_with(outline, shares), outline, None)
    assert extremes.startswith(
        "With noise on kernels, learning rate 0.00075 made the most resistant networks and 0.0005 "
        "the least: the first keep 30.0 points (95 % interval 30.0 to 30.0) more of their accuracy"
    )
    assert "one training each: the interval covers 4 draws of noise and no other" in extremes
    assert "against 0.00075, 30.0 points (95 % interval 30.0 to 30.0) less with noise on ker" in (
        scopes
    )
    assert "5.0 points (95 % interval 5.0 to 5.0) more with noise on all" in scopes
    assert scopes.endswith("which arrays receive noise decides which of the two is better.")
    assert "holds with noise on all and fails with noise on kernels" in paper


def test_the_answer_is_three_sentences_under_any_number_of_scopes(
    outline: Outline, shares: dict[tuple[str, float], float]
) -> None:
    one_scope = tuple(replace(one, scopes=("all",)) for one in outline.experiments)
    found = answer(table_with(outline, shares), replace(outline, experiments=one_scope), None)
    assert len(found) == 3
    assert "no other scope" in found[1]


def test_an_interval_of_the_answer_spans_the_spread_of_paired_draws(
    outline: Outline, shares: dict[tuple[str, float], float]
) -> None:
    table = table_with(outline, shares)
    # Draws 0 to 3 of the high rate are 1, -1, 3 and -3 points off: standard deviation
    # sqrt(20 / 3), standard error half of it, Student's t with 3 degrees of freedom 3.1824.
    noisy = (table["noise_level"] > 0) & (table["learning_rate"] == HIGH)
    table.loc[noisy, "normalized_accuracy"] += table.loc[noisy, "draw"].map(
        {0: 0.01, 1: -0.01, 2: 0.03, 3: -0.03}
    )
    half = 3.1824 * np.sqrt(20 / 3) / 2
    (extremes, *_) = answer(table, outline, None)
    assert f"30.0 points (95 % interval {30 - half:.1f} to {30 + half:.1f}) more" in extremes


def test_the_answer_never_names_a_training_at_chance(
    outline: Outline, shares: dict[tuple[str, float], float]
) -> None:
    rates = (LOWEST, LOW, HIGH)
    experiments = tuple(
        replace(one, learning_rates=rates) if one.name == "learning_rate" else one
        for one in outline.experiments
    )
    outline = replace(outline, experiments=experiments)
    table = table_with(outline, shares)
    assert "learning rate 0.00001 made the most" in answer(table, outline, None)[0]
    table.loc[table["learning_rate"] == LOWEST, "baseline_accuracy"] = 0.1
    said = answer(table, outline, None)
    assert "learning rate 0.00075 made the most resistant networks and 0.0005 the least" in said[0]
    assert said[0].endswith("left out, not measured or at chance: 0.00001).")
    assert "0.00001" not in said[1] + said[2]
    table["baseline_accuracy"] = 0.1
    nothing, *others = answer(table, outline, None)
    assert nothing.startswith("No two learning rates have been measured above chance")
    assert len(others) == 2


def test_a_study_with_holes_compares_what_is_whole(
    outline: Outline, shares: dict[tuple[str, float], float]
) -> None:
    table = table_with(outline, shares)
    measured = ["accuracy", "normalized_accuracy"]
    table.loc[(table["scope"] == "kernels") & (table["learning_rate"] == LOW), measured] = np.nan
    extremes, scopes, _ = answer(table, outline, None)
    assert extremes.startswith("With noise on all, learning rate 0.0005")
    assert "no other scope has been measured yet" in scopes


def test_a_rate_is_not_left_out_because_one_network_lacks_it(
    shares: dict[tuple[str, float], float],
) -> None:
    outline = outline_of(models=2, rates=2, datasets=1, optimizers=1)
    rates = (LOWEST, LOW, HIGH)
    experiments = tuple(replace(one, learning_rates=rates) for one in outline.experiments)
    outline = replace(outline, experiments=experiments)
    table = table_with(outline, shares)
    hole = (table["model"] == "resnet14") & (table["learning_rate"] == LOWEST)
    table.loc[hole, ["accuracy", "normalized_accuracy"]] = np.nan
    (extremes, *_) = answer(table, outline, None)
    assert "learning rate 0.00001 made the most" in extremes
    assert "1 of 2 networks, the others not measured or at chance" in extremes


@pytest.mark.parametrize(
    ("kept", "first"),
    [("tradeoff", "learning rate 0.00001 made"), ("optimizer", "optimizer Adam made")],
)
def test_a_study_of_optimizers_or_of_the_sweet_spot_alone_has_an_answer(
    kept: str, first: str
) -> None:
    outline = outline_of(models=1, rates=2, datasets=1, optimizers=6)
    only = tuple(one for one in outline.experiments if one.name == kept)
    outline = replace(outline, experiments=only)
    table = made_up_table(outline).assign(nonfinite=0, baseline_accuracy=0.9)
    best = (
        (table["optimizer"] == "adam")
        if kept == "optimizer"
        else np.isclose(table["learning_rate"], LOWEST)
    )
    table["normalized_accuracy"] = np.where(best, 0.9, 0.5)
    extremes, _, paper = answer(table, outline, None)
    assert first in extremes
    assert "40.0 points" in extremes
    assert ("Figure 3 shows" in paper) == (kept == "optimizer")


def test_verdicts_on_the_paper_s_claims_are_counted(
    outline: Outline, shares: dict[tuple[str, float], float]
) -> None:
    verdicts = pd.DataFrame({"verdict": ["holds"] * 2 + ["fails"] * 3 + ["not tested"]})
    paper = answer(table_with(outline, shares), outline, verdicts)[-1]
    assert "checked 6 times" in paper
    assert "2 hold, 3 fail, 0 are undecided, 1 could not be tested here" in paper


def test_a_caption_has_the_numbers_of_its_own_experiment_and_scope(
    outline: Outline, shares: dict[tuple[str, float], float]
) -> None:
    found = captions(table_with(outline, shares), outline, NOTHING)
    kernels = found["figure1-digits-kernels"].text
    assert "0.00001" not in kernels
    assert "between 50.0 % (learning rate 0.0005, ResNet8) and 80.0 % (0.00075, ResNet8)" in kernels
    assert "between 55.0 %" in found["figure1-digits-all"].text
    # Figure 4 has the rate that Figure 1 has not.
    fourth = found["figure4-kernels"].text
    assert "highest for learning rate 0.00001: 99.0 %, baseline 90.0 %" in fourth
    assert "lowest for learning rate 0.0005: 50.0 %" in fourth


def test_a_variant_of_a_scope_has_a_caption_of_its_own(outline: Outline, tmp_path: Path) -> None:
    scopes = ("kernels", "kernels_max")
    experiments = tuple(replace(one, scopes=scopes) for one in outline.experiments)
    outline = replace(outline, experiments=experiments)
    table = made_up_table(outline).assign(nonfinite=0)
    (tmp_path / "figure1-digits-kernels_max.svg").write_text("<svg/>", encoding="utf-8")
    (tmp_path / "figure3-kernels_max.svg").write_text("<svg/>", encoding="utf-8")
    stems = [tmp_path / "figure1-digits-kernels_max", tmp_path / "figure3-kernels_max"]
    for one in figures(stems, captions(table, outline, NOTHING)):
        assert "noise on kernels_max" in one.caption


def test_a_figure_without_a_caption_has_the_title_in_its_file(tmp_path: Path) -> None:
    svg = "<svg><dc:title>Models &amp; noise, scope all</dc:title></svg>"
    (tmp_path / "external-all.svg").write_text(svg, encoding="utf-8")
    (one,) = figures([tmp_path / "external-all"], {})
    assert one.caption == "Models & noise, scope all."
    assert one.section == "diagnostics"


def test_the_text_in_a_picture_s_place_describes_it_and_does_not_repeat_the_caption(
    outline: Outline,
) -> None:
    found = captions(made_up_table(outline).assign(nonfinite=0), outline, NOTHING)
    for one in found.values():
        assert one.alternative.startswith(("Line charts", "Dot plots", "Scatter plots"))
        sentences = set(re.split(r"(?<=\.) ", one.text))
        assert not sentences & set(re.split(r"(?<=\.) ", one.alternative))


def test_captions_flag_trainings_at_chance_outputs_not_finite_and_holes(
    outline: Outline, shares: dict[tuple[str, float], float]
) -> None:
    table = table_with(outline, shares)
    clean = captions(table, outline, NOTHING)["figure1-digits-kernels"].text
    assert "chance" not in clean
    assert "finite" not in clean
    here = (table["scope"] == "kernels") & (table["learning_rate"] == HIGH)
    table.loc[table["learning_rate"] == HIGH, "baseline_accuracy"] = 0.1
    table.loc[table.index[here][:3], "nonfinite"] = 2
    flagged = captions(table, outline, NOTHING)
    for name in ("figure1-digits-kernels", "figure4-kernels"):
        assert "At chance accuracy" in flagged[name].text
        assert "ResNet8 on Digits, adam, 0.00075" in flagged[name].text
        assert "3 gave outputs that were not finite" in flagged[name].text
    assert "80.0 %" not in flagged["figure1-digits-kernels"].text
    table.loc[table.index[here][-1], "accuracy"] = np.nan
    holed = captions(table, outline, NOTHING)["figure1-digits-kernels"].text
    assert "Not measured completely: 1 of 2 cells." in holed


@pytest.mark.parametrize(("right", "flagged"), [(10, True), (15, True), (19, False), (90, False)])
def test_a_training_is_at_chance_when_guessing_could_have_reached_it(
    outline: Outline, right: int, flagged: bool
) -> None:
    # Of 100 images with ten classes, guessing has 10 right, 18 or more with a probability of 1 %.
    table = made_up_table(outline).assign(baseline_accuracy=right / 100, test_images=100)
    assert bool(len(trainings_at_chance(table, outline))) == flagged


def described(outline: Outline, **columns: Any) -> pd.DataFrame:
    """One row a training of the learning-rate experiment, then these columns."""
    experiment = outline.experiment("learning_rate")
    assert experiment is not None
    trainings = [vars(one) for one in experiment.trainings(outline.seeds)]
    return pd.DataFrame(trainings).assign(**columns)


def with_frames(**frames: pd.DataFrame) -> Sources:
    sources = Sources(Path("none"))
    # Cached properties: what is put here is not read from a file.
    sources.__dict__.update(frames)
    return sources


def test_captions_of_diagnostics_lengths_and_layers_state_their_numbers(
    outline: Outline, shares: dict[tuple[str, float], float]
) -> None:
    table = table_with(outline, shares)
    start = described(outline, epochs=0, dead_fraction=0.9)
    ends = described(outline, epochs=7, dead_fraction=[0.125, 0.5])
    short = described(outline, scope="all", epochs=3, final=0, settled=0)
    whole = described(outline, scope="all", epochs=7, final=1, settled=[0, 1])
    layers = pd.concat(
        described(outline, layer=layer, noise_level=0.2, accuracy_lost=lost)
        for layer, lost in {"conv2d": [0.1, 0.3], "dense": [0.01, 0.03]}.items()
    )
    sources = with_frames(
        diagnostics=pd.concat([start, ends]),
        lengths=pd.concat(
            [
                short.assign(average_normalized_accuracy=[0.5, 0.4]),
                whole.assign(average_normalized_accuracy=[0.5, 0.75]),
            ]
        ),
        layers=layers,
    )
    found = captions(table, outline, sources)
    assert (
        "Over 2 trainings, between 12.5 and 50.0 % of BatchNorm channels" in found["why-all"].text
    )
    length = found["length-all"].text
    assert "+10.0 points after 3 epochs, -25.0 points after 7 epochs" in length
    assert "1 of 2 trainings had settled" in length
    layer = found["layers-resnet8"].text
    assert "layer conv2d loses most, 20.0 points on average over 2 trainings" in layer
    assert "dense least, 2.0" in layer


def test_diagnostics_of_a_cell_are_those_of_its_trainings_ends() -> None:
    outline = outline_of(models=1, rates=1, datasets=1, optimizers=1, seeds=2)
    numbers = {"amplification_max": 2.0, "C": 3.0, "step_noise": 0.5, "bound": 0.25}
    start = described(outline, epochs=0, dead_fraction=0.9, bound_holds=1, **numbers)
    ends = described(outline, epochs=7, dead_fraction=[0.1, 0.3], bound_holds=[0, 1], **numbers)
    table = diagnostics_table(pd.concat([start, ends]), outline)
    cell = "ResNet8 on Digits, adam, 0.0005"
    assert table.rows == ((cell, "20.0", "2", "3", "0.5", "0.25", "1 of 2"),)
    assert "in 1 of 2 trainings" in table.caption


def test_models_trained_elsewhere_are_shown_with_their_averages(outline: Outline) -> None:
    rows = pd.DataFrame(
        {"noise_level": level, "draw": draw, "normalized_accuracy": value}
        for level, values in {0.0: [1, 1], 0.1: [0.8, 0.6], 0.2: [0.4, 0.6]}.items()
        for draw, value in enumerate(values)
    ).assign(dataset="digits", model="<theirs>", scope="all", baseline_accuracy=0.9, nonfinite=0)
    table = external_table(rows, outline)
    # Both draws average to 0.6 over the two noise levels.
    average = "60.00 [60.0, 60.0]"
    assert table.rows == (("&lt;theirs&gt;", "Digits", "all", "90.00", average, "–"),)


def test_one_seed_chance_and_outputs_that_are_not_finite_are_said(outline: Outline) -> None:
    table = made_up_table(outline).assign(nonfinite=0, baseline_accuracy=0.9)
    (one_seed,) = cautions(table, outline)
    assert one_seed.text.startswith("One training a cell (7 epochs, 1 seed, 4 draws)")
    table.loc[table.index[:3], "nonfinite"] = 5
    table["baseline_accuracy"] = 0.1
    _, chance, nonfinite = cautions(table, outline)
    assert chance.brief == "4 trainings at chance"
    assert "trainings ended at chance accuracy" in chance.text
    assert nonfinite.brief == "3 draws with outputs that were not finite"
    assert nonfinite.text.startswith(f"3 of {len(table)} draws gave outputs that were not finite")


def test_several_seeds_are_no_reason_to_warn() -> None:
    outline = outline_of(models=1, rates=2, datasets=1, optimizers=1, seeds=3)
    table = made_up_table(outline).assign(nonfinite=0, baseline_accuracy=0.9)
    assert cautions(table, outline) == []


def test_every_point_of_the_explorer_is_the_mean_of_its_draws_and_leads_to_its_files() -> None:
    outline = outline_of(models=1, rates=2, datasets=1, optimizers=1, seeds=2)
    table = made_up_table(outline).assign(nonfinite=0)
    data = explorer_data(table, outline)
    keys = ["dataset", "model", "optimizer", "scope"]
    for curve in data["curves"]:
        chosen = table[table["learning_rate"] == float(curve["learning_rate"])]
        for key in keys:
            chosen = chosen[chosen[key] == curve[key]]
        noisy = chosen[chosen["noise_level"] > 0]
        assert curve["average"]["value"] == pytest.approx(
            noisy["normalized_accuracy"].mean(), abs=1e-6
        )
        for point in curve["points"]:
            draws = chosen.loc[chosen["noise_level"] == point["noise_level"], "normalized_accuracy"]
            assert point["value"] == pytest.approx(draws.mean(), abs=1e-6)
            assert (point["draws"], point["seeds"]) == (4, 2)
            level = f"{point['noise_level']:g}"
            folder = f"trainings/digits/resnet8/standard/{curve['optimizer']}"
            folder = f"{folder}/lr-{curve['learning_rate']}"
            assert point["files"] == [
                {
                    "seed": seed,
                    "file": f"{folder}/seed-{seed}/noise/{curve['scope']}/eta-{level}.h5",
                }
                for seed in (1, 2)
            ]
    assert set(data["colours"]) == {curve["learning_rate"] for curve in data["curves"]}


def test_points_of_the_explorer_are_flagged(outline: Outline) -> None:
    table = made_up_table(outline).assign(nonfinite=0, baseline_accuracy=0.9)
    table.loc[table["learning_rate"] == HIGH, "baseline_accuracy"] = 0.1
    spoiled = (table["scope"] == "all") & (table["noise_level"] == 0.2) & (table["draw"] < 3)
    table.loc[spoiled & (table["learning_rate"] == LOW), "nonfinite"] = 1
    for curve in explorer_data(table, outline)["curves"]:
        assert curve["at_chance"] == (curve["learning_rate"] == "0.00075")
        here = curve["scope"] == "all" and curve["learning_rate"] == "0.0005"
        for point in curve["points"]:
            assert point["nonfinite"] == (3 if here and point["noise_level"] == 0.2 else 0)


def test_the_paper_s_curves_start_at_the_clean_model_and_its_averages_stand_beside_ours() -> None:
    outline = outline_of(models=1, rates=2, datasets=1, optimizers=1)
    cell = {"datasets": ("cifar10",), "models": ("resnet56",)}
    experiments = tuple(replace(one, **cell) for one in outline.experiments)
    titles = {"cifar10": DatasetOutline("CIFAR10", 10)}
    outline = replace(outline, experiments=experiments, datasets=titles)
    data = explorer_data(made_up_table(outline).assign(nonfinite=0), outline)
    (curve,) = (
        one for one in data["paper"] if (one["dataset"], one["model"]) == ("cifar10", "resnet56")
    )
    levels = [0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4]
    values = [1.0, 0.9834, 0.8881, 0.8091, 0.5332, 0.2525, 0.1227]
    assert [one["noise_level"] for one in curve["points"]] == levels
    assert [one["value"] for one in curve["points"]] == pytest.approx(values)
    # What is printed at one level alone is no curve.
    assert {len(one["points"]) for one in data["paper"]} == {1, 7}
    printed = published("average_normalized_accuracy", "Table III")
    printed = printed[(printed["dataset"] == "cifar10") & (printed["model"] == "resnet56")]
    expected = dict(zip(printed["learning_rate"], printed["value"], strict=True))
    for one in data["curves"]:
        value = expected.get(float(one["learning_rate"])) if one["optimizer"] == "adam" else None
        assert one["table3"] == (None if value is None else pytest.approx(value))


@pytest.fixture
def study(tmp_path: Path, outline: Outline) -> Iterator[SyntheticStudy]:
    """A study of real files in the working directory, its first training at chance."""
    made = write_study(tmp_path, outline)
    with contextlib.chdir(tmp_path):
        for number, training in enumerate(outline.trainings):
            attributes = PROVENANCE.attributes({"recipe": {"l2": 0.0001}, "seed": training.seed})
            rising = np.linspace(0.1, 0.5 + 0.1 * number, outline.epochs)
            values = {"loss": np.linspace(2, 0.02, outline.epochs), "test_accuracy": rising}
            variables = {name: Variable(("epoch",), one, name) for name, one in values.items()}
            path = outline.paths.fill(outline.paths.history, training)
            write_record(path, "history", variables, attributes)
        yield made


def test_training_curves_have_ticks_a_legend_and_the_loss_and_are_flagged(
    study: SyntheticStudy,
) -> None:
    outline = study.outline
    table = made_up_table(outline).assign(nonfinite=0, baseline_accuracy=0.9)
    table.loc[table["learning_rate"] == HIGH, "baseline_accuracy"] = 0.1
    panel, _ = training_panels(outline, table)
    accuracy, loss = panel.charts
    assert [tick.label for tick in accuracy.up] == ["0", "50", "100"]
    assert [tick.label for tick in accuracy.across] == ["1", "4", "7"]
    assert [tick.at for tick in accuracy.across] == [0, 120, 240]
    assert {line.label for line in panel.legend} == {"0.00001", "0.0005", "0.00075"}
    first = [tuple(map(float, one.split(","))) for one in accuracy.curves[0].points.split()]
    # From 10 % at the first epoch to 50 % at the last.
    assert (first[0], first[-1]) == ((0, 90), (240, 50))
    # From the highest loss at the top to the lowest at the bottom, two decades below.
    down = [tuple(map(float, one.split(","))) for one in loss.curves[0].points.split()]
    assert (down[0], down[-1]) == ((0, 0), (240, 100))
    assert {tick.label: tick.at for tick in loss.up}["0.1"] == pytest.approx(50 + 50 * np.log10(2))
    assert panel.caption.startswith(
        "Test accuracy after the last epoch: 80.0 % at 0.00001, the lowest 50.0 % at 0.0005"
    )
    assert panel.caption.endswith("At chance: 0.00075.")


CONFIGURATION: dict[str, Any] = {
    "study": "shown",
    "experiments": [
        {
            "name": "learning_rate",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "learning_rates": [0.001],
        }
    ],
    "noise": {
        "scopes": ["all", {"name": "kernels_max", "arrays": "kernels", "kind": "additive_max"}]
    },
    "datasets": {
        "digits": {
            "title": "Digits",
            "version": "1",
            "reader": "digits",
            "classes": 10,
            "files": {},
        }
    },
}


def test_the_configuration_shown_has_what_decides_numbers_and_nothing_else() -> None:
    shown = settings_of(load(CONFIGURATION))
    assert shown["noise"]["scopes"] == [
        "all",
        {"name": "kernels_max", "arrays": "kernels", "kind": "additive_max"},
    ]
    for section, keys in {
        "training": {"batch_size", "l2", "schedule", "shift", "horizontal_flip", "precision"},
        "noise": {"levels", "draws", "seed", "sigma_of", "variance_policy", "kind"},
        "evaluation": {"precision"},
        "diagnostics": {"images", "batches"},
    }.items():
        assert keys <= set(shown[section])
    machine: dict[str, Any] = {
        "device": "gpu",
        "trainings_per_gpu": 3,
        "longest_job": 60,
        "incomplete": True,
        "training": {"threads": 4},
        "evaluation": {"threads": 4},
    }
    assert settings_of(load({**CONFIGURATION, **machine})) == shown
    assert settings_of(load({**CONFIGURATION, "training": {"l2": 0.0002}})) != shown
    assert settings_of(load({**CONFIGURATION, "training": {"l2": 0, "shift": 0}})) == settings_of(
        load({**CONFIGURATION, "training": {"l2": 0.0, "shift": 0.0}})
    )


def test_a_whole_page_says_what_its_files_record(study: SyntheticStudy) -> None:
    outline = study.outline
    entry = load(CONFIGURATION).catalogue["digits"]
    digits = Path(outline.paths.dataset.format(dataset="digits", digest=entry.digest))
    prepare(entry, [], digits, PROVENANCE)
    stem = Path(outline.paths.figures) / "figure1-digits-all"
    stem.parent.mkdir(parents=True)
    stem.with_suffix(".svg").write_text("<svg/>", encoding="utf-8")
    output = Path(outline.paths.report)
    sources = Sources(study.summary, {"digits": digits})
    write_report(outline, sources, {"training": {"l2": 0.0001}}, [], [stem.name], output)
    page = output.read_text(encoding="utf-8")
    assert page.lstrip().startswith("<!DOCTYPE html>")
    steps = re.search(r'aria-label="Steps".*?</table>', page, re.DOTALL)
    assert steps is not None
    for step in ("training", "evaluation without noise", "noise on kernels", "noise on all"):
        assert f"<td>{step}</td>" in steps[0]
    assert "l2 0.0001" in steps[0]
    for package in ("python", "tensorflow", "keras", "numpy", "h5py", "noise_resistance"):
        assert f"{package} " in steps[0]
    # Seconds and memory are those that the files state.
    times = re.search(r'aria-label="Run times by job".*?</table>', page, re.DOTALL)
    assert times is not None
    for step in ("training", "evaluation without noise", "evaluation with noise"):
        assert f"<td>{step}</td>" in times[0]
    for package in ("snakemake", "pandas", "scipy", "matplotlib", "seaborn"):
        assert re.search(rf"{package} \d", steps[0])
    assert "training: {l2: 0.0001}" in page
    # The digest of built-in data, which has no archive.
    with_digest = re.search(r"test_images <code>sha256:([0-9a-f]{64})</code>", page)
    assert with_digest is not None
    data = re.search(r'id="explorer-data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    for curve in json.loads(data[1])["curves"]:
        for point in curve["points"]:
            for one in point["files"]:
                assert (output.parent / one["file"]).is_file()


def test_a_table_is_shown_with_its_text_and_without_any_markup_in_it(tmp_path: Path) -> None:
    (tmp_path / "table2.md").write_text(
        "**Table II.** About <b>.\n\n| Name | Value |\n| :--- | ---: |\n"
        "| a \\| sgd\\_x <script> | **1.0** \\[0, 2\\] |\n",
        encoding="utf-8",
    )
    (table,) = tables(tmp_path, ["table2"])
    assert table.group == "The paper's tables"
    assert table.caption == "<strong>Table II.</strong> About &lt;b&gt;."
    assert table.headings == ("Name", "Value")
    assert table.right == (False, True)
    assert table.rows == (
        ("a &#124; sgd&#95;x &lt;script&gt;", "<strong>1.0</strong> &#91;0, 2&#93;"),
    )
