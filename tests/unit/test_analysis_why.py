"""Lengths, diagnostics, single layers, external models: tables by hand, figures drawn."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from noise_resistance.analysis.diagnostics import read_diagnostics, summarise_diagnostics
from noise_resistance.analysis.external import read_external, summarise_external
from noise_resistance.analysis.figures import external as external_figure
from noise_resistance.analysis.figures import layers as layers_figure
from noise_resistance.analysis.figures import length, why
from noise_resistance.analysis.gradient_noise import write as write_gradient_noise
from noise_resistance.analysis.layers import read_layers, summarise_layers
from noise_resistance.analysis.length_table import write as write_length_table
from noise_resistance.analysis.lengths import read_lengths, summarise_lengths
from noise_resistance.analysis.settling import before_decay, describe_settling, loss_change
from noise_resistance.analysis.within import correlation_within
from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.study.layers import LayerSweep
from synthetic_study import (
    PROVENANCE,
    attributes_of,
    made_up_table,
    outline_of,
    specification_of,
    write_study,
)

DECAY = 4
OUTLINE = replace(
    outline_of(models=1, datasets=2, optimizers=2, rates=3, seeds=2), schedule=((DECAY, 0.1),)
)
SPECIFICATION = specification_of(OUTLINE)
SNAPSHOTS = (2, 5)
LOSSES = (4.0, 2.0, 1.5, 1.2, 1.1)


def _noise(path, accuracies, attributes):
    accuracies = np.asarray(accuracies, np.float64)
    variables = {
        "draw": Variable(("draw",), np.arange(len(accuracies)), "draw"),
        "accuracy": Variable(("draw",), accuracies, "accuracy"),
        "loss": Variable(("draw",), 1 - accuracies, "loss"),
        "nonfinite": Variable(("draw",), np.zeros(len(accuracies), int), "not finite"),
    }
    write_record(path, "noise", variables, attributes)


def _baseline(path, accuracy, attributes):
    variables = {
        "accuracy": Variable((), accuracy, "accuracy"),
        "prediction": Variable(("test_image",), np.zeros(1000, np.int64), "class"),
    }
    write_record(path, "baseline", variables, attributes)


def _history(path, losses, rate, attributes):
    rates = [rate if epoch < DECAY else 0.1 * rate for epoch in range(len(losses))]
    variables = {
        "loss": Variable(("epoch",), np.asarray(losses, np.float64), "loss"),
        "learning_rate": Variable(("epoch",), np.asarray(rates), "learning rate"),
    }
    write_record(path, "history", variables, attributes)


def _diagnostics(path, dead, noise, attributes):
    points = ("point",)
    by_mode = ("point", "mode")
    norms = ("point", "batchnorm")
    gradients = [[50 * noise, 120 * noise], [150 * noise, 360 * noise], [3e3, 9e3]]
    errors = [[noise, noise], [noise, noise], [30.0, 90.0]]
    steps = np.array([[0.1**2], [0.1**2], [0.01**2]]) * np.array(gradients)
    values = {
        "epochs": Variable(points, np.array([0, 3, 7]), "epochs"),
        "learning_rate": Variable(points, np.array([0.1, 0.1, 0.01]), "rate"),
        "channels": Variable(("batchnorm",), np.array([16, 32]), "channels"),
        "dead_channels": Variable(norms, [[0, 0], [0, 1], [dead, 2]], "dead"),
        "amplification_max": Variable(norms, [[1.0, 2.0], [2.0, 2.0], [3.0, 1.0]], "gain"),
        "gradient_noise": Variable(by_mode, gradients, "noise"),
        "gradient_noise_error": Variable(by_mode, errors, "error"),
        "step_noise": Variable(by_mode, steps, "noise"),
        "bound_holds": Variable(by_mode, [[1, 0], [1, 1], [1, 1]], "holds"),
        "gradient_bound": Variable(points, np.array([100 * noise, 300 * noise, 5e3]), "bound"),
    }
    for name in ("C", "C_error", "bound", "update_noise", "update_size"):
        values[name] = Variable(points, np.array([noise, noise, 0.5]), name)
    write_record(path, "diagnostics", values, attributes)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("why")
    written = write_study(folder, OUTLINE)
    paths = OUTLINE.paths
    with contextlib.chdir(folder):
        for index, one in enumerate(OUTLINE.trainings):
            attributes = attributes_of(OUTLINE, one, "history")
            losses, rate = [*LOSSES, 1.005, 1.0], one.learning_rate
            _history(paths.fill(paths.history, one), losses, rate, attributes)
            about = attributes_of(OUTLINE, one, "diagnostics")
            _diagnostics(paths.fill(paths.diagnostics, one), index % 9, 1e-3 * (index + 1), about)
            for epochs in SNAPSHOTS:
                at = Path(paths.fill(paths.training, one)) / f"snapshots/epoch-{epochs}"
                kept = attributes_of(OUTLINE, one, "history", epochs)
                _history(at / "history.h5", LOSSES[:epochs], rate, kept)
                _baseline(at / "baseline.h5", 0.5, attributes_of(OUTLINE, one, "baseline", epochs))
        for one in OUTLINE.evaluations:
            folder_of = Path(paths.fill(paths.noise, one))
            relative = folder_of.relative_to(paths.fill(paths.training, one.training))
            for epochs in SNAPSHOTS:
                at = Path(paths.fill(paths.training, one.training)) / f"snapshots/epoch-{epochs}"
                accuracies = [0.5] * 4 if one.noise_level == 0 else [0.1, 0.3] * 2
                _noise(at / relative, accuracies, attributes_of(OUTLINE, one, "noise", epochs))
        for one in LayerSweep((0.2,), "kernels").evaluations(OUTLINE.trainings):
            draws = [0.2, 0.4] * 2
            _noise(paths.fill(paths.noise, one), draws, attributes_of(OUTLINE, one, "noise"))
    return written


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([3.0], np.nan),
        ([4.0, 2.0], 0.5),
        ([1.0, 2.0], -1.0),
        ([*[9.0] * 10, 2.0, *[5.0] * 8, 1.0], (5.0 - 1.0) / 5.0),
        ([*[9.0] * 17, 4.0, 6.0, 1.0], (4.0 - 1.0) / 4.0),
    ],
)
def test_the_change_of_the_loss_is_over_the_last_tenth(losses, expected):
    assert loss_change(losses) == pytest.approx(expected, nan_ok=True)


def test_lengths_have_each_snapshot_and_the_end(study, tmp_path):
    with contextlib.chdir(study.folder):
        csv, hdf5 = tmp_path / "lengths.csv", tmp_path / "lengths.h5"
        summarise_lengths(OUTLINE, SNAPSHOTS, csv, hdf5, PROVENANCE, specification=SPECIFICATION)
    table = read_lengths(hdf5)
    pd.testing.assert_frame_equal(table, pd.read_csv(csv), check_dtype=False)
    one = OUTLINE.evaluations[0]
    mine = table[
        (table["dataset"] == one.training.dataset)
        & (table["learning_rate"] == one.training.learning_rate)
        & (table["optimizer"] == one.training.optimizer)
        & (table["seed"] == one.training.seed)
        & (table["scope"] == one.scope)
    ]
    assert mine["epochs"].tolist() == [2, 5, 7]
    assert mine["final"].tolist() == [0, 0, 1]
    assert mine["settled"].tolist() == [0, 0, 1]
    rate = one.training.learning_rate
    np.testing.assert_allclose(mine["learning_rate_now"], [rate, 0.1 * rate, 0.1 * rate])
    np.testing.assert_allclose(mine["loss_change_before_decay"], [0.5, 0.2, 0.2])
    assert mine["settled_before_decay"].tolist() == [0, 0, 0]
    np.testing.assert_allclose(mine["average_normalized_accuracy"][:2], 0.2 / 0.5)
    half = stats.t.ppf(0.975, 3) * np.std([0.2, 0.6] * 2, ddof=1) / 2
    np.testing.assert_allclose(mine["low"][:2], 0.2 / 0.5 - half)
    np.testing.assert_allclose(mine["high"][:2], 0.2 / 0.5 + half)
    draws = [
        study.accuracies[other].mean()
        for other in OUTLINE.evaluations
        if other.training == one.training and other.scope == one.scope and other.noise_level
    ]
    expected = np.mean(draws) / study.baselines[one.training]
    assert mine["average_normalized_accuracy"].iloc[-1] == pytest.approx(expected)
    length.draw(OUTLINE, hdf5, "kernels", tmp_path / "length")
    assert (tmp_path / "length.png").stat().st_size > 10_000
    with pytest.raises(DataError, match="nothing of the noise scope 'kernel'"):
        length.draw(OUTLINE, hdf5, "kernel", tmp_path / "length")
    write_length_table(OUTLINE, hdf5, "kernels", tmp_path / "length-kernels")
    listed = pd.read_csv(tmp_path / "length-kernels.csv")
    assert len(listed) == 3 * len(OUTLINE.trainings) / 2
    cell = listed[
        (listed["dataset"] == one.training.dataset)
        & (listed["learning_rate"] == rate)
        & (listed["optimizer"] == one.training.optimizer)
    ]
    assert cell["epochs"].tolist() == [2, 5, 7]
    assert cell["settled"].tolist() == [0, 0, 2]
    seeds = [
        table[(table["seed"] == seed) & (table["final"] == 1) & same_cell(table, one)]
        for seed in OUTLINE.seeds
    ]
    expected = np.mean([float(row["average_normalized_accuracy"].iloc[0]) for row in seeds])
    assert cell["value"].iloc[-1] == pytest.approx(100 * expected)
    text = (tmp_path / "length-kernels.md").read_text(encoding="utf-8")
    assert "learning rate × 0.1 after 4 epochs" in text
    assert "no training of that length" in text


def same_cell(table, evaluation):
    training = evaluation.training
    return (
        (table["dataset"] == training.dataset)
        & (table["model"] == training.model)
        & (table["optimizer"] == training.optimizer)
        & (table["learning_rate"] == training.learning_rate)
        & (table["scope"] == evaluation.scope)
    )


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([1.0] * 4, 4),
        ([1.0, 1.0, 0.1, 0.1], 2),
        ([0.1, 1.0, 1.0, 0.1], 3),
        ([1.0], 1),
    ],
)
def test_epochs_before_the_first_decay_are_those_at_full_rate(rates, expected):
    losses = [4.0, 3.0, 2.0, 1.0][: len(rates)]
    assert before_decay(losses, rates) == losses[:expected]


def test_a_caption_says_when_the_schedule_makes_the_loss_settle():
    table = made_up_table(OUTLINE)
    count = len(OUTLINE.trainings)
    assert describe_settling(table, OUTLINE).endswith(
        f"in {count} of {count} trainings, to which the schedule leads whatever the length: it "
        f"ends at 0.1 times the learning rate. Over the last tenth before the first decay it had "
        f"in 0 of {count}."
    )
    constant = describe_settling(table, replace(OUTLINE, schedule=()))
    assert constant.endswith(f"in {count} of {count} trainings.")


def test_diagnostics_of_all_trainings_and_their_figure(study, tmp_path):
    with contextlib.chdir(study.folder):
        csv, hdf5 = tmp_path / "diagnostics.csv", tmp_path / "diagnostics.h5"
        summarise_diagnostics(OUTLINE, csv, hdf5, PROVENANCE, specification=SPECIFICATION)
    table = read_diagnostics(hdf5)
    assert len(table) == 3 * len(OUTLINE.trainings)
    end = table[table["epochs"] == 7].reset_index()
    index = np.arange(len(OUTLINE.trainings))
    np.testing.assert_allclose(end["dead_fraction"], (index % 9 + 2) / 48)
    np.testing.assert_allclose(table["step_noise_batch"][::3], 0.1**2 * 0.12 * (index + 1))
    assert (end["amplification_max"] == 3).all()
    assert table["bound_holds_batch"].tolist() == [0, 1, 1] * len(index)
    why.draw(OUTLINE, study.summary, hdf5, "all", tmp_path / "why")
    assert (tmp_path / "why.png").stat().st_size > 10_000


def test_equation_2_is_tabulated_by_training_point_and_mode(study, tmp_path):
    with contextlib.chdir(study.folder):
        summarise_diagnostics(OUTLINE, tmp_path / "d.csv", tmp_path / "d.h5", PROVENANCE)
    write_gradient_noise(OUTLINE, tmp_path / "d.h5", tmp_path / "gradient_noise")
    table = pd.read_csv(tmp_path / "gradient_noise.csv")
    count = len(OUTLINE.trainings)
    assert len(table) == count * 3 * 2
    assert table["mode"].tolist() == ["fixed", "batch"] * 3 * count
    first = table.iloc[:6]
    ratios = [50 / 100, 120 / 100, 150 / 300, 360 / 300, 3 / 5, 9 / 5]
    np.testing.assert_allclose(first["ratio"], ratios)
    measured = [0.01 * 0.05, 0.01 * 0.12, 0.01 * 0.15, 0.01 * 0.36, 1e-4 * 3e3, 1e-4 * 9e3]
    np.testing.assert_allclose(first["measured"], measured)
    assert first["holds"].tolist() == ["yes", "no", "yes", "yes", "yes", "yes"]
    error = 0.5 * np.hypot(1 / 50, 1)  # the made-up C is as large as its error
    assert first["ratio_error"].iloc[0] == pytest.approx(error)
    text = (tmp_path / "gradient_noise.md").read_text(encoding="utf-8")
    assert f"it holds in {3 * count} of {3 * count} cases. Batch" in text
    fails = f"cases and fails in {count} of {count} at the start."
    assert f"in {2 * count} of {3 * count} {fails}" in text
    assert len([line for line in text.splitlines() if line.startswith("|")]) == 2 + 3 * count


def test_each_training_is_one_point_before_decay_and_at_its_end(study, tmp_path):
    from noise_resistance.analysis.summary import read_summary

    with contextlib.chdir(study.folder):
        summarise_diagnostics(OUTLINE, tmp_path / "d.csv", tmp_path / "d.h5", PROVENANCE)
    table = read_summary(study.summary)
    table = table[table["scope"] == "all"]
    diagnostics = read_diagnostics(tmp_path / "d.h5")
    panels = why.panels_of(diagnostics)
    points = why.trainings_of(table, diagnostics, OUTLINE, panels)
    assert len(points) == len(OUTLINE.trainings)
    for row in points.to_dict("records"):
        position = next(
            index
            for index, one in enumerate(OUTLINE.trainings)
            if all(row[name] == value for name, value in vars(one).items())
        )
        training = OUTLINE.trainings[position]
        noise = 1e-3 * (position + 1)
        assert row["gradient_noise_batch, before decay"] == pytest.approx(360 * noise)
        assert row["step_noise_batch, before decay"] == pytest.approx(3.6 * noise)
        assert row["gradient_noise_batch, end"] == 9e3
        assert row["dead_fraction, end"] == pytest.approx((position % 9 + 2) / 48)
        draws = [
            study.accuracies[one].mean()
            for one in OUTLINE.evaluations
            if one.training == training and one.scope == "all" and one.noise_level
        ]
        assert row["value"] == pytest.approx(np.mean(draws) / study.baselines[training])


def test_without_a_point_on_the_way_noise_is_the_end_s_and_never_the_start_s(study, tmp_path):
    """At the start it is the learning rate relabelled: the same for all rates but for alpha^2."""
    with contextlib.chdir(study.folder):
        summarise_diagnostics(OUTLINE, tmp_path / "d.csv", tmp_path / "d.h5", PROVENANCE)
    diagnostics = read_diagnostics(tmp_path / "d.h5")
    panels = why.panels_of(diagnostics)
    assert [panel.before_decay for panel in panels] == [False, False, True, False, True, True]
    ends = why.panels_of(diagnostics[diagnostics["epochs"] != 3])
    assert [panel.before_decay for panel in ends] == [False] * 5
    assert {panel.column for panel in ends} == {panel.column for panel in panels}
    constant = diagnostics.assign(learning_rate_now=0.1)
    assert not any(panel.before_decay for panel in why.panels_of(constant[constant["epochs"] != 3]))


def test_ranks_within_groups_take_out_what_tells_groups_apart():
    """Rising inside both models, falling between them."""
    rows = [("a", x, 10.0 + x) for x in range(5)] + [("b", 9.0 + x, x) for x in range(5)]
    cells = pd.DataFrame(rows, columns=["model", "noise", "value"]).astype({"noise": float})
    assert stats.spearmanr(cells["noise"], cells["value"]).statistic < 0
    found = correlation_within(cells, "noise", "value", ["model"])
    assert found.value == pytest.approx(1)
    assert found.cells == 10
    # Of the (5!)^2 orders inside the groups, two reach it: all rising, all falling.
    assert found.p < 0.002


def test_a_quantity_that_is_the_learning_rate_explains_nothing_at_one_rate():
    rates = np.repeat([1.0, 2.0, 3.0, 4.0], 3)
    generator = np.random.default_rng(1)
    cells = pd.DataFrame(
        {"rate": rates, "noise": 7 * rates**2, "value": rates + 0.1 * generator.random(12)}
    )
    assert stats.spearmanr(cells["noise"], cells["value"]).statistic > 0.9
    assert np.isnan(correlation_within(cells, "noise", "value", ["rate"]).value)


def test_the_permutation_test_inside_groups_errs_as_often_as_it_says():
    generator = np.random.default_rng(2)
    found = []
    for _ in range(300):
        rates = np.repeat(np.arange(6), 2)
        noise, value = rates + generator.random(12), rates + generator.random(12)
        cells = pd.DataFrame({"rate": rates, "noise": noise, "value": value})
        found.append(correlation_within(cells, "noise", "value", ["rate"]).p)
    # Six pairs: |rho| takes four values, reached with probability 1, 42/64, 14/64 and 2/64.
    assert np.mean(np.array(found) < 0.1) == pytest.approx(2 / 64, abs=0.03)
    assert np.mean(np.array(found) < 0.3) == pytest.approx(14 / 64, abs=0.07)


def test_layers_lose_what_the_files_say(study, tmp_path):
    with contextlib.chdir(study.folder):
        csv, hdf5 = tmp_path / "layers.csv", tmp_path / "layers.h5"
        summarise_layers(
            OUTLINE, (0.2,), "kernels", csv, hdf5, PROVENANCE, specification=SPECIFICATION
        )
    table = read_layers(hdf5)
    assert len(table) == 10 * len(OUTLINE.trainings)
    assert (table["epochs"] == 7).all()
    np.testing.assert_allclose(table["accuracy_lost"], table["baseline_accuracy"] - 0.3)
    np.testing.assert_allclose(table["accuracy_deviation"], np.std([0.2, 0.4] * 2, ddof=1))
    layers_figure.draw(OUTLINE, hdf5, "resnet8", tmp_path / "layers")
    assert (tmp_path / "layers.png").stat().st_size > 10_000


def test_external_models_have_rows_like_the_study_s_own(tmp_path):
    measured = {"weights_sha256": "1", "dataset_sha256": "2"}
    about = {"model": "external", "external": {"dataset": "digits", "scale": 255.0}}
    attributes = {**PROVENANCE.attributes(about), **measured}
    _baseline(tmp_path / "theirs/baseline.h5", 0.8, attributes)
    for level, accuracies in ((0.1, [0.4, 0.6]), (0.2, [0.2, 0.4])):
        attributes = {**PROVENANCE.attributes({**about, "noise_level": level}), **measured}
        _noise(tmp_path / f"theirs/noise/kernels/eta-{level}.h5", accuracies, attributes)
    where = {"theirs": {"dataset": "digits", "folder": str(tmp_path / "theirs")}}
    csv = tmp_path / "external.csv"
    summarise_external(where, ["kernels"], [0.1, 0.2], csv, tmp_path / "external.h5", PROVENANCE)
    table = pd.read_csv(csv)
    assert table["optimizer"].tolist() == ["external"] * 4
    assert table["epochs"].tolist() == ["unknown"] * 4
    np.testing.assert_allclose(table["normalized_accuracy"], [0.5, 0.75, 0.25, 0.5])
    read = read_external(tmp_path / "external.h5")
    figure = external_figure.figure_of(read, {"digits": "Digits"})
    (axes,) = figure.axes
    assert axes.get_title() == "Digits"
    (line,) = axes.lines
    np.testing.assert_allclose(line.get_xydata(), [[0, 1], [0.1, 0.625], [0.2, 0.375]])
    band = axes.collections[0].get_paths()[0].vertices
    half = stats.t.ppf(0.975, 1) * np.std([0.5, 0.75], ddof=1) / np.sqrt(2)
    for limit in (0.625 - half, 0.625 + half):
        assert np.isclose(band, [0.1, limit]).all(axis=1).any()
    external_figure.draw(tmp_path / "external.h5", {}, tmp_path / "external")
    assert (tmp_path / "external.png").stat().st_size > 10_000
