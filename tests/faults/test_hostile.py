"""Input that means harm: nothing is executed, nothing is written where it does not belong."""

import copy
import io
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disturbance import half_made
from test_faults import STUDY
from workspace import Workspace

from noise_resistance.datasets.cifar import read_cifar10
from noise_resistance.errors import DataError

COMMANDS = (
    "$(touch hacked)",
    "`touch hacked`",
    "a; touch hacked",
    "a' ; touch hacked '",
    'a" && touch hacked "',
    "a\ntouch hacked",
    "{touch}",
    "-rf",
    "../../hacked",
    "/tmp/hacked-by-a-test",
    "~",
    "a b",
)


def with_value(place: tuple[Any, ...], value: str) -> dict[str, Any]:
    config = copy.deepcopy(STUDY)
    *path, last = place
    at: Any = config
    for key in path:
        at = at.setdefault(key, {}) if isinstance(at, dict) else at[key]
    at[last] = value
    return config


NAMES = [
    ("study",),
    ("experiments", 0, "datasets", 0),
    ("experiments", 0, "models", 0),
    ("experiments", 0, "name"),
    ("noise", "scopes", 0),
    ("noise", "sigma_of"),
    ("training", "precision"),
]


@pytest.mark.parametrize("place", NAMES, ids=["-".join(map(str, place)) for place in NAMES])
def test_a_hostile_name_is_refused_before_any_job(
    workspace: Workspace, counts: Counter[str], place: tuple[Any, ...]
) -> None:
    # All values are tried on the checker itself in the fuzz tests; here one goes the whole way.
    value = COMMANDS[NAMES.index(place) % len(COMMANDS)]
    run = workspace.snakemake(config=with_value(place, value))
    assert run.status != 0
    assert len(run.errors) == 1, run.output[-2000:]
    assert run.errors[0].startswith("error: configuration: ")
    assert not run.jobs
    assert no_trace(workspace)
    counts["hostile inputs refused"] += 1


def test_hostile_texts_pass_through_every_job_without_being_executed(
    workspace: Workspace, counts: Counter[str]
) -> None:
    config = copy.deepcopy(STUDY)
    texts = " ".join(COMMANDS) + " %s $HOME \\input{x} <script>"
    config["datasets"] = {
        "digits": {"title": texts, "licence": texts, "source": texts, "version": texts}
    }
    config["store"] = f"results/{texts.replace('/', '').replace('hacked', 'done')}"
    run = workspace.snakemake(config=config)
    assert run.status == 0, run.output[-5000:]
    assert no_trace(workspace)
    assert half_made(workspace.folder / config["store"]) == []
    for suffix in ("md", "tex"):  # the CSV has names, not titles
        text = (workspace.folder / f"results/faulty/tables/table1.{suffix}").read_text("utf-8")
        assert "touch hacked" in text
    assert "\\input{x}" not in text
    counts["hostile inputs carried without harm"] += len(COMMANDS)


ARCHIVE = "cifar-10-binary.tar.gz"


def with_archive(name: str, url: str) -> dict[str, Any]:
    config = copy.deepcopy(STUDY)
    config["experiments"][0]["datasets"] = ["cifar10"]
    config["datasets"] = {"cifar10": {"files": {name: {"url": url, "checksum": f"md5:{'0' * 32}"}}}}
    return config


URLS = (
    "$(touch hacked)",
    "a' ; touch hacked '",
    "a\ntouch hacked",
    "{touch}",
    "--help",
    "/dev/zero",
)


@pytest.mark.parametrize("url", URLS)
def test_a_hostile_url_of_an_archive_is_one_line_and_no_command(
    workspace: Workspace, counts: Counter[str], url: str
) -> None:
    archive = f"results/datasets/cifar10/{'0' * 16}/{ARCHIVE}"
    run = workspace.snakemake(archive, config=with_archive(ARCHIVE, url))
    assert run.status != 0
    assert len(run.errors) == 1, run.output[-2000:]
    assert f"datasets.cifar10.files.{ARCHIVE}" in run.errors[0]
    assert workspace.files("results/datasets") == set()
    assert no_trace(workspace)
    counts["hostile inputs refused"] += 1


@pytest.mark.parametrize("name", ["../../hacked", "a; touch hacked", "{touch}"])
def test_a_hostile_name_of_an_archive_is_refused_before_any_job(
    workspace: Workspace, counts: Counter[str], name: str
) -> None:
    run = workspace.snakemake("--dry-run", config=with_archive(name, "file:///etc/passwd"))
    assert run.status != 0
    assert len(run.errors) == 1, run.output[-2000:]
    assert run.errors[0].startswith("error: configuration: ")
    assert no_trace(workspace)
    counts["hostile inputs refused"] += 1


