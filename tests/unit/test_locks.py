"""One process at a time holds a lock, whatever becomes of the others, of the file or its folder."""

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noise_resistance.errors import DataError
from noise_resistance.storage.locks import hold, holder, remove, try_hold
from noise_resistance.store import folders

SELF = f"process {os.getpid()} on {os.uname().nodename}"
HOLD = """
import sys
from pathlib import Path
from noise_resistance.storage.locks import hold, remove
path = Path(sys.argv[1])
with hold(path, wait="wait" in sys.argv, doing="counting sheep"):
    print("held", flush=True)
    sys.stdin.readline()
    if "remove" in sys.argv:
        remove(path)
print("left", flush=True)
"""
# Between the opening of the file and its lock others do what they like.
PAUSE = """
import fcntl, sys
flock, paused = fcntl.flock, []
def pause(file, operation):
    if not paused:
        paused.append(True)
        print("opened", flush=True)
        sys.stdin.readline()
    return flock(file, operation)
fcntl.flock = pause
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a Python process; what still runs at the end is killed."""
    started = []

    def run(script: str, *arguments: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "lock"


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def named(process: subprocess.Popen[str]) -> str:
    return f"process {process.pid} on {os.uname().nodename}"


def is_free(lock: Path) -> bool:
    try:
        with hold(lock):
            return True
    except DataError:
        return False


# Who holds it


def test_nobody_holds_a_file_that_is_missing_or_left_behind(lock: Path) -> None:
    assert holder(lock) is None
    assert not lock.parent.exists()
    with hold(lock):
        pass
    assert lock.read_text(encoding="utf-8") == SELF
    assert holder(lock) is None


def test_the_text_is_that_of_the_owner_and_of_nobody_before(lock: Path) -> None:
    lock.parent.mkdir()
    lock.write_text("process 1234567 on a-node-with-a-very-long-name" * 9, encoding="utf-8")
    with hold(lock), hold(lock.with_name("other")):
        assert lock.read_text(encoding="utf-8") == holder(lock) == SELF
        lock.with_name("third").touch()
        assert holder(lock.with_name("third")) is None


def test_another_process_is_named_until_it_is_killed(lock: Path, start: Start) -> None:
    other = start(HOLD, lock)
    assert said(other) == "held"
    assert holder(lock) == named(other)
    message = f"{lock.parent}: {named(other)} is at this already; wait for it or end it"
    with pytest.raises(DataError) as raised, hold(lock):
        pass
    assert str(raised.value).startswith(message)
    assert len(str(raised.value).splitlines()) == 1
    with pytest.raises(DataError, match="is making tea already"), hold(lock, doing="making tea"):
        pass
    other.kill()
    other.wait()
    assert holder(lock) is None
    assert is_free(lock)


def test_two_who_ask_do_not_take_each_other_for_the_owner(lock: Path, start: Start) -> None:
    with hold(lock):
        pass
    start(
        "import sys; from pathlib import Path\n"
        "from noise_resistance.storage.locks import holder\n"
        "print('asking', flush=True)\n"
        "while True: holder(Path(sys.argv[1]))",
        lock,
    )
    assert {holder(lock) for _ in range(20_000)} == {None}


def test_asking_makes_nobody_fail(lock: Path, start: Start) -> None:
    with hold(lock):
        pass
    asking = start(
        "import sys, time; from pathlib import Path\n"
        "from noise_resistance.storage.locks import holder\n"
        "print('asking', flush=True)\n"
        "while True: holder(Path(sys.argv[1])); time.sleep(0.0002)",
        lock,
    )
    assert said(asking) == "asking"
    assert all(is_free(lock) for _ in range(300))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_asking_in_a_folder_that_is_read_only_is_no_error(lock: Path, start: Start) -> None:
    other = start(HOLD, lock)
    assert said(other) == "held"
    lock.chmod(0o400)
    lock.parent.chmod(0o500)
    assert holder(lock) == named(other)
    lock.chmod(0)
    assert holder(lock) is None
    lock.parent.chmod(0o700)


def test_children_that_outlive_a_killed_owner_do_not_keep_its_lock(
    lock: Path, start: Start
) -> None:
    bear = "    import os, subprocess; subprocess.Popen(['sleep', '5']); os.fork()\n"
    other = start(HOLD.replace("    print", bear + "    print", 1), lock)
    # Parent and child write at once, so one may break into the other's line.
    assert (said(other) + said(other)).count("held") == 2
    other.kill()
    other.wait()
    assert is_free(lock)


# Waiting


def test_who_waits_says_so_in_one_line_and_is_next(lock: Path, start: Start) -> None:
    first = start(HOLD, lock)
    assert said(first) == "held"
    second = start(HOLD, lock, "wait")
    assert said(second) == f"waiting: {named(first)} is counting sheep ({lock.parent})"
    first.kill()
    assert said(second) == "held"
    assert holder(lock) == named(second)
    third = start(HOLD, lock, "wait")
    assert said(third).startswith(f"waiting: {named(second)}")
    go_on(second)
    assert said(second) == "left"
    assert said(third) == "held"


def test_a_lock_that_is_tried_is_held_as_long_as_its_object_lives(lock: Path, start: Start) -> None:
    mine = try_hold(lock)
    assert mine is not None
    assert try_hold(lock) is None
    other = start(HOLD, lock, "wait")
    assert said(other).startswith(f"waiting: {SELF}")
    del mine
    assert said(other) == "held"
    assert try_hold(lock) is None


# Files and folders that go


@pytest.mark.parametrize("gone", ["removed", "replaced", "folder renamed", "folder deleted"])
def test_a_file_that_went_after_it_was_opened_is_no_lock(
    lock: Path, start: Start, gone: str
) -> None:
    """One holds, a second has opened its file, it goes, and a third makes and holds a new one."""
    first = start(HOLD, lock, "remove" if gone == "removed" else "leave")
    assert said(first) == "held"
    second = start(PAUSE + HOLD, lock, "wait")
    assert said(second) == "opened"
    if gone == "replaced":
        # Still there under another name, as a removed file that is open is on NFS.
        lock.rename(lock.with_name(".nfs01"))
    elif gone == "folder renamed":
        lock.parent.rename(lock.parent.with_name("elsewhere"))
    elif gone == "folder deleted":
        shutil.rmtree(lock.parent)
    go_on(first)
    assert said(first) == "left"
    third = start(HOLD, lock)
    assert said(third) == "held"
    go_on(second)
    assert said(second).startswith(f"waiting: {named(third)}")
    go_on(third)
    assert said(second) == "held"
    assert holder(lock) == named(second)
    assert not is_free(lock)


@pytest.mark.parametrize("gone", ["removed", "renamed", "deleted"])
def test_who_waits_in_a_folder_that_goes_holds_the_lock_of_that_name(
    lock: Path, start: Start, gone: str
) -> None:
    first = start(HOLD, lock, "remove")
    assert said(first) == "held"
    second = start(HOLD, lock, "wait")
    assert said(second).startswith("waiting: ")
    if gone == "renamed":
        lock.parent.rename(lock.parent.with_name("elsewhere"))
    if gone == "deleted":
        shutil.rmtree(lock.parent)
    go_on(first)
    assert said(second) == "held"
    assert holder(lock) == named(second)
    assert not is_free(lock)


def test_two_are_never_inside_though_each_removes_the_file_and_its_folder(
    lock: Path, start: Start
) -> None:
    # Whoever finds the mark of another inside fails.
    script = """
import sys, time
from pathlib import Path
from noise_resistance.storage.locks import hold, remove
path = Path(sys.argv[1])
mark = path.parent.with_name("inside")
for _ in range(150):
    with hold(path, wait=True):
        mark.mkdir()
        time.sleep(0.001)
        mark.rmdir()
        remove(path)
"""
    ends = [start(script, lock) for _ in range(5)]
    assert [(one.communicate()[1], one.returncode) for one in ends] == [("", 0)] * 5
    assert not lock.parent.exists()


def test_a_folder_with_other_files_stays(lock: Path) -> None:
    with hold(lock):
        lock.with_name("state").touch()
        remove(lock)
        remove(lock)
    assert [one.name for one in lock.parent.iterdir()] == ["state"]


def test_a_state_that_is_discarded_goes_before_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the next lock may write there, and none of that may go."""
    states, lock = tmp_path / "states-1", tmp_path / "lock"
    left = []

    def look_and_remove(lock: Path) -> None:
        left.extend(lock.parent.iterdir())
        remove(lock)

    monkeypatch.setattr(folders, "remove", look_and_remove)
    states.mkdir()
    (states / "last.h5").touch()
    folders.discard([states], lock, tmp_path)
    assert left == [lock]
    assert not lock.exists()
    # Nothing is made where nothing is.
    folders.discard([states], lock, tmp_path)
    assert left == [lock]


# File systems that cannot


@pytest.mark.parametrize("number", ["ENOSYS", "ENOTSUP", "EOPNOTSUPP", "ENOLCK"])
def test_on_a_file_system_without_locks_the_block_runs_and_a_line_says_so(
    lock: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(getattr(errno, number), "none here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with hold(lock), hold(lock, wait=True):
        said = capsys.readouterr().out
        assert said == f"{lock}: no locks on this file system (none here)\n" * 2
        assert try_hold(lock) is not None
        assert holder(lock) is None
    monkeypatch.undo()
    # Nothing that is left stands for an owner.
    assert is_free(lock)


def test_on_a_full_disk_the_lock_is_nobodys_by_name_and_still_a_lock(
    lock: Path, start: Start
) -> None:
    with hold(lock):
        pass
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    other = start(limit + HOLD, lock)
    assert said(other) == "held"
    with pytest.raises(DataError, match="another process is at this already"), hold(lock):
        pass
    assert holder(lock) == "another process"


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in ("file/lock", "file/folder/lock"):
        with pytest.raises(DataError, match=r"lock: cannot be written \(.*\); free"):
            try_hold(tmp_path / path)
    with pytest.raises(DataError, match="cannot be written"), hold(tmp_path, wait=True):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with (
        pytest.raises(DataError, match=r"cannot be written \(Permission denied\)"),
        hold(tmp_path / "lock"),
    ):
        pass
    tmp_path.chmod(0o700)
