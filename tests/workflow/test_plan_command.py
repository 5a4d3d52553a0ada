"""`noise-resistance plan` in a working folder: what it says, and that it leaves no trace."""

import base64
import copy
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspace import TINY, Workspace

from noise_resistance.storage.locks import hold

# One training with two evaluations.
ONE: dict[str, Any] = {
    **TINY,
    "study": "one",
    "experiments": [
        {
            "name": "tradeoff",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "learning_rates": [0.001],
            "scopes": ["kernels"],
        }
    ],
    "training": {"epochs": 2, "schedule": []},
    "diagnostics": {"images": 0},
}
TRAINING = "results/one/trainings/digits/resnet8/adam/lr-0.001/seed-1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.make(tmp_path_factory.mktemp("planned") / "work")
    run = workspace.snakemake("evaluations", config=ONE)
    assert run.status == 0, run.output[-3000:]
    return workspace


def plan(workspace: Workspace, *configs: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "noise_resistance", "plan"]
    for number, config in enumerate(configs):
        file = f"plan{number}.yaml"
        (workspace.folder / file).write_text(yaml.safe_dump(config), encoding="utf-8")
        command.append(f"--configfile={file}")
    return subprocess.run(
        command,
        cwd=workspace.folder,
        env={**os.environ, "PYTHONPATH": "workflow", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, list[int]]:
    """Done, left, running and stale, by row."""
    assert done.returncode == 0, done.stderr
    table = done.stdout.split("\n\n")[1].splitlines()[1:-1]
    return {line[:30].strip(): [int(one) for one in line[30:].split()[:4]] for line in table}


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and folder with its time of change and its content."""
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in folder.rglob("*")
    }


def test_a_plan_leaves_no_trace_in_a_fresh_folder(tmp_path: Path) -> None:
    workspace = Workspace.make(tmp_path / "fresh")
    (workspace.folder / "plan0.yaml").write_text(yaml.safe_dump(ONE), encoding="utf-8")
    before = state(workspace.folder)
    done = plan(workspace, ONE)
    assert rows(done)["train"] == [0, 1, 0, 0]
    after = state(workspace.folder)
    written = {"plan0.yaml"}  # by this test
    assert {key: one for key, one in after.items() if key not in written} == {
        key: one for key, one in before.items() if key not in written
    }
    assert "unknown for 1 of train" in done.stdout


def test_a_plan_leaves_no_trace_beside_results(made: Workspace) -> None:
    plan(made, ONE)  # its file is there from here on
    before = state(made.folder)
    done = plan(made, ONE)
    after = state(made.folder)
    assert before.pop("plan0.yaml")[1] == after.pop("plan0.yaml")[1]
    assert after == before
    assert rows(done) == {
        "train": [1, 0, 0, 0],
        "evaluate_baseline": [1, 0, 0, 0],
        "evaluate_noise": [2, 0, 0, 0],
    }


def test_two_configuration_files_are_both_laid_over_the_default(made: Workspace) -> None:
    found = rows(plan(made, ONE, {"seeds": [1, 2]}))
    assert found["train"] == [1, 1, 0, 0]
    assert found["evaluate_noise"] == [2, 2, 0, 0]


def test_sweep_snapshots_and_diagnostics_are_counted_by_themselves(made: Workspace) -> None:
    more = copy.deepcopy(ONE)
    more["noise"]["layer_sweep"] = {"levels": [0.1, 0.2]}
    more["training"]["snapshots"] = [1]
    more["diagnostics"] = {"images": 16, "batches": 4}
    found = rows(plan(made, more))
    # Resnet8 has a stem, six convolutions, two shortcuts and a dense layer.
    assert found.pop("evaluate_noise, layers") == [0, 10 * 2, 0, 0]
    assert found == {
        "train": [0, 1, 0, 0],  # the snapshot is not there
        "evaluate_baseline": [0, 1, 0, 1],
        "evaluate_noise": [0, 2, 0, 2],
        "evaluate_snapshot_baseline": [0, 1, 0, 0],
        "evaluate_snapshot_noise": [0, 2, 0, 0],
        "diagnose": [0, 1, 0, 0],
    }


def test_what_is_stale_is_told_from_what_is_missing_and_says_which_value_changed(
    made: Workspace,
) -> None:
    changed = copy.deepcopy(ONE)
    changed["noise"] = {"levels": [0.1, 0.4, 0.5], "draws": 3}
    done = plan(made, changed)
    found = rows(done)
    assert found["train"] == [1, 0, 0, 0]
    assert found["evaluate_noise"] == [0, 3, 0, 2]
    assert "\n  draws changed from 2 to 3\n      2 evaluate_noise\n" in done.stdout
    (missing,) = re.findall(r"\n  not made yet, or deleted\n      (.*)\n", done.stdout)
    assert "1 evaluate_noise" in missing.split(", ")
    # The same study's finished evaluations say how long the missing one takes.
    assert "unknown" not in done.stdout


def test_changed_code_is_the_reason_where_it_is(made: Workspace) -> None:
    module = made.folder / "workflow/noise_resistance/evaluation/measure.py"
    text = module.read_text(encoding="utf-8")
    module.write_text(text + "\n_CHANGED = 1\n", encoding="utf-8")
    try:
        done = plan(made, ONE)
    finally:
        module.write_text(text, encoding="utf-8")
    assert rows(done)["train"] == [1, 0, 0, 0]
    assert re.search(r"\n  its code changed\n      2 evaluate_noise\b", done.stdout)


def test_a_training_that_runs_is_counted_and_not_disturbed(made: Workspace) -> None:
    more = {**ONE, "seeds": [1, 2]}
    lock = made.folder / TRAINING.replace("seed-1", "seed-2") / ".resume/lock"
    with hold(lock):
        done = plan(made, more)
    assert rows(done)["train"] == [1, 1, 1, 0]
    assert f"seed-2: epoch 0 of 2 (process {os.getpid()} on " in done.stdout
    # Its file stays behind where a training is killed.
    assert rows(plan(made, more))["train"] == [1, 1, 0, 0]


def test_an_evaluation_that_a_run_has_started_is_counted_as_running(made: Workspace) -> None:
    more = {**ONE, "seeds": [1, 3]}
    records = made.folder / ".snakemake"
    output = TRAINING.replace("seed-1", "seed-3") + "/noise/kernels/eta-0.1.h5"
    mark = records / "incomplete" / base64.urlsafe_b64encode(output.encode()).decode()
    lock = records / "locks/0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    mark.write_text("{}", encoding="utf-8")
    lock.write_text(output, encoding="utf-8")
    try:
        done = plan(made, more)
    finally:
        mark.unlink()
        lock.unlink()
    assert rows(done)["evaluate_noise"] == [2, 2, 1, 0]
    assert "a run is going on here" in done.stdout


def test_a_file_name_with_a_slip_is_answered_with_the_nearest(made: Workspace) -> None:
    command = [sys.executable, "-m", "noise_resistance", "plan", "--configfile=config/dmeo.yaml"]
    done = subprocess.run(
        command,
        cwd=made.folder,
        env={**os.environ, "PYTHONPATH": "workflow"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: config/dmeo.yaml: No such file or directory; did you mean 'config/demo.yaml'? ("
    )
