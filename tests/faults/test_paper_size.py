"""A finished study of the paper's size, its files small and their metadata real."""

import contextlib
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from workspace import Workspace

from made_up_results import write
from made_up_study import MadeUpStudy
from noise_resistance.store.study_results import StudyResults
from noise_resistance.study.products import Products


@pytest.fixture(scope="module")
def products() -> Products:
    return MadeUpStudy.of({}).products


@pytest.fixture(scope="module")
def finished(products: Products, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.make(tmp_path_factory.mktemp("paper") / "work")
    study, found = MadeUpStudy(products), StudyResults(products)
    # Thousands of small files: nobody's disk need have them at once.
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(workspace.folder):
        patch.setattr(os, "fsync", lambda descriptor: None)
        study.prepare()
        for job in study.jobs:
            for result in found.of(job.rule, job.wildcards):
                write(result, result.files)
        gathered = [*products.all(), *products.measured.values(), products.paths.settings]
        for path in map(Path, gathered):
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("a file\n", encoding="utf-8")
    for path in (workspace.folder / "results").rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    run = workspace.snakemake("--touch")
    assert run.status == 0, run.output[-3000:]
    return workspace


def cpu_seconds_of_children() -> float:
    """Processor time of all programs that this process has started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_a_finished_study_of_the_papers_size_has_nothing_to_do(
    finished: Workspace, products: Products, counts: Counter[str]
) -> None:
    started, used = time.monotonic(), cpu_seconds_of_children()
    run = finished.snakemake()
    seconds, used = time.monotonic() - started, cpu_seconds_of_children() - used
    assert run.status == 0, run.output[-3000:]
    assert "Nothing to be done" in run.output, run.output[-3000:]
    assert not run.jobs
    counts["files of a finished study of the paper's size"] += len(
        [*finished.folder.glob("results/paper/**/*.h5")]
    )
    counts["seconds until 'Nothing to be done' there"] += round(seconds)
    counts["of them, of one processor"] += round(used)
    # Its own time: what else runs on the machine is not this program's.
    assert used < 15
    assert len(products.study.trainings) == 73
    assert len(products.study.evaluations) == 876


def test_one_lost_evaluation_of_it_is_all_that_is_planned(
    finished: Workspace, products: Products
) -> None:
    lost = finished.folder / products.evaluations()[100]
    content = lost.read_bytes()
    lost.unlink()
    try:
        run = finished.snakemake("evaluations", "--dry-run")
        assert run.planned == {"evaluate_noise": 1, "evaluations": 1}
    finally:
        lost.write_bytes(content)
        os.utime(lost, (1_700_000_000, 1_700_000_000))


def test_its_plan_says_that_nothing_is_left(finished: Workspace) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "noise_resistance", "plan"],
        cwd=finished.folder,
        env={**os.environ, "PYTHONPATH": "workflow"},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split()[:3] for line in done.stdout.splitlines()]
    assert ["train", "73", "0"] in rows
    assert ["evaluate_noise", "876", "0"] in rows
    assert "nothing is left to do" in done.stdout
