"""A heavy suite is skipped only while all it covers is as it was when all of it passed."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from last_pass import checksums

TESTS = Path(__file__).parents[1]
SUITES = sorted(one.parent for one in TESTS.glob("*/covers.txt"))
CONFTEST = """
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from last_pass import Recorder


def pytest_configure(config):
    config.pluginmanager.register(Recorder(HERE))
"""


def python(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        key: one
        for key, one in os.environ.items()
        if key != "FULL" and not key.startswith(("PYTEST", "PYTHON"))
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**inherited, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Checkout:
    """A folder with a suite of two files, which covers one file and all of a folder."""

    root: Path

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def has_record(self) -> bool:
        return (self.root / "tests/heavy/passed.sha256").exists()

    def pytest(self, *arguments: str) -> int:
        return python(self.root, "-m", "pytest", "-p", "no:cacheprovider", *arguments).returncode

    def asked(self, **variables: str) -> tuple[bool, str]:
        """Whether the suite may be skipped, and the line that says why."""
        done = python(self.root, "tests/last_pass.py", "tests/heavy", **variables)
        return done.returncode == 0, done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    made.write("code.py", "one = 1\n")
    made.write("profiles/a.yaml", "a: 1\n")
    made.write("profiles/b.yaml", "b: 1\n")
    made.write("other.py", "")
    made.write("tests/heavy/covers.txt", "# A comment.\n\ncode.py\nprofiles/*\n")
    made.write("tests/heavy/conftest.py", CONFTEST)
    made.write("tests/heavy/test_one.py", "def test_a(): pass\n\n\ndef test_b(): pass\n")
    made.write("tests/heavy/test_two.py", "def test_c(): pass\n")
    for name in ("extent.py", "last_pass.py"):
        shutil.copy2(TESTS / name, tmp_path / "tests" / name)
    return made


@pytest.fixture
def passed(checkout: Checkout) -> Checkout:
    """The checkout after the suite has passed."""
    assert checkout.pytest("tests/heavy") == 0
    assert checkout.has_record()
    return checkout


def test_a_suite_that_never_passed_runs(checkout: Checkout) -> None:
    assert checkout.asked() == (False, "tests/heavy runs: there is no tests/heavy/passed.sha256\n")


def test_a_suite_that_passed_is_skipped_whatever_changes_elsewhere(passed: Checkout) -> None:
    passed.write("other.py", "changed = True\n")
    skipped, line = passed.asked()
    assert skipped
    assert line.startswith("tests/heavy is skipped: ")
    assert "tests/heavy/passed.sha256: " in line


@pytest.mark.parametrize("changed", ["code.py", "profiles/a.yaml", "profiles/new.yaml"])
def test_a_suite_runs_when_what_it_covers_is_changed_or_new(passed: Checkout, changed: str) -> None:
    passed.write(changed, "c = 2\n")
    assert passed.asked() == (False, f"tests/heavy runs: changed since it last passed: {changed}\n")


def test_a_suite_runs_when_what_it_covers_is_gone(passed: Checkout) -> None:
    (passed.root / "profiles/b.yaml").unlink()
    assert passed.asked() == (
        False,
        "tests/heavy runs: changed since it last passed: profiles/b.yaml\n",
    )
    # What covers.txt names has to be there at all.
    (passed.root / "code.py").unlink()
    assert not passed.asked()[0]


def test_a_suite_runs_under_full(passed: Checkout) -> None:
    assert passed.asked(FULL="1") == (False, "tests/heavy runs: FULL=1\n")
    assert passed.asked(FULL="0")[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("tests/heavy", "-k", "test_a or test_c"),
        ("tests/heavy", "--deselect=tests/heavy/test_one.py::test_a"),
        ("tests/heavy", "--ignore=tests/heavy/test_two.py"),
        ("tests/heavy", "--collect-only"),
        ("tests/heavy/test_one.py::test_a", "tests/heavy/test_two.py"),
    ],
)
def test_a_part_of_a_suite_is_no_pass(checkout: Checkout, arguments: tuple[str, ...]) -> None:
    assert checkout.pytest(*arguments) == 0
    assert not checkout.has_record()


@pytest.mark.parametrize(
    ("test", "status"),
    [
        ("def test_d(): assert False\n", 1),
        ("def test_d(): pass\n\n\ndef teardown_module(): assert False\n", 1),
        ("import pytest\n\n\ndef test_d(): pytest.skip('no cluster here')\n", 0),
        ("from pathlib import Path\n\n\ndef test_d(): Path('code.py').write_text('')\n", 0),
    ],
    ids=["failed", "failed at its end", "skipped", "changed what it covers"],
)
def test_a_suite_that_has_not_passed_as_it_stands_is_no_pass(
    checkout: Checkout, test: str, status: int
) -> None:
    checkout.write("tests/heavy/test_two.py", test)
    assert checkout.pytest("tests/heavy") == status
    assert not checkout.has_record()


@pytest.mark.parametrize("suite", SUITES, ids=[one.name for one in SUITES])
def test_what_a_suite_covers_is_there_and_is_not_everything(suite: Path) -> None:
    covered = checksums(suite)
    assert f"tests/{suite.name}/conftest.py" in covered
    assert "analysis" not in covered


@pytest.mark.parametrize(("value", "cases"), [("1", 9), ("0", 3), ("", 3)])
def test_the_long_form_is_that_of_full(value: str, cases: int) -> None:
    done = python(TESTS, "-c", "from extent import extent; print(extent(3, 9))", FULL=value)
    assert int(done.stdout) == cases
