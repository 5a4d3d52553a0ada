"""What Snakemake plans, and which configurations it refuses before any job; no job runs here."""

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspace import ROOT, TINY, Workspace

DEFAULT: dict[str, Any] = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A working folder where importing TensorFlow or Keras fails."""
    traps = tmp_path_factory.mktemp("traps")
    for name in ("tensorflow", "keras"):
        trap = f"raise SystemExit('{name} was imported for a plan')\n"
        (traps / f"{name}.py").write_text(trap, encoding="utf-8")
    trapped = Workspace.make(tmp_path_factory.mktemp("plan") / "work", PYTHONPATH=str(traps))
    done = subprocess.run(
        [sys.executable, "-c", "import tensorflow"],
        env=dict(trapped.environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "tensorflow was imported" in done.stderr
    return trapped


def plan(
    planner: Workspace, *arguments: str, config: dict[str, Any] | None = None
) -> dict[str, int]:
    run = planner.snakemake("--dry-run", *arguments, config=config)
    assert run.status == 0, run.output[-3000:]
    return run.planned


def test_the_default_configuration_plans_each_job_of_the_paper_once_without_tensorflow(
    planner: Workspace,
) -> None:
    assert plan(planner) == {
        "all": 1,
        "download_dataset": 2,
        "prepare_dataset": 2,
        "train": 48 + 5 + 20,
        "evaluate_baseline": 73,
        "evaluate_noise": 73 * 2 * 6,
        "diagnose": 73,
        "summarise": 1,
        "summarise_lengths": 1,
        "summarise_diagnostics": 1,
        "report": 1,
        "table1": 1,
        "table2": 1,
        "table3": 2,
        "uncertainty": 2,
        "best_rate": 2,
        "comparison": 2,
        "readings": 1,
        "claims": 1,
        "learning_rate_figure": 2 * 2,
        "optimizer_figure": 2,
        "tradeoff_figure": 2,
        "gradient_noise": 1,
        "why_figure": 2,
    }
    assert not (planner.folder / "results").exists()


@pytest.mark.parametrize(
    ("names", "trainings"),
    [
        (["learning_rate"], 48),
        (["learning_rate", "optimizer"], 48 + 5),
        (["tradeoff"], 44),
    ],
)
def test_each_experiment_adds_only_the_trainings_that_no_other_makes(
    planner: Workspace, names: list[str], trainings: int
) -> None:
    experiments = [one for one in DEFAULT["experiments"] if one["name"] in names]
    planned = plan(planner, "trainings", config={"experiments": experiments})
    assert planned["train"] == trainings
    assert "evaluate_noise" not in planned


def test_the_named_targets_stop_where_they_say(planner: Workspace) -> None:
    planned = plan(planner, "evaluations", "tables", config=TINY)
    assert planned["train"] == 3
    assert planned["evaluate_noise"] == 10
    assert planned["table3"] == 1
    assert "optimizer_figure" not in planned


def test_the_demo_plans_no_download(planner: Workspace) -> None:
    run = planner.snakemake("--dry-run", "--configfile=config/demo.yaml")
    assert run.status == 0, run.output[-3000:]
    assert "download_dataset" not in run.planned
    assert run.planned["prepare_dataset"] == 2


def test_tables_of_what_there_is_begin_nothing_that_is_missing(planner: Workspace) -> None:
    planned = plan(planner, config={**TINY, "study": "nothing_yet", "incomplete": True})
    assert {"summarise", "table2", "report"} <= planned.keys()
    measuring = {"train", "evaluate_baseline", "evaluate_noise", "diagnose"}
    assert not measuring & planned.keys(), planned


def test_a_second_configuration_file_is_laid_over_the_first(planner: Workspace) -> None:
    (planner.folder / "more.yaml").write_text("seeds: [1, 2]\n", encoding="utf-8")
    (planner.folder / "tiny.yaml").write_text(yaml.safe_dump(TINY), encoding="utf-8")
    run = planner.snakemake("--dry-run", "trainings", "--configfile", "tiny.yaml", "more.yaml")
    assert run.planned["train"] == 6


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"epochs": 3}, "unknown key 'epochs'"),
        ({"models": ["resnet21"]}, "experiment learning_rate: models: model 'resnet21': a CIFAR"),
        ({"learning_rates": ["1e-3"]}, "write a number without quotes, such as 0.001 or 1.0e-3"),
        ({"study": "../elsewhere"}, "study: '../elsewhere' is not possible"),
    ],
)
def test_a_configuration_mistake_is_one_line_before_any_job(
    planner: Workspace, change: dict[str, Any], expected: str
) -> None:
    config = copy.deepcopy(TINY)
    (key,) = change
    place = config["experiments"][0] if key in config["experiments"][0] else config
    place.update(change)
    run = planner.snakemake(config=config)
    assert run.status == 1
    assert run.errors == run.lines[-1:], run.output
    assert run.errors[0].startswith("error: configuration: ")
    assert expected in run.errors[0]
    assert "Traceback" not in run.output
    assert not (planner.folder / "results").exists()


def test_every_rule_has_a_log_of_its_own(planner: Workspace) -> None:
    run = planner.snakemake("--dry-run", config=TINY)
    logs = [line.split(": ")[1] for line in run.lines if line.startswith("    log: ")]
    jobs = sum(run.planned.values()) - run.planned["all"]
    assert len(logs) == jobs
    assert len(set(logs)) == jobs
    assert all(Path(log).parts[:2] == ("logs", "tiny") for log in logs)
