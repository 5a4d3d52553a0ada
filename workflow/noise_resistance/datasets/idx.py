"""Fashion-MNIST from its four IDX files, gzipped as published or plain.

Format: http://yann.lecun.com/exdb/mnist, "The IDX file format".
"""

from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np

from noise_resistance.datasets.archives import LARGEST, open_gzip
from noise_resistance.datasets.raw import RawDataset
from noise_resistance.errors import DataError

__all__ = ["read_fashion_mnist", "read_idx"]

_UNSIGNED_BYTE = 0x08
_SIDE = 28
# https://github.com/zalandoresearch/fashion-mnist, "Labels".
_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def read_fashion_mnist(archives: Sequence[Path]) -> RawDataset:
    """Read the four files of Fashion-MNIST; their names begin as the published ones do.

    Returns: images of (28, 28, 1), any number of them.

    Raises:
        DataError: a file is missing, damaged, or has another layout.
    """
    train_images, train_labels = _split(archives, "train")
    test_images, test_labels = _split(archives, "t10k")
    return RawDataset(train_images, train_labels, test_images, test_labels, _CLASSES)


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Read an IDX file of unsigned bytes.

    Args:
        path: the file, gzipped or not.
        dimensions: the number of axes it must have.

    Returns: uint8, of the shape that the file states.

    Raises:
        DataError: the file is damaged, of another layout, or not of the length it states.
    """
    with open_gzip(path) as file:
        header = file.read(4)
        if header != bytes((0, 0, _UNSIGNED_BYTE, dimensions)):
            raise DataError(
                f"{path}: wrong layout, begins with {header.hex() or 'nothing'} where an IDX file "
                f"of bytes with {dimensions} axes begins with 000008{dimensions:02x}"
            )
        sizes = file.read(4 * dimensions)
        if len(sizes) != 4 * dimensions:
            raise DataError(f"{path}: truncated in its header; delete it and run snakemake again")
        shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
        expected = prod(shape)
        if not 0 < expected <= LARGEST:
            raise DataError(f"{path}: wrong layout, claims the shape {shape}")
        content = file.read(expected)
        if len(content) != expected or file.read(1):
            relation = "less" if len(content) < expected else "more"
            raise DataError(
                f"{path}: has {relation} than the {expected} bytes of the shape {shape} that it "
                "states; delete it and run snakemake again"
            )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _split(archives: Sequence[Path], prefix: str) -> tuple[np.ndarray, np.ndarray]:
    images_path = _file_of(archives, f"{prefix}-images-idx3-ubyte")
    labels_path = _file_of(archives, f"{prefix}-labels-idx1-ubyte")
    images = read_idx(images_path, 3)
    labels = read_idx(labels_path, 1)
    if images.shape[1:] != (_SIDE, _SIDE):
        size = " x ".join(map(str, images.shape[1:]))
        raise DataError(
            f"{images_path}: wrong layout, images of {size}, {_SIDE} x {_SIDE} expected"
        )
    if len(images) != len(labels):
        raise DataError(f"{labels_path}: {len(labels)} labels for {len(images)} images")
    if labels.max() >= len(_CLASSES):
        raise DataError(f"{labels_path}: has the label {labels.max()}, labels are below 10")
    return images[..., np.newaxis], labels


def _file_of(archives: Sequence[Path], prefix: str) -> Path:
    matching = [archive for archive in archives if archive.name.startswith(prefix)]
    if len(matching) != 1:
        raise DataError(
            f"the reader 'fashion_mnist' needs one file {prefix}*, {len(matching)} given; "
            "name it under files in the catalogue"
        )
    return matching[0]
