"""Whether a heavy suite has to run: not while the files it covers are those it last passed with.

    python tests/last_pass.py tests/cluster

ends with 0 where that suite may be skipped and with 1 where it has to run, and says why in one
line. A suite is a folder of tests. Its covers.txt names the files it covers, and its passed.sha256
holds their checksums, written by the suite itself when all of it has passed.
"""

import hashlib
import sys
from pathlib import Path

import pytest

from extent import FULL

__all__ = ["Recorder", "checksums", "reason_to_run"]

ROOT = Path(__file__).parents[1]
COVERED, RECORD = "covers.txt", "passed.sha256"


def checksums(suite: Path) -> str:
    """Return a line for each covered file, as sha256sum writes it."""
    files: set[Path] = set()
    for line in (suite / COVERED).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            found = set(ROOT.glob(line))
            if not found:
                raise FileNotFoundError(f"{suite / COVERED}: there is no {line}")
            files |= found
    return "".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(ROOT).as_posix()}\n"
        for file in sorted(files)
    )


def reason_to_run(suite: Path) -> str:
    """Return why the suite has to run, or nothing where it may be skipped."""
    if FULL:
        return "FULL=1"
    record = suite / RECORD
    if not record.exists():
        return f"there is no {record.relative_to(ROOT)}"
    now = set(checksums(suite).splitlines())
    then = set(record.read_text(encoding="utf-8").splitlines())
    changed = sorted({line.partition("  ")[2] for line in now ^ then})
    return f"changed since it last passed: {', '.join(changed)}" if changed else ""


class Recorder:
    """A plugin of pytest that writes the checksums when the whole suite has passed, and only then.

    Whole: the suite's folder was asked for, each of its files was read, no test was deselected, and
    each has passed. What was skipped has not.
    """

    def __init__(self, suite: Path) -> None:
        self._suite = suite
        self._before = checksums(suite)
        self._deselected = False
        self._passed: set[str] = set()

    def pytest_deselected(self) -> None:
        self._deselected = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        # Files that were changed meanwhile may have passed or not.
        if exitstatus == 0 and self._is_whole(session) and checksums(self._suite) == self._before:
            (self._suite / RECORD).write_text(self._before, encoding="utf-8")

    def _is_whole(self, session: pytest.Session) -> bool:
        items = getattr(session, "items", [])  # the process that leads xdist's workers has none
        folder = session.config.invocation_params.dir
        asked = [(folder / one).resolve() for one in session.config.args]
        files = {one.name for one in self._suite.glob("test_*.py")}
        return (
            asked == [self._suite.resolve()]
            and not self._deselected
            and {one.path.name for one in items} == files
            and {one.nodeid for one in items} == self._passed
        )


def main() -> int:
    suite = Path(sys.argv[1]).resolve()
    name = suite.relative_to(ROOT)
    if reason := reason_to_run(suite):
        print(f"{name} runs: {reason}")
        return 1
    digest = hashlib.sha256((suite / RECORD).read_bytes()).hexdigest()[:12]
    print(f"{name} is skipped: what it covers is as it last passed ({name / RECORD}: {digest})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
