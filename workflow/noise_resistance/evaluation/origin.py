"""Where a model that is measured is from: its training, and the dataset it is measured on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import read_attributes
from noise_resistance.storage.sources import digest_of_dataset

__all__ = ["Origin", "origin_of"]


@dataclass(frozen=True)
class Origin:
    """Where a model is from.

    Attributes:
        training: the parameters that its training recorded; empty for one trained elsewhere.
        training_fingerprint: of the code that trained it, likewise.
        dataset_sha256: digest of the dataset that it is measured on.
    """

    training: Mapping[str, Any] = field(default_factory=dict)
    training_fingerprint: str = ""
    dataset_sha256: str = ""


def origin_of(weights: Path, history: Path, dataset: Path) -> Origin:
    """Read where a training's model is from.

    Args:
        weights: the trained weights.
        history: the training's history.
        dataset: the prepared dataset that the model is measured on.

    Raises:
        DataError: a file is missing or damaged, or weights and history are of two trainings.
    """
    trained = read_attributes(weights, "weights")
    recorded = read_attributes(history, "history")
    codes = [str(one.attributes.get("fingerprint", "")) for one in (trained, recorded)]
    if trained.parameters != recorded.parameters or codes[0] != codes[1]:
        raise DataError(
            f"{weights}: of another training than {history}; delete both and run snakemake again"
        )
    return Origin(trained.parameters, codes[0], digest_of_dataset(dataset))
