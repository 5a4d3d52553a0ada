"""Readers: every pixel and label in its place, and hostile archives refused in one line."""

import gzip
import io
import struct
import tarfile
import time
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noise_resistance.datasets import archives
from noise_resistance.datasets.archives import read_members
from noise_resistance.datasets.cifar import read_cifar10, read_cifar100
from noise_resistance.datasets.idx import read_fashion_mnist, read_idx
from noise_resistance.errors import DataError

BATCHES = [f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)]
TEST_BATCH = "cifar-10-batches-bin/test_batch.bin"
META = "cifar-10-batches-bin/batches.meta.txt"
NAMES10 = b"airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n"
FUZZ = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def make_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return path


def make_odd(path: Path, header: tarfile.TarInfo, content: bytes = b"") -> Path:
    """Make an archive of one member of any kind, and of all others that CIFAR10 needs."""
    with tarfile.open(path, "w:gz") as tar:
        header.size = len(content)
        tar.addfile(header, io.BytesIO(content))
        for name in (*BATCHES, TEST_BATCH):
            if name != header.name:
                good = tarfile.TarInfo(name)
                good.size = 3073
                tar.addfile(good, io.BytesIO(bytes(3073)))
    return path


def record(labels: list[int], image: np.ndarray) -> bytes:
    """Write one record, pixel by pixel: planes R, G, B, each row by row."""
    pixels = [
        int(image[row, column, channel])
        for channel in range(3)
        for row in range(32)
        for column in range(32)
    ]
    return bytes(labels + pixels)


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)


def refusal(function: object, *arguments: object) -> str:
    with pytest.raises(DataError) as caught:
        function(*arguments)  # type: ignore[operator]
    message = str(caught.value)
    assert "\n" not in message
    return message


def cifar10_members(seed: int = 0) -> dict[str, bytes]:
    return {
        name: record([number], images(1, seed + number)[0])
        for number, name in enumerate((*BATCHES, TEST_BATCH))
    }


def test_cifar10_has_every_pixel_and_label_in_its_place(tmp_path: Path) -> None:
    originals = images(12)
    members = {
        name: record([number], originals[2 * number]) + record([9], originals[2 * number + 1])
        for number, name in enumerate((*BATCHES, TEST_BATCH))
    }
    raw = read_cifar10([make_tar(tmp_path / "a.tar.gz", {META: NAMES10, **members})])
    np.testing.assert_array_equal(raw.train_images, originals[:10])
    np.testing.assert_array_equal(raw.test_images, originals[10:])
    assert raw.train_labels.tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
    assert raw.test_labels.tolist() == [5, 9]
    assert raw.class_names[3] == "cat"
    assert len(raw.class_names) == 10
    assert raw.coarse is None


def test_cifar10_without_names_has_none(tmp_path: Path) -> None:
    assert read_cifar10([make_tar(tmp_path / "a", cifar10_members())]).class_names == ()


def test_cifar10_order_in_the_archive_does_not_matter(tmp_path: Path) -> None:
    members = cifar10_members()
    forward = read_cifar10([make_tar(tmp_path / "a", members)])
    backward = read_cifar10([make_tar(tmp_path / "b", dict(reversed(members.items())))])
    np.testing.assert_array_equal(forward.train_images, backward.train_images)
    np.testing.assert_array_equal(forward.train_labels, backward.train_labels)


def test_cifar100_keeps_fine_and_coarse_labels_apart(tmp_path: Path) -> None:
    originals = images(3)
    fine = "".join(f"fine{number}\n" for number in range(100)).encode()
    coarse = "".join(f"coarse{number}\n" for number in range(20)).encode()
    members = {
        "cifar-100-binary/train.bin": record([19, 99], originals[0]) + record([4, 0], originals[1]),
        "cifar-100-binary/test.bin": record([7, 50], originals[2]),
        "cifar-100-binary/fine_label_names.txt": fine,
        "cifar-100-binary/coarse_label_names.txt": coarse,
    }
    raw = read_cifar100([make_tar(tmp_path / "a", members)])
    np.testing.assert_array_equal(raw.train_images, originals[:2])
    np.testing.assert_array_equal(raw.test_images, originals[2:])
    assert raw.train_labels.tolist() == [99, 0]
    assert raw.test_labels.tolist() == [50]
    assert raw.coarse is not None
    assert raw.coarse.train.tolist() == [19, 4]
    assert raw.coarse.test.tolist() == [7]
    assert raw.class_names[99] == "fine99"
    assert raw.coarse.names[19] == "coarse19"


