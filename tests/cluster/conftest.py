"""Fixtures of the cluster tests: one Slurm for all of them, and runs that always end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("workflow", "faults", "."))]

from one_node_slurm import OneNodeSlurm  # noqa: E402
from workspace import ROOT, Run, Workspace  # noqa: E402

from last_pass import Recorder  # noqa: E402

SNAKEMAKE = ROOT / ".venv-slurm/bin/snakemake"
# This Slurm keeps no accounts.
PROFILE = ("--profile", "profiles/slurm", "--slurm-status-command", "squeue")


def pytest_configure(config: pytest.Config) -> None:
    """What passes as a whole is written down: .ci/run skips it until what it covers changes."""
    config.pluginmanager.register(Recorder(HERE))


class OnCluster:
    """Snakemake with the Slurm profile, in the background; Ctrl-C ends what hangs."""

    started: ClassVar[list["OnCluster"]] = []

    def __init__(self, workspace: Workspace, config: Mapping[str, Any], *arguments: str) -> None:
        (workspace.folder / "test.yaml").write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
        self.output = workspace.folder / "snakemake.out"
        unwanted = ("PYTHONPATH", "SNAKEMAKE_PROFILE")
        environment = {key: one for key, one in os.environ.items() if key not in unwanted}
        environment["PATH"] = f"{SNAKEMAKE.parent}:{environment['PATH']}"
        # A background job of a shell ignores Ctrl-C, and so would its children.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        with self.output.open("w", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                [SNAKEMAKE, *arguments, "--configfile=test.yaml"],
                cwd=workspace.folder,
                env={**environment, **workspace.environment},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        signal.signal(signal.SIGINT, before)
        self.started.append(self)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self, seconds: float) -> Run:
        """Wait for the end; a run that does not end in time is interrupted, killed, and fails."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.interrupt()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            text = self.output.read_text(encoding="utf-8")
            pytest.fail(f"Snakemake did not end within {seconds} s:\n{text[-4000:]}")
        return Run(status, self.output.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNodeSlurm]:
    """A Slurm on this machine, for all tests."""
    if os.geteuid() or not Path("/etc/debian_version").exists():
        pytest.skip("starting a Slurm needs Debian and root")
    running = OneNodeSlurm.start(tmp_path_factory.mktemp("slurm"))
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def nothing_goes_on(slurm: OneNodeSlurm) -> Iterator[None]:
    """End what a test that failed has left running."""
    yield
    running = [one.process for one in OnCluster.started if one.process.poll() is None]
    for process in running:
        process.kill()
        process.wait()
    if running:
        slurm.cancel_all()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A fresh working folder."""
    return Workspace.make(tmp_path / "work")
