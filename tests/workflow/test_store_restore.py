"""`noise-resistance store restore` before a run: Snakemake then plans only what is left.

The results are made up, which no plan sees. They lie in a folder beside the checkout.
"""

import contextlib
import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from workspace import Run, Workspace

from made_up_study import CONFIG, MadeUpStudy
from noise_resistance.store.study_results import STEPS

FROM_ELSEWHERE = ("--snakefile", "../checkout/Snakefile")
CONFIG_OF_THREE = copy.deepcopy(CONFIG)
CONFIG_OF_THREE["noise"]["draws"] = 3


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The store of two studies that differ in their draws, and no results."""
    folder = tmp_path_factory.mktemp("restore")
    Workspace.make(folder / "checkout")
    (folder / "work").mkdir()
    with contextlib.chdir(folder / "work"):
        for config in (CONFIG_OF_THREE, CONFIG):
            MadeUpStudy.of(config).run()
        # What gathers them is not made up.
        Path("results/tiny/summary.h5").unlink()
    return Workspace(folder / "work")


@pytest.fixture
def work(finished: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(finished.folder.parent, tmp_path, dirs_exist_ok=True)
    return Workspace(tmp_path / "work")


def dry_run(work: Workspace, config: dict[str, Any], *arguments: str) -> Run:
    run = work.snakemake("--dry-run", *FROM_ELSEWHERE, *arguments, config=config)
    assert run.status == 0, run.output
    return run


def left(work: Workspace, config: dict[str, Any], *arguments: str) -> set[str]:
    """The rules of planned jobs that train or measure."""
    run = dry_run(work, config, *arguments)
    assert "summarise" in run.planned
    return run.planned.keys() & STEPS.keys()


def restore(work: Workspace, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "noise_resistance", "store", "restore", *FROM_ELSEWHERE, *options],
        cwd=work.folder,
        env={**os.environ, "PYTHONPATH": str(work.folder.with_name("checkout") / "workflow")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_without_any_record_what_the_store_has_is_restored_and_only_the_rest_is_planned(
    work: Workspace,
) -> None:
    shutil.rmtree(work.folder / "results/tiny")
    shutil.rmtree(work.folder / "results/store/diagnose")
    shutil.rmtree(work.folder / "logs")
    (work.folder / "mine.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    said = restore(work, "--configfile=mine.json")
    rows = [line.split() for line in said.splitlines()]
    assert rows[0] == ["rule", "there", "restored", "left"]
    assert ["train", "0", "2", "0"] in rows
    assert ["diagnose", "0", "0", "2"] in rows
    assert ["evaluate_external", "0", "1", "0"] in rows
    assert not (work.folder / ".snakemake").exists()
    logs = {path.parts[0] for path in map(Path, work.files("logs/tiny"))}
    assert logs == STEPS.keys() - {"diagnose"}
    everything = ("mtime", "code", "params", "input", "software-env")
    options = ("--workflow-profile=none", "--rerun-triggers", *everything)
    assert left(work, CONFIG, *options) == {"diagnose"}


def test_records_of_what_the_files_were_before_plan_nothing_and_those_of_others_stay(
    work: Workspace,
) -> None:
    # Snakemake records the files of three draws, and one of another study.
    with contextlib.chdir(work.folder):
        MadeUpStudy.of(CONFIG_OF_THREE).run()
    rules = ("evaluate_noise", "evaluate_external")
    options = (*FROM_ELSEWHERE, "--touch", "--forceall", "--until", *rules)
    touched = work.snakemake(*options, config=CONFIG_OF_THREE)
    assert touched.status == 0, touched.output
    assert left(work, CONFIG) >= {*rules}
    records = {*work.files(".snakemake/metadata")}
    assert records
    said = restore(work, "--configfile=test.yaml")
    assert ["evaluate_noise", "0", "2", "0"] in [line.split() for line in said.splitlines()]
    assert left(work, CONFIG) == set()
    # Those of files that stayed tell later what has changed.
    forgotten = records - work.files(".snakemake/metadata")
    assert 0 < len(forgotten) < len(records)
    run = dry_run(work, CONFIG_OF_THREE)
    assert "another configuration (noise.draws)" in run.output
    assert "restored from the store" in run.output
