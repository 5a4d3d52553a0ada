"""What jobs a study has, which of them Snakemake would run and why, as its dry run says it."""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from noise_resistance.store.jobs import COMPUTE

__all__ = ["NOTHING", "Job", "as_document", "jobs_of", "reasons"]

# What becomes of a job that Snakemake does not plan; of others `store.jobs` says it.
NOTHING = "nothing"

_MISSING = ("Missing output files", "Incomplete output files")
_REASONS = {
    "Missing output files": "not made yet, or deleted",
    "Incomplete output files": "was interrupted",
    "Params have changed since last execution": "{changes}",
    "Updated input files": "an input file is newer and its content differs",
    "Input files updated by another job": "follows from another job",
    "Set of input files has changed": "other input files than before",
    "Code has changed since last execution": "its rule changed",
    "Forced execution": "was forced",
}
_CHANGES = re.compile(r"across all output: before: (.*?) now: (.*?) ?(?:; [A-Z]|$)")
# A fingerprint, or a version as `store.versions` gives it.
_CODE = re.compile(r"(unlisted-)?[0-9a-f]{16}|[1-9][0-9]*")
_LONGEST_VALUE = 30


@dataclass(frozen=True)
class Job:
    """One job of a study.

    Attributes:
        rule: its rule.
        wildcards: values by wildcard; empty for rules without any.
        outputs: the files it makes.
        action: what becomes of it: `NOTHING`, or what `store.jobs` names.
        reason: why Snakemake would run it, in our words; empty where it would not.
        stale: its files are there, and no longer what the study asks for.
    """

    rule: str
    wildcards: Mapping[str, str]
    outputs: tuple[str, ...]
    action: str = COMPUTE
    reason: str = ""
    stale: bool = False


def jobs_of(dry_run: Iterable[Mapping[str, Any]]) -> list[Job]:
    """Make the jobs that a dry run gives, by rule and outputs; target rules are left out.

    Args:
        dry_run: of each job ``rule``, ``wildcards``, ``outputs``, ``planned`` and ``reason``.

    Returns: the jobs; those that are planned are to be computed, until somebody looks.
    """
    jobs = []
    for one in dry_run:
        if not one["outputs"]:
            continue
        planned, reason = one["planned"], one["reason"]
        jobs.append(
            Job(
                one["rule"],
                one["wildcards"],
                tuple(one["outputs"]),
                COMPUTE if planned else NOTHING,
                _in_our_words(reason) if planned else "",
                planned and not any(missing in reason for missing in _MISSING),
            )
        )
    return sorted(jobs, key=lambda job: (job.rule, job.outputs))


def as_document(study: str, jobs: Iterable[Job]) -> dict[str, Any]:
    """Return jobs as plain values, which programs count."""
    names = ("rule", "wildcards", "action", "reason", "outputs")
    return {"study": study, "jobs": [{name: getattr(job, name) for name in names} for job in jobs]}


def reasons(jobs: Sequence[Job]) -> dict[str, Counter[str]]:
    """Count jobs by rule for each reason, that of the most jobs first."""
    by_reason = Counter(job.reason for job in jobs)
    return {
        reason: Counter(job.rule for job in jobs if job.reason == reason)
        for reason, _ in by_reason.most_common()
    }


def _in_our_words(reason: str) -> str:
    for theirs, ours in _REASONS.items():
        if theirs in reason:
            changes = _CHANGES.search(reason)
            return ours.format(changes=_changes(*changes.groups()) if changes else "it changed")
    return reason.partition(":")[0] or "unknown"


@cache
def _changes(before: str, now: str) -> str:
    """Say which parameters of a job changed, from the values it had and those it has."""
    old, new = list(_values(before)), list(_values(now))
    codes = [[one for one in values if _is_code(one)] for values in (old, new)]
    said = ["its code changed"] if any(codes) else []
    old, new = ([one for one in values if not _is_code(one)] for values in (old, new))
    for value in new:
        like = [one for one in old if _alike(one, value)]
        if like:
            old.remove(like[0])
        said += _difference("", like[0] if like else None, value)
    said += [one for value in old for one in _difference("", value, None)]
    return ", ".join(said) or "its parameters changed"


def _values(text: str) -> Iterator[Any]:
    """Read values written as Python writes them, with commas between; JSON in them is read too."""
    start = 0
    for end in (*(found.start() for found in re.finditer(",", text)), len(text)):
        try:
            value = ast.literal_eval(text[start:end].strip())
        except (ValueError, SyntaxError):
            continue
        start = end + 1
        try:
            yield json.loads(value) if str(value).startswith("{") else value
        except ValueError:
            yield value


def _is_code(value: Any) -> bool:
    return isinstance(value, str) and bool(_CODE.fullmatch(value))


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one.keys() & other.keys()) * 2 > len(one.keys() | other.keys())
    return type(one) is type(other)


def _difference(name: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys([*old, *new])
        return [
            one
            for key in keys
            if old.get(key) != new.get(key)
            for one in _difference(f"{name}.{key}" if name else key, old.get(key), new.get(key))
        ]
    shown = [json.dumps(value, ensure_ascii=False, default=str) for value in (old, new)]
    if any(len(one) > _LONGEST_VALUE for one in shown):
        return [f"{name or 'a parameter'} changed"]
    return [f"{name or 'a parameter'} changed from {shown[0]} to {shown[1]}"]
