"""The workflow as a module of another one."""

from pathlib import Path

import pytest
import yaml
from workspace import DIGITS, OUTER_SNAKEFILE, ROOT, TINY, Workspace


@pytest.fixture
def outer(tmp_path: Path) -> Workspace:
    """A workflow of the user's own, with this one in a folder of it."""
    folder = tmp_path / "outer"
    Workspace.make(folder / "noise")
    (folder / "Snakefile").write_text(OUTER_SNAKEFILE, encoding="utf-8")
    (folder / "mine.yaml").write_text(yaml.safe_dump(TINY), encoding="utf-8")
    return Workspace(folder)


def test_another_workflow_plans_the_same_jobs_under_its_own_names(
    outer: Workspace, workspace: Workspace
) -> None:
    alone = workspace.snakemake("--dry-run", config=TINY)
    within = outer.snakemake("--dry-run")
    assert within.status == 0, within.output[-3000:]
    expected = {f"noise_{rule}": count for rule, count in alone.planned.items() if rule != "all"}
    assert within.planned == {**expected, "all": 1}
    assert "noise_train" in expected


def test_a_job_of_the_module_finds_its_code_and_writes_into_the_outer_folder(
    outer: Workspace,
) -> None:
    run = outer.snakemake(f"results/datasets/digits/{DIGITS}.h5")
    assert run.status == 0, run.output[-3000:]
    assert outer.files("results/datasets/digits") == {f"{DIGITS}.json", f"{DIGITS}.h5"}
    assert outer.files("logs") == {f"tiny/prepare_dataset/digits/{DIGITS}.log"}
    assert not (outer.folder / "noise" / "results").exists()


def test_the_readme_shows_the_module_that_is_tested() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = [line.removeprefix("    ").rstrip() for line in readme.splitlines()]
    for line in OUTER_SNAKEFILE.partition("rule all:")[0].split("\n"):
        assert line in shown
