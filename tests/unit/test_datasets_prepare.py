"""Prepared datasets: what the archives hold, checked against the catalogue, readable by anyone."""

import ast
import dataclasses
import gzip
import hashlib
import io
import json
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray
import yaml

import noise_resistance
from noise_resistance.datasets.digits import read_digit_pairs, read_digits
from noise_resistance.datasets.download import download
from noise_resistance.datasets.prepare import READERS, prepare
from noise_resistance.datasets.prepared import read_split
from noise_resistance.errors import ConfigurationError, DataError
from noise_resistance.storage.hdf5 import Variable, read_record, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study import configuration
from noise_resistance.study.dataset import Archive, Dataset

ROOT = Path(__file__).parents[2]
PROVENANCE = Provenance("0123456789abcdef")
CIFAR10 = Dataset(
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


def catalogue() -> dict[str, Dataset]:
    entries = yaml.safe_load((ROOT / "config" / "datasets.yaml").read_text(encoding="utf-8"))
    experiment = {
        "name": "learning_rate",
        "datasets": ["cifar10"],
        "models": ["resnet20"],
        "learning_rates": [0.001],
    }
    study = configuration.load({"study": "test", "experiments": [experiment], **entries})
    return dict(study.catalogue)


def small_cifar10(
    folder: Path, test_labels: bytes = bytes(range(10)), **changes: Any
) -> tuple[Dataset, Path]:
    """Make an archive of 50 training images and one test image a label, and its entry."""
    path = folder / "small.tar.gz"
    pixels = np.random.default_rng(5).integers(0, 256, (60, 3072), np.uint8)
    members = {"batches.meta.txt": "\n".join(f"name{label}" for label in range(10)).encode()}
    for batch in range(5):
        members[f"data_batch_{batch + 1}.bin"] = b"".join(
            bytes([label]) + pixels[10 * batch + label].tobytes() for label in range(10)
        )
    members["test_batch.bin"] = b"".join(
        bytes([label]) + pixels[50 + number].tobytes() for number, label in enumerate(test_labels)
    )
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in members.items():
            header = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    checksum = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    archives = (Archive(path.name, checksum, str(path)),)
    return dataclasses.replace(CIFAR10, archives=archives, **changes), path


def test_a_prepared_file_is_the_same_to_h5py_and_xarray(tmp_path: Path) -> None:
    dataset, archive = small_cifar10(tmp_path)
    output = tmp_path / "small.h5"
    prepare(dataset, [archive], output.with_suffix(".json"), PROVENANCE)
    with h5py.File(output) as plain, xarray.open_dataset(output, engine="h5netcdf") as named:
        assert named["train_images"].dims == ("train_image", "row", "column", "channel")
        assert named["test_labels"].dims == ("test_image",)
        assert dict(named.sizes) == {
            "train_image": 50, "test_image": 10, "row": 32, "column": 32, "channel": 3, "class": 10,
        }  # fmt: skip
        for name in ("train_images", "train_labels", "test_images", "test_labels"):
            assert named[name].dtype == np.uint8
            np.testing.assert_array_equal(plain[name][()], named[name].values)
        assert [one.decode() for one in plain["class_name"]] == named["class_name"].values.tolist()
        assert plain["class_name"][3] == b"name3"
        attributes = dict(named.attrs)
    pixels = np.random.default_rng(5).integers(0, 256, (60, 3072), np.uint8)
    split = read_split(output, "train")
    assert split.images[42, 7, 30, 2] == pixels[42, 2 * 1024 + 7 * 32 + 30]
    assert split.labels.tolist() == list(range(10)) * 5
    expected = {
        "kind": "dataset", "name": "small", "title": "Small CIFAR10", "classes": 10, "height": 32,
        "width": 32, "channels": 3, "train_images": 50, "test_images": 10, "licence": "none",
        "source": "a test", "fingerprint": "0123456789abcdef",
    }  # fmt: skip
    assert {name: attributes[name] for name in expected} == expected
    assert read_record(output, "dataset", ()).parameters == dataset.identity()


def test_preparing_twice_gives_the_same_values(tmp_path: Path) -> None:
    dataset, archive = small_cifar10(tmp_path)
    contents = []
    for name in ("a", "b"):
        prepare(dataset, [archive], tmp_path / f"{name}.json", Provenance(name))
        with h5py.File(tmp_path / f"{name}.h5") as file:
            contents.append(
                {one: file[one].attrs["sha256"] for one in file if "sha256" in file[one].attrs}
            )
    assert len(contents[0]) == 5
    assert contents[0] == contents[1]
    # What jobs depend on, byte by byte.
    described = (tmp_path / "a.json").read_bytes()
    assert described == (tmp_path / "b.json").read_bytes()
    stated = json.loads(described)
    assert stated["entry"] == dataset.as_mapping()
    assert stated["arrays"].items() < contents[0].items()
    assert stated["counts"]["test_images"] == 10


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"train_images": 50000}, "50 training images, the catalogue says 50000"),
        ({"test_images": 9}, "10 test images, the catalogue says 9"),
        ({"classes": 11}, "10 classes, the catalogue says 11"),
        ({"classes": 9}, "10 classes, the catalogue says 9"),
        ({"reader": "cifar100"}, "has no cifar-100-binary"),
        ({"reader": "digits"}, "reads no archives"),
    ],
)
def test_data_that_is_not_what_the_catalogue_says_is_refused(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    dataset, archive = small_cifar10(tmp_path, **changes)
    with pytest.raises(DataError, match=reason) as caught:
        prepare(dataset, [archive], tmp_path / "small.json", PROVENANCE)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.tar.gz"]


def test_a_count_the_catalogue_does_not_state_is_taken_as_it_is(tmp_path: Path) -> None:
    dataset, archive = small_cifar10(tmp_path, train_images=None, test_images=None)
    prepare(dataset, [archive], tmp_path / "small.json", PROVENANCE)
    assert len(read_split(tmp_path / "small.h5", "test").labels) == 10


def test_a_test_set_without_images_of_a_class_names_the_class(tmp_path: Path) -> None:
    dataset, archive = small_cifar10(tmp_path, test_labels=bytes([0, 1, 2, 2, 4, 5, 6, 7, 8, 9]))
    with pytest.raises(DataError, match=r"small: test set without images of class 3 \(name3\)"):
        prepare(dataset, [archive], tmp_path / "small.json", PROVENANCE)


def test_an_unknown_reader_gets_a_suggestion(tmp_path: Path) -> None:
    dataset, archive = small_cifar10(tmp_path, reader="cifar_10")
    with pytest.raises(
        ConfigurationError, match=r"datasets\.small\.reader.*did you mean 'cifar10'"
    ):
        prepare(dataset, [archive], tmp_path / "small.json", PROVENANCE)


def test_an_archive_changed_since_its_download_never_becomes_a_dataset(tmp_path: Path) -> None:
    dataset, archive = small_cifar10(tmp_path)
    archive.write_bytes(archive.read_bytes() + b"\0")
    with pytest.raises(DataError, match=r"small\.tar\.gz: wrong checksum, expected sha256:"):
        prepare(dataset, [archive], tmp_path / "small.json", PROVENANCE)
    archive.unlink()
    with pytest.raises(DataError, match=r"small\.tar\.gz: no such file"):
        prepare(dataset, [archive], tmp_path / "small.json", PROVENANCE)
    with pytest.raises(DataError, match=r"small\.tar\.gz is not given"):
        prepare(dataset, [], tmp_path / "small.json", PROVENANCE)
    small_cifar10(tmp_path)
    with pytest.raises(DataError, match=r"no archive other"):
        prepare(dataset, [archive, tmp_path / "other"], tmp_path / "small.json", PROVENANCE)


def test_real_cifar10_goes_from_archive_to_split(tmp_path: Path, real_cifar10: Path) -> None:
    checksum = "sha256:77a6e1db4ff51d34087d5657c7219cc1afaa3d3f0f0383a529ee976ff2f01e72"
    archive = tmp_path / "cifar10" / "cifar-10-binary.tar.gz"
    download(str(real_cifar10), checksum, archive)
    dataset = dataclasses.replace(
        catalogue()["cifar10"],
        train_images=3000,
        test_images=660,
        archives=(Archive(archive.name, checksum, str(real_cifar10)),),
    )
    prepare(dataset, [archive], tmp_path / "cifar10.json", PROVENANCE)
    train, test = (read_split(tmp_path / "cifar10.h5", split) for split in ("train", "test"))
    assert train.images.shape == (3000, 32, 32, 3)
    assert np.bincount(test.labels).tolist() == [66] * test.classes
    with h5py.File(tmp_path / "cifar10.h5") as file:
        assert file["class_name"][3] == b"cat"


def test_cifar100_keeps_its_coarse_labels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(6).integers(0, 256, (100, 3072), np.uint8)
    content = b"".join(bytes([label // 5, label]) + pixels[label].tobytes() for label in range(100))
    path = tmp_path / "hundred.tar.gz"
    coarse_names = "\n".join(f"coarse{label}" for label in range(20)).encode()
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, one in (
            ("train.bin", content), ("test.bin", content), ("coarse_label_names.txt", coarse_names),
        ):  # fmt: skip
            header = tarfile.TarInfo(f"cifar-100-binary/{name}")
            header.size = len(one)
            tar.addfile(header, io.BytesIO(one))
    checksum = f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"
    dataset = dataclasses.replace(
        CIFAR10, reader="cifar100", classes=100, train_images=100, test_images=100,
        archives=(Archive(path.name, checksum, str(path)),),
    )  # fmt: skip
    prepare(dataset, [path], tmp_path / "hundred.json", PROVENANCE)
    with xarray.open_dataset(tmp_path / "hundred.h5", engine="h5netcdf") as named:
        assert named["train_labels"].values.tolist() == list(range(100))
        assert named["test_coarse_labels"].values.tolist() == [label // 5 for label in range(100)]
        assert named["coarse_class_name"].dims == ("coarse_class",)
        assert named["coarse_class_name"].values[19] == "coarse19"
        assert named["class_name"].values[99] == "99"


def digits_by_hand() -> tuple[np.ndarray, np.ndarray]:
    """Read scikit-learn's own file: 64 levels of 0..16 and the digit, comma-separated."""
    import sklearn.datasets

    path = Path(sklearn.datasets.__file__).parent / "data" / "digits.csv.gz"
    rows = [line.split(",") for line in gzip.decompress(path.read_bytes()).decode().split()]
    table = np.array([[int(float(cell)) for cell in row] for row in rows])
    return table[:, :64].reshape(-1, 8, 8), table[:, 64]


def test_digits_are_every_fourth_for_testing_and_stretched_to_bytes() -> None:
    levels, labels = digits_by_hand()
    seen = [0] * 10
    train, test = [], []
    for number, digit in enumerate(labels):
        seen[digit] += 1
        (test if seen[digit] % 4 == 0 else train).append(number)
    raw = read_digits()
    assert (len(train), len(test)) == (1352, 445)
    np.testing.assert_array_equal(raw.train_labels, labels[train])
    np.testing.assert_array_equal(raw.test_labels, labels[test])
    bytes_of = {level: int(level * 255 / 16 + 0.5) for level in range(17)}
    assert (bytes_of[0], bytes_of[8], bytes_of[16]) == (0, 128, 255)
    expected = np.vectorize(bytes_of.get)(levels[test])
    np.testing.assert_array_equal(raw.test_images[..., 0], expected)
    assert raw.test_images.dtype == np.uint8


def test_digit_pairs_are_two_digits_of_the_same_split_side_by_side() -> None:
    digits, pairs = read_digits(), read_digit_pairs()
    for images, labels, sources, digit_of, each in (
        (pairs.train_images, pairs.train_labels, digits.train_images, digits.train_labels, 40),
        (pairs.test_images, pairs.test_labels, digits.test_images, digits.test_labels, 10),
    ):
        assert images.shape == (100 * each, 8, 16, 1)
        assert np.bincount(labels).tolist() == [each] * 100
        known = {
            image.tobytes(): int(digit) for image, digit in zip(sources, digit_of, strict=True)
        }
        for image, label in zip(images, labels, strict=True):
            left, right = image[:, :8].tobytes(), image[:, 8:].tobytes()
            assert 10 * known[left] + known[right] == label
        assert len({image.tobytes() for image in images}) == len(images)


def test_digits_and_pairs_never_change() -> None:
    # The split and PCG64's raw stream are fixed, so these images are the same everywhere.
    raw = (read_digits(), read_digit_pairs())
    found = [hashlib.sha256(one.train_images.tobytes() + one.test_images.tobytes()) for one in raw]
    assert [one.hexdigest()[:16] for one in found] == ["8e3150f42297df55", "3cb5f3d174f82850"]


@pytest.mark.parametrize("name", ["digits", "digit_pairs"])
def test_the_catalogue_is_right_about_data_that_comes_with_the_installation(
    name: str, tmp_path: Path
) -> None:
    prepare(catalogue()[name], [], tmp_path / "a.json", PROVENANCE)
    assert read_split(tmp_path / "a.h5", "test").classes == {"digits": 10, "digit_pairs": 100}[name]


def test_every_reader_is_in_the_catalogue_and_every_entry_has_a_reader() -> None:
    entries = catalogue()
    assert {entry.reader for entry in entries.values()} == set(READERS)
    assert set(entries) == {"cifar10", "cifar100", "fashion_mnist", "digits", "digit_pairs"}
    for entry in entries.values():
        assert entry.train_images
        assert entry.test_images
        assert "unstated" not in (entry.licence, entry.source)


def test_the_catalogue_has_the_published_checksums() -> None:
    checksums = {
        archive.name: archive.checksum.removeprefix("md5:")
        for entry in catalogue().values()
        for archive in entry.archives
    }
    assert checksums == {
        "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
        "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }


def test_the_catalogues_example_for_debian_is_a_configuration() -> None:
    lines = (ROOT / "config" / "datasets.yaml").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if "dataset-fashion-mnist" in line)
    end = next(number for number, line in enumerate(lines) if line == "  fashion_mnist:")
    example = [line[5:] for line in lines[start:end] if line.startswith("  #   ")]
    files = yaml.safe_load("\n".join(example))["datasets"]["fashion_mnist"]["files"]
    assert set(files) == {archive.name for archive in catalogue()["fashion_mnist"].archives}
    for name, entry in files.items():
        assert entry["url"] == f"/usr/share/datasets/fashion-mnist/{name}"
        assert len(entry["checksum"]) == len("sha256:") + 64


def test_a_small_fashion_mnist_goes_from_plain_files_to_split(tmp_path: Path) -> None:
    archives = []
    for prefix in ("train", "t10k"):
        for name, content in (
            ("images-idx3-ubyte", struct.pack(">4I", 2051, 10, 28, 28) + bytes(7840)),
            ("labels-idx1-ubyte", struct.pack(">2I", 2049, 10) + bytes(range(10))),
        ):
            path = tmp_path / f"{prefix}-{name}.gz"
            path.write_bytes(content)
            archives.append(
                Archive(path.name, f"md5:{hashlib.md5(content).hexdigest()}", str(path))
            )
    dataset = dataclasses.replace(
        CIFAR10, reader="fashion_mnist", train_images=10, archives=tuple(archives)
    )
    prepare(dataset, [Path(one.url) for one in archives], tmp_path / "fashion.json", PROVENANCE)
    assert read_split(tmp_path / "fashion.h5", "train").images.shape == (10, 28, 28, 1)


def write_split(path: Path, images: np.ndarray, labels: np.ndarray, **attributes: Any) -> None:
    variables = {
        "test_images": Variable(
            ("test_image", "row", "column", "channel")[: images.ndim], images, "images"
        ),
        "test_labels": Variable(("label",), labels, "labels"),
    }
    write_record(path, "dataset", variables, attributes)


IMAGES = np.zeros((3, 8, 8, 1), np.uint8)
LABELS = np.array([0, 1, 2], np.uint8)


@pytest.mark.parametrize(
    ("images", "labels", "attributes", "reason"),
    [
        (IMAGES, LABELS, {}, "no number of classes"),
        (IMAGES, LABELS, {"classes": "3"}, "no number of classes"),
        (IMAGES.astype(np.float32), LABELS, {"classes": 3}, "float32"),
        (IMAGES[..., 0], LABELS, {"classes": 3}, r"\(3, 8, 8\)"),
        (IMAGES[:0], LABELS[:0], {"classes": 3}, r"\(0, 8, 8, 1\)"),
        (IMAGES, LABELS[:2], {"classes": 3}, "do not fit"),
        (IMAGES, LABELS.astype(np.int64), {"classes": 3}, "do not fit"),
        (IMAGES, LABELS, {"classes": 2}, "label 2, labels are below 2"),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_refused(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray, attributes: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "a.h5"
    write_split(path, images, labels, **attributes)
    with pytest.raises(DataError, match=reason) as caught:
        read_split(path, "test")
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_reading_one_split_does_not_touch_the_other(tmp_path: Path) -> None:
    dataset, archive = small_cifar10(tmp_path)
    path = tmp_path / "a.h5"
    prepare(dataset, [archive], path.with_suffix(".json"), PROVENANCE)
    with h5py.File(path, "r+") as file:
        file["train_images"][0, 0, 0, 0] ^= 1
    assert len(read_split(path, "test").images) == 10
    with pytest.raises(DataError, match="'train_images' does not match its checksum"):
        read_split(path, "train")


def test_a_missing_or_truncated_file_is_refused(tmp_path: Path) -> None:
    dataset, archive = small_cifar10(tmp_path)
    path = tmp_path / "a.h5"
    with pytest.raises(DataError, match="no such file"):
        read_split(path, "test")
    prepare(dataset, [archive], path.with_suffix(".json"), PROVENANCE)
    whole = path.read_bytes()
    for part in (0, 100, len(whole) // 2, len(whole) - 1000):
        path.write_bytes(whole[:part])
        with pytest.raises(DataError, match=r"a\.h5"):
            read_split(path, "train")


def test_no_reader_reads_pickle_or_extracts_archives() -> None:
    folder = Path(noise_resistance.__file__).parent / "datasets"
    sources = [path.read_text(encoding="utf-8") for path in folder.glob("*.py")]
    assert len(sources) >= 9
    called = {
        node.attr
        for text in sources
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute)
    }
    imported = {
        alias.name
        for text in sources
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert not called & {"extractall", "extract", "unpack_archive"}
    assert not imported & {"pickle", "cPickle"}
    assert "tarfile" in imported


@pytest.mark.parametrize("module", ["prepare", "download", "prepared"])
def test_the_wing_imports_without_tensorflow_or_scikit_learn(module: str) -> None:
    program = (
        f"import sys, noise_resistance.datasets.{module}; "
        "print([name for name in ('tensorflow', 'keras', 'sklearn') if name in sys.modules])"
    )
    environment = {"PYTHONPATH": str(Path(noise_resistance.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
