"""Whether a model's files are those of the training that they are taken for."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import read_attributes

__all__ = ["check_origin"]


def check_origin(weights: Path, history: Path, training: Mapping[str, Any]) -> None:
    """Refuse weights and history of another training than the one that is asked for.

    Args:
        weights: the trained weights.
        history: the training's history.
        training: the training's request, as plain values.

    Raises:
        DataError: a file is missing or damaged, or of another training.
    """
    wanted = json.loads(json.dumps(dict(training)))
    found = [read_attributes(weights, "weights"), read_attributes(history, "history")]
    for record in found:
        if record.parameters != wanted:
            raise DataError(
                f"{record.path}: of another training than the study's; delete it and run "
                "snakemake again"
            )
    for name, what in (
        ("fingerprint", "trained by other code"),
        ("weights_sha256", "holds other weights"),
    ):
        one, other = (record.attributes.get(name) for record in found)
        if one != other:
            raise DataError(
                f"{weights}: {what} than {history} states; delete both and run snakemake again"
            )
