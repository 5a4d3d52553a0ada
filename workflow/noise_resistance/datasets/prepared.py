"""Reading a dataset's HDF5 file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import read_record

__all__ = ["Split", "read_split"]

_REMEDY = "delete it and run snakemake again: only what is missing is made"


@dataclass(frozen=True)
class Split:
    """The training or the test images of a dataset.

    Attributes:
        images: (images, height, width, channels), uint8, 0..255.
        labels: (images,), uint8 or uint16, 0..classes-1.
        classes: number of classes.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: int


def read_split(path: str | Path, split: Literal["train", "test"]) -> Split:
    """Read one split of a file that `datasets.prepare` wrote, and nothing else of it.

    Args:
        path: the dataset's file.
        split: ``train`` or ``test``.

    Raises:
        DataError: the file is missing, damaged, or its images and labels do not fit together.
    """
    record = read_record(path, "dataset", (f"{split}_images", f"{split}_labels"))
    images, labels = record[f"{split}_images"], record[f"{split}_labels"]
    classes = record.attributes.get("classes")
    if not isinstance(classes, int) or classes < 2:
        raise DataError(f"{path}: states no number of classes; {_REMEDY}")
    if images.dtype != np.uint8 or images.ndim != 4 or not images.size:
        raise DataError(
            f"{path}: its {split} images are {images.dtype} of {images.shape}; {_REMEDY}"
        )
    if labels.dtype not in (np.uint8, np.uint16) or labels.shape != images.shape[:1]:
        raise DataError(f"{path}: its {split} labels do not fit its images; {_REMEDY}")
    if labels.max() >= classes:
        raise DataError(
            f"{path}: has the {split} label {labels.max()}, labels are below {classes}; {_REMEDY}"
        )
    return Split(images, labels, classes)
