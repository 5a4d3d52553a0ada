"""What a step reads, as digests of the content: equal for a file that was made again alike."""

from pathlib import Path

from noise_resistance.storage.checksums import digest_of
from noise_resistance.storage.hdf5 import read_checksums

__all__ = ["digest_of_dataset"]

_DATASET = ("train_images", "train_labels", "test_images", "test_labels")


def digest_of_dataset(path: str | Path) -> str:
    """Return the SHA-256 of a prepared dataset's images and labels, from their own checksums.

    Raises:
        DataError: the file is missing, or is no prepared dataset.
    """
    return digest_of(read_checksums(path, "dataset", _DATASET))
