"""From a dataset's archives to its HDF5 file, and the small file that consumers depend on."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from noise_resistance.datasets.archives import verify
from noise_resistance.datasets.cifar import read_cifar10, read_cifar100
from noise_resistance.datasets.digits import read_digit_pairs, read_digits
from noise_resistance.datasets.idx import read_fashion_mnist
from noise_resistance.datasets.raw import RawDataset
from noise_resistance.errors import ConfigurationError, DataError, suggest
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.storage.sources import write_dataset_file
from noise_resistance.study.dataset import Dataset

__all__ = ["READERS", "prepare"]

READERS: dict[str, Callable[[Sequence[Path]], RawDataset]] = {
    "cifar10": read_cifar10,
    "cifar100": read_cifar100,
    "digit_pairs": read_digit_pairs,
    "digits": read_digits,
    "fashion_mnist": read_fashion_mnist,
}
"""The readers a catalogue entry can name; each takes the paths of its archives."""

_IMAGE = ("row", "column", "channel")


def prepare(
    dataset: Dataset, archives: Sequence[Path], output: Path, provenance: Provenance
) -> None:
    """Read a dataset's archives, check them against the catalogue, and write its two files.

    Args:
        dataset: the catalogue's entry.
        archives: a path for each archive of the entry, bearing its name.
        output: the small file to write, ``<digest>.json``; images and labels go into
            ``<digest>.h5`` beside it.
        provenance: goes into the file.

    Raises:
        ConfigurationError: the entry names an unknown reader.
        DataError: an archive is missing, damaged, or does not hold what the catalogue says; or the
            file cannot be written.
    """
    if dataset.reader not in READERS:
        raise ConfigurationError(
            f"configuration: datasets.{dataset.name}.reader: unknown reader '{dataset.reader}'; "
            f"{suggest(dataset.reader, READERS)}"
        )
    _verify_archives(dataset, archives)
    raw = READERS[dataset.reader](list(archives))
    _check(dataset, raw)
    height, width, channels = raw.train_images.shape[1:]
    counts = {
        "classes": dataset.classes,
        "height": height,
        "width": width,
        "channels": channels,
        "train_images": len(raw.train_images),
        "test_images": len(raw.test_images),
    }
    attributes = {
        **provenance.attributes(parameters=dataset.identity()),
        "name": dataset.name,
        "title": dataset.title,
        **counts,
        "licence": dataset.licence,
        "source": dataset.source,
    }
    images = output.with_suffix(".h5")
    write_record(images, "dataset", _variables(dataset, raw), attributes)
    write_dataset_file(output, dataset.as_mapping(), counts)


def _verify_archives(dataset: Dataset, archives: Sequence[Path]) -> None:
    given = {archive.name: archive for archive in archives}
    for archive in dataset.archives:
        if archive.name not in given:
            raise DataError(f"dataset {dataset.name}: the archive {archive.name} is not given")
        verify(given[archive.name], archive.checksum)
    unknown = sorted(set(given) - {archive.name for archive in dataset.archives})
    if unknown:
        raise DataError(f"dataset {dataset.name}: the catalogue has no archive {unknown[0]}")


def _check(dataset: Dataset, raw: RawDataset) -> None:
    """Check that images, labels and catalogue agree."""
    where = f"dataset {dataset.name}"
    names = raw.class_names
    if names and len(names) != dataset.classes:
        raise DataError(
            f"{where}: the data has {len(names)} classes, the catalogue says {dataset.classes}"
        )
    if raw.train_images.shape[1:] != raw.test_images.shape[1:]:
        raise DataError(
            f"{where}: training images of shape {raw.train_images.shape[1:]}, "
            f"test images of shape {raw.test_images.shape[1:]}"
        )
    _check_split(
        dataset, "training", raw.train_images, raw.train_labels, dataset.train_images, names
    )
    _check_split(dataset, "test", raw.test_images, raw.test_labels, dataset.test_images, names)
    if raw.coarse and (
        raw.coarse.train.shape != raw.train_labels.shape
        or raw.coarse.test.shape != raw.test_labels.shape
    ):
        raise DataError(f"{where}: not every image has a coarse label")


def _check_split(
    dataset: Dataset,
    split: str,
    images: np.ndarray,
    labels: np.ndarray,
    expected: int | None,
    names: tuple[str, ...],
) -> None:
    where = f"dataset {dataset.name}"
    if images.dtype != np.uint8 or images.ndim != 4:
        raise DataError(f"{where}: {split} images are {images.dtype} of shape {images.shape}")
    if labels.dtype.kind != "u" or labels.shape != images.shape[:1]:
        raise DataError(f"{where}: {len(labels)} {split} labels for {len(images)} images")
    if expected is not None and len(images) != expected:
        raise DataError(
            f"{where}: {len(images)} {split} images, the catalogue says {expected}; correct "
            f"{'train' if split == 'training' else split}_images or name the right archive"
        )
    counts = np.bincount(labels, minlength=dataset.classes)
    if len(counts) > dataset.classes:
        raise DataError(
            f"{where}: {split} label {len(counts) - 1} is out of range, the catalogue says "
            f"{dataset.classes} classes"
        )
    empty = np.flatnonzero(counts == 0)
    if empty.size:
        first = int(empty[0])
        name = f" ({names[first]})" if names else ""
        more = f" and {empty.size - 1} more" if empty.size > 1 else ""
        raise DataError(
            f"{where}: {split} set without images of class {first}{name}{more}; "
            "name an archive that has all classes"
        )


def _variables(dataset: Dataset, raw: RawDataset) -> dict[str, Variable]:
    of_labels = np.uint8 if dataset.classes <= 256 else np.uint16
    variables = {}
    for split, images, labels, coarse in (
        ("train", raw.train_images, raw.train_labels, raw.coarse and raw.coarse.train),
        ("test", raw.test_images, raw.test_labels, raw.coarse and raw.coarse.test),
    ):
        image = f"{split}_image"
        variables[f"{split}_images"] = Variable(
            (image, *_IMAGE), images, f"Pixels of the {split} images, 0 to 255."
        )
        variables[f"{split}_labels"] = Variable(
            (image,), labels.astype(of_labels), f"Class of each {split} image, counted from 0."
        )
        if coarse is not None:
            variables[f"{split}_coarse_labels"] = Variable(
                (image,), coarse, f"Coarse class of each {split} image, counted from 0."
            )
    names = raw.class_names or tuple(map(str, range(dataset.classes)))
    variables["class_name"] = Variable(("class",), list(names), "Name of each class.")
    if raw.coarse and raw.coarse.names:
        variables["coarse_class_name"] = Variable(
            ("coarse_class",), list(raw.coarse.names), "Name of each coarse class."
        )
    return variables