def test_real_cifar10_has_300_and_66_images_a_class(real_cifar10: Path) -> None:
    raw = read_cifar10([real_cifar10])
    assert raw.train_images.shape == (3000, 32, 32, 3)
    assert np.bincount(raw.train_labels).tolist() == [300] * 10
    assert np.bincount(raw.test_labels).tolist() == [66] * 10
    assert raw.class_names[:4] == ("airplane", "automobile", "bird", "cat")
    with tarfile.open(real_cifar10) as tar:
        file = tar.extractfile("cifar-10-batches-bin/data_batch_2.bin")
        assert file is not None
        file.seek(3073 * 17)
        expected = file.read(3073)
    assert raw.train_labels[617] == expected[0]
    assert raw.train_images[617, 5, 9, 1] == expected[1 + 1024 + 5 * 32 + 9]
    # Neighbouring pixels of photographs are alike; misread planes or rows would not be.
    smooth = raw.train_images.astype(float)
    assert np.abs(np.diff(smooth, axis=1)).mean() < 20
    assert np.abs(np.diff(smooth, axis=2)).mean() < 20
    assert np.abs(np.diff(smooth, axis=3)).mean() < 20


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({TEST_BATCH: None}, "has no cifar-10-batches-bin/test_batch.bin"),
        ({TEST_BATCH: b""}, "no multiple of 3073"),
        ({TEST_BATCH: bytes(3074)}, "no multiple of 3073"),
        (
            {BATCHES[1]: bytes(3073) + b"\x0a" + bytes(3072)},
            "record 1 of .*data_batch_2.* label 10",
        ),
        ({META: b"one\ntwo\n"}, "names 2 classes, 10 expected"),
        ({META: b"\xff\xfe"}, "no text"),
    ],
)
def test_cifar10_of_another_layout_is_refused(
    tmp_path: Path, changes: dict[str, bytes | None], reason: str
) -> None:
    members = {**cifar10_members(), **changes}
    path = make_tar(
        tmp_path / "bad.tar.gz", {name: one for name, one in members.items() if one is not None}
    )
    with pytest.raises(DataError, match=reason) as caught:
        read_cifar10([path])
    assert str(caught.value).startswith(str(path))


def test_a_reader_of_one_archive_refuses_none_and_two(tmp_path: Path) -> None:
    assert "0 given" in refusal(read_cifar10, [])
    assert "2 given" in refusal(read_cifar100, [tmp_path, tmp_path])


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_truncated_archive_is_refused_wherever_it_ends(tmp_path: Path, part: float) -> None:
    path = make_tar(tmp_path / "a.tar.gz", cifar10_members())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    message = refusal(read_cifar10, [path])
    assert message.startswith(str(path))
    assert "damaged or truncated" in message


def test_a_flipped_bit_anywhere_in_the_packed_data_is_refused(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tar.gz", cifar10_members())
    whole = path.read_bytes()
    for position in np.linspace(20, len(whole) - 5, 40).astype(int):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
        refusal(read_cifar10, [path])


def test_a_missing_archive_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(read_cifar10, [tmp_path / "missing"])
    assert str(tmp_path) in refusal(read_cifar10, [tmp_path])


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.DIRTYPE,
    ],
)
def test_a_wanted_member_that_is_a_link_or_device_is_refused(tmp_path: Path, kind: bytes) -> None:
    header = tarfile.TarInfo(BATCHES[0])
    header.type = kind
    header.linkname = "/etc/hostname"
    path = make_odd(tmp_path / "odd.tar.gz", header)
    assert "no regular file" in refusal(read_cifar10, [path])


