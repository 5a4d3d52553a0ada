"""What every job does that trains or measures: it looks before it computes.

First at its own output: whole and stating this request, it stays. Then at the store. Only then it
computes, and nothing as heavy as TensorFlow is imported before.
"""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from noise_resistance.errors import DataError
from noise_resistance.storage.locks import hold, remove
from noise_resistance.store.compare import compare
from noise_resistance.store.entries import LOCK, STATES, Store
from noise_resistance.store.folders import copy_file, discard, scratch
from noise_resistance.store.manifest import Entry, read_entry
from noise_resistance.store.results import Result
from noise_resistance.store.versions import counts, version_of

__all__ = ["COMPUTE", "LOOK", "RESTORE", "Job", "folder_of"]

Compute = Callable[[Path, Sequence[Result]], None]
# What a job does with a result: its own output stays, the store has it, or neither.
LOOK, RESTORE, COMPUTE = "look", "restore", "compute"


@dataclass(frozen=True)
class Job:
    """How a job gets its results.

    Attributes:
        store: where results are kept.
        recompute: compute whatever is there, keep nothing, and compare with what the store has.
        log: the job's log file, which standard output goes to and an entry keeps; None where output
            goes elsewhere.
    """

    store: Store
    recompute: bool = False
    log: Path | None = None

    def provide(
        self, results: Sequence[Result], compute: Compute, lock: Path | None = None
    ) -> None:
        """See that all files of some results are where they go.

        Args:
            results: of one step; those without files are only kept in the store.
            compute: is given a folder and the results that are missing; makes these, and as many
                of the others as it likes, each in its `folder_of`.
            lock: held while it computes, by one process at a time; the others wait and take what
                that one made.

        Raises:
            DataError: a file cannot be written, or what is computed is not what the store has
                although code, versions, processor and threads are the same.
        """
        codes = counts(results[0].step)
        self.store.clear_temporary()
        missing = self._look(results, codes)
        if not missing:
            return
        with ExitStack() as stack:
            if lock is not None:
                stack.enter_context(hold(lock, wait=True, doing="computing the same"))
                stack.callback(remove, lock)
                missing = self._look(missing, codes)
                if not missing:
                    return
            folder = stack.enter_context(self._temporary(missing))
            compute(folder, missing)
            for result in results:
                if (made := folder_of(result, folder)).is_dir():
                    self._keep(result, made, codes)
            for result in missing:
                self._hand_out(result, folder_of(result, folder), codes)

    def action(self, result: Result) -> str:
        """Say what this job would do with a result, changing nothing: also a plan asks this.

        Whether an entry of the store is damaged is only found when it is taken out.

        Returns: `LOOK`, `RESTORE` or `COMPUTE`.
        """
        codes = counts(result.step)
        if self.recompute:
            return COMPUTE
        if result.is_there(codes):
            return LOOK
        return COMPUTE if self.store.find(result, codes) is None else RESTORE

    def unfinished(self, result: Result) -> tuple[Path, Path]:
        """Return the folder of the states that an unfinished training goes on from, and its lock.

        They lie with its key, so a study of another name goes on from them as well; where nothing
        is kept, beside its files.

        Args:
            result: the state of its last epoch.
        """
        if self.recompute:
            folder = next(iter(result.files.values())).parent / ".resume"
        else:
            folder = self.store.key_folder(result)
        return folder / f"{STATES}{version_of(result.step)}", folder / LOCK

    def discard(self, result: Result) -> None:
        """Delete the states of a training whose results are whole, unless it has begun again.

        Args:
            result: as for `unfinished`.
        """
        states, lock = self.unfinished(result)
        discard([states], lock, lock.parent if self.recompute else self.store.root)

    def _look(self, results: Iterable[Result], codes: Sequence[str]) -> list[Result]:
        """Return the results with files that neither are there nor can be restored."""
        missing: list[Result] = []
        said: set[str] = set()
        for result in results:
            if not result.files:
                continue
            action = self.action(result)
            if action == LOOK:
                _say_log(self.store.find(result, codes), said)
                print(f"kept: {_names(result)}, made from this request already", flush=True)
                self._adopt(result, codes)
            elif action == RESTORE and (entry := self.store.restore(result, codes)) is not None:
                _say_log(entry, said)
                print(f"restored: {_names(result)}, {entry.origin()} ({entry.folder})", flush=True)
            else:
                missing.append(result)
        return missing

    def _adopt(self, result: Result, codes: Sequence[str]) -> None:
        try:
            self.store.adopt(result, codes, self._text())
        except DataError as error:
            # The result is there and whole: that it cannot be kept as well is no failure.
            print(f"caution: not kept in the store: {error}", flush=True)

    def _temporary(self, missing: Sequence[Result]) -> AbstractContextManager[Path]:
        if not self.recompute:
            return self.store.temporary()
        return scratch(next(iter(missing[0].files.values())).parent)

    def _keep(self, result: Result, made: Path, codes: Sequence[str]) -> None:
        entry = (self.store.find if self.recompute else self.store.take)(result, codes)
        if entry is not None and (damage := entry.damage(entry.files)):
            print(f"caution: not compared with {entry.folder}: {damage}", flush=True)
        elif entry is not None and self._compare(result, made, entry):
            return
        if not self.recompute:
            self.store.add(result, made, codes[0], self._text())

    def _compare(self, result: Result, made: Path, entry: Entry) -> bool:
        """Compare what was computed with an entry; False where that is gone meanwhile."""
        try:
            compared = compare(made, entry.folder, entry.files)
        except (DataError, OSError):
            if read_entry(entry.folder) is None:
                return False
            raise
        if not compared.differing:
            print(f"computed again, equal to {entry.folder} bit by bit", flush=True)
            return True
        said = (
            f"{_names(result) or made.name}: what was computed differs from {entry.folder} in "
            f"{', '.join(compared.differing)}"
        )
        if compared.alike:
            raise DataError(
                f"{said}, with the same code, versions, processor and threads: this is a fault of "
                "the program or of the machine; run `noise-resistance store verify` and report it"
            )
        reason = f"other {compared.environment}" if compared.environment else "a GPU"
        print(f"caution: {said}; it was computed with {reason}", flush=True)
        return True

    def _hand_out(self, result: Result, made: Path, codes: Sequence[str]) -> None:
        """Copy a result to where it goes: from its entry, or as it was computed."""
        if not self.recompute and self.store.restore(result, codes) is not None:
            return
        try:
            for name, path in result.files.items():
                copy_file(made / name, path)
        except FileNotFoundError as error:
            raise DataError(
                f"{self.store.place(result, codes[0])}: was removed from the store before it was "
                "copied; run again"
            ) from error

    def _text(self) -> str:
        """Return what this job has written so far."""
        sys.stdout.flush()
        if self.log is None:
            return ""
        # From the open file: a Snakemake that was started while this job outlived another one has
        # removed its name, for a job that waits for this one.
        return os.pread(1, os.fstat(1).st_size, 0).decode(errors="replace")


def folder_of(result: Result, folder: Path) -> Path:
    """Return the folder below a temporary one that a result is made in."""
    return folder / (result.part or result.key)


def _say_log(entry: Entry | None, said: set[str]) -> None:
    """Print what the job wrote that computed an entry, unless it has been printed."""
    text = entry.log() if entry else ""
    if text and text not in said:
        print(text, end="" if text.endswith("\n") else "\n")
    said.add(text)


def _names(result: Result) -> str:
    return ", ".join(str(path) for path in result.files.values())
