"""What a reader makes of a data set's archives."""

from dataclasses import dataclass

import numpy as np

__all__ = ["CoarseLabels", "RawDataset"]


@dataclass(frozen=True)
class CoarseLabels:
    """A second, coarser labelling of the same images.

    Attributes:
        train: (training images,), unsigned integers.
        test: (test images,), unsigned integers.
        names: one for each coarse class; empty where the archives give none.
    """

    train: np.ndarray
    test: np.ndarray
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class RawDataset:
    """Images and labels as published, not yet checked against the catalogue.

    Attributes:
        train_images: (training images, height, width, channels), uint8, 0..255.
        train_labels: (training images,), unsigned integers.
        test_images: (test images, height, width, channels), uint8, 0..255.
        test_labels: (test images,), unsigned integers.
        class_names: one for each class; empty where the archives give none.
        coarse: a coarser labelling, where there is one.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...] = ()
    coarse: CoarseLabels | None = None
