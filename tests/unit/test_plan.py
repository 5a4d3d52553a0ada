"""`noise-resistance plan`: what is left, why, and for how long, from a dry run and from records."""

from pathlib import Path

import numpy as np
import pytest

from noise_resistance.analysis.plan import Job, disk_needed, estimate, jobs_left, reasons
from noise_resistance.study.paths import Paths

DRY_RUN = """Building DAG of jobs...
Job stats:
job      count
-----  -------
train        1

[Tue Nov 24 07:28:11 2026]
rule train:
    input: results/datasets/digits.h5
    output: results/s/a/model.weights.h5, results/s/a/history.h5
    jobid: 7
    reason: Params have changed since last execution: before: 'x' now: 'y'
    wildcards: dataset=digits, model=resnet8, optimizer=adam, learning_rate=0.001, seed=1
    resources: tmpdir=/tmp, gpu=0
[Tue Nov 24 07:28:11 2026]
localrule summarise:
    input: results/s/a/baseline.h5
    output: results/s/summary.csv, results/s/summary.h5
    reason: Missing output files: results/s/summary.csv; Input files updated by another job: x
    resources: tmpdir=/tmp
[Tue Nov 24 07:28:11 2026]
rule all:
    input: results/s/summary.csv
    jobid: 0
    reason: Input files updated by another job: results/s/summary.csv
    resources: tmpdir=/tmp
"""


def test_a_dry_run_is_read_job_by_job_without_its_targets() -> None:
    train, summarise = jobs_left(DRY_RUN)
    assert train.rule == "train"
    assert train.wildcards == {
        "dataset": "digits",
        "model": "resnet8",
        "optimizer": "adam",
        "learning_rate": "0.001",
        "seed": "1",
    }
    assert train.reason == "its parameters or the code behind it changed"
    assert train.outputs == ("results/s/a/model.weights.h5", "results/s/a/history.h5")
    assert (summarise.rule, summarise.wildcards) == ("summarise", {})
    assert summarise.reason == "not made yet"


def test_a_run_with_nothing_to_do_has_no_jobs() -> None:
    assert jobs_left("Building DAG of jobs...\nNothing to be done (all there).\n") == []


def test_reasons_are_counted_by_rule() -> None:
    jobs = [job("train", "resnet8")] * 3 + [job("evaluate_noise", "resnet8")]
    assert reasons(jobs) == [("train", "not made yet", 3), ("evaluate_noise", "not made yet", 1)]


def job(rule: str, model: str, dataset: str = "digits", output: str = "new.h5") -> Job:
    return Job(rule, {"dataset": dataset, "model": model}, "not made yet", (output,))


def record(folder: Path, rule: str, model: str, seed: int, seconds: float) -> None:
    path = folder / rule / "digits" / model / "adam" / "lr-0.001" / f"seed-{seed}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t1.0\n", encoding="utf-8")


def test_a_job_takes_the_median_time_of_its_like(tmp_path: Path) -> None:
    times = [100.0, 160.0, 900.0]
    for seed, seconds in enumerate(times):
        record(tmp_path, "train", "resnet20", seed, seconds)
    found = estimate([job("train", "resnet20")] * 2, tmp_path, {})
    assert found.seconds == {"train": pytest.approx(2 * np.median(times))}
    assert found.unknown == {}
    assert found.records["train"] == 3


def test_a_model_without_records_takes_time_in_proportion_to_depth(tmp_path: Path) -> None:
    record(tmp_path, "train", "resnet20", 1, 100.0)
    found = estimate([job("train", "resnet56")], tmp_path, {})
    assert found.seconds == {"train": pytest.approx(100 * 56 / 20)}


def test_a_training_that_has_begun_takes_what_is_left_of_it(tmp_path: Path) -> None:
    record(tmp_path, "train", "resnet20", 1, 100.0)
    found = estimate([job("train", "resnet20", output="w.h5")], tmp_path, {"w.h5": 0.25})
    assert found.seconds == {"train": pytest.approx(25)}


def test_what_resembles_no_finished_job_is_unknown_and_not_free(tmp_path: Path) -> None:
    record(tmp_path, "train", "resnet20", 1, 100.0)
    (tmp_path / "train/digits/resnet20/half.tsv").write_text("s\n", encoding="utf-8")
    jobs = [job("train", "resnet20", "cifar10"), job("evaluate_noise", "resnet20")]
    found = estimate([*jobs, job("table1", "")], tmp_path, {})
    assert found.seconds == {}
    assert found.unknown == {"train": 1, "evaluate_noise": 1}


def test_disk_needed_is_that_of_missing_files_of_the_same_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = Paths("s")
    there = Path(paths.root, "trainings/digits/resnet8/adam/lr-0.001/seed-1/noise/all/eta-0.1.h5")
    there.parent.mkdir(parents=True)
    there.write_bytes(bytes(1000))
    missing = str(there.with_name("eta-0.2.h5"))
    again = str(there)
    jobs = [
        job("evaluate_noise", "resnet8", output=missing),
        job("evaluate_noise", "resnet8", output=again),
        job("evaluate_noise", "resnet20", output=missing),
    ]
    assert disk_needed(jobs, paths) == 1000
