"""The plan of a study, written for people."""

import base64
import shutil
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from noise_resistance.analysis.actions import STEPS, Outlook, Progress
from noise_resistance.analysis.disk import disk_needed
from noise_resistance.analysis.hours import Records, TimedJob, hours_at_once, time_jobs
from noise_resistance.analysis.plan import NOTHING, Job, reasons
from noise_resistance.store.jobs import COMPUTE, LOOK, RESTORE
from noise_resistance.study.configuration import Study
from noise_resistance.study.paths import LAYER_SCOPE

__all__ = ["plan_text"]

_LAYERS = "evaluate_noise, layers"
_ROWS = (*list(STEPS)[:3], _LAYERS, *list(STEPS)[3:])
_RECORDS = Path(".snakemake")
_WIDTH = 94
_NO_BREAK = "\N{NO-BREAK SPACE}"


def plan_text(study: Study, jobs: Sequence[Job], outlook: Outlook, at_once: int) -> str:
    """Write what is done, left, begun and stale, the hours and the disk it will take.

    Args:
        study: the study, its paths relative to the working directory.
        jobs: all its jobs, with what becomes of them.
        outlook: knows how far a training is.
        at_once: how many trainings or evaluations run at the same time.
    """
    left = [job for job in jobs if job.action != NOTHING]
    computed = [job for job in left if job.action == COMPUTE]
    progress = _progress(outlook, computed)
    epochs = study.recipe.epochs
    remaining = {file: max(0, 1 - one.epochs / epochs) for file, one in progress.items()}
    running = {file for file, one in progress.items() if one.process} | _started()
    records = Records(Path(study.paths.root))
    timed = time_jobs(study, computed, records, remaining)
    lines = [f"study {study.name}: {study.paths.root}/", ""]
    lines += _counts(jobs, timed, running)
    if not left:
        lines += ["", "nothing is left to do"]
        return "\n".join(lines)
    lines += ["", "why", *_why(left)]
    for title, wanted in (("running", True), ("begun", False)):
        these = [(file, one) for file, one in progress.items() if bool(one.process) == wanted]
        if these:
            lines += ["", title, *(_training(study, *one) for one in these)]
    if _locked():
        lines += ["", "a run is going on here (or was killed: snakemake --unlock)"]
    lines += ["", *_needs(study, left, timed, len(records), at_once)]
    return "\n".join(lines)


def _row(job: Job) -> str:
    in_sweep = job.wildcards.get("scope", "").startswith(LAYER_SCOPE)
    return _LAYERS if job.rule == "evaluate_noise" and in_sweep else job.rule


def _counts(jobs: Sequence[Job], timed: Sequence[TimedJob], running: set[str]) -> Iterator[str]:
    by_row: defaultdict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        by_row[_row(job)].append(job)
    seconds: defaultdict[str, float] = defaultdict(float)
    for one in timed:
        seconds[_row(one.job)] += one.seconds
    estimated = {_row(one.job) for one in timed if not one.measured}
    heads = ("done", "left", "running", "stale", LOOK, RESTORE, COMPUTE)
    yield f"  {'rule':28}{''.join(f'{head:>9}' for head in heads)}{'hours left':>12}"
    for row in _ROWS:
        if these := by_row.pop(row, []):
            hours = f"{'~' if row in estimated else ''}{seconds[row] / 3600:.2f}"
            yield f"  {row:28}{_numbers(these, running)}{hours:>12}"
    others = [job for these in by_row.values() for job in these]
    yield f"  {'datasets, tables, ...':28}{_numbers(others, running)}"


def _numbers(jobs: Sequence[Job], running: set[str]) -> str:
    actions = Counter(job.action for job in jobs)
    numbers = (
        actions[NOTHING],
        len(jobs) - actions[NOTHING],
        sum(job.action != NOTHING and not running.isdisjoint(job.outputs) for job in jobs),
        sum(job.stale for job in jobs),
        *(actions[one] for one in (LOOK, RESTORE, COMPUTE)),
    )
    return "".join(f"{number:9d}" for number in numbers)


def _why(jobs: Sequence[Job]) -> Iterator[str]:
    for reason, counts in reasons(jobs).items():
        yield f"  {reason}"
        # A number and its rule stay in one line.
        rules = [f"{count}{_NO_BREAK}{rule}" for rule, count in counts.most_common()]
        for line in textwrap.wrap(", ".join(rules), _WIDTH):
            yield f"      {line}".replace(_NO_BREAK, " ")


def _progress(outlook: Outlook, jobs: Sequence[Job]) -> dict[str, Progress]:
    """Return how far each training left is that has begun, by its weights file."""
    found = {job.outputs[0]: outlook.progress(job) for job in jobs if job.rule == "train"}
    return {file: one for file, one in found.items() if one.process or one.epochs}


def _training(study: Study, file: str, one: Progress) -> str:
    process = f" ({one.process})" if one.process else ""
    return f"  {Path(file).parent}: epoch {one.epochs} of {study.recipe.epochs}{process}"


def _locked() -> bool:
    locks = _RECORDS / "locks"
    return locks.is_dir() and any(locks.iterdir())


def _started() -> set[str]:
    """Return the files that a run which holds its lock has started to make, as it recorded them."""
    if not _locked():
        return set()
    started = set()
    for path in (_RECORDS / "incomplete").rglob("*"):
        if path.is_file():
            parts = path.relative_to(_RECORDS / "incomplete").parts
            name = "".join(part.removeprefix("@") for part in parts)
            try:
                started.add(base64.urlsafe_b64decode(name).decode())
            except ValueError:
                continue
    return started


def _needs(
    study: Study, jobs: Sequence[Job], timed: Sequence[TimedJob], records: int, at_once: int
) -> Iterator[str]:
    if timed:
        total = sum(one.seconds for one in timed) / 3600
        longest = max(one.seconds for one in timed) / 3600
        yield (
            f"time: {total:.2f} hours one after the other, "
            f"{hours_at_once(timed, at_once):.2f} with {at_once} at once; "
            f"the longest job {longest:.2f} (from {records} finished jobs of this study)"
        )
    unknown = Counter(_row(one.job) for one in timed if not one.measured)
    if unknown:
        where = "one thread of a CPU" if study.device == "cpu" else "a GPU of 2017 (GTX 1080 Ti)"
        missing = ", ".join(f"{unknown[row]} of {row}" for row in _ROWS if unknown[row])
        yield (
            f"      unknown for {missing}: no such job has finished; ~ is an estimate, by "
            f"arithmetic, for {where}"
        )
    results, entries = disk_needed(study, jobs)
    copies = f", {_size(entries)} for the store where files cannot share blocks" if entries else ""
    yield (
        f"disk: about {_size(results)} more for datasets, trainings and evaluations{copies}; "
        f"{_size(shutil.disk_usage('.').free)} are free"
    )


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
