"""How long jobs take on a number of GPUs: greedy list scheduling, as a pure function.

A job starts as soon as all it waits for is done and a GPU is free; of several that could, the one
that stands first in the list. A submission costs its GPU the scheduler's overhead beside the work.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Bounds", "Job", "Schedule", "bounds", "list_schedule"]


@dataclass(frozen=True)
class Job:
    """One submission.

    Attributes:
        seconds: how long it computes.
        after: the positions in the list of the jobs it waits for, each before its own.
        gpu: whether it occupies a GPU; one that does not starts when it is ready, and costs no
            overhead.
    """

    seconds: float
    after: tuple[int, ...] = ()
    gpu: bool = True


@dataclass(frozen=True)
class Schedule:
    """When the jobs run.

    Attributes:
        starts: of each job, seconds.
        seconds: the end of the last.
    """

    starts: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class Bounds:
    """What no schedule can beat, seconds.

    Attributes:
        work: all computing, divided evenly among the GPUs.
        overhead: the same of the scheduler's overhead.
        chain: the longest sequence of jobs that wait for each other, overheads included.
    """

    work: float
    overhead: float
    chain: float


def list_schedule(jobs: Sequence[Job], gpus: int, overhead: float) -> Schedule:
    """Schedule jobs greedily.

    Args:
        jobs: in the order in which they are preferred; a job stands behind those it waits for.
        gpus: how many there are, each for one job at a time.
        overhead: seconds that a job occupies its GPU beside computing.

    Raises:
        ValueError: a job waits for one that does not stand before it.
    """
    _check_order(jobs)
    followers: list[list[int]] = [[] for _ in jobs]
    waiting = [len(set(job.after)) for job in jobs]
    for index, job in enumerate(jobs):
        for other in set(job.after):
            followers[other].append(index)
    starts = [0.0] * len(jobs)
    ready = [index for index, count in enumerate(waiting) if count == 0]
    queued: list[int] = []  # for a GPU, the most preferred first
    running: list[tuple[float, int]] = []  # by end
    free, now = gpus, 0.0
    while ready or queued or running:
        for index in ready:
            if jobs[index].gpu:
                heapq.heappush(queued, index)
            else:
                starts[index] = now
                heapq.heappush(running, (now + jobs[index].seconds, index))
        while queued and free:
            index = heapq.heappop(queued)
            free -= 1
            starts[index] = now
            heapq.heappush(running, (now + overhead + jobs[index].seconds, index))
        # Everything that ends at this moment ends before anything else starts.
        now, ready = running[0][0], []
        while running and running[0][0] <= now:
            _, index = heapq.heappop(running)
            free += jobs[index].gpu
            for follower in followers[index]:
                waiting[follower] -= 1
                if not waiting[follower]:
                    ready.append(follower)
    return Schedule(tuple(starts), now)


def bounds(jobs: Sequence[Job], gpus: int, overhead: float) -> Bounds:
    """Return what no schedule of these jobs can beat; arguments as `list_schedule`."""
    _check_order(jobs)
    on_gpu = [job.seconds for job in jobs if job.gpu]
    ends: list[float] = []
    for job in jobs:
        begin = max((ends[other] for other in job.after), default=0.0)
        ends.append(begin + job.seconds + (overhead if job.gpu else 0.0))
    chain = max(ends, default=0.0)
    return Bounds(sum(on_gpu) / gpus, overhead * len(on_gpu) / gpus, chain)


def _check_order(jobs: Sequence[Job]) -> None:
    for index, job in enumerate(jobs):
        if any(other >= index for other in job.after):
            raise ValueError(f"job {index} waits for one that does not stand before it")
