"""The large file of a prepared dataset, made again where it was deleted to save disk."""

import shutil
from pathlib import Path

from noise_resistance.datasets.prepare import prepare
from noise_resistance.errors import DataError
from noise_resistance.storage.locks import hold, remove
from noise_resistance.storage.provenance import Provenance
from noise_resistance.storage.sources import DatasetFile, digest_of_images
from noise_resistance.store.fingerprint import fingerprint
from noise_resistance.study.dataset import Dataset

__all__ = ["images_of"]


def images_of(dataset: DatasetFile) -> Path:
    """Return the file with a dataset's images and labels, once it is seen to hold the right ones.

    Where it was deleted, it is made again from the archives: by one process, while others wait.

    Args:
        dataset: the small file beside it.

    Raises:
        DataError: it is missing and so is an archive, or it holds other images than the small file
            says.
    """
    if not dataset.images.is_file():
        lock = dataset.path.with_suffix(".lock")
        with hold(lock, wait=True, doing="making it again"):
            try:
                if not dataset.images.is_file():
                    _make_again(dataset)
            finally:
                remove(lock)
    found = digest_of_images(dataset.images)
    if found != dataset.sha256:
        raise DataError(
            f"{dataset.images}: holds other images or labels than {dataset.path} says; delete the "
            "former, so that it is made again from the archive"
        )
    return dataset.images


def _make_again(dataset: DatasetFile) -> None:
    entry = Dataset.from_mapping(dataset.entry)
    archives = [dataset.path.parent / one.folder / one.name for one in entry.archives]
    for archive in archives:
        if not archive.is_file():
            raise DataError(
                f"{dataset.images}: deleted, and so is the archive it was made from; run "
                f"`snakemake --force {dataset.path}` with your usual options, then the same "
                "command again"
            )
    names = ", ".join(one.name for one in archives) or "what comes with the installation"
    print(f"{dataset.images}: made again from {names}", flush=True)
    # One name, so that the next one to make it removes what a killed one left.
    folder = dataset.path.with_name(f".tmp-{dataset.path.stem}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        made = folder / dataset.path.name
        prepare(entry, archives, made, Provenance(fingerprint("prepare_dataset")))
        if made.read_bytes() != dataset.path.read_bytes():
            raise DataError(
                f"{dataset.path}: the archive gives other images or labels now; give its entry in "
                "the catalogue another version, which trains anew what depends on it"
            )
        made.with_suffix(".h5").replace(dataset.images)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
