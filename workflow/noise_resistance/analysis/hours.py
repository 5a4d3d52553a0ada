"""How long the jobs that are left will take, by the records of those that have finished."""

import heapq
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from noise_resistance.analysis.plan import Job
from noise_resistance.analysis.times import read_times
from noise_resistance.study.architectures import depth_of
from noise_resistance.study.configuration import Study
from noise_resistance.study.demands import seconds_of

__all__ = ["TIMED_RULES", "Records", "TimedJob", "hours_at_once", "time_jobs"]

# Files that are read for each rule, dataset and model: medians of more would not be better.
_SAMPLE = 20
# Each rule whose jobs are timed, and the arithmetic that stands in where none has finished.
TIMED_RULES = {
    "train": "train",
    "evaluate_baseline": "baseline",
    "evaluate_noise": "evaluate",
    "evaluate_snapshot_baseline": "baseline",
    "evaluate_snapshot_noise": "evaluate",
    "diagnose": "diagnose",
    "evaluate_external": "evaluate_external",
}
# A snapshot's model is its training's.
_SAME = {
    "evaluate_snapshot_baseline": "evaluate_baseline",
    "evaluate_snapshot_noise": "evaluate_noise",
}


@dataclass(frozen=True)
class TimedJob:
    """A job and how long it will take.

    Attributes:
        job: the job.
        seconds: what is left of it.
        measured: whether finished jobs of this study say so; otherwise it is an estimate.
    """

    job: Job
    seconds: float
    measured: bool


class Records:
    """The seconds that the finished jobs of a study took, as their files state them."""

    def __init__(self, study: Path) -> None:
        """Read some files of each rule, dataset and model below a study's folder."""
        table = read_times(study, at_most=_SAMPLE)
        self._tables = {rule: table[table["rule"] == rule] for rule in TIMED_RULES}

    def __len__(self) -> int:
        """Return how many jobs there are records of."""
        return sum(map(len, self._tables.values()))

    def seconds(self, job: Job) -> float | None:
        """Return how long a job takes as a whole, None where no finished one resembles it.

        That is the median of the finished jobs of its rule on the same dataset and model, or, where
        there are none, of the other models on its dataset, in proportion to depth: the arithmetic
        of a CIFAR ResNet is.
        """
        table = self._tables[job.rule]
        if table.empty and job.rule in _SAME:
            table = self._tables[_SAME[job.rule]]
        if job.rule == "evaluate_external":
            return float(table["seconds"].median()) if len(table) else None
        on_dataset = table[table["dataset"] == job.wildcards["dataset"]]
        model = job.wildcards["model"]
        same = on_dataset.loc[on_dataset["model"] == model, "seconds"]
        if len(same):
            return float(same.median())
        if on_dataset.empty:
            return None
        by_depth = on_dataset["seconds"] / on_dataset["model"].map(depth_of)
        return float(by_depth.median() * depth_of(model))


def time_jobs(
    study: Study, jobs: Sequence[Job], records: Records, remaining: Mapping[str, float]
) -> list[TimedJob]:
    """Say of each job that trains or measures how long it will take.

    Args:
        study: the configuration, by which jobs that resemble no finished one are estimated.
        jobs: what is to be computed.
        records: of the jobs that have finished.
        remaining: what part of a training is left, by its weights file, where it has begun.
    """
    timed = []
    for job in jobs:
        if job.rule in TIMED_RULES:
            measured = records.seconds(job)
            whole = _estimate(study, job) if measured is None else measured
            left = remaining.get(job.outputs[0], 1.0)
            timed.append(TimedJob(job, whole * left, measured is not None))
    return timed


def hours_at_once(timed: Sequence[TimedJob], at_once: int) -> float:
    """Return the hours until all jobs have ended, with so many at the same time.

    Trainings start first, the longest ahead; what needs a training starts when it has ended. So it
    is never less than the longest training with what follows from it.
    """
    trainings = {_folder(one.job): one for one in timed if one.job.rule == "train"}
    waiting: defaultdict[str, list[float]] = defaultdict(list)
    free: list[float] = []
    for one in timed:
        if one.job.rule != "train":
            folder = _folder(one.job)
            (waiting[folder] if folder in trainings else free).append(one.seconds)
    first = sorted(trainings.items(), key=lambda item: -item[1].seconds)
    ready = deque([*((one.seconds, folder) for folder, one in first), *((one, "") for one in free)])
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < at_once:
            seconds, folder = ready.popleft()
            heapq.heappush(running, (now + seconds, folder))
        now, folder = heapq.heappop(running)
        ready.extend((seconds, "") for seconds in waiting.pop(folder, []))
    return now / 3600


def _folder(job: Job) -> str:
    names = ("dataset", "model", "recipe", "optimizer", "learning_rate", "seed")
    return "/".join(job.wildcards.get(name, "") for name in names)


def _estimate(study: Study, job: Job) -> float:
    step = TIMED_RULES[job.rule]
    if job.rule == "evaluate_external":
        dataset = study.external_models[job.wildcards["external"]].dataset
        return seconds_of(study, step, dataset, None)
    return seconds_of(study, step, job.wildcards["dataset"], job.wildcards["model"])
