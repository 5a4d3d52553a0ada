"""A tiny study, really run: trained, evaluated, tabulated and drawn through Snakemake."""

import copy
import csv
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray
import yaml
from described import assert_readme_describes
from workspace import DIGITS, TINY, Run, Workspace

TRAINING = "trainings/digits/resnet8/standard/{optimizer}/lr-{rate}/seed-1"
TRAININGS = {
    TRAINING.format(optimizer="adam", rate="0.001"): ("kernels", "all"),
    TRAINING.format(optimizer="adam", rate="0.002"): ("kernels", "all"),
    TRAINING.format(optimizer="sgd", rate="0.001"): ("all",),
}
OF_A_SCOPE = ("table3", "uncertainty", "best_rate", "comparison")
AGGREGATES = Counter(
    [
        "all",
        "summarise",
        "summarise_lengths",
        "summarise_diagnostics",
        "gradient_noise",
        "why_figure scope=kernels",
        "why_figure scope=all",
        "table1",
        "table2",
        *(f"{table} scope=kernels" for table in OF_A_SCOPE),
        "readings",
        "claims",
        "report",
        "learning_rate_figure number=1, dataset=digits, scope=kernels",
        "optimizer_figure scope=all",
        "tradeoff_figure scope=all",
    ]
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Run]:
    """The study, run once to its end."""
    workspace = Workspace.make(tmp_path_factory.mktemp("study") / "work")
    run = workspace.snakemake(config=TINY)
    assert run.status == 0, run.output[-5000:]
    return workspace, run


@pytest.fixture(scope="module")
def results(made: tuple[Workspace, Run]) -> Path:
    """The folder of the study's results."""
    return made[0].folder / "results" / "tiny"


def test_a_run_leaves_every_file_it_promises_and_no_other(made: tuple[Workspace, Run]) -> None:
    summaries = ("summary", "lengths", "diagnostics")
    expected = {f"tiny/{name}.{ending}" for name in summaries for ending in ("csv", "h5")}
    expected |= {f"datasets/digits/{DIGITS}.{ending}" for ending in ("json", "h5")}
    expected |= {"tiny/report.html", "tiny/study.json"}
    for training, scopes in TRAININGS.items():
        expected |= {
            f"tiny/{training}/{name}.h5"
            for name in ("model.weights", "history", "optimizer", "baseline", "diagnostics")
        }
        # Before the learning rate falls: for the diagnostics alone, so it has no evaluations.
        expected |= {
            f"tiny/{training}/snapshots/epoch-6/{name}.h5"
            for name in ("model.weights", "history", "optimizer")
        }
        expected |= {
            f"tiny/{training}/noise/{scope}/eta-{level}.h5"
            for scope in scopes
            for level in ("0.1", "0.4")
        }
    of_a_scope = [f"{table}-kernels" for table in OF_A_SCOPE]
    for table in ("table1", "table2", *of_a_scope, "readings", "claims", "gradient_noise"):
        expected |= {f"tiny/tables/{table}.{suffix}" for suffix in ("csv", "md", "tex")}
    for figure in (
        "figure1-digits-kernels",
        "figure3-all",
        "figure4-all",
        "why-kernels",
        "why-all",
    ):
        expected |= {f"tiny/figures/{figure}.{suffix}" for suffix in ("png", "svg", "pdf")}
    found = made[0].files("results")
    store = {one for one in found if one.startswith("store/")}
    assert found - store == expected
    # An entry for the end and the state before the decay of each training, and one for each of the
    # rest; each has its log and its manifest.
    entries = {one for one in store if one.endswith("/entry.json")}
    assert len(entries) == 2 * 3 + 3 + 3 + 10
    assert {one.rpartition("/")[2] for one in store} == {
        *("entry.json", "log.txt", "model.weights.h5", "history.h5", "optimizer.h5"),
        *("baseline.h5", "noise.h5", "diagnostics.h5"),
    }
    for name in expected:
        assert (made[0].folder / "results" / name).stat().st_size > 100


