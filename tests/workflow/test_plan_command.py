"""`noise-resistance plan` in a working folder: what it says, and that it leaves no trace."""

import base64
import copy
import json
import os
import re
import shutil
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
TRAINING = "results/one/trainings/digits/resnet8/standard/adam/lr-0.001/seed-1"


EVALUATED = ("train", "evaluate_baseline", "evaluate_noise")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The finished study: no test changes its results."""
    workspace = Workspace.make(tmp_path_factory.mktemp("planned") / "work")
    run = workspace.snakemake("evaluations", config=ONE)
    assert run.status == 0, run.output[-3000:]
    return workspace


@pytest.fixture
def changed(made: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished study, with its times, to be changed."""
    shutil.copytree(made.folder, tmp_path / "work", symlinks=True)
    return Workspace(tmp_path / "work")


def plan(
    workspace: Workspace, *configs: dict[str, Any], options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "noise_resistance", "plan"]
    for number, config in enumerate(configs):
        file = f"plan{number}.yaml"
        (workspace.folder / file).write_text(yaml.safe_dump(config), encoding="utf-8")
        command.append(f"--configfile={file}")
    return subprocess.run(
        [*command, *options],
        cwd=workspace.folder,
        env={
            **os.environ,
            "PYTHONPATH": str(workspace.folder / "workflow"),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, list[int]]:
    """Done, left, running, stale, and of the left those looked at, restored, computed, by row."""
    assert done.returncode == 0, done.stderr
    table = done.stdout.split("\n\n")[1].splitlines()[1:-1]
    return {line[:30].strip(): [int(one) for one in line[30:].split()[:7]] for line in table}


def actions(
    workspace: Workspace, *configs: dict[str, Any], options: tuple[str, ...] = ()
) -> dict[str, set[str]]:
    """What becomes of the jobs of each rule, by the JSON."""
    done = plan(workspace, *configs, options=("--json", *options))
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert set(document) == {"study", "jobs"}
    found: dict[str, set[str]] = {}
    for job in document["jobs"]:
        assert set(job) == {"rule", "wildcards", "action", "reason", "outputs"}
        assert bool(job["reason"]) == (job["action"] != "nothing")
        found.setdefault(job["rule"], set()).add(job["action"])
    return found


def of_study(action: str, dataset: str = "nothing") -> dict[str, set[str]]:
    """What becomes of all jobs of the study, of which no table was made yet."""
    aggregates = ("summarise", "summarise_lengths", "tradeoff_figure", "report")
    return {
        "prepare_dataset": {dataset},
        **{rule: {action} for rule in EVALUATED},
        **{rule: {"compute"} for rule in aggregates},
    }


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
    assert rows(done)["train"] == [0, 1, 0, 0, 0, 0, 1]
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
        "train": [1, 0, 0, 0, 0, 0, 0],
        "evaluate_baseline": [1, 0, 0, 0, 0, 0, 0],
        "evaluate_noise": [2, 0, 0, 0, 0, 0, 0],
    }


def test_what_is_finished_is_not_planned(made: Workspace) -> None:
    assert actions(made, ONE) == of_study("nothing")


def test_what_is_planned_without_need_is_looked_at(made: Workspace) -> None:
    assert actions(made, ONE, options=("--forceall",)) == of_study("look", dataset="compute")
    done = plan(made, ONE, options=("--forceall",))
    assert rows(done)["train"] == [0, 1, 0, 0, 1, 0, 0]
    # Nothing that computes for long is left.
    assert "time:" not in done.stdout


def test_what_an_earlier_run_made_is_restored_where_it_is_deleted(changed: Workspace) -> None:
    shutil.rmtree(changed.folder / "results/one")
    assert actions(changed, ONE) == of_study("restore")
    done = plan(changed, ONE)
    assert rows(done)["evaluate_noise"] == [0, 2, 0, 0, 0, 2, 0]
    assert "time:" not in done.stdout


def test_what_another_study_made_is_restored_where_there_is_a_store(made: Workspace) -> None:
    study = {**ONE, "study": "two"}
    assert actions(made, study) == of_study("restore")
    assert actions(made, study, {"store": False}) == of_study("compute")


def test_a_store_elsewhere_is_looked_into(changed: Workspace) -> None:
    shutil.rmtree(changed.folder / "results/one")
    (changed.folder / "results/store").rename(changed.folder / "shared")
    assert actions(changed, ONE, {"store": "shared"}) == of_study("restore")


def test_without_the_description_of_a_dataset_what_reads_it_counts_as_computed(
    changed: Workspace,
) -> None:
    shutil.rmtree(changed.folder / "results/datasets")
    shutil.rmtree(changed.folder / "results/one")
    assert actions(changed, ONE) == of_study("compute", dataset="compute")


def test_two_configuration_files_are_both_laid_over_the_default(made: Workspace) -> None:
    found = rows(plan(made, ONE, {"seeds": [1, 2]}))
    assert found["train"] == [1, 1, 0, 0, 0, 0, 1]
    assert found["evaluate_noise"] == [2, 2, 0, 0, 0, 0, 2]


def test_sweep_snapshots_and_diagnostics_are_counted_by_themselves(made: Workspace) -> None:
    more = copy.deepcopy(ONE)
    more["noise"]["layer_sweep"] = {"levels": [0.1, 0.2]}
    more["training"]["snapshots"] = [1]
    more["diagnostics"] = {"images": 16, "batches": 4}
    found = rows(plan(made, more))
    # Resnet8 has a stem, six convolutions, two shortcuts and a dense layer.
    assert found.pop("evaluate_noise, layers") == [0, 10 * 2, 0, 0, 0, 0, 10 * 2]
    assert found == {
        "train": [0, 1, 0, 0, 0, 0, 1],  # the snapshot is not there
        # Snakemake plans what follows from a training; its last epoch is there and stays.
        "evaluate_baseline": [0, 1, 0, 0, 1, 0, 0],
        "evaluate_noise": [0, 2, 0, 0, 2, 0, 0],
        "evaluate_snapshot_baseline": [0, 1, 0, 0, 0, 0, 1],
        "evaluate_snapshot_noise": [0, 2, 0, 0, 0, 0, 2],
        "diagnose": [0, 1, 0, 0, 0, 0, 1],
    }


