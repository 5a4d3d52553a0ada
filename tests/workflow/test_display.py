"""The display of a run: where somebody looks, and plain lines where nobody does."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from workspace import DIGITS, ROOT, TINY, Workspace

TARGET = f"results/datasets/digits/{DIGITS}.h5"
ESCAPE = b"\x1b["


def in_terminal(command: list[str], folder: Path) -> tuple[int, bytes]:
    """Run a command whose output and errors are a pseudo-terminal; return status and output."""
    unwanted = ("PYTHONPATH", "SNAKEMAKE_PROFILE", "MAKEFLAGS", "NO_COLOR")
    environment = {key: value for key, value in os.environ.items() if key not in unwanted}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**environment, "TERM": "xterm-256color", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        output = b""
        try:
            while piece := os.read(ours, 65536):
                output += piece
        except OSError:
            pass  # Linux's end of a pseudo-terminal
    os.close(ours)
    return process.returncode, output


def test_in_a_terminal_a_display_starts_and_says_how_far_the_run_is(workspace: Workspace) -> None:
    workspace.snakemake("--dry-run", config=TINY)  # writes test.yaml
    command = [sys.executable, "-m", "snakemake", TARGET, "--cores=1", "--configfile=test.yaml"]
    status, output = in_terminal([*command, "--logger", "rich"], workspace.folder)
    assert status == 0, output[-3000:].decode(errors="replace")
    assert ESCAPE in output
    assert b"Total Progress" in output
    assert b"prepare dataset" in output
    assert (workspace.folder / TARGET).is_file()


def test_without_a_terminal_a_run_writes_plain_lines(workspace: Workspace) -> None:
    run = workspace.snakemake(TARGET, config=TINY)
    assert run.status == 0, run.output[-3000:]
    assert any(line.endswith("rule prepare_dataset:") for line in run.lines)
    assert "1 of 1 steps (100%) done" in run.output
    assert ESCAPE.decode() not in run.output


def test_make_asks_for_the_display_where_there_is_a_terminal_and_only_there() -> None:
    # Nothing runs: make says what it would do.
    command = ["make", "--dry-run", "--always-make", "study", "VENV=.venv-dev"]
    _, seen = in_terminal(command, ROOT)
    assert b"--logger rich" in seen
    unseen = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "snakemake --cores" in unseen.stdout
    assert "--logger" not in unseen.stdout