@pytest.mark.parametrize(
    "name", ["/{}", "../{}", "cifar-10-batches-bin/../../{}", "/etc/data_batch_1.bin"]
)
def test_a_wanted_member_outside_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    header = tarfile.TarInfo(name.format(BATCHES[0]))
    path = make_odd(tmp_path / "odd.tar.gz", header)
    assert "outside its folder" in refusal(read_cifar10, [path])
    assert [one.name for one in tmp_path.iterdir()] == ["odd.tar.gz"]


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE])
def test_unexpected_members_are_ignored_and_nothing_is_written(
    tmp_path: Path, kind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    header = tarfile.TarInfo("../../evil\n; touch pwned")
    header.type = kind
    header.linkname = "/"
    path = make_odd(tmp_path / "odd.tar.gz", header, b"evil" if kind == tarfile.REGTYPE else b"")
    assert read_cifar10([path]).train_images.shape == (5, 32, 32, 3)
    assert [one.name for one in tmp_path.iterdir()] == ["odd.tar.gz"]


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for content in (b"one", b"two"):
            header = tarfile.TarInfo("data")
            header.size = 3
            tar.addfile(header, io.BytesIO(content))
    assert "twice" in refusal(read_members, path, ["data"])


def test_a_leading_dot_in_names_is_no_obstacle(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tar.gz", {"./folder/data": b"content"})
    assert read_members(path, ["folder/data"]) == {"folder/data": b"content"}


class Zeros(io.RawIOBase):
    """A gigabyte of zeros that takes no memory."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        buffer[:] = bytes(len(buffer))
        return len(buffer)


@pytest.mark.parametrize("name", [BATCHES[0], "unexpected"])
def test_a_gigabyte_of_zeros_is_given_up_in_little_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bomb.tar.gz"
    header = tarfile.TarInfo(name)
    header.size = 2**30
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        tar.addfile(header, Zeros())
    assert path.stat().st_size < 2**23
    tracemalloc.start()
    start = time.monotonic()
    message = refusal(read_cifar10, [path])
    assert time.monotonic() - start < 60
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()
    assert str(path) in message
    assert "claims 1073741824 bytes" in message or "more than" in message


def test_a_bomb_in_an_idx_file_is_read_no_further_than_its_header_says(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    header = struct.pack(">BBBB3I", 0, 0, 8, 3, 2, 28, 28)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header)
        for _ in range(64):
            file.write(bytes(2**20))
    tracemalloc.start()
    assert "more than the 1568 bytes" in refusal(read_idx, path, 3)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_limits_hold_for_archives_of_the_catalogue_with_room() -> None:
    cifar10 = 60_000 * 3073
    assert 2 * cifar10 < archives.LARGEST < 2**30


def fashion(folder: Path, count: int = 3, *, gzipped: bool = True) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = []
    for prefix, seed in (("train", 1), ("t10k", 2)):
        pixels = np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)
        labels = bytes(number % 10 for number in range(count))
        for name, content in (
            ("images-idx3-ubyte", struct.pack(">4I", 2051, count, 28, 28) + pixels.tobytes()),
            ("labels-idx1-ubyte", struct.pack(">2I", 2049, count) + labels),
        ):
            path = folder / f"{prefix}-{name}{'.gz' if gzipped else ''}"
            path.write_bytes(gzip.compress(content) if gzipped else content)
            paths.append(path)
    return paths


@pytest.mark.parametrize("gzipped", [True, False])
def test_fashion_mnist_has_every_pixel_and_label_in_its_place(
    tmp_path: Path, gzipped: bool
) -> None:
    raw = read_fashion_mnist(fashion(tmp_path, gzipped=gzipped)[::-1])
    expected = np.random.default_rng(2).integers(0, 256, (3, 28, 28), np.uint8)
    assert raw.test_images.shape == (3, 28, 28, 1)
    np.testing.assert_array_equal(raw.test_images[..., 0], expected)
    assert raw.train_labels.tolist() == [0, 1, 2]
    assert raw.class_names[9] == "Ankle boot"


def test_a_plain_file_under_a_gzipped_name_is_read(tmp_path: Path) -> None:
    paths = fashion(tmp_path)
    paths[0].write_bytes(gzip.decompress(paths[0].read_bytes()))
    assert read_fashion_mnist(paths).train_images.shape == (3, 28, 28, 1)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "begins with nothing"),
        (b"<html>", "wrong layout"),
        (struct.pack(">4I", 2049, 1, 28, 28) + bytes(784), "wrong layout"),
        (struct.pack(">2I", 2051, 1), "truncated in its header"),
        (struct.pack(">4I", 2051, 3, 28, 28) + bytes(3 * 784 - 1), "less than the 2352 bytes"),
        (struct.pack(">4I", 2051, 3, 28, 28) + bytes(3 * 784 + 1), "more than the 2352 bytes"),
        (struct.pack(">4I", 2051, *[2**32 - 1] * 3), "claims the shape"),
        (struct.pack(">4I", 2051, 0, 28, 28), "claims the shape"),
        (struct.pack(">4I", 2051, 3, 14, 56) + bytes(3 * 784), "28 x 28 expected"),
        (struct.pack(">4I", 2051, 4, 28, 28) + bytes(4 * 784), "3 labels for 4 images"),
        (gzip.compress(bytes(5000), mtime=0)[:20], "damaged or truncated"),
    ],
)
def test_an_idx_file_of_another_layout_is_refused(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    paths = fashion(tmp_path)
    paths[0].write_bytes(content)
    message = refusal(read_fashion_mnist, paths)
    assert reason in message
    assert str(tmp_path) in message


def test_a_fashion_label_beyond_nine_is_refused(tmp_path: Path) -> None:
    paths = fashion(tmp_path)
    paths[3].write_bytes(struct.pack(">2I", 2049, 3) + b"\x00\x0a\x01")
    assert "label 10" in refusal(read_fashion_mnist, paths)


def test_fashion_mnist_needs_its_four_files(tmp_path: Path) -> None:
    paths = fashion(tmp_path)
    assert "t10k-labels-idx1-ubyte" in refusal(read_fashion_mnist, paths[:3])


DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_the_files_that_debian_installs_are_read() -> None:
    raw = read_fashion_mnist(sorted(DEBIAN.glob("*ubyte*")))
    assert raw.train_images.shape == (60000, 28, 28, 1)
    assert np.bincount(raw.train_labels).tolist() == [6000] * 10
    assert np.bincount(raw.test_labels).tolist() == [1000] * 10


@FUZZ
@given(
    labels=st.lists(st.integers(0, 99), min_size=1, max_size=4),
    coarse=st.integers(0, 19),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_cifar100_records_come_back(
    tmp_path: Path, labels: list[int], coarse: int, seed: int
) -> None:
    originals = images(len(labels), seed)
    content = b"".join(
        bytes([coarse, label]) + np.moveaxis(image, 2, 0).tobytes()
        for label, image in zip(labels, originals, strict=True)
    )
    members = {"cifar-100-binary/train.bin": content, "cifar-100-binary/test.bin": content}
    raw = read_cifar100([make_tar(tmp_path / "a", members)])
    assert raw.test_labels.tolist() == labels
    np.testing.assert_array_equal(raw.train_images, originals)


@FUZZ
@given(shape=st.lists(st.integers(1, 9), min_size=1, max_size=4), seed=st.integers(0, 1000))
def test_any_idx_array_comes_back(tmp_path: Path, shape: list[int], seed: int) -> None:
    original = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    header = struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape)
    (tmp_path / "a").write_bytes(header + original.tobytes())
    np.testing.assert_array_equal(read_idx(tmp_path / "a", len(shape)), original)


@FUZZ
@given(
    position=st.integers(0, 6 * 3584),
    noise=st.binary(min_size=1, max_size=64),
    where=st.sampled_from(["headers", "anywhere"]),
)
def test_any_damaged_tar_is_read_or_refused_in_one_line(
    tmp_path: Path, position: int, noise: bytes, where: str
) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in cifar10_members().items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    data = bytearray(plain.getvalue())
    start = position % 512 + position // 3584 * 4096 if where == "headers" else position
    data[start : start + len(noise)] = noise
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(bytes(data), 1))
    try:
        assert read_cifar10([path]).train_images.shape == (5, 32, 32, 3)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        assert str(path) in str(error)  # noqa: PT017


@FUZZ
@given(content=st.binary(max_size=2000), gzipped=st.booleans())
def test_any_bytes_are_refused_in_one_line(tmp_path: Path, content: bytes, gzipped: bool) -> None:
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(content) if gzipped else content)
    assert str(path) in refusal(read_cifar10, [path])
    if content[:4] != bytes((0, 0, 8, 3)):
        assert str(path) in refusal(read_idx, path, 3)
