"""Results of jobs that took no time: real HDF5 files of made-up numbers, for tests of the store."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from noise_resistance.storage.checksums import canonical
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.store.entries import Store
from noise_resistance.store.results import KIND_OF_FILE, Result
from noise_resistance.store.versions import counts, version_of

__all__ = [
    "EPOCHS",
    "STATE_FILES",
    "add",
    "add_training",
    "age",
    "evaluation",
    "training",
    "write",
    "write_states",
]

EPOCHS = 8
STATE_FILES = ("model.weights.h5", "history.h5", "optimizer.h5")


def request_of(seed: int) -> dict[str, Any]:
    return {
        "dataset": {"name": "digits", "version": "1", "reader": "digits", "checksums": {}},
        "model": "resnet8",
        "optimizer": "adam",
        "optimizer_definition": {"class": "Adam", "arguments": {}},
        "learning_rate": 0.001,
        "seed": seed,
        "recipe": {"epochs": EPOCHS, "batch_size": 32},
    }


def training(seed: int, epochs: int = EPOCHS, folder: Path | None = None) -> Result:
    """A training after some epochs, to be written to a folder."""
    files = {name: folder / name for name in STATE_FILES} if folder else {}
    return Result("train", request_of(seed), {"dataset_sha256": _digest("digits")}, files, epochs)


def evaluation(seed: int, level: float = 0.1, file: Path | None = None) -> Result:
    """A noisy evaluation of a training."""
    about = {"model": "resnet8", "training": request_of(seed), "scope": "kernels"}
    sources = {"dataset_sha256": _digest("digits"), "weights_sha256": _digest(f"weights {seed}")}
    request = {**about, "noise_level": level, "draws": 3, "seed": 0}
    return Result("evaluate_noise", request, sources, {"noise.h5": file} if file else {})


def write(
    result: Result, files: Mapping[str, Path], value: float = 0.5, device: str = "cpu: 1 thread"
) -> None:
    """Write what a job would have computed.

    Args:
        result: what it is.
        files: where, by name in the entry.
        value: stands for all numbers.
        device: what it says that it was computed on.
    """
    code = counts(result.step)[0]
    provenance = Provenance(code, version="1", device=device, sources=result.sources)
    attributes = provenance.attributes(result.request)
    if result.finished_epochs is not None:
        attributes["finished_epochs"] = result.finished_epochs
    numbers = Variable(("draw",), np.full(3, value), "made up")
    if result.step == "train":
        place = f"{canonical(result.request)} {result.finished_epochs}"
        attributes["weights_sha256"] = _digest(place)
    for name, path in files.items():
        arrays = {"optimizer": numbers, "counters": numbers} if name == "optimizer.h5" else {}
        write_record(path, KIND_OF_FILE[name], {"accuracy": numbers, **arrays}, attributes)


def write_states(
    store: Store, result: Result, epochs: int, kept: tuple[int, ...] = (), version: str = ""
) -> Path:
    """Write the states of a training that was interrupted after some epochs."""
    folder = store.key_folder(result) / f"states-{version or version_of('train')}"
    attributes = Provenance("0" * 16, sources=result.sources).attributes(result.request)
    for name, length in {"last": epochs, **{f"epoch-{one}": one for one in kept}}.items():
        losses = Variable(("epoch",), np.ones(length), "loss")
        write_record(folder / f"{name}.h5", "checkpoint", {"loss": losses}, attributes)
    return folder


def age(store: Store, hours: float = 2) -> None:
    """Let all that is in a store be some hours older."""
    for path in store.root.rglob("*"):
        if path.is_file():
            time = path.stat().st_mtime - 3600 * hours
            os.utime(path, (time, time))


def add(store: Store, result: Result, value: float = 0.5, log: str = "computed\n") -> Path:
    """Make an entry of a result."""
    names = result.files or (STATE_FILES if result.step == "train" else ["noise.h5"])
    with store.temporary() as folder:
        made = folder / "made"
        write(result, {name: made / name for name in names}, value)
        return store.add(result, made, counts(result.step)[0], log)


def add_training(store: Store, seed: int, epochs: tuple[int, ...] = (6, EPOCHS)) -> list[Path]:
    """Make the entries of a training, one a state."""
    return [add(store, training(seed, one)) for one in epochs]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
