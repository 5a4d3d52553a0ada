"""What the check before a submission says, against programs that answer as Slurm's would.

`tests/cluster` asks a real Slurm the same; here are the answers that one could not be made to give.
"""

from pathlib import Path

import pytest

from noise_resistance.errors import ClusterError
from noise_resistance.planning.slurm import check_slurm
from noise_resistance.planning.submissions import Submission

TRAIN = Submission(("train",), ("--gpus=1", "--time=300"))


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A healthy cluster with accounts; its default partition allows four hours."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    answers(tmp_path, "sbatch", "exit 0")
    answers(tmp_path, "sacct", "exit 0")
    answers(tmp_path, "squeue", "exit 0")
    answers(tmp_path, "sinfo", "echo 'short*|4:00:00'; echo 'long|2-00:00:00'; echo 'any|infinite'")
    answers(
        tmp_path,
        "scontrol",
        '[ "$1" = ping ] && echo "Slurmctld(primary) at host is UP" || echo "MinJobAge = 300 sec"',
    )
    return tmp_path


def answers(folder: Path, program: str, script: str) -> None:
    path = folder / program
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def refusal(submission: Submission = TRAIN, status_command: str = "sacct", wait: int = 40) -> str:
    with pytest.raises(ClusterError) as caught:
        check_slurm([submission], status_command, wait)
    return str(caught.value)


def test_a_healthy_cluster_is_no_reason_to_stop(programs: Path) -> None:
    check_slurm([Submission(("train",), ("--gpus=1", "--time=240"))], "sacct", 40)
    check_slurm([Submission(("train",), ("--partition=long", "--time=2880"))], "squeue", 100)
    check_slurm([Submission(("train",), ("--partition=any", "--time=99999"))], "sacct", 40)


def test_a_controller_that_is_down_is_named(programs: Path) -> None:
    answers(programs, "scontrol", 'echo "Slurmctld(primary) at host is DOWN"; exit 1')
    assert refusal().startswith("Slurm does not answer (Slurmctld(primary) at host is DOWN)")


def test_without_accounts_the_other_command_is_named(programs: Path) -> None:
    answers(programs, "sacct", 'echo "Slurm accounting storage is disabled" >&2; exit 1')
    line = refusal()
    assert "keeps no accounts (Slurm accounting storage is disabled)" in line
    assert line.endswith("add --slurm-status-command squeue")


def test_a_short_memory_of_ended_jobs_is_refused_for_squeue_alone(programs: Path) -> None:
    line = refusal(status_command="squeue", wait=101)
    assert "forgets ended jobs after 300 s" in line
    assert "--slurm-init-seconds-before-status-checks 100" in line


@pytest.mark.parametrize(
    ("partition", "minutes", "limit"),
    [("", 241, 240), ("short", 241, 240), ("long", 2881, 2880), ("short,long", 2881, 2880)],
)
def test_a_job_longer_than_its_partition_allows_is_refused(
    programs: Path, partition: str, minutes: int, limit: int
) -> None:
    options = (f"--time={minutes}", *([f"--partition={partition}"] if partition else []))
    line = refusal(Submission(("train",), options))
    assert f"ask for {minutes} minutes and the partition allows {limit}" in line
    assert "longest_job" in line


def test_slurm_s_own_reason_is_passed_on(programs: Path) -> None:
    answers(programs, "sbatch", 'echo "allocation failure: no such thing" >&2; exit 1')
    line = refusal()
    assert "rule train, which ask for --gpus=1 --time=300" in line
    assert "allocation failure: no such thing" in line


def test_what_a_later_attempt_asks_for_is_named_as_such(programs: Path) -> None:
    answers(programs, "sbatch", 'case "$*" in *24000*) echo "too much" >&2; exit 1;; esac')
    check_slurm([Submission(("train",), ("--mem=8000",))], "sacct", 40)
    line = refusal(Submission(("train",), ("--mem=24000",), attempt=4))
    assert "the jobs of rule train after 3 failures, which ask for --mem=24000: too much" in line


def test_a_bundle_that_is_too_long_is_told_what_makes_it_shorter(programs: Path) -> None:
    line = refusal(Submission(("evaluate_baseline", "evaluate_noise"), ("--time=300",)))
    assert line.startswith("the bundled jobs of rules evaluate_baseline and evaluate_noise ask")
    assert "--group-components" in line
    assert "longest_job" not in line


def test_the_limit_of_another_cluster_is_not_that_of_this_one(programs: Path) -> None:
    check_slurm([Submission(("train",), ("--clusters=other", "--time=300"))], "sacct", 40)


def test_the_same_is_asked_once(programs: Path) -> None:
    answers(programs, "sbatch", f'echo "$*" >> {programs}/asked')
    again = [Submission(("train",), ("--mem=1",), attempt) for attempt in (1, 4)]
    check_slurm([*again, Submission(("diagnose",), ("--mem=1",))], "sacct", 40)
    asked = (programs / "asked").read_text(encoding="utf-8").splitlines()
    assert asked == 2 * ["--test-only --mem=1 --wrap=true"]
