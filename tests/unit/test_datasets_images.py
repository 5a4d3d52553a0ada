"""A dataset's large file may be deleted: a job that needs it makes it again, or says what to do."""

import hashlib
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noise_resistance.datasets import prepare as prepare_module
from noise_resistance.datasets.images import images_of
from noise_resistance.datasets.prepare import prepare
from noise_resistance.datasets.prepared import read_split
from noise_resistance.datasets.raw import RawDataset
from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import read_attributes
from noise_resistance.storage.provenance import Provenance
from noise_resistance.storage.sources import (
    digest_of_images,
    read_dataset_file,
    write_dataset_file,
)
from noise_resistance.store.fingerprint import fingerprint
from noise_resistance.study.dataset import Archive, Dataset
from noise_resistance.study.paths import Paths

PROVENANCE = Provenance("0123456789abcdef")
ENTRY = Dataset(
    name="small",
    title="Small CIFAR10",
    version="1",
    reader="cifar10",
    classes=10,
    train_images=50,
    test_images=10,
    licence="none",
    source="a test",
    archives=(),
)


def archive_of(seed: int) -> bytes:
    """An archive of CIFAR10's layout, one image a class in each batch."""
    pixels = np.random.default_rng(seed).integers(0, 256, (60, 3072), np.uint8)
    batches = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    members = {
        f"{name}.bin": b"".join(
            bytes([label]) + pixels[10 * index + label].tobytes() for label in range(10)
        )
        for index, name in enumerate(batches)
    }
    members["batches.meta.txt"] = "\n".join(f"name{label}" for label in range(10)).encode()
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz", compresslevel=1) as tar:
        for name, content in members.items():
            header = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return whole.getvalue()


def prepared(folder: Path, seed: int = 5, **changes: Any) -> Path:
    """Prepare a dataset where the rules do; return its small file."""
    content = archive_of(seed)
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    archive = Archive("small.tar.gz", checksum)
    entry = replace(ENTRY, archives=(archive,), **changes)
    place = {"checksum": archive.folder, "archive": archive.name, "digest": entry.digest}
    path = folder / Paths.archive.format(dataset="small", **place)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    output = folder / Paths.dataset.format(dataset="small", **place)
    prepare(entry, [path], output, PROVENANCE)
    return output


def test_a_job_has_the_file_beside_the_one_it_depends_on(tmp_path: Path) -> None:
    dataset = read_dataset_file(prepared(tmp_path))
    before = dataset.images.stat()
    assert images_of(dataset) == dataset.path.with_suffix(".h5")
    assert dataset.images.stat().st_mtime_ns == before.st_mtime_ns


def test_a_deleted_file_is_made_again_and_nothing_else_is_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = prepared(tmp_path)
    dataset, content, before = read_dataset_file(path), path.read_bytes(), path.stat()
    images = read_split(dataset.images, "train").images
    dataset.images.unlink()
    assert images_of(dataset) == dataset.images
    np.testing.assert_array_equal(read_split(dataset.images, "train").images, images)
    assert digest_of_images(dataset.images) == dataset.sha256
    # Byte by byte the same, and not even written: what depends on it is not older now.
    assert path.read_bytes() == content
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    stated = read_attributes(dataset.images, "dataset").attributes
    assert stated["fingerprint"] == fingerprint("prepare_dataset")
    assert "made again" in capsys.readouterr().out
    left = {one.name for one in path.parent.iterdir() if one.is_file()}
    assert left == {path.name, dataset.images.name}


def test_data_that_comes_with_the_installation_needs_no_archive(tmp_path: Path) -> None:
    entry = replace(ENTRY, reader="digits", train_images=None, test_images=None)
    path = tmp_path / "digits.json"
    prepare(entry, [], path, PROVENANCE)
    path.with_suffix(".h5").unlink()
    assert len(read_split(images_of(read_dataset_file(path)), "test").labels) == 445


def test_where_the_archive_is_gone_too_one_line_says_what_to_run(tmp_path: Path) -> None:
    path = prepared(tmp_path)
    dataset = read_dataset_file(path)
    dataset.images.unlink()
    for archive in path.parent.glob("*/small.tar.gz"):
        archive.unlink()
    with pytest.raises(DataError) as caught:
        images_of(dataset)
    line = str(caught.value)
    assert line.startswith(f"{dataset.images}: deleted, and so is the archive")
    assert f"`snakemake --force {path}`" in line
    assert "\n" not in line
    assert not dataset.images.exists()


