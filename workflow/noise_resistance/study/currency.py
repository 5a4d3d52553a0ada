"""Whether a file is the one that would be made now.

Snakemake makes a missing or stale input again for one job and then runs every finished job that
has it as an input. A dataset that was deleted to save disk, or prepared again by newer code, must
not retrain a study: what a training depends on is the dataset's identity, a parameter. So the
dataset is an input only of what is not current.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import read_attributes

__all__ = ["is_current"]


def is_current(
    path: str | Path, kind: str, fingerprint: str, parameters: Mapping[str, Any]
) -> bool:
    """Say whether a file is whole and was made by this code from these parameters.

    Args:
        path: the file; it may be missing.
        kind: the kind it must be.
        fingerprint: of the step that makes it.
        parameters: what it must have been made from, among other things.
    """
    try:
        record = read_attributes(path, kind)
    except DataError:
        return False
    made_from = record.parameters
    wanted = json.loads(json.dumps(dict(parameters)))
    same = all(made_from.get(name) == value for name, value in wanted.items())
    return same and record.attributes.get("fingerprint") == fingerprint
