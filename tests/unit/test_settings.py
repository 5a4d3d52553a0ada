"""What a study was, and the warning where Snakemake cannot know that it is another one now."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from noise_resistance.study.configuration import load
from noise_resistance.study.settings import lost_records, settings_of

CONFIGURATION: dict[str, Any] = {
    "study": "mine",
    "experiments": [
        {
            "name": "learning_rate",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "learning_rates": [0.001],
        }
    ],
    "noise": {"scopes": ["all", {"name": "kernels_max", "arrays": "kernels"}]},
    "datasets": {
        "digits": {
            "title": "Digits",
            "version": "1",
            "reader": "digits",
            "classes": 10,
            "files": {},
        }
    },
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with what the study was, and without Snakemake's records."""
    monkeypatch.chdir(tmp_path)
    study = load(CONFIGURATION)
    path = Path(study.paths.settings)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(settings_of(study)), encoding="utf-8")
    return tmp_path


def changed(**values: Any) -> dict[str, Any]:
    return {**copy.deepcopy(CONFIGURATION), **values}


def warning(config: dict[str, Any]) -> str | None:
    return lost_records(load(config))


def test_the_same_configuration_needs_no_warning(folder: Path) -> None:
    assert warning(CONFIGURATION) is None
    # Nor one that says where and how fast it is computed.
    machine = {"device": "gpu", "longest_job": 60, "store": "/shared", "training": {"threads": 4}}
    assert warning(changed(**machine)) is None


@pytest.mark.parametrize(
    ("config", "keys"),
    [
        (changed(training={"epochs": 3}), "(training.epochs)"),
        (changed(training={"l2": 0.5, "snapshots": [2]}), "(training.l2, training.snapshots)"),
        (changed(noise={**CONFIGURATION["noise"], "draws": 7}), "(noise.draws)"),
        (changed(seeds=[1, 2]), "(seeds)"),
        (changed(evaluation={"precision": "bfloat16"}), "(evaluation.precision)"),
        (
            changed(datasets={"digits": {**CONFIGURATION["datasets"]["digits"], "version": "2"}}),
            "(datasets.digits.version)",
        ),
    ],
)
def test_without_records_another_configuration_gets_one_line_that_names_the_keys(
    folder: Path, config: dict[str, Any], keys: str
) -> None:
    line = warning(config)
    assert line is not None
    assert keys in line
    assert "results/mine" in line
    assert "--forceall" in line
    assert "\n" not in line


def test_with_records_snakemake_knows_by_itself(folder: Path) -> None:
    records = folder / ".snakemake/metadata"
    records.mkdir(parents=True)
    # None in it: as after `rm -r .snakemake` and a dry run.
    assert warning(changed(seeds=[2])) is not None
    (records / "a record").touch()
    assert warning(changed(seeds=[2])) is None


@pytest.mark.parametrize("content", [None, "", "{", "[]", "null", '"text"'])
def test_what_cannot_be_read_warns_of_nothing(folder: Path, content: str | None) -> None:
    path = folder / "results/mine/study.json"
    path.unlink()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert warning(changed(seeds=[2])) is None


def test_another_study_s_name_is_another_folder(folder: Path) -> None:
    assert warning(changed(study="other", seeds=[2])) is None
