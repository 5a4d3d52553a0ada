"""What becomes of each job that Snakemake plans: it looks, restores or computes.

A job decides that itself when it starts, by the same code (`store.wanted`, `store.jobs`). Here it
is asked beforehand, trainings first: what of them is restored or stays decides what others find.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from noise_resistance.analysis.plan import NOTHING, Job
from noise_resistance.errors import DataError
from noise_resistance.storage.checksums import canonical
from noise_resistance.storage.hdf5 import read_record
from noise_resistance.storage.locks import holder
from noise_resistance.store import jobs as store_jobs
from noise_resistance.store.entries import LAST_STATE, Store
from noise_resistance.store.jobs import COMPUTE, LOOK, RESTORE
from noise_resistance.store.results import Result
from noise_resistance.store.study_results import STEPS, StudyResults
from noise_resistance.store.versions import counts
from noise_resistance.study.configuration import Study
from noise_resistance.study.products import Products

__all__ = ["STEPS", "Outlook", "Progress"]


@dataclass(frozen=True)
class Progress:
    """How far an unfinished training is.

    Attributes:
        epochs: how many are finished.
        process: who trains it now, empty where nobody does.
    """

    epochs: int
    process: str


class Outlook:
    """What the jobs of a study would find. Nothing is changed, and of what is there little is read.

    Whether entries of the store are damaged is not looked for: a job that finds one so computes.
    """

    def __init__(self, study: Study) -> None:
        """Name the study, its paths relative to the working directory."""
        self._results = StudyResults(Products(study))
        self._job = store_jobs.Job(Store(study.store_folder), recompute=not study.store)

    def of(self, jobs: Iterable[Job]) -> list[Job]:
        """Return the jobs with what becomes of them.

        Args:
            jobs: all that the study has.
        """
        jobs = list(jobs)
        # Others read what a training makes.
        order = sorted(range(len(jobs)), key=lambda index: jobs[index].rule != "train")
        for index in order:
            job = jobs[index]
            if job.action == NOTHING:
                continue
            action = self._action(job) if job.rule in STEPS else COMPUTE
            stale = job.stale and action != LOOK and any(Path(one).exists() for one in job.outputs)
            jobs[index] = replace(job, action=action, stale=stale)
        return jobs

    def progress(self, job: Job) -> Progress:
        """Say how far a training is that is to be computed, by a state of this very request."""
        try:
            result = self._results.of(job.rule, job.wildcards)[0]
        except DataError:
            return Progress(0, "")
        states, lock = self._job.unfinished(result)
        return Progress(_finished_epochs(states / LAST_STATE, result), holder(lock) or "")

    def _action(self, job: Job) -> str:
        if job.rule == "train":
            for output in job.outputs:
                self._results.expect(Path(output), None)
        if self._job.recompute:
            return COMPUTE
        try:
            results = self._results.of(job.rule, job.wildcards)
        except DataError:
            # What it reads is not there: nobody can say what it will be.
            return COMPUTE
        actions = {self._action_of(one) for one in results if one.files}
        return next(one for one in (COMPUTE, RESTORE, LOOK) if one in actions)

    def _action_of(self, result: Result) -> str:
        action = self._job.action(result)
        if action == LOOK:
            for path in result.files.values():
                self._results.expect(path, path)
        if action == RESTORE:
            entry = self._job.store.find(result, counts(result.step))
            if entry is None:
                return COMPUTE
            for name, path in result.files.items():
                self._results.expect(path, entry.folder / name)
        return action


def _finished_epochs(state: Path, result: Result) -> int:
    try:
        record = read_record(state, "checkpoint", ["loss"])
        same = canonical(record.parameters) == canonical(result.request)
    except DataError:
        return 0
    stated = {name: record.attributes.get(name) for name in result.sources}
    return len(record["loss"]) if same and stated == dict(result.sources) else 0
