"""The plan of a study, written for people."""

import base64
import shutil
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from noise_resistance.analysis.disk import disk_needed
from noise_resistance.analysis.hours import Records, TimedJob, hours_at_once, time_jobs
from noise_resistance.analysis.plan import Job, reasons
from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import read_record
from noise_resistance.storage.locks import holder
from noise_resistance.storage.resume import lock_of, resume_folder
from noise_resistance.study.configuration import Study
from noise_resistance.study.paths import LAYER_SCOPE

__all__ = ["plan_text"]

_LAYERS = "evaluate_noise, layers"
_RECORDS = Path(".snakemake")
_WIDTH = 94
_NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class _Progress:
    """A training that is left and has a state to go on from, or runs.

    Attributes:
        epochs: how many are finished.
        process: who trains it now, empty where nobody does.
    """

    epochs: int
    process: str


def plan_text(study: Study, jobs: Sequence[Job], at_once: int) -> str:
    """Write what is done, left, begun and stale, the hours and the disk it will take.

    Args:
        study: the study, its paths relative to the working directory.
        jobs: what Snakemake would run.
        at_once: how many trainings or evaluations run at the same time.
    """
    progress = _progress(study, jobs)
    remaining = {file: 1 - one.epochs / study.recipe.epochs for file, one in progress.items()}
    running = {file for file, one in progress.items() if one.process} | _started()
    records = Records(Path(study.paths.benchmarks))
    timed = time_jobs(study, jobs, records, remaining)
    lines = [f"study {study.name}: {study.paths.root}/", ""]
    lines += _counts(study, jobs, timed, running)
    if not jobs:
        lines += ["", "nothing is left to do"]
        return "\n".join(lines)
    lines += ["", "why", *_why(jobs)]
    for title, wanted in (("running", True), ("begun", False)):
        these = [(file, one) for file, one in progress.items() if bool(one.process) == wanted]
        if these:
            lines += ["", title, *(_training(study, *one) for one in these)]
    if _locked():
        lines += ["", "a run is going on here (or was killed: snakemake --unlock)"]
    lines += ["", *_needs(study, jobs, timed, len(records), at_once)]
    return "\n".join(lines)


def _totals(study: Study) -> dict[str, int]:
    trainings, snapshots = len(study.trainings), len(study.snapshots)
    evaluations = len(study.evaluations)
    totals = {
        "train": trainings,
        "evaluate_baseline": trainings,
        "evaluate_noise": evaluations,
        _LAYERS: len(study.layer_evaluations),
        "evaluate_snapshot_baseline": snapshots * trainings,
        "evaluate_snapshot_noise": snapshots * evaluations,
        "diagnose": trainings if study.diagnostics.images else 0,
        "evaluate_external": len(study.external_models),
    }
    return {row: total for row, total in totals.items() if total}


def _row(job: Job) -> str:
    in_sweep = job.wildcards.get("scope", "").startswith(LAYER_SCOPE)
    return _LAYERS if job.rule == "evaluate_noise" and in_sweep else job.rule


def _counts(
    study: Study, jobs: Sequence[Job], timed: Sequence[TimedJob], running: set[str]
) -> Iterator[str]:
    totals = _totals(study)
    left = Counter(map(_row, jobs))
    active = Counter(_row(job) for job in jobs if running & set(job.outputs))
    stale = Counter(_row(job) for job in jobs if job.stale)
    seconds = dict.fromkeys(totals, 0.0)
    for one in timed:
        seconds[_row(one.job)] += one.seconds
    estimated = {_row(one.job) for one in timed if not one.measured}
    yield f"  {'rule':28}{'done':>8}{'left':>8}{'running':>9}{'stale':>8}{'hours left':>14}"
    for row, total in totals.items():
        hours = f"{'~' if row in estimated else ''}{seconds[row] / 3600:.2f}"
        yield (
            f"  {row:28}{total - left[row]:8d}{left[row]:8d}{active[row]:9d}{stale[row]:8d}"
            f"{hours:>14}"
        )
    others = [job for job in jobs if _row(job) not in totals]
    active_others = sum(bool(running & set(job.outputs)) for job in others)
    stale_others = sum(job.stale for job in others)
    yield (
        f"  {'datasets, tables, ...':28}{'':8}{len(others):8d}{active_others:9d}{stale_others:8d}"
    )


def _why(jobs: Sequence[Job]) -> Iterator[str]:
    for reason, counts in reasons(jobs).items():
        yield f"  {reason}"
        # A number and its rule stay in one line.
        rules = [f"{count}{_NO_BREAK}{rule}" for rule, count in counts.most_common()]
        for line in textwrap.wrap(", ".join(rules), _WIDTH):
            yield f"      {line}".replace(_NO_BREAK, " ")


def _progress(study: Study, jobs: Sequence[Job]) -> dict[str, _Progress]:
    """Return how far each training left is that has begun, by its weights file."""
    found = {}
    for job in jobs:
        if job.rule != "train":
            continue
        weights = job.outputs[0]
        process = holder(lock_of(weights)) or ""
        epochs = min(_finished_epochs(resume_folder(weights)), study.recipe.epochs)
        if process or epochs:
            found[weights] = _Progress(epochs, process)
    return found


def _finished_epochs(folder: Path) -> int:
    kept = sorted(folder.glob("*.h5"), key=lambda path: path.stat().st_mtime)
    try:
        return len(read_record(kept[-1], "checkpoint", ["loss"])["loss"]) if kept else 0
    except DataError:
        return 0


def _training(study: Study, file: str, one: _Progress) -> str:
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
        missing = ", ".join(f"{count} of {row}" for row, count in unknown.items())
        yield (
            f"      unknown for {missing}: no such job has finished; ~ is an estimate, by "
            f"arithmetic, for {where}"
        )
    free = shutil.disk_usage(".").free
    yield (
        f"disk: about {_size(disk_needed(study, jobs))} more for datasets, trainings and "
        f"evaluations; {_size(free)} are free"
    )


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
