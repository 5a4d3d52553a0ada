"""The study on a real Slurm: the same numbers as on one machine, whatever happens to its jobs."""

import copy
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import PROFILE, SNAKEMAKE, OnCluster
from disturbance import differences, litter
from one_node_slurm import OneNodeSlurm
from workspace import Run, Workspace

# Any kind of job there is: trainings with a snapshot, evaluations, diagnostics, tables, figures.
STUDY: dict[str, Any] = {
    "study": "cluster",
    "device": "auto",
    "experiments": [
        {
            "name": "learning_rate",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "learning_rates": [0.001, 0.002],
        }
    ],
    "training": {"epochs": 8, "schedule": [[6, 0.1]], "horizontal_flip": False, "snapshots": [4]},
    "noise": {"levels": [0.2], "scopes": ["kernels", "all"], "draws": 2},
    "diagnostics": {"images": 16, "batches": 4},
    "longest_job": 100,
}
MINUTES = 60
# What a submission asks for, in any order.
OPTIONS = ("--gpus", "--cpus-per-task", "--mem", "(?:--time|-t)")

# A guard against a hang: on a busy machine the first test waits for the study of all.
pytestmark = pytest.mark.timeout(20 * MINUTES)


def long_study(epochs: int, **changes: Any) -> dict[str, Any]:
    """A study whose trainings take so many epochs each."""
    config = copy.deepcopy(STUDY) | {"study": "long", **changes}
    schedule = [[2 * epochs // 3, 0.1]]
    config["training"] = {"epochs": epochs, "schedule": schedule, "horizontal_flip": False}
    return config


def epochs_within(seconds: float, workspace: Workspace) -> int:
    """Return how many epochs a training does in so many seconds while another one runs."""
    history = next((workspace.folder / "results").rglob("seed-1/history.h5"))
    with h5py.File(history) as file:
        # The first one compiles.
        return int(seconds / np.median(file["seconds"][1:]))


def wait_for(condition: Callable[[], bool], run: OnCluster, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert run.process.poll() is None, run.output.read_text(encoding="utf-8")[-3000:]
        assert time.monotonic() < deadline, run.output.read_text(encoding="utf-8")[-3000:]
        time.sleep(0.2)


def checkpoints(workspace: Workspace) -> list[Path]:
    return [*(workspace.folder / "results/store/train").glob("*/states-*/last.h5")]


@pytest.fixture(scope="module")
def finished(
    slurm: OneNodeSlurm, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Workspace, Run, int]:
    """The study on Slurm, its output, and how many jobs were submitted."""
    folder = tmp_path_factory.mktemp("on-slurm")
    # It writes down what it is asked.
    sbatch = folder / "bin/sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text(
        f'#!/bin/sh\necho "$*" >> {folder}/sbatch.log\nexec {shutil.which("sbatch")} "$@"\n',
        "utf-8",
    )
    sbatch.chmod(0o755)
    path = f"{sbatch.parent}:{SNAKEMAKE.parent}:{os.environ['PATH']}"
    workspace = Workspace.make(folder / "work", PATH=path)
    before = slurm.submitted()
    run = OnCluster(workspace, STUDY, *PROFILE, "--slurm-keep-successful-logs").end(8 * MINUTES)
    assert run.status == 0, run.output[-5000:]
    return workspace, run, slurm.submitted() - before


def test_a_study_on_slurm_has_the_numbers_of_one_on_this_machine(
    finished: tuple[Workspace, Run, int], tmp_path: Path
) -> None:
    on_slurm, _, _ = finished
    local = Workspace.make(tmp_path / "local")
    run = local.snakemake("--resources", "gpu=2", config=STUDY)
    assert run.status == 0, run.output[-3000:]
    assert differences(on_slurm.folder / "results", local.folder / "results") == []
    tables = sorted(one for one in local.folder.rglob("tables/*.csv"))
    assert len(tables) > 5
    for table in tables:
        other = on_slurm.folder / table.relative_to(local.folder)
        assert other.read_bytes() == table.read_bytes(), table.name
    assert litter(on_slurm.folder / "results") == []


def test_all_evaluations_of_a_model_are_one_submission(
    finished: tuple[Workspace, Run, int],
) -> None:
    _, run, submitted = finished
    # A training, its 1 + 2 evaluations and as many of its snapshot, and its diagnostics: three
    # for each of two trainings.
    assert submitted == 6
    assert len(re.findall(r"has been submitted with SLURM jobid", run.output)) == 6
    assert run.output.count("(Rule: evaluate_noise)") == 4
    assert run.output.count("(Rule: evaluate_snapshot_noise)") == 4


def test_what_is_submitted_was_checked_before(finished: tuple[Workspace, Run, int]) -> None:
    workspace, _, submitted = finished
    lines = (workspace.folder.parent / "sbatch.log").read_text("utf-8").splitlines()
    checked, asked = (
        [
            [re.search(rf"{option}[ =](\d+) ", line)[1] for option in OPTIONS]  # type: ignore[index]
            for line in lines
            if purpose in line
        ]
        for purpose in ("--test-only", "--parsable")
    )
    assert len(asked) == submitted
    # A training, a diagnosis and all evaluations of a model, each for its first and last attempt.
    assert len(checked) == 6
    assert {*map(tuple, asked)} == {*map(tuple, checked[::2])}


def test_two_trainings_at_once_see_different_gpus(finished: tuple[Workspace, Run, int]) -> None:
    workspace, _, _ = finished
    logs = sorted((workspace.folder / "logs/cluster/train").rglob("*.log"))
    seen = [re.findall(r"CUDA_VISIBLE_DEVICES is (\S+)", one.read_text("utf-8")) for one in logs]
    assert sorted(seen) == [["0"], ["1"]]


def test_a_training_that_fails_leaves_the_others_whole_and_the_tables_say_what_is_missing(
    slurm: OneNodeSlurm, workspace: Workspace
) -> None:
    failed_before = len(slurm.jobs("FAILED"))
    config = copy.deepcopy(STUDY) | {"study": "partly"}
    config["experiments"][0] |= {"optimizers": ["sgd"], "learning_rates": [1000, 0.01]}
    # So large a penalty grows the weights without bound at this learning rate, and at no other.
    config["training"] = {"epochs": 1, "schedule": [], "horizontal_flip": False, "l2": 0.1}
    config["noise"] = {"levels": [0.1], "scopes": ["kernels"], "draws": 2}
    run = OnCluster(workspace, config, *PROFILE, "--retries=1").end(4 * MINUTES)
    assert run.status == 1
    assert len(slurm.jobs("FAILED")) == failed_before + 2
    good = workspace.folder / "results/partly/trainings/digits/resnet8/standard/sgd/lr-0.01/seed-1"
    assert (good / "noise/kernels/eta-0.1.h5").exists()
    assert (good / "diagnostics.h5").exists()
    partly = OnCluster(
        workspace, config, "tables", "report", "--cores=2", "--config", "incomplete=true"
    ).end(2 * MINUTES)
    assert partly.status == 0, partly.output[-3000:]
    table = pd.read_csv(workspace.folder / "results/partly/tables/table3-kernels.csv")
    assert list(table["value"].isna()) == [True, False]
    (missing,) = table["missing"].dropna()
    assert missing.split(" ")[0].endswith("seed-1/baseline.h5")
    report = (workspace.folder / "results/partly/report.html").read_text("utf-8")
    assert "This study is incomplete: 2 files missing" in report


def test_cancelled_lost_late_and_headless_trainings_go_on_and_end_the_same(
    slurm: OneNodeSlurm, finished: tuple[Workspace, Run, int], tmp_path: Path
) -> None:
    # More than the limit of a minute, and no longer than needed.
    config = long_study(epochs_within(80, finished[0]), longest_job=1)
    local = Workspace.make(tmp_path / "local")
    workspace = Workspace.make(tmp_path / "work")
    # Fewer attempts than the minutes of a start alone, so that they are pointed out; enough for all
    # that happens here.
    run = OnCluster(workspace, config, "trainings", *PROFILE, "--retries=4")
    wait_for(lambda: len(checkpoints(workspace)) >= 2, run)
    # The first is cancelled by hand; the second outlives the node's daemon, and loses its node.
    cancelled, *_ = [number for number, state, _ in slurm.jobs() if state == "RUNNING"]
    slurm.cancel(cancelled)
    time.sleep(3)
    slurm.stop_node()
    time.sleep(5)
    slurm.start_node()
    slurm.lose_node()
    # Then they meet their limit. Later attempts get longer: each more would take a minute.
    wait_for(lambda: slurm.jobs("TIMEOUT") != [], run, 3 * MINUTES)
    deadline = time.monotonic() + 7 * MINUTES
    while run.process.poll() is None and time.monotonic() < deadline:
        slurm.lift_limits(30)
        time.sleep(1)
    result = run.end(1)
    assert result.status == 0, result.output[-5000:]
    assert "A training may take up to" in result.output
    assert slurm.jobs("CANCELLED") != []
    logs = (workspace.folder / "logs/long/train").rglob("*.log")
    resumed = [one for one in logs if "going on after epoch" in one.read_text("utf-8")]
    assert len(resumed) == 2
    assert local.snakemake("trainings", "--resources=gpu=2", config=config).status == 0
    assert differences(workspace.folder / "results", local.folder / "results") == []


def test_a_job_killed_for_its_memory_is_submitted_again_and_asks_for_more(
    slurm: OneNodeSlurm, workspace: Workspace
) -> None:
    config = copy.deepcopy(STUDY) | {"study": "hungry"}
    config["experiments"][0]["learning_rates"] = [0.001]
    memory = "train:mem_mb=4000 if attempt > 1 else 200"
    failed = len(slurm.jobs("FAILED"))
    run = OnCluster(workspace, config, "trainings", *PROFILE, "--set-resources", memory)
    result = run.end(3 * MINUTES)
    assert result.status == 0, result.output[-5000:]
    assert len(slurm.jobs("FAILED")) == failed + 1
    assert "Trying to restart job" in result.output
    assert "mem_mb=4000" in result.output


def test_ctrl_c_cancels_what_runs_and_what_is_queued(
    slurm: OneNodeSlurm, workspace: Workspace
) -> None:
    config = long_study(100_000, seeds=[1, 2, 3])
    run = OnCluster(workspace, config, "trainings", *PROFILE)
    wait_for(lambda: len(slurm.jobs("PENDING")) >= 2 and len(slurm.jobs("RUNNING")) == 2, run)
    run.interrupt()
    result = run.end(2 * MINUTES)
    assert result.status == 1
    wait_until = time.monotonic() + 30
    while slurm.jobs() and time.monotonic() < wait_until:
        time.sleep(0.5)
    assert slurm.jobs() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (PROFILE[:2], "this cluster keeps no accounts"),
        ((*PROFILE, "--default-resources", "slurm_partition=nope"), "Invalid partition name"),
        ((*PROFILE, "--set-resources", "train:gpu=3"), "which ask for --gpus=3"),
        ((*PROFILE, "--set-resources", "train:runtime=500"), "the partition allows 120"),
        ((*PROFILE, "--set-resources", "train:mem_mb=900000"), "which ask for --gpus=1"),
        ((*PROFILE, "--default-resources", "gres='gpu:1:2:3'"), "gres is 'gpu:1:2:3'"),
        ((*PROFILE, "--default-resources", "slurm_extra='--mem=3'"), "--mem=3 in slurm_extra"),
        (
            (*PROFILE, "--set-resources", "diagnose:mem_mb=90 if attempt < 4 else 900000"),
            "rule diagnose after 3 failures, which ask for --gpus=1",
        ),
        (
            (*PROFILE, "--slurm-init-seconds-before-status-checks=2000"),
            "forgets ended jobs after 3600 s",
        ),
    ],
)
def test_what_slurm_could_not_run_or_snakemake_not_see_is_refused_before_any_submission(
    slurm: OneNodeSlurm, workspace: Workspace, arguments: tuple[str, ...], said: str
) -> None:
    before = slurm.submitted()
    run = OnCluster(workspace, STUDY, "trainings", *arguments).end(90)
    assert run.status == 1
    (line,) = run.errors
    assert said in line
    assert slurm.submitted() == before


def test_a_machine_without_slurm_says_so(slurm: OneNodeSlurm, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "sh", "env", "uname", "which"):
        (programs / name).symlink_to(Path("/usr/bin") / name)
    workspace = Workspace.make(tmp_path / "work")
    before = os.environ["PATH"]
    os.environ["PATH"] = str(programs)
    try:
        run = OnCluster(workspace, STUDY, "trainings", *PROFILE)
    finally:
        os.environ["PATH"] = before
    result = run.end(90)
    assert result.status == 1
    (line,) = result.errors
    assert line.startswith("error: sbatch is not on the PATH")