@pytest.mark.parametrize("file", ["$(touch hacked)", "a' ;\ntouch hacked '"])
def test_a_hostile_file_name_of_a_foreign_model_is_read_and_no_command(
    workspace: Workspace, counts: Counter[str], file: str
) -> None:
    config = copy.deepcopy(STUDY)
    path = f"config/{file}.keras"
    config["external_models"] = {"foreign": {"file": path, "dataset": "digits"}}
    target = "results/faulty/external_models.csv"
    missing = workspace.snakemake(target, config=config)
    assert missing.status != 0
    assert not missing.jobs
    (workspace.folder / path).write_bytes(b"no model")
    run = workspace.snakemake(target, config=config)
    assert len(run.errors) == 1, run.output[-2000:]
    (workspace.folder / path).unlink()
    assert no_trace(workspace)
    counts["hostile inputs refused"] += 1


def test_a_file_name_of_a_foreign_model_with_braces_is_refused_before_any_job(
    workspace: Workspace, counts: Counter[str]
) -> None:
    config = copy.deepcopy(STUDY)
    file = "config/{hacked}.keras"
    config["external_models"] = {"foreign": {"file": file, "dataset": "digits"}}
    (workspace.folder / file).write_bytes(b"no model")
    run = workspace.snakemake("--dry-run", config=config)
    (workspace.folder / file).unlink()
    assert len(run.errors) == 1, run.output[-2000:]
    assert "external_models.foreign.file" in run.errors[0]
    assert no_trace(workspace)
    counts["hostile inputs refused"] += 1


def no_trace(workspace: Workspace) -> bool:
    """Nothing was executed, and nothing lies outside of results and logs."""
    known = {"Snakefile", "config", "envs", "profiles", "workflow", "results", "logs", "test.yaml"}
    names = {one.name for one in workspace.folder.iterdir()} - known - {".snakemake"}
    beside = {one.name for one in workspace.folder.parent.iterdir()} - {workspace.folder.name}
    found = [*workspace.folder.parent.rglob("*hacked*"), *Path("/tmp").glob("hacked*")]
    return not names and not beside and not found


def hostile_members() -> dict[str, tarfile.TarInfo]:
    found = {}
    for name in ("../escaped.bin", "/tmp/hacked-by-a-test", "cifar-10-batches-bin/../../x.bin"):
        found[name] = tarfile.TarInfo(name)
    for kind, name in {
        tarfile.SYMTYPE: "symbolic link",
        tarfile.LNKTYPE: "hard link",
        tarfile.CHRTYPE: "device",
        tarfile.FIFOTYPE: "pipe",
    }.items():
        found[name] = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        found[name].type, found[name].linkname = kind, "/etc/passwd"
    return found


@pytest.mark.parametrize("hostile", [*hostile_members(), "a gigabyte of zeros"])
def test_a_hostile_archive_writes_nothing_and_takes_little_memory(
    tmp_path: Path, counts: Counter[str], hostile: str
) -> None:
    path = tmp_path / "archive.tar.gz"
    batches = [f"data_batch_{index}.bin" for index in range(1, 6)] + ["test_batch.bin"]
    if hostile in ("symbolic link", "hard link", "device", "pipe"):
        batches.remove("test_batch.bin")
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name in batches:
            bomb = hostile == "a gigabyte of zeros" and name == "test_batch.bin"
            content = bytes(1 << 30) if bomb else record()
            header = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
        if hostile in hostile_members():
            tar.addfile(hostile_members()[hostile])
    if hostile in ("../escaped.bin", "/tmp/hacked-by-a-test", "cifar-10-batches-bin/../../x.bin"):
        assert len(read_cifar10([path]).test_labels) == 1  # ignored, and written nowhere
        counts["hostile inputs carried without harm"] += 1
    else:
        with pytest.raises(DataError) as caught:
            read_cifar10([path])
        assert str(path) in str(caught.value)
        counts["hostile inputs refused"] += 1
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert not list(Path("/tmp").glob("hacked*"))
    assert not (tmp_path.parent / "escaped.bin").exists()


def record() -> bytes:
    return b"\x01" + np.arange(3072, dtype=np.uint8).tobytes()