def test_the_report_holds_everything_and_asks_no_network(results: Path) -> None:
    page = (results / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r"""src=["'](?!data:)""", page)
    links = re.findall(r"""href=["'](?!data:|#)([^"']*)""", page)
    assert {"tables/claims.csv", "diagnostics.csv"} <= set(links)
    assert [one for one in links if not (results / one).is_file()] == []
    assert "url(" not in page
    assert page.count("data:image/svg+xml;base64,") == 5
    for table in ("table1", "table2", "table3-kernels", "claims", "readings"):
        assert f'id="{table}"' in page
    assert "One training a cell" in page
    assert "Figure 1: normalized accuracy against the noise level on Digits" in page
    (data,) = re.findall(r'id="explorer-data">(.*?)</script>', page, re.DOTALL)
    curves = json.loads(data)["curves"]
    assert len(curves) == 2 + 3  # two on the kernels, three on all
    for curve in curves:
        for point in curve["points"]:
            (one,) = point["files"]
            with h5py.File(results / one["file"]) as file:
                accuracy = file["accuracy"][:].mean()
            with h5py.File((results / one["file"]).parents[2] / "baseline.h5") as file:
                baseline = file["accuracy"][()]
            assert point["value"] == pytest.approx(accuracy / baseline, abs=1e-6)


def test_each_job_ran_once_and_left_a_log(made: tuple[Workspace, Run]) -> None:
    workspace, run = made
    assert set(run.jobs.values()) == {1}
    assert Counter(job.split()[0] for job in run.jobs)["train"] == 3
    logs = workspace.files("logs/tiny")
    assert len(logs) == len(run.jobs) - 1  # 'all' has none
    log = "logs/tiny/train/digits/resnet8/standard/sgd/lr-0.001/seed-1.log"
    train = (workspace.folder / log).read_text(encoding="utf-8")
    assert "device: cpu: 1 thread" in train
    assert "epoch 8/8: loss " in train


def test_a_second_run_has_nothing_to_do(made: tuple[Workspace, Run]) -> None:
    run = made[0].snakemake(config=TINY)
    assert run.status == 0
    assert "Nothing to be done" in run.output
    assert not run.jobs


