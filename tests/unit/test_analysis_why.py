"""Lengths, diagnostics, single layers, external models: tables by hand, figures drawn."""

import contextlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from noise_resistance.analysis.diagnostics import read_diagnostics, summarise_diagnostics
from noise_resistance.analysis.external import summarise_external
from noise_resistance.analysis.figures import layers as layers_figure
from noise_resistance.analysis.figures import length, why
from noise_resistance.analysis.layers import read_layers, summarise_layers
from noise_resistance.analysis.lengths import read_lengths, summarise_lengths
from noise_resistance.analysis.settling import loss_change
from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.study.layers import LayerSweep
from synthetic_study import PROVENANCE, attributes_of, outline_of, specification_of, write_study

OUTLINE = outline_of(models=1, datasets=2, optimizers=2, rates=3, seeds=2, draws=2)
SPECIFICATION = specification_of(OUTLINE)
SNAPSHOTS = (2, 5)


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


def _history(path, losses, attributes):
    variables = {"loss": Variable(("epoch",), np.asarray(losses, np.float64), "loss")}
    write_record(path, "history", variables, attributes)


def _diagnostics(path, dead, noise, attributes):
    points = ("point",)
    by_mode = ("point", "mode")
    values = {
        "epochs": Variable(points, np.array([0, 7]), "epochs"),
        "learning_rate": Variable(points, np.array([0.1, 0.01]), "rate"),
        "channels": Variable(("batchnorm",), np.array([16, 32]), "channels"),
        "dead_channels": Variable(("point", "batchnorm"), [[0, 0], [dead, 2]], "dead"),
        "amplification_max": Variable(("point", "batchnorm"), [[1.0, 2.0], [3.0, 1.0]], "gain"),
        "step_noise": Variable(by_mode, [[noise, 2 * noise], [1.0, 3.0]], "noise"),
        "bound_holds": Variable(by_mode, [[1, 0], [1, 1]], "holds"),
    }
    for name in ("C", "bound", "update_noise", "update_size"):
        values[name] = Variable(points, np.array([noise, 0.5]), name)
    write_record(path, "diagnostics", values, attributes)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("why")
    written = write_study(folder, OUTLINE)
    paths = OUTLINE.paths
    with contextlib.chdir(folder):
        for index, one in enumerate(OUTLINE.trainings):
            attributes = attributes_of(OUTLINE, one, "history")
            losses = [4.0, 2.0, 1.5, 1.2, 1.1, 1.005, 1.0]
            _history(paths.fill(paths.history, one), losses, attributes)
            about = attributes_of(OUTLINE, one, "diagnostics")
            _diagnostics(paths.fill(paths.diagnostics, one), index % 9, 1e-3 * (index + 1), about)
            for epochs in SNAPSHOTS:
                at = Path(paths.fill(paths.training, one)) / f"snapshots/epoch-{epochs}"
                _history(at / "history.h5", losses[:epochs], attributes)
                _baseline(at / "baseline.h5", 0.5, attributes_of(OUTLINE, one, "baseline", epochs))
        for one in OUTLINE.evaluations:
            folder_of = Path(paths.fill(paths.noise, one))
            relative = folder_of.relative_to(paths.fill(paths.training, one.training))
            for epochs in SNAPSHOTS:
                at = Path(paths.fill(paths.training, one.training)) / f"snapshots/epoch-{epochs}"
                accuracies = [0.5, 0.5] if one.noise_level == 0 else [0.1, 0.3]
                _noise(at / relative, accuracies, attributes_of(OUTLINE, one, "noise", epochs))
        for one in LayerSweep((0.2,), "kernels").evaluations(OUTLINE.trainings):
            _noise(paths.fill(paths.noise, one), [0.2, 0.4], attributes_of(OUTLINE, one, "noise"))
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
    np.testing.assert_allclose(mine["average_normalized_accuracy"][:2], 0.2 / 0.5)
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


def test_diagnostics_of_all_trainings_and_their_figure(study, tmp_path):
    with contextlib.chdir(study.folder):
        csv, hdf5 = tmp_path / "diagnostics.csv", tmp_path / "diagnostics.h5"
        summarise_diagnostics(OUTLINE, csv, hdf5, PROVENANCE, specification=SPECIFICATION)
    table = read_diagnostics(hdf5)
    assert len(table) == 2 * len(OUTLINE.trainings)
    end = table[table["epochs"] == 7].reset_index()
    index = np.arange(len(OUTLINE.trainings))
    np.testing.assert_allclose(end["dead_fraction"], (index % 9 + 2) / 48)
    np.testing.assert_allclose(table["step_noise_batch"][::2], 2e-3 * (index + 1))
    assert (end["amplification_max"] == 3).all()
    assert table["bound_holds_batch"].tolist() == [0, 1] * len(index)
    why.draw(OUTLINE, study.summary, hdf5, "all", tmp_path / "why")
    assert (tmp_path / "why.png").stat().st_size > 10_000


