"""The states that an unfinished training can go on from, kept with its key in the store.

There is the state after the last finished epoch, and one after each epoch that the study keeps.
They lie in a folder that no rule declares, since Snakemake deletes the outputs of a job that fails,
and that is named by all that decides the training: a study of another name goes on from them too.
When the training's results are in the store and where they go, the states are deleted.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import Variable, read_record, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.training.engine import State
from noise_resistance.training.history import HISTORY, History

__all__ = ["Checkpoint", "CheckpointFolder", "optimizer_variables"]


@dataclass(frozen=True)
class Checkpoint:
    """A training after some finished epochs."""

    state: State
    history: History


class CheckpointFolder:
    """Where one training keeps its states."""

    def __init__(self, folder: Path, parameters: Mapping[str, Any], provenance: Provenance) -> None:
        """Name the folder; nothing is read or written yet.

        Args:
            folder: of this training alone.
            parameters: all that decides the training.
            provenance: of this step.
        """
        self.path = folder / "last.h5"
        self._parameters, self._provenance = dict(parameters), provenance

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
        return self.path.with_name(f"epoch-{epoch}.h5")

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
            print(
                f"resume: {path} was trained on other images or labels; starting anew", flush=True
            )
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