def test_table_2_can_be_recomputed_from_the_files(results: Path) -> None:
    with (results / "tables/table2.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["learning_rate"] for row in rows] == ["0.001", "0.002"]
    for row in rows:
        training = TRAINING.format(optimizer=row["optimizer"], rate=row["learning_rate"])
        with (
            h5py.File(results / training / "baseline.h5") as baseline,
            h5py.File(results.parent / f"datasets/digits/{DIGITS}.h5") as dataset,
        ):
            right = baseline["prediction"][:] == dataset["test_labels"][:]
        assert float(row["value"]) == pytest.approx(100 * right.mean(), abs=1e-9)
        assert right.mean() > 0.3, "at chance the numbers of this test say nothing"


def test_table_3_can_be_recomputed_from_the_files(results: Path) -> None:
    with (results / "tables/table3-kernels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["learning_rate"] for row in rows] == ["0.001", "0.002"]
    for row in rows:
        folder = results / TRAINING.format(optimizer=row["optimizer"], rate=row["learning_rate"])
        with h5py.File(folder / "baseline.h5") as file:
            baseline = file["accuracy"][()]
        normalized = []
        for level in ("0.1", "0.4"):
            with h5py.File(folder / f"noise/kernels/eta-{level}.h5") as file:
                accuracies = file["correct"][:].sum(axis=1) / file.attrs["images"]
                assert np.array_equal(accuracies, file["accuracy"][:])
            normalized.append(accuracies.mean() / baseline)  # equations 7 and 8
        expected = 100 * np.mean(normalized)  # equation 9
        assert float(row["value"]) == pytest.approx(expected, abs=1e-9)
        assert len(set(normalized)) == 2, "noise that changes nothing shows nothing"


def test_the_summary_has_one_row_an_observation(results: Path) -> None:
    with (results / "summary.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10 * 2
    for row in rows:
        folder = results / TRAINING.format(optimizer=row["optimizer"], rate=row["learning_rate"])
        with h5py.File(folder / f"noise/{row['scope']}/eta-{row['noise_level']}.h5") as file:
            assert float(row["accuracy"]) == file["accuracy"][int(row["draw"])]
        ratio = float(row["accuracy"]) / float(row["baseline_accuracy"])
        assert float(row["normalized_accuracy"]) == pytest.approx(ratio, rel=1e-12)


def test_results_readme_describes_every_array_and_attribute_and_no_other(results: Path) -> None:
    assert_readme_describes(results)


def test_xarray_opens_every_file(results: Path) -> None:
    for path in [*results.rglob("*.h5"), *results.parent.glob("datasets/*/*.h5")]:
        if path.name != "model.weights.h5":
            with xarray.open_dataset(path, engine="h5netcdf") as dataset:
                assert dataset.attrs["kind"]
                assert all(one.attrs["description"] for one in dataset.values()), path


def test_show_describes_every_file(made: tuple[Workspace, Run], results: Path) -> None:
    files = sorted(results.rglob("*.h5"))
    done = subprocess.run(
        [sys.executable, "-m", "noise_resistance", "show", *files],
        capture_output=True,
        text=True,
        check=True,
    )
    for path in files:
        assert f"{path}\n" in done.stdout


def test_plan_says_what_is_left_and_changes_nothing(made: tuple[Workspace, Run]) -> None:
    workspace = made[0]
    before = workspace.files("results") | workspace.files("logs")
    assert "nothing is left to do" in plan(workspace, TINY)
    more = copy.deepcopy(TINY)
    more["experiments"][0]["learning_rates"] = [0.001, 0.002, 0.004]
    text = plan(workspace, more)
    left = {line.split()[0]: line.split()[1:3] for line in text.splitlines() if line.strip()}
    assert left["train"] == ["3", "1"]
    assert left["evaluate_baseline"] == ["3", "1"]
    assert left["evaluate_noise"] == ["10", "2"]
    assert re.search(r"time: [\d.]+ hours one after the other, [\d.]+ with 2 at once", text)
    assert workspace.files("results") | workspace.files("logs") == before


def plan(workspace: Workspace, config: dict[str, Any]) -> str:
    (workspace.folder / "plan.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [sys.executable, "-m", "noise_resistance", "plan", "--configfile=plan.yaml"]
    done = subprocess.run(
        [*command, "--at-once=2"],
        cwd=workspace.folder,
        env={**os.environ, "PYTHONPATH": "workflow"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_a_training_with_a_diverging_learning_rate_says_so_and_the_others_finish(
    made: tuple[Workspace, Run],
) -> None:
    config: dict[str, Any] = {
        **TINY,
        "study": "diverging",
        "experiments": [
            {
                "name": "tradeoff",
                "datasets": ["digits"],
                "models": ["resnet8"],
                "optimizers": ["sgd"],
                "learning_rates": [1000, 0.01],
                "scopes": ["kernels"],
            }
        ],
        # So large a penalty grows the weights without bound at this learning rate, and at no other.
        "training": {**TINY["training"], "epochs": 1, "l2": 0.1},
        "noise": {"levels": [0.1], "draws": 1},
    }
    run = made[0].snakemake("--keep-going", config=config)
    assert run.status != 0
    (line,) = run.errors
    assert re.match(
        r"error: the loss is no longer finite at epoch 1 of 1 with learning rate 1000 "
        r"\(digits, resnet8, sgd\); write a lower learning rate",
        line,
    )
    log = "logs/diverging/train/digits/resnet8/standard/sgd/lr-1000/seed-1.log"
    assert line.endswith(f"[log: {log}]")
    assert "the loss is no longer finite" in (made[0].folder / log).read_text(encoding="utf-8")
    found = {name for name in made[0].files("results/diverging") if name.endswith(".h5")}
    folder = TRAINING.format(optimizer="sgd", rate="0.01")
    names = ("model.weights", "history", "optimizer", "baseline", "noise/kernels/eta-0.1")
    assert found == {f"{folder}/{name}.h5" for name in (*names, "diagnostics")}


def test_another_learning_rate_runs_its_own_jobs_and_the_aggregates(
    made: tuple[Workspace, Run],
) -> None:
    config = copy.deepcopy(TINY)
    config["experiments"][0]["learning_rates"] = [0.001, 0.002, 0.004]
    run = made[0].snakemake(config=config)
    assert run.status == 0, run.output[-5000:]
    place = "dataset=digits, model=resnet8, recipe=standard, optimizer=adam"
    training = f"{place}, learning_rate=0.004, seed=1"
    expected = AGGREGATES + Counter(
        [
            f"train {training}",
            f"evaluate_baseline {training}",
            f"diagnose {training}",
            f"evaluate_noise {training}, scope=kernels, noise_level=0.1",
            f"evaluate_noise {training}, scope=kernels, noise_level=0.4",
        ]
    )
    assert run.jobs == expected


def test_taking_the_learning_rate_away_again_trains_and_evaluates_nothing(
    made: tuple[Workspace, Run],
) -> None:
    run = made[0].snakemake("--dry-run", config=TINY)
    assert run.status == 0
    assert not {"train", "evaluate_baseline", "evaluate_noise", "prepare_dataset"} & set(
        run.planned
    )
