"""The state of an unfinished training, kept beside its results until it is done.

Snakemake deletes the declared outputs of a job that fails, so the state lives in a folder that no
rule declares; the file's name in it is a hash of all that decides the training, so a changed
training never meets the state of another.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import Variable, read_record, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.training.engine import State
from noise_resistance.training.history import HISTORY, History

__all__ = ["Checkpoint", "CheckpointFolder"]


@dataclass(frozen=True)
class Checkpoint:
    """A training after some finished epochs."""

    state: State
    history: History


class CheckpointFolder:
    """Where one training keeps its last state."""

    def __init__(
        self, weights: Path, parameters: Mapping[str, Any], provenance: Provenance
    ) -> None:
        """Name the folder; nothing is read or written yet.

        Args:
            weights: the file the training will write in the end.
            parameters: all that decides the training.
            provenance: of this step; its fingerprint is part of the key.
        """
        text = json.dumps([parameters, provenance.fingerprint], sort_keys=True)
        self.folder = weights.parent / ".resume"
        self.path = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.h5"
        self._parameters, self._provenance = dict(parameters), provenance

    def read(self) -> Checkpoint | None:
        """Return the last state, or None if there is none that can be used."""
        if not self.path.exists():
            return None
        try:
            record = read_record(self.path, "checkpoint")
        except DataError as error:
            print(f"resume: {error}; starting anew", flush=True)
            return None
        if record.parameters != json.loads(json.dumps(self._parameters)):
            print(f"resume: {self.path} was made with other parameters; starting anew", flush=True)
            return None
        columns = {name: record[name].tolist() for name in HISTORY}
        return Checkpoint(
            State(**{name: record[name] for name in State._fields}), History(**columns)
        )

    def write(self, checkpoint: Checkpoint) -> None:
        """Keep a state in the place of the last one, whole or not at all."""
        state = checkpoint.state
        variables = {
            "trained": Variable(
                ("weight",), state.trained, "arrays that gradients change, in the model's order"
            ),
            "moving": Variable(
                ("statistic",), state.moving, "BatchNorm's moving statistics, in the model's order"
            ),
            "optimizer": Variable(("slot",), state.optimizer, "the optimizer's state"),
            "counters": Variable(("counter",), state.counters, "the optimizer's counters"),
            **checkpoint.history.variables(),
        }
        write_record(
            self.path, "checkpoint", variables, self._provenance.attributes(self._parameters)
        )

    def remove(self) -> None:
        """Delete the folder: the training is done."""
        shutil.rmtree(self.folder, ignore_errors=True)
