"""The state of a training, kept beside its results until Snakemake knows that it is done.

Snakemake deletes the declared outputs of a job that fails, so the state lives in a folder that no
rule declares; the file's name in it is a hash of all that decides the training, so a changed
training never meets the state of another. The states after the epochs that a study keeps lie there
too: a kill deletes no snapshot.

The process that trains never deletes the state: it may outlive the Snakemake that started it, and
the next one, which knows of no finished job, starts the training again. With the last epoch's state
there that takes seconds. The run of Snakemake that has the training in its books discards it.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import Variable, read_record, write_record
from noise_resistance.storage.locks import hold
from noise_resistance.storage.provenance import Provenance
from noise_resistance.storage.resume import lock_of, resume_folder
from noise_resistance.training.engine import State
from noise_resistance.training.history import HISTORY, History

__all__ = ["Checkpoint", "CheckpointFolder", "optimizer_variables"]


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
        self._lock = lock_of(weights)
        self.path = resume_folder(weights) / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.h5"
        self._parameters, self._provenance = dict(parameters), provenance

    def held(self) -> AbstractContextManager[None]:
        """Keep every other process off this training: two would mix their files.

        A scheduler may start a job again whose first process still lives, on this node or another.

        Raises:
            DataError: another process has it, or the folder cannot be written to.
        """
        return hold(self._lock)

    def read(self) -> Checkpoint | None:
        """Return the last state, or None if there is none that can be used."""
        return self._read(self.path)

    def read_kept(self, epoch: int) -> Checkpoint | None:
        """Return the state that was kept after so many epochs, or None."""
        return self._read(self._kept(epoch))

    def write(self, checkpoint: Checkpoint) -> None:
        """Keep a state in the place of the last one, whole or not at all."""
        self._write(self.path, checkpoint)

    def keep(self, checkpoint: Checkpoint) -> None:
        """Keep a state beside the last one."""
        self._write(self._kept(checkpoint.history.epochs), checkpoint)

    def _kept(self, epoch: int) -> Path:
        return self.path.with_name(f"{self.path.stem}-epoch-{epoch}.h5")

    def _read(self, path: Path) -> Checkpoint | None:
        if not path.exists():
            return None
        try:
            record = read_record(path, "checkpoint")
        except DataError as error:
            print(f"resume: {error}; starting anew", flush=True)
            return None
        if record.parameters != json.loads(json.dumps(self._parameters)):
            print(f"resume: {path} was made with other parameters; starting anew", flush=True)
            return None
        sources = self._provenance.sources
        if {name: record.attributes.get(name) for name in sources} != dict(sources):
            print(f"resume: {path} learnt from other images or labels; starting anew", flush=True)
            return None
        if missing := {*State._fields, *HISTORY} - record.variables.keys():
            print(f"resume: {path} has no {min(missing)}; starting anew", flush=True)
            return None
        columns = {name: record[name].tolist() for name in HISTORY}
        return Checkpoint(
            State(**{name: record[name] for name in State._fields}), History(**columns)
        )

    def _write(self, path: Path, checkpoint: Checkpoint) -> None:
        state = checkpoint.state
        variables = {
            "trained": Variable(
                ("weight",), state.trained, "arrays that gradients change, in the model's order"
            ),
            "moving": Variable(
                ("statistic",), state.moving, "BatchNorm's moving statistics, in the model's order"
            ),
            **optimizer_variables(state),
            **checkpoint.history.variables(),
        }
        write_record(path, "checkpoint", variables, self._provenance.attributes(self._parameters))


def optimizer_variables(state: State) -> dict[str, Variable]:
    """Return the optimizer's part of a state as variables."""
    return {
        "optimizer": Variable(
            ("slot",), state.optimizer, "the optimizer's numbers, one variable after the other"
        ),
        "counters": Variable(("counter",), state.counters, "the optimizer's counters"),
    }