def test_each_training_is_one_point_with_its_own_start_and_end(study, tmp_path):
    from noise_resistance.analysis.summary import read_summary

    with contextlib.chdir(study.folder):
        summarise_diagnostics(OUTLINE, tmp_path / "d.csv", tmp_path / "d.h5", PROVENANCE)
    table = read_summary(study.summary)
    table = table[table["scope"] == "all"]
    points = why.trainings_of(table, read_diagnostics(tmp_path / "d.h5"), OUTLINE)
    assert len(points) == len(OUTLINE.trainings)
    for row in points.to_dict("records"):
        position = next(
            index
            for index, one in enumerate(OUTLINE.trainings)
            if all(row[name] == value for name, value in vars(one).items())
        )
        training = OUTLINE.trainings[position]
        assert row["Gradient noise, start"] == pytest.approx(2e-3 * (position + 1))
        assert row["Dead channels, end"] == pytest.approx((position % 9 + 2) / 48)
        draws = [
            study.accuracies[one].mean()
            for one in OUTLINE.evaluations
            if one.training == training and one.scope == "all" and one.noise_level
        ]
        assert row["value"] == pytest.approx(np.mean(draws) / study.baselines[training])


def test_a_rank_correlation_is_spearmans_and_its_interval_holds_it():
    generator = np.random.default_rng(4)
    x = generator.normal(size=40)
    y = -x + 0.5 * generator.normal(size=40)
    rho, low, high = why.rank_correlation(x, y)
    ranks = np.argsort(np.argsort(x)), np.argsort(np.argsort(y))
    assert rho == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert -1 <= low < rho < high < 0
    assert all(np.isnan(why.rank_correlation(x[:3], y[:3])))
    assert all(np.isnan(why.rank_correlation(np.zeros(40), y)))


def test_ranks_within_groups_take_out_what_tells_groups_apart():
    """Rising inside both models, falling between them."""
    rows = [("d", "a", x, 10.0 + x) for x in range(5)] + [("d", "b", 9.0 + x, x) for x in range(5)]
    points = pd.DataFrame(rows, columns=["dataset", "model", "noise", "value"])
    inside = why.within_groups(points, "noise")
    np.testing.assert_allclose(inside["noise"], [-0.5, -0.25, 0, 0.25, 0.5] * 2)
    assert why.rank_correlation(points["noise"].to_numpy(), points["value"].to_numpy())[0] < 0
    assert why.rank_correlation(inside["noise"].to_numpy(), inside["value"].to_numpy())[0] == 1


def test_layers_lose_what_the_files_say(study, tmp_path):
    with contextlib.chdir(study.folder):
        csv, hdf5 = tmp_path / "layers.csv", tmp_path / "layers.h5"
        summarise_layers(
            OUTLINE, (0.2,), "kernels", csv, hdf5, PROVENANCE, specification=SPECIFICATION
        )
    table = read_layers(hdf5)
    assert len(table) == 10 * len(OUTLINE.trainings)
    np.testing.assert_allclose(table["accuracy_lost"], table["baseline_accuracy"] - 0.3)
    np.testing.assert_allclose(table["accuracy_deviation"], np.std([0.2, 0.4], ddof=1))
    layers_figure.draw(OUTLINE, hdf5, "resnet8", tmp_path / "layers")
    assert (tmp_path / "layers.png").stat().st_size > 10_000


def test_external_models_have_rows_like_the_study_s_own(tmp_path):
    measured = {"weights_sha256": "1", "training_fingerprint": "", "dataset_sha256": "2"}
    about = {"model": "external", "external": {"dataset": "digits", "scale": 255.0}}
    attributes = {**PROVENANCE.attributes(about), **measured}
    _baseline(tmp_path / "theirs/baseline.h5", 0.8, attributes)
    attributes = {**PROVENANCE.attributes({**about, "noise_level": 0.1}), **measured}
    _noise(tmp_path / "theirs/noise/kernels/eta-0.1.h5", [0.4, 0.6], attributes)
    where = {"theirs": {"dataset": "digits", "folder": str(tmp_path / "theirs")}}
    csv = tmp_path / "external.csv"
    summarise_external(where, ["kernels"], [0.1], csv, tmp_path / "external.h5", PROVENANCE)
    table = pd.read_csv(csv)
    assert table["optimizer"].tolist() == ["external"] * 2
    np.testing.assert_allclose(table["normalized_accuracy"], [0.5, 0.75])
