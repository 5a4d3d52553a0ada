"""Bringing back from the store what a study needs, before Snakemake plans it."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from noise_resistance.errors import DataError
from noise_resistance.storage.files import cannot_write
from noise_resistance.store.entries import Store
from noise_resistance.store.jobs import COMPUTE, LOOK, RESTORE, Job
from noise_resistance.store.manifest import Entry
from noise_resistance.store.results import Result
from noise_resistance.store.study_results import STEPS, StudyResults
from noise_resistance.store.versions import counts
from noise_resistance.study.products import Products

__all__ = [
    "COMPUTE",
    "LOOK",
    "NOTHING",
    "RESTORE",
    "Outcome",
    "Restoring",
    "Wanted",
    "entries_of",
    "in_order",
]

# What becomes of a job whose files are there and that nobody plans.
NOTHING = "nothing"


@dataclass(frozen=True)
class Wanted:
    """A job of a study.

    Attributes:
        rule: one of `STEPS`.
        wildcards: values by name.
        outputs: the files it makes.
        planned: whether Snakemake would run it now.
        recorded: whether Snakemake has a record of what its outputs were made from.
    """

    rule: str
    wildcards: Mapping[str, str]
    outputs: tuple[str, ...]
    planned: bool = True
    recorded: bool = False


@dataclass(frozen=True)
class Outcome:
    """What has become of a job.

    Attributes:
        action: `NOTHING` or `LOOK`: its files are there; `RESTORE`: they are again; `COMPUTE`: the
            store does not have all of them.
        size: bytes that were restored.
        reason: why nobody can know what the store has; empty where that is known.
    """

    action: str
    size: int = 0
    reason: str = ""


def entries_of(products: Products, store: Store, jobs: Iterable[Wanted]) -> Iterator[Entry]:
    """Give the entries of what a study's jobs make, in the order of the jobs.

    Args:
        products: of the study.
        store: the store.
        jobs: trainings before what reads them.
    """
    study_results = StudyResults(products)
    for job in jobs:
        try:
            results = study_results.of(job.rule, job.wildcards)
        except DataError:
            continue  # what it reads is neither there nor in the store
        for result in results:
            if (entry := store.find(result, counts(result.step))) is None:
                continue
            yield entry
            for name, path in result.files.items():
                study_results.expect(path, entry.folder / name)


def in_order(jobs: Iterable[Wanted]) -> list[Wanted]:
    """Sort jobs by the pipeline: what a training makes, others read."""
    order = list(STEPS)
    return sorted(jobs, key=lambda job: order.index(job.rule))


class Restoring:
    """Restores what jobs would restore, in the order in which they are given."""

    def __init__(self, products: Products, job: Job, *, dry_run: bool = False) -> None:
        """Name the study and its store.

        Args:
            products: of the study.
            job: how jobs get their results.
            dry_run: find out, and change nothing.
        """
        self._results, self._job, self._dry_run = StudyResults(products), job, dry_run
        self._restored: set[Path] = set()

    def bring(self, wanted: Wanted) -> Outcome:
        """Restore what a job would restore; what is there stays.

        Raises:
            DataError: a file cannot be written.
        """
        rule, wildcards = wanted.rule, wanted.wildcards
        inputs = [Path(one) for one in self._results.inputs(rule, wildcards)]
        fresh = [one for one in inputs if one in self._restored]
        # By its records Snakemake knows that files are current; without any it does not look.
        is_current = wanted.recorded and not wanted.planned and not fresh
        if is_current and all(Path(one).exists() for one in wanted.outputs):
            return Outcome(NOTHING)
        if rule == "train":
            for output in wanted.outputs:
                self._results.expect(Path(output), None)
        try:
            results = [one for one in self._results.of(rule, wildcards) if one.files]
        except DataError as error:
            return Outcome(COMPUTE, reason=str(error))
        actions, entries = set(), []
        for result in results:
            action, entry = self._bring(result)
            actions.add(action)
            if entry is not None:
                entries.append((result, entry))
            if not self._dry_run:
                self._order_times(result, action, inputs, fresh)
        if entries and not self._dry_run:
            _write_log(self._results.log(rule, wildcards), entries)
        action = next(one for one in (COMPUTE, RESTORE, LOOK) if one in actions)
        return Outcome(action, sum(entry.size for _, entry in entries))

    def _bring(self, result: Result) -> tuple[str, Entry | None]:
        action, entry = self._job.action(result), None
        if action == RESTORE:
            codes = counts(result.step)
            find = self._job.store.find if self._dry_run else self._job.store.restore
            action = COMPUTE if (entry := find(result, codes)) is None else RESTORE
        for name, path in result.files.items():
            if action == LOOK or (action == RESTORE and not self._dry_run):
                self._results.expect(path, path)
            elif entry is not None:
                self._results.expect(path, entry.folder / name)
            if action == RESTORE:
                self._restored.add(path)
        return action, entry

    def _order_times(
        self, result: Result, action: str, inputs: Iterable[Path], fresh: Iterable[Path]
    ) -> None:
        """See that no input is newer than what is made of it, or Snakemake would make that again.

        What was there keeps its time, by which what is made of it was found current: an input that
        was restored after it gets an earlier one. Where the inputs were there as well, as in a copy
        made without times, it is as new as they are: it states what it was made from.
        """
        if action not in (LOOK, RESTORE):
            return
        oldest = min(map(_time_of, result.files.values()))
        if action == LOOK:
            for path in fresh:
                if _time_of(path) > oldest:
                    os.utime(path, ns=(oldest, oldest))
        newest = max(map(_time_of, inputs), default=0)
        for path in result.files.values():
            if _time_of(path) < newest:
                os.utime(path, ns=(newest, newest))


def _time_of(path: Path) -> int:
    return path.stat().st_mtime_ns


def _write_log(log: Path, entries: Iterable[tuple[Result, Entry]]) -> None:
    """Write what the jobs wrote that computed some entries, and from when they are."""
    texts = {entry.log(): None for _, entry in entries}
    lines = [
        f"restored: {', '.join(map(str, result.files.values()))}, {entry.origin()} ({entry.folder})"
        for result, entry in entries
    ]
    whole = [one if one.endswith("\n") else f"{one}\n" for one in texts if one]
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("".join(whole) + "\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(log, error) from error
