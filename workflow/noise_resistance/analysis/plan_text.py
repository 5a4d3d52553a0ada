"""The plan of a study, written for people."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from noise_resistance.analysis.plan import Estimate, Job, disk_needed, estimate, reasons
from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import read_record
from noise_resistance.study.configuration import Study

__all__ = ["plan_text"]


def plan_text(study: Study, jobs: Sequence[Job], at_once: int) -> str:
    """Write what is done, left, begun and stale, the hours and the disk it will take.

    Args:
        study: the study, its paths relative to the working directory.
        jobs: what Snakemake would run.
        at_once: how many trainings or evaluations run at the same time.
    """
    begun = _begun(study, jobs)
    remaining = {file: 1 - done / study.recipe.epochs for file, done in begun.items()}
    expected = estimate(jobs, Path(study.paths.benchmarks), remaining)
    lines = [f"study {study.name}: {study.paths.root}/", ""]
    lines += _counts(study, jobs, expected)
    if not jobs:
        lines += ["", "nothing is left to do"]
        return "\n".join(lines)
    lines += ["", "why"]
    lines += [f"  {count:6d}  {rule}: {reason}" for rule, reason, count in reasons(jobs)]
    if begun:
        lines += ["", "begun"]
        lines += [
            f"  {Path(file).parent}: epoch {done} of {study.recipe.epochs}"
            for file, done in begun.items()
        ]
    if Path(".snakemake/locks").is_dir() and any(Path(".snakemake/locks").iterdir()):
        lines += ["", "a run is going on here (or was killed: snakemake --unlock)"]
    lines += ["", *_needs(study, jobs, expected, at_once)]
    return "\n".join(lines)


def _counts(study: Study, jobs: Sequence[Job], expected: Estimate) -> Iterator[str]:
    totals = {
        "train": len(study.trainings),
        "evaluate_baseline": len(study.trainings),
        "evaluate_noise": len(study.evaluations),
    }
    left = Counter(job.rule for job in jobs)
    yield f"  {'rule':24}{'done':>8}{'left':>8}{'hours left':>14}"
    for rule, total in totals.items():
        hours = f"{expected.seconds.get(rule, 0) / 3600:.2f}"
        if expected.unknown.get(rule):
            hours = "unknown"
        yield f"  {rule:24}{total - left[rule]:8d}{left[rule]:8d}{hours:>14}"
    others = sum(left.values()) - sum(left[rule] for rule in totals)
    yield f"  {'datasets, tables, ...':24}{'':8}{others:8d}"


def _begun(study: Study, jobs: Sequence[Job]) -> dict[str, int]:
    """Return the finished epochs of each training left that has a checkpoint, by weights file."""
    found = {}
    for job in jobs:
        if job.rule != "train":
            continue
        folder = Path(job.outputs[0]).parent / ".resume"
        kept = sorted(folder.glob("*.h5"), key=lambda path: path.stat().st_mtime)
        if kept:
            try:
                found[job.outputs[0]] = len(read_record(kept[-1], "checkpoint", ["loss"])["loss"])
            except DataError:
                continue
    return {file: min(done, study.recipe.epochs) for file, done in found.items()}


def _needs(study: Study, jobs: Sequence[Job], expected: Estimate, at_once: int) -> Iterator[str]:
    seconds = sum(expected.seconds.values())
    records = sum(expected.records.values())
    if expected.unknown:
        missing = ", ".join(f"{count} of {rule}" for rule, count in expected.unknown.items())
        yield f"time: no finished job to go by for {missing}; ask again when one has run"
    if seconds:
        yield (
            f"time: {seconds / 3600:.2f} hours one after the other, "
            f"{seconds / 3600 / at_once:.2f} with {at_once} at once "
            f"(from {records} finished jobs of this study)"
        )
    free = shutil.disk_usage(".").free
    yield (
        f"disk: {disk_needed(jobs, study.paths) / 1e6:.1f} MB more for trainings and evaluations; "
        f"{free / 1e9:.0f} GB are free"
    )
