"""What a study still has to run, why, and how long it will take.

Snakemake's dry run says what is left and why; the study's own benchmark records say how long such
jobs took.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from noise_resistance.study.architectures import depth_of
from noise_resistance.study.paths import Paths

__all__ = ["TIMED_RULES", "Estimate", "Job", "disk_needed", "estimate", "jobs_left", "reasons"]

TIMED_RULES = ("train", "evaluate_baseline", "evaluate_noise")
_REASONS = {
    "Missing output files": "not made yet",
    "Input files updated by another job": "follows from another job",
    "Updated input files": "an input file is newer and its content differs",
    "Params have changed since last execution": "its parameters or the code behind it changed",
    "Incomplete output files": "was interrupted",
    "Set of input files has changed": "other input files than before",
    "Code has changed since last execution": "its rule changed",
    "Forced execution": "was forced",
}


@dataclass(frozen=True)
class Job:
    """One job that Snakemake would run.

    Attributes:
        rule: its rule.
        wildcards: values by wildcard; empty for rules without any.
        reason: why it would run, in our words.
        outputs: the files it would make.
    """

    rule: str
    wildcards: Mapping[str, str]
    reason: str
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Estimate:
    """How long the jobs that are left will take, one after the other.

    Attributes:
        seconds: by rule; only of jobs that can be estimated.
        unknown: how many jobs of a rule resemble none that has finished, by rule.
        records: how many finished jobs the estimate rests on, by rule.
    """

    seconds: Mapping[str, float]
    unknown: Mapping[str, int]
    records: Mapping[str, int]


def jobs_left(dry_run: str) -> list[Job]:
    """Read the jobs from what ``snakemake --dry-run`` printed; the target rules are left out."""
    found = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", dry_run, re.MULTILINE)
    jobs = []
    for rule, about in found:
        fields = dict(re.findall(r"^    (\w+): (.*)$", about, re.MULTILINE))
        if "output" not in fields:
            continue
        jobs.append(
            Job(
                rule,
                dict(re.findall(r"(\w+)=([^,]+)", fields.get("wildcards", ""))),
                _in_our_words(fields.get("reason", "")),
                tuple(fields["output"].split(", ")),
            )
        )
    return jobs


def reasons(jobs: Iterable[Job]) -> list[tuple[str, str, int]]:
    """Count jobs by (rule, reason), the most first."""
    counts = Counter((job.rule, job.reason) for job in jobs)
    return [(rule, reason, count) for (rule, reason), count in counts.most_common()]


def estimate(jobs: Sequence[Job], folder: Path, remaining: Mapping[str, float]) -> Estimate:
    """Estimate the time of the jobs left from the benchmark records of those that have finished.

    A job takes the median time of the finished jobs of its rule on the same dataset and model;
    where there are none, that of the other models on its dataset, in proportion to depth: the
    arithmetic of a CIFAR ResNet is.

    Args:
        jobs: what is left.
        folder: where the study's benchmark records are.
        remaining: what part of a training is left, by its weights file, where it has begun.
    """
    seconds: dict[str, float] = {}
    unknown: Counter[str] = Counter()
    records: dict[str, int] = {}
    by_rule = {rule: _benchmarks(folder / rule) for rule in TIMED_RULES}
    for rule, table in by_rule.items():
        records[rule] = len(table)
    for job in jobs:
        if job.rule not in by_rule:
            continue
        one = _expected(by_rule[job.rule], job)
        if one is None:
            unknown[job.rule] += 1
        else:
            whole = one * remaining.get(job.outputs[0], 1.0)
            seconds[job.rule] = seconds.get(job.rule, 0.0) + whole
    return Estimate(seconds, dict(unknown), records)


def disk_needed(jobs: Iterable[Job], paths: Paths) -> int:
    """Return the bytes that the missing files of trainings and evaluations will take.

    A file is taken to be as large as the mean of those of its rule and model that are there; where
    there are none it counts nothing.
    """
    sizes: dict[tuple[str, str], list[int]] = {}
    missing: Counter[tuple[str, str]] = Counter()
    for job in jobs:
        for output in job.outputs:
            if job.rule in TIMED_RULES and not Path(output).exists():
                missing[Path(output).name.partition("-")[0], job.wildcards.get("model", "")] += 1
    for path in Path(paths.root, "trainings").rglob("*.h5"):
        if ".resume" not in path.parts:
            model = path.relative_to(Path(paths.root, "trainings")).parts[1]
            sizes.setdefault((path.name.partition("-")[0], model), []).append(path.stat().st_size)
    means = {key: sum(one) / len(one) for key, one in sizes.items()}
    return round(sum(means.get(key, 0) * count for key, count in missing.items()))


def _in_our_words(reason: str) -> str:
    for theirs, ours in _REASONS.items():
        if theirs in reason:
            return ours
    return reason.partition(":")[0] or "unknown"


def _benchmarks(folder: Path) -> pd.DataFrame:
    rows = []
    for path in folder.rglob("*.tsv"):
        dataset, model = path.relative_to(folder).parts[:2]
        try:
            rows.append((dataset, model, float(pd.read_csv(path, sep="\t")["s"].mean())))
        except (ValueError, KeyError):
            continue  # half a record, of a job that is running
    return pd.DataFrame(rows, columns=["dataset", "model", "seconds"])


def _expected(table: pd.DataFrame, job: Job) -> float | None:
    on_dataset = table[table["dataset"] == job.wildcards.get("dataset")]
    model = job.wildcards.get("model", "")
    same = on_dataset.loc[on_dataset["model"] == model, "seconds"]
    if len(same):
        return float(same.median())
    if on_dataset.empty:
        return None
    depths = on_dataset["model"].map(depth_of)
    return float((on_dataset["seconds"] / depths).median() * depth_of(model))