def test_what_is_stale_is_told_from_what_is_missing_and_says_which_value_changed(
    made: Workspace,
) -> None:
    changed = copy.deepcopy(ONE)
    changed["noise"] = {"levels": [0.1, 0.4, 0.5], "draws": 3}
    done = plan(made, changed)
    found = rows(done)
    assert found["train"] == [1, 0, 0, 0, 0, 0, 0]
    assert found["evaluate_noise"] == [0, 3, 0, 2, 0, 0, 3]
    assert "\n  draws changed from 2 to 3\n      2 evaluate_noise\n" in done.stdout
    (missing,) = re.findall(r"\n  not made yet, or deleted\n      (.*)\n", done.stdout)
    assert "1 evaluate_noise" in missing.split(", ")
    # The same study's finished evaluations say how long the missing one takes.
    assert "unknown" not in done.stdout


def test_changed_code_is_the_reason_where_it_is(changed: Workspace) -> None:
    module = changed.folder / "workflow/noise_resistance/evaluation/measure.py"
    text = module.read_text(encoding="utf-8")
    module.write_text(text + "\nCHANGED = 1\n", encoding="utf-8")
    done = plan(changed, ONE)
    assert rows(done)["train"] == [1, 0, 0, 0, 0, 0, 0]
    assert rows(done)["evaluate_noise"] == [0, 2, 0, 2, 0, 0, 2]
    assert re.search(r"\n  its code changed\n      2 evaluate_noise\b", done.stdout)


def test_a_training_that_runs_is_counted_and_not_disturbed(changed: Workspace) -> None:
    more = {**ONE, "seeds": [1, 2], "store": False}
    lock = changed.folder / TRAINING.replace("seed-1", "seed-2") / ".resume/lock"
    with hold(lock):
        done = plan(changed, more)
    assert rows(done)["train"] == [1, 1, 1, 0, 0, 0, 1]
    assert f"seed-2: epoch 0 of 2 (process {os.getpid()} on " in done.stdout
    # Its file stays behind where a training is killed.
    assert rows(plan(changed, more))["train"] == [1, 1, 0, 0, 0, 0, 1]


def test_a_training_that_runs_for_another_study_is_running(changed: Workspace) -> None:
    """The lock lies with the key: of two studies that share a training, one waits."""
    # Anew, in a store that has not got it.
    shutil.rmtree(changed.folder / "results/one")
    (key,) = (changed.folder / "results/store/train").iterdir()
    shutil.rmtree(key)
    with hold(key / "lock"):
        done = plan(changed, {**ONE, "study": "two"})
    assert rows(done)["train"] == [0, 1, 1, 0, 0, 0, 1]
    assert f"seed-1: epoch 0 of 2 (process {os.getpid()} on " in done.stdout


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
    assert rows(done)["evaluate_noise"] == [2, 2, 1, 0, 0, 0, 2]
    assert "a run is going on here" in done.stdout


def test_configuration_files_are_found_beside_the_snakefile_and_results_in_the_directory(
    made: Workspace, tmp_path: Path
) -> None:
    """As Snakemake finds them: unless the working folder has its own."""
    elsewhere = Workspace(tmp_path)
    where = ("-s", str(made.folder / "Snakefile"))
    source = {"PYTHONPATH": str(made.folder / "workflow")}
    file = tmp_path / "one.yaml"
    file.write_text(yaml.safe_dump(ONE), encoding="utf-8")

    def found(*options: str) -> dict[str, list[int]]:
        command = [sys.executable, "-m", "noise_resistance", "plan", *where, *options]
        done = subprocess.run(
            command,
            cwd=elsewhere.folder,
            env={**os.environ, **source, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        return rows(done)

    assert found("--configfile=one.yaml")["train"] == [0, 1, 0, 0, 0, 0, 1]
    there = ("--configfile=one.yaml", "--directory", str(made.folder))
    assert found(*there)["train"] == [1, 0, 0, 0, 0, 0, 0]
    (tmp_path / "config").mkdir()
    own = {**ONE, "seeds": [1, 2, 3]}
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    assert found()["train"] == [0, 3, 0, 0, 0, 0, 3]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "config/dmeo.yaml",
            None,
            "config/dmeo.yaml: No such file or directory; did you mean 'config/demo.yaml'? (",
        ),
        ("a.yaml", "study: [a", "a.yaml: no YAML: "),
        ("a.yaml", "a text", "a.yaml: holds no keys; write such as 'study: mine'"),
        (
            "a.yaml",
            "sudy: a",
            "snakemake cannot plan this study: configuration: unknown key 'sudy'",
        ),
    ],
)
def test_what_cannot_be_planned_is_refused_in_one_line(
    file: str, content: str | None, message: str, tmp_path: Path
) -> None:
    workspace = Workspace.make(tmp_path / "work")
    if content is not None:
        (workspace.folder / file).write_text(content, encoding="utf-8")
    done = plan(workspace, options=("--configfile", file))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1


def test_an_option_that_snakemake_does_not_know_is_named(made: Workspace) -> None:
    done = plan(made, ONE, options=("--at-onc=3",))
    assert done.stderr.endswith("error: unrecognized arguments: --at-onc=3\n")
