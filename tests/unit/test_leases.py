"""GPUs of one machine are handed out one by one, and come back from the dead."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

JOB = """
import sys, time
from noise_resistance.leases import lease_gpu
print(lease_gpu(int(sys.argv[1])), flush=True)
time.sleep(float(sys.argv[2]))
"""


class Machine:
    """A machine that says it has some GPUs, and the jobs started on it."""

    def __init__(self, folder: Path, gpus: int) -> None:
        listing = "\n".join(f"GPU {number}: Fake (UUID: {number})" for number in range(gpus))
        command = folder / "nvidia-smi"
        command.write_text(f"#!/bin/sh\ncat <<END\n{listing}\nEND\n")
        command.chmod(0o755)
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "TMPDIR": str(folder)}
        self.environment.pop("CUDA_VISIBLE_DEVICES", None)
        self.jobs: list[subprocess.Popen[str]] = []

    def start(self, places: int = 1, seconds: float = 60, **more: str) -> subprocess.Popen[str]:
        job = subprocess.Popen(
            [sys.executable, "-c", JOB, str(places), str(seconds)],
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.jobs.append(job)
        return job

    def leased(self, **arguments: int) -> tuple[subprocess.Popen[str], str]:
        job = self.start(**arguments)
        return job, said(job)


def said(job: subprocess.Popen[str]) -> str:
    assert job.stdout is not None
    return job.stdout.readline().strip()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path, gpus=2)
    yield made
    for job in made.jobs:
        job.kill()
        job.communicate()


def test_jobs_get_different_gpus(machine: Machine) -> None:
    assert {machine.leased()[1], machine.leased()[1]} == {"0", "1"}


def test_a_gpu_is_shared_only_after_each_has_a_job(machine: Machine) -> None:
    numbers = [machine.leased(places=2)[1] for _ in range(4)]
    assert sorted(numbers[:2]) == ["0", "1"]
    assert sorted(numbers[2:]) == ["0", "1"]


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_waits_and_takes_the_gpu_of_one_that_dies(
    machine: Machine, signal_number: signal.Signals
) -> None:
    first, gpu = machine.leased()
    machine.leased()
    waiting = machine.start()
    owner = f"process {first.pid} on {os.uname().nodename}"
    assert f"{owner} (gpu-{gpu}-place-0)" in said(waiting)
    first.send_signal(signal_number)
    started = time.monotonic()
    assert said(waiting) == gpu
    assert time.monotonic() - started < 30


def test_a_job_gives_its_gpu_back_when_it_ends(machine: Machine) -> None:
    job, gpu = machine.leased(seconds=0)
    job.wait()
    machine.leased()
    machine.leased()
    assert gpu in {"0", "1"}


def test_a_device_that_is_set_already_is_respected(machine: Machine) -> None:
    job = machine.start(seconds=0, CUDA_VISIBLE_DEVICES="3")
    assert said(job) == "None"


def test_a_machine_without_gpus_leases_nothing(tmp_path: Path) -> None:
    job = Machine(tmp_path, gpus=0).start(seconds=0)
    assert said(job) == "None"
    job.wait()
