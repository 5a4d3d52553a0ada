"""Who holds a lock, asked without taking it."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from noise_resistance.storage.locks import hold, holder

SELF = f"process {os.getpid()} on {os.uname().nodename}"
HOLD = """
import sys
from pathlib import Path
from noise_resistance.storage.locks import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_nobody_holds_a_file_that_is_missing_or_left_behind(tmp_path: Path) -> None:
    assert holder(tmp_path / "lock") is None
    with hold(tmp_path / "lock"):
        pass
    assert (tmp_path / "lock").read_text(encoding="utf-8") == SELF
    assert holder(tmp_path / "lock") is None


def test_a_holder_is_named_while_it_holds(tmp_path: Path) -> None:
    with hold(tmp_path / "lock"), hold(tmp_path / "other"):
        assert holder(tmp_path / "lock") == SELF
        (tmp_path / "third").touch()
        assert holder(tmp_path / "third") is None


def test_another_process_is_seen_until_it_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        said = holder(tmp_path / "lock")
        other.kill()
        other.wait()
    assert said is not None
    assert said.startswith(f"process {other.pid} on ")
    assert holder(tmp_path / "lock") is None


def test_asking_takes_nothing_from_whoever_wants_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lock").touch()
    taken = []
    monkeypatch.setattr(fcntl, "flock", lambda *arguments: taken.append(arguments))
    monkeypatch.setattr(fcntl, "lockf", lambda *arguments: taken.append(arguments))
    assert holder(tmp_path / "lock") is None
    assert not taken


def test_a_record_lock_of_another_process_is_seen_as_nfs_keeps_them(tmp_path: Path) -> None:
    script = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.lockf(file, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "lock")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        said = holder(tmp_path / "lock")
        other.kill()
    assert said == "another process"
