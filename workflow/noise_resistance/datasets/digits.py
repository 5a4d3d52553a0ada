"""Two small tasks that come with the installation: scikit-learn's handwritten digits, and pairs.

Both are the same whatever the versions of scikit-learn and NumPy: the split follows the order of
the file, and the pairs the raw output of a generator whose stream NumPy guarantees.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from noise_resistance.datasets.raw import RawDataset
from noise_resistance.errors import DataError

__all__ = ["read_digit_pairs", "read_digits"]

_DIGITS = 10
_BRIGHTEST = 16
_TEST_EVERY = 4
_PAIRS_SEED = 20210304
_TRAIN_PAIRS, _TEST_PAIRS = 40, 10


def read_digits(archives: Sequence[Path] = ()) -> RawDataset:
    """Return the handwritten digits: 1,352 for training and 445 for testing.

    Of each digit, every fourth image in the order of the file is a test image.

    Returns: images of (8, 8, 1), the sixteen levels of grey stretched to 0..255.

    Raises:
        DataError: scikit-learn has other digits than these.
    """
    _no_archives("digits", archives)
    images, labels = _load()
    is_test = np.zeros(len(labels), bool)
    for digit in range(_DIGITS):
        is_test[np.flatnonzero(labels == digit)[_TEST_EVERY - 1 :: _TEST_EVERY]] = True
    names = tuple(str(digit) for digit in range(_DIGITS))
    return RawDataset(images[~is_test], labels[~is_test], images[is_test], labels[is_test], names)


def read_digit_pairs(archives: Sequence[Path] = ()) -> RawDataset:
    """Return pairs of digits side by side: 100 classes, 40 pairs each for training, 10 for testing.

    The class is 10 * left + right. Training pairs are made of training digits and test pairs of
    test digits, no pair twice; the classes take turns.

    Returns: images of (8, 16, 1), 0..255.

    Raises:
        DataError: scikit-learn has other digits than these.
    """
    _no_archives("digit_pairs", archives)
    digits = read_digits()
    generator = np.random.PCG64(_PAIRS_SEED)
    train = _pair(digits.train_images, digits.train_labels, _TRAIN_PAIRS, generator)
    test = _pair(digits.test_images, digits.test_labels, _TEST_PAIRS, generator)
    names = tuple(f"{pair:02d}" for pair in range(_DIGITS**2))
    return RawDataset(*train, *test, names)


def _pair(
    images: np.ndarray, labels: np.ndarray, count: int, generator: np.random.PCG64
) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` pairs of each class, images (count * 100, 8, 16, 1) and labels."""
    of_digit = [np.flatnonzero(labels == digit) for digit in range(_DIGITS)]
    chosen = np.empty((count, _DIGITS, _DIGITS, 2), np.intp)
    for left in range(_DIGITS):
        for right in range(_DIGITS):
            lefts, rights = of_digit[left], of_digit[right]
            keys = generator.random_raw(len(lefts) * len(rights))
            combinations = np.argsort(keys, kind="stable")[:count]
            chosen[:, left, right, 0] = lefts[combinations // len(rights)]
            chosen[:, left, right, 1] = rights[combinations % len(rights)]
    pairs = chosen.reshape(-1, 2)
    side_by_side = np.concatenate([images[pairs[:, 0]], images[pairs[:, 1]]], axis=2)
    return side_by_side, _DIGITS * labels[pairs[:, 0]] + labels[pairs[:, 1]]


def _load() -> tuple[np.ndarray, np.ndarray]:
    """Return all digits in the order of the file, images (1797, 8, 8, 1) and labels, uint8."""
    # Lazily: only these two datasets need scikit-learn, which takes a second.
    from sklearn.datasets import load_digits

    bunch = load_digits()
    levels = bunch.images
    if levels.shape != (1797, 8, 8) or levels.min() != 0 or levels.max() != _BRIGHTEST:
        raise DataError(
            f"scikit-learn's digits are not the 1797 known ones (shape {levels.shape}); "
            "install the version that the lock file under envs/ names"
        )
    stretched = (levels.astype(np.uint16) * 255 + _BRIGHTEST // 2) // _BRIGHTEST
    return stretched.astype(np.uint8)[..., np.newaxis], bunch.target.astype(np.uint8)


def _no_archives(reader: str, archives: Sequence[Path]) -> None:
    if archives:
        raise DataError(
            f"the reader '{reader}' reads no archives, {len(archives)} given; "
            "leave files out of the catalogue entry"
        )
