"""CIFAR10 and CIFAR100 from the binary version of their archives.

Format: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from noise_resistance.datasets.archives import read_members, the_archive
from noise_resistance.datasets.raw import CoarseLabels, RawDataset
from noise_resistance.errors import DataError

__all__ = ["read_cifar10", "read_cifar100"]

_CHANNELS, _ROWS, _COLUMNS = 3, 32, 32
_PIXELS = _CHANNELS * _ROWS * _COLUMNS


@dataclass(frozen=True)
class _Layout:
    """Where an archive keeps what.

    `labels` has the number of classes of each label byte before the pixels, `names` the file that
    names them.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    labels: tuple[int, ...]
    names: tuple[str, ...]


_CIFAR10 = _Layout(
    train=tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)),
    test=("cifar-10-batches-bin/test_batch.bin",),
    labels=(10,),
    names=("cifar-10-batches-bin/batches.meta.txt",),
)
_CIFAR100 = _Layout(
    train=("cifar-100-binary/train.bin",),
    test=("cifar-100-binary/test.bin",),
    labels=(20, 100),
    names=("cifar-100-binary/coarse_label_names.txt", "cifar-100-binary/fine_label_names.txt"),
)


def read_cifar10(archives: Sequence[Path]) -> RawDataset:
    """Read ``cifar-10-binary.tar.gz``: records of a label and 3,072 pixels, any number of them.

    Raises:
        DataError: the archive is damaged or has another layout.
    """
    archive = the_archive("cifar10", archives)
    members = _read(archive, _CIFAR10)
    train_labels, train_images = _split(archive, members, _CIFAR10, _CIFAR10.train)
    test_labels, test_images = _split(archive, members, _CIFAR10, _CIFAR10.test)
    return RawDataset(
        train_images=train_images,
        train_labels=train_labels[:, 0],
        test_images=test_images,
        test_labels=test_labels[:, 0],
        class_names=_names(archive, members, _CIFAR10, 0),
    )


def read_cifar100(archives: Sequence[Path]) -> RawDataset:
    """Read ``cifar-100-binary.tar.gz``: records of a coarse label, a fine label and 3,072 pixels.

    Raises:
        DataError: the archive is damaged or has another layout.
    """
    archive = the_archive("cifar100", archives)
    members = _read(archive, _CIFAR100)
    train_labels, train_images = _split(archive, members, _CIFAR100, _CIFAR100.train)
    test_labels, test_images = _split(archive, members, _CIFAR100, _CIFAR100.test)
    return RawDataset(
        train_images=train_images,
        train_labels=train_labels[:, 1],
        test_images=test_images,
        test_labels=test_labels[:, 1],
        class_names=_names(archive, members, _CIFAR100, 1),
        coarse=CoarseLabels(
            train_labels[:, 0], test_labels[:, 0], _names(archive, members, _CIFAR100, 0)
        ),
    )


def _read(archive: Path, layout: _Layout) -> dict[str, bytes]:
    return read_members(archive, (*layout.train, *layout.test), layout.names)


def _split(
    archive: Path, members: dict[str, bytes], layout: _Layout, names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels (images, label bytes) and images (images, 32, 32, 3) of some members."""
    parts = [_records(archive, name, members[name], layout.labels) for name in names]
    records = np.concatenate(parts)
    planes = records[:, len(layout.labels) :].reshape(-1, _CHANNELS, _ROWS, _COLUMNS)
    return records[:, : len(layout.labels)].copy(), np.ascontiguousarray(
        planes.transpose(0, 2, 3, 1)
    )


def _records(archive: Path, name: str, content: bytes, classes: tuple[int, ...]) -> np.ndarray:
    length = len(classes) + _PIXELS
    if not content or len(content) % length:
        raise DataError(
            f"{archive}: wrong layout, {name} has {len(content)} bytes, no multiple of {length}; "
            "is it the binary version?"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, length)
    for byte, count in enumerate(classes):
        wrong = np.flatnonzero(records[:, byte] >= count)
        if wrong.size:
            raise DataError(
                f"{archive}: wrong layout, record {wrong[0]} of {name} has the label "
                f"{records[wrong[0], byte]}, labels are below {count}"
            )
    return records


def _names(archive: Path, members: dict[str, bytes], layout: _Layout, byte: int) -> tuple[str, ...]:
    """Return the names of the classes of one label byte; none where the archive has no list."""
    if layout.names[byte] not in members:
        return ()
    try:
        lines = members[layout.names[byte]].decode().split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{archive}: {layout.names[byte]} is no text in UTF-8") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if len(names) != layout.labels[byte]:
        raise DataError(
            f"{archive}: wrong layout, {layout.names[byte]} names {len(names)} classes, "
            f"{layout.labels[byte]} expected"
        )
    return names
