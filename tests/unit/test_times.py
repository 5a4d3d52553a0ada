"""Seconds and memory by job, as files state them, wherever they were computed."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from noise_resistance.analysis.report.provenance import run_times, times_caption
from noise_resistance.analysis.times import COLUMNS, read_times
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance

TRAINING = "trainings/digits/{model}/standard/adam/lr-0.001/seed-{seed}"


def write(path: Path, kind: str, seconds: float | None, memory: int | None = None) -> None:
    stated = Provenance("0" * 16).attributes({})
    stated = {
        name: one for name, one in stated.items() if name not in ("seconds", "peak_memory_mb")
    }
    values = {"seconds": seconds, "peak_memory_mb": memory}
    stated |= {name: one for name, one in values.items() if one is not None}
    write_record(path, kind, {"x": Variable((), np.float64(1), "x")}, stated)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Path]:
    """Two models, two seeds; a snapshot, a model that was trained elsewhere, and damage."""
    folder = tmp_path / "results/mine"
    for model, factor in (("resnet8", 1), ("resnet14", 2)):
        for seed in (1, 2):
            at = folder / TRAINING.format(model=model, seed=seed)
            write(at / "history.h5", "history", 100.0 * factor * seed, 1000 * factor + seed)
            write(at / "model.weights.h5", "weights", 1e6, 10**6)  # no job of its own
            write(at / "baseline.h5", "baseline", 1.0 * seed, 500)
            write(at / "noise/all/eta-0.1.h5", "noise", 3.0, 600)
            write(at / "noise/all/eta-0.2.h5", "noise", 5.0, 700)
    at = folder / TRAINING.format(model="resnet8", seed=1)
    write(at / "diagnostics.h5", "diagnostics", 7.0)
    write(at / "snapshots/epoch-2/baseline.h5", "baseline", 11.0, 1)
    write(at / "snapshots/epoch-2/noise/all/eta-0.1.h5", "noise", 13.0, 1)
    (at / "noise/all/eta-0.3.h5").write_bytes(b"half")
    write(at / "noise/all/eta-0.4.h5", "noise", None, 9)
    theirs = folder / "external/theirs"
    write(theirs / "baseline.h5", "baseline", 2.0, 800)
    write(theirs / "noise/all/eta-0.1.h5", "noise", 9.0, 850)
    write(theirs / "noise/all/eta-0.2.h5", "noise", 6.0, 900)
    with contextlib.chdir(tmp_path):
        yield Path("results/mine")


def test_each_job_is_a_row(study: Path) -> None:
    table = read_times(study)
    assert tuple(table.columns) == COLUMNS
    counted = table.groupby("rule").size().to_dict()
    assert counted == {
        "train": 4,
        "evaluate_baseline": 4,
        # Without the one that cannot be read and the one that states no seconds.
        "evaluate_noise": 8,
        "evaluate_snapshot_baseline": 1,
        "evaluate_snapshot_noise": 1,
        "diagnose": 1,
        "evaluate_external": 1,
    }
    trained = table[table["rule"] == "train"].set_index("model")
    assert sorted(trained.loc["resnet14", "seconds"]) == [200, 400]
    assert sorted(trained.loc["resnet8", "memory_mb"]) == [1001, 1002]
    assert set(trained["dataset"]) == {"digits"}
    (external,) = table[table["rule"] == "evaluate_external"].to_dict("records")
    # One job wrote all of its files; the last of them states how long it took.
    assert (external["model"], external["seconds"], external["memory_mb"]) == ("theirs", 9.0, 900)
    assert table.loc[table["rule"] == "diagnose", "memory_mb"].isna().all()


def test_of_many_files_some_are_enough(study: Path) -> None:
    table = read_times(study, at_most=1)
    by_cell = table.groupby(["rule", "dataset", "model"]).size()
    assert (by_cell == 1).all()
    assert len(table[table["rule"] == "train"]) == 2


def test_a_study_of_which_nothing_is_there_has_no_rows(tmp_path: Path) -> None:
    table = read_times(tmp_path / "none")
    assert tuple(table.columns) == COLUMNS
    assert table.empty
    assert run_times(tmp_path / "none") == []


def test_the_report_adds_them_up(study: Path) -> None:
    rows = {(one["rule"], one["model"]): one for one in run_times(study)}
    training = rows["training", "ResNet8"]
    assert (training["jobs"], training["median"], training["memory"]) == (2, "150.0", "1002")
    assert training["hours"] == pytest.approx(300 / 3600)
    assert rows["evaluation with noise", "ResNet14"]["median"] == "4.0"
    assert rows["evaluation of external models", "theirs"]["jobs"] == 1
    assert rows["diagnostics", "ResNet8"]["memory"] == "–"
    # Snapshots are no rows of their own in the report.
    assert sum(one["jobs"] for one in rows.values()) == 4 + 4 + 8 + 1 + 1
    total = 300 + 600 + 3 + 3 + 16 + 16 + 7 + 9
    caption = times_caption(list(rows.values()))
    assert f"computing 18 jobs took {total / 3600:.2f} hours one after the other" in caption
    assert f"{100 * 600 / total:.0f} % of it training (ResNet14)" in caption
