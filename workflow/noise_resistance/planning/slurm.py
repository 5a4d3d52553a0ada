"""What would make a submission to Slurm fail, or wait for ever without a word: asked before it."""

import math
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence

from noise_resistance.errors import ClusterError
from noise_resistance.planning.submissions import Submission

__all__ = ["check_slurm"]

_SECONDS = 60


def check_slurm(
    submissions: Iterable[Submission], status_command: str, seconds_between: int
) -> None:
    """Refuse what could not end well, before anything is submitted.

    Args:
        submissions: one or more of each rule that will be submitted.
        status_command: what Snakemake will ask about its jobs with: ``sacct`` or ``squeue``.
        seconds_between: of its questions, at first.

    Raises:
        ClusterError: no Slurm here, no answer from it, no accounting where sacct is to be asked, no
            memory of ended jobs where squeue is, or a job that no partition can run.
    """
    for program in ("sbatch", "scontrol", status_command):
        if shutil.which(program) is None:
            raise ClusterError(
                f"{program} is not on the PATH; start this on a machine that submits to Slurm (a "
                "login node), or without --profile profiles/slurm"
            )
    pinged = _ask("scontrol", "ping")
    if pinged.returncode or "UP" not in pinged.stdout:
        raise ClusterError(
            f"Slurm does not answer ({_last_line(pinged)}); try 'scontrol ping' until it says UP"
        )
    if status_command == "sacct":
        _check_accounting()
    else:
        _check_memory_of_jobs(seconds_between)
    limits = _time_limits()
    for submission in dict.fromkeys(submissions):
        _check_submission(submission)
        _check_time(submission, limits)


def _check_accounting() -> None:
    asked = _ask("sacct", "--noheader", "--allocations", "--starttime=now")
    if asked.returncode:
        raise ClusterError(
            f"this cluster keeps no accounts ({_last_line(asked)}), so Snakemake would wait for "
            "ever for its jobs; add --slurm-status-command squeue"
        )


def _check_memory_of_jobs(seconds_between: int) -> None:
    asked = _ask("scontrol", "show", "config")
    lines = (line.split("=", 1) for line in asked.stdout.splitlines() if "=" in line)
    settings = {key.strip(): value.strip() for key, value in lines}
    remembered = int(settings.get("MinJobAge", "0").split()[0])
    if remembered < 3 * seconds_between:
        raise ClusterError(
            f"this cluster forgets ended jobs after {remembered} s (MinJobAge), so Snakemake, "
            f"which asks every {seconds_between} s, would wait for ever for some; add "
            f"--slurm-init-seconds-before-status-checks {max(1, remembered // 3)}, or use sacct"
        )


def _check_submission(submission: Submission) -> None:
    asked = _ask("sbatch", "--test-only", *submission.options, "--wrap=true")
    if asked.returncode:
        wanted = " ".join(submission.options)
        raise ClusterError(
            f"Slurm cannot run {submission}, which ask for {wanted}: "
            f"{_last_line(asked)}; docs/cluster.md says which key changes each"
        )


def _time_limits() -> dict[str, float]:
    """Return the minutes that each partition allows; the default one's also under no name."""
    limits = {}
    for line in _ask("sinfo", "--noheader", "--format=%P|%l").stdout.splitlines():
        name, _, limit = line.partition("|")
        limits[name.rstrip("*")] = _minutes(limit)
        if name.endswith("*"):
            limits[""] = _minutes(limit)
    return limits


def _minutes(limit: str) -> float:
    """Read Slurm's ``days-hours:minutes:seconds``, whose front may be missing."""
    if limit in ("infinite", "UNLIMITED", "n/a"):
        return math.inf
    days, _, clock = limit.rpartition("-")
    hours, minutes, seconds = [0, 0, *map(int, clock.split(":"))][-3:]
    return int(days or 0) * 1440 + hours * 60 + minutes + seconds / 60


def _check_time(submission: Submission, limits: Mapping[str, float]) -> None:
    """Slurm may accept a job that is too long for its partition and never start it."""
    wanted = dict(option.partition("=")[::2] for option in submission.options)
    if "--clusters" in wanted:
        return
    partitions = wanted.get("--partition", "").split(",")
    longest = max((limits[name] for name in partitions if name in limits), default=math.inf)
    if float(wanted.get("--time", 0)) > longest:
        mend = (
            "choose a longer partition, or bundle fewer: --group-components evaluations-...=10"
            if len(submission.rules) > 1
            else "set longest_job to at most that, trainings go on from their last epoch"
        )
        raise ClusterError(
            f"{submission} ask for {wanted['--time']} minutes and the partition allows "
            f"{longest:g}; {mend}"
        )


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {_SECONDS} s")


def _last_line(asked: subprocess.CompletedProcess[str]) -> str:
    lines: Sequence[str] = (asked.stderr or asked.stdout).strip().splitlines()
    return lines[-1].strip() if lines else f"exit status {asked.returncode}"