def test_a_file_with_other_images_than_jobs_depend_on_is_refused(tmp_path: Path) -> None:
    one, other = prepared(tmp_path / "one"), prepared(tmp_path / "other", seed=6)
    dataset = read_dataset_file(one)
    dataset.images.write_bytes(other.with_suffix(".h5").read_bytes())
    with pytest.raises(DataError, match="holds other images or labels than") as caught:
        images_of(dataset)
    assert "delete the former" in str(caught.value)
    dataset.images.unlink()
    assert digest_of_images(images_of(dataset)) == dataset.sha256


def test_a_reader_that_gives_other_images_now_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = prepared(tmp_path)
    dataset = read_dataset_file(path)
    dataset.images.unlink()
    real = prepare_module.READERS["cifar10"]

    def inverted(archives: Any) -> RawDataset:
        raw = real(archives)
        return replace(raw, train_images=255 - raw.train_images)

    monkeypatch.setitem(prepare_module.READERS, "cifar10", inverted)
    with pytest.raises(DataError, match="gives other images or labels now; give its entry"):
        images_of(dataset)
    assert not dataset.images.exists()
    left = {one.name for one in path.parent.iterdir() if one.is_file()}
    assert left == {path.name}


def test_two_studies_with_other_archives_for_one_name_do_not_meet(tmp_path: Path) -> None:
    one, other = prepared(tmp_path), prepared(tmp_path, seed=6)
    assert one.parent == other.parent
    assert one != other
    assert len([*one.parent.glob("*/small.tar.gz")]) == 2
    first, second = (read_dataset_file(path) for path in (one, other))
    assert first.sha256 != second.sha256
    for dataset in (first, second):
        dataset.images.unlink()
        assert digest_of_images(images_of(dataset)) == dataset.sha256


def test_another_version_or_reader_is_another_file_and_another_title_is_not() -> None:
    assert replace(ENTRY, title="Ten classes", licence="?").digest == ENTRY.digest
    others = {replace(ENTRY, **one).digest for one in ({"version": "2"}, {"reader": "cifar100"})}
    assert len(others | {ENTRY.digest}) == 3
    mirrored = replace(ENTRY, archives=(Archive("a", "md5:0", "https://mirror/a"),))
    assert mirrored.digest == replace(ENTRY, archives=(Archive("a", "md5:0"),)).digest
    # One archive by another name is another: the reader finds its files by name.
    assert mirrored.digest != replace(ENTRY, archives=(Archive("b", "md5:0"),)).digest


def test_the_small_file_tells_arrays_apart_and_nothing_else(tmp_path: Path) -> None:
    one = read_dataset_file(prepared(tmp_path / "one"))
    # Another title, another program that prepared it: the same dataset to what is trained on it.
    renamed = prepared(tmp_path / "renamed", title="Ten classes")
    assert read_dataset_file(renamed).sha256 == one.sha256
    other = read_dataset_file(prepared(tmp_path / "other", seed=6))
    assert other.sha256 != one.sha256


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[1]",
        lambda text: text.replace('"classes": 10', '"classes": 9'),
        lambda text: json.dumps({"entry": {}, "counts": {}, "arrays": {}}),
    ],
)
def test_a_small_file_that_is_damaged_is_one_line(tmp_path: Path, damage: Any) -> None:
    path = prepared(tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(damage(text), encoding="utf-8")
    with pytest.raises(DataError, match="not the description of a prepared dataset") as caught:
        read_dataset_file(path)
    assert "\n" not in str(caught.value)
    assert f"`snakemake --force {path}`" in str(caught.value)
    # What it is made from is whole: it is written again, the same.
    entry = Dataset.from_mapping(json.loads(text)["entry"])
    write_dataset_file(path, entry.as_mapping(), json.loads(text)["counts"])
    assert path.read_text(encoding="utf-8") == text


def test_a_small_file_that_is_missing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.json: no such file; run `snakemake"):
        read_dataset_file(tmp_path / "a.json")
