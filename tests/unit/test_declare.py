"""Declaring what changed code means for results that are kept, on a made-up repository."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from noise_resistance.store import fingerprint
from noise_resistance.store.fingerprint import STEPS
from noise_resistance.store.versions import STORED_STEPS

PACKAGE = Path(fingerprint.__file__).parents[1]
TOOLS = Path(__file__).parents[1] / "versions"
COPIED = (
    "__init__.py",
    "errors.py",
    "storage/__init__.py",
    "storage/kinds.py",
    "store/__init__.py",
    "store/fingerprint.py",
    "store/imports.py",
    "store/reduction.py",
    "store/syntax.py",
    "store/versions.py",
)

SHARED = '''
"""What steps share."""

def double(values):
    """Double."""
    return [2 * one for one in values]


def halve(values):
    return [one / 2 for one in values]


def negate(values, wanted=False):
    if wanted:
        return [-one for one in values]
    return values
'''

TRAIN = '''
"""A step."""

from noise_resistance.errors import DataError
from noise_resistance.models.shared import double, negate

PAIR = (lambda one: one, lambda one: -one)
TWICE = (lambda one: 2 * one,)


def run():
    values = [1.0, 2.0, float("nan")]
    if not values:
        raise DataError("no values")
    print("running")
    total = 0.0
    for one in values[:2]:
        total += one
    return {"values": negate(double(values)), "total": PAIR[0](TWICE[0](total))}
'''

OTHER = '''
"""Another step."""

from noise_resistance.models.shared import halve


def run():
    return {"halves": halve([1.0, 3.0])}
'''

CASES = """
import sys, time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import h5py
from executed import recorded

what, step, inputs, *output = sys.argv[1:]
if what == "inputs":
    Path(inputs).mkdir(exist_ok=True)
    sys.exit()
with recorded(Path(find_spec("noise_resistance").origin).parent) as executed:
    from noise_resistance.store.fingerprint import STEPS
    values = import_module("noise_resistance." + STEPS[step][0]).run()
folder = Path(output[0])
folder.mkdir()
with h5py.File(folder / "result.h5", "w") as file:
    for name, value in {**values, "seconds": time.time(), "label": "text"}.items():
        file[name] = value
executed.write(folder / "executed.json")
"""


class Repository:
    """A repository with the tools, a package of five steps, and cases that run each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.package = root / "workflow/noise_resistance"
        self.versions_file = self.package / "store/versions.json"
        for name in COPIED:
            self.write(f"workflow/noise_resistance/{name}", (PACKAGE / name).read_text("utf-8"))
        for tool in ("check", "declare", "changes", "executed"):
            self.write(f"tests/versions/{tool}.py", (TOOLS / f"{tool}.py").read_text("utf-8"))
        self.write("tests/versions/cases.py", CASES)
        self.write("workflow/noise_resistance/models/__init__.py", "")
        self.write("workflow/noise_resistance/models/shared.py", SHARED)
        for step in STORED_STEPS:
            entry = STEPS[step][0].replace(".", "/")
            text = TRAIN if step == "train" else OTHER
            self.write(f"workflow/noise_resistance/{entry}.py", text)
        empty = {step: {"version": 1, "fingerprints": []} for step in STORED_STEPS}
        self.versions_file.write_text(json.dumps(empty), encoding="utf-8")
        self.git("init", "--quiet")
        self.commit()

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def edit(self, name: str, change: str, to: str) -> None:
        path = self.package / name
        text = path.read_text(encoding="utf-8")
        assert change in text
        path.write_text(text.replace(change, to), encoding="utf-8")

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", str(self.root), *who, *arguments], check=True)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "A change")

    def tool(self, name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-B", str(self.root / f"tests/versions/{name}.py"), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def declare(self, how: str, *steps: str) -> str:
        """Declare; return what is said."""
        done = self.tool("declare", how, *(steps or ("train",)))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, how: str, *steps: str) -> str:
        """Declare what is refused; return why, and see that nothing is listed."""
        before = self.versions_file.read_text(encoding="utf-8")
        done = self.tool("declare", how, *(steps or ("train",)))
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert last.startswith("error: ")
        assert self.versions_file.read_text(encoding="utf-8") == before
        return last

    def version(self, step: str = "train") -> tuple[int, list[str]]:
        one = json.loads(self.versions_file.read_text(encoding="utf-8"))[step]
        return one["version"], one["fingerprints"]


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository whose code is listed; it stays as it is."""
    repository = Repository(tmp_path_factory.mktemp("made up"))
    lines = repository.tool("check").stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [*STORED_STEPS]
    assert "`make declare STEP=train AS=first`" in lines[0]
    repository.declare("first", *STORED_STEPS)
    repository.commit()
    return repository


@pytest.fixture
def repository(listed: Repository, tmp_path: Path) -> Repository:
    copy = object.__new__(Repository)
    copy.root = tmp_path / "repository"
    shutil.copytree(listed.root, copy.root)
    copy.package = copy.root / "workflow/noise_resistance"
    copy.versions_file = copy.package / "store/versions.json"
    return copy


def test_listed_code_passes_the_check_and_a_message_does_not_matter(
    repository: Repository,
) -> None:
    repository.edit("training/train.py", "no values", "there are no values")
    repository.edit("training/train.py", 'print("running")', 'print("running on")')
    done = repository.tool("check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "listed already" in repository.declare("equal")


def test_the_check_names_each_step_whose_code_changed_and_what_to_run(
    repository: Repository,
) -> None:
    repository.edit("training/train.py", "total = 0.0", "total = -0.0")
    done = repository.tool("check")
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith("train: ")
    assert "`make declare STEP=train AS=equal`" in line
    assert "`make declare STEP=train AS=new`" in line


def test_new_numbers_are_a_new_version_with_the_present_code_alone(repository: Repository) -> None:
    _, before = repository.version()
    others = repository.version("diagnose")
    repository.edit("training/train.py", "[1.0, 2.0,", "[1.0, 3.0,")
    assert "CHANGELOG.md" in repository.declare("new")
    number, after = repository.version()
    assert number == 2
    assert len(after) == 1
    assert after != before
    assert repository.version("diagnose") == others
    assert repository.tool("check").returncode == 0


def test_nothing_is_first_twice(repository: Repository) -> None:
    repository.edit("training/train.py", "[1.0, 2.0,", "[1.0, 3.0,")
    assert "listed already" in repository.refused("first")


def test_code_with_the_same_numbers_is_listed_beside_the_old(repository: Repository) -> None:
    _, before = repository.version()
    repository.edit("training/train.py", "total += one", "total = total + one")
    repository.declare("equal")
    number, after = repository.version()
    assert number == 1
    assert after[:1] == before
    assert len(after) == 2


def test_commits_that_nobody_listed_are_passed_over(repository: Repository) -> None:
    repository.edit("training/train.py", "total += one", "total += 2 * one")
    repository.commit()
    assert "total" in repository.refused("equal")
    repository.edit("training/train.py", "total += 2 * one", "total = one + total")
    repository.commit()
    repository.declare("equal")


@pytest.mark.parametrize(
    ("change", "to", "array"),
    [
        ("[1.0, 2.0,", "[1.0, 2.0000000000000004,", "result.h5: total, result.h5: values"),
        ('float("nan")', '-float("nan")', "result.h5: values"),
        ('"total": ', '"sum": ', "result.h5: sum, result.h5: total"),
        ("negate(double(values))", "negate(double(values)) + [0.0]", "result.h5: values"),
        ("(total))}", "(total)) + 0j}", "result.h5: total"),
    ],
)
def test_a_single_bit_that_differs_is_refused_and_its_array_named(
    repository: Repository, change: str, to: str, array: str
) -> None:
    repository.edit("training/train.py", change, to)
    line = repository.refused("equal")
    assert "not equal" in line
    assert array in line


def test_a_changed_line_that_no_case_runs_is_refused_and_named(repository: Repository) -> None:
    repository.edit("models/shared.py", "return [-one for", "return [0 - one for")
    line = repository.refused("equal")
    assert "models/shared.py:15" in line
    assert "(gone)" in line


def test_a_line_that_is_gone_must_have_run_too(repository: Repository) -> None:
    repository.edit(
        "models/shared.py", "    if wanted:\n        return [-one for one in values]\n", ""
    )
    line = repository.refused("equal")
    assert "models/shared.py:15 (gone)" in line
    assert "models/shared.py:14" not in line


def test_a_line_of_another_step_counts_as_run_by_its_cases_if_they_come_out_equal(
    repository: Repository,
) -> None:
    repository.edit("models/shared.py", "one / 2", "one * 0.5")
    assert "cases of evaluate_baseline" in repository.declare("equal")
    repository.edit("models/shared.py", "one * 0.5", "one * 0.25")
    assert "evaluate_baseline: not equal" in repository.refused("equal")


def test_a_lambda_that_is_not_called_has_not_run_though_its_line_has(
    repository: Repository,
) -> None:
    repository.edit("training/train.py", "lambda one: -one", "lambda one: +one")
    assert "training/train.py:7" in repository.refused("equal")


def test_a_lambda_that_is_called_has_run(repository: Repository) -> None:
    repository.edit("training/train.py", "2 * one", "one * 2")
    repository.declare("equal")


def test_a_line_that_raises_need_not_run(repository: Repository) -> None:
    repository.edit(
        "training/train.py",
        "    total = 0.0\n",
        "    if len(values) > 9:\n        raise DataError('too many')\n    total = 0.0\n",
    )
    repository.declare("equal")


def test_functions_and_modules_may_move(repository: Repository) -> None:
    text = SHARED[SHARED.index("def negate") :]
    repository.edit("models/shared.py", text, "")
    repository.write("workflow/noise_resistance/models/signs.py", text)
    repository.edit(
        "training/train.py",
        "import double, negate\n",
        "import double\nfrom noise_resistance.models.signs import negate\n",
    )
    assert repository.tool("check").returncode == 1
    assert "cases of evaluate" not in repository.declare("equal")


def test_statements_that_change_places_have_changed(repository: Repository) -> None:
    # Equal for what the cases ask for; and the first of the two lines does not run.
    two = "        values = [-one for one in values]\n        return values\n"
    repository.edit("models/shared.py", "        return [-one for one in values]\n", two)
    repository.declare("new")
    repository.commit()
    repository.edit("models/shared.py", two, "".join(two.splitlines(True)[::-1]))
    assert "models/shared.py:15" in repository.refused("equal")


def test_another_layout_is_never_equal(repository: Repository) -> None:
    repository.edit(
        "storage/kinds.py",
        'Kind("history", "Loss, accuracy and learning rate of one training, epoch by epoch.", 1)',
        'Kind("history", "Loss, accuracy and learning rate of one training, epoch by epoch.", 2)',
    )
    assert "layout" in repository.refused("equal")


def test_without_a_listed_ancestor_nothing_is_equal(repository: Repository) -> None:
    versions = json.loads(repository.versions_file.read_text(encoding="utf-8"))
    versions["train"]["fingerprints"] = ["0" * 16]
    repository.versions_file.write_text(json.dumps(versions), encoding="utf-8")
    assert "no ancestor" in repository.refused("equal")


def test_cases_that_fail_are_refused(repository: Repository) -> None:
    repository.edit("training/train.py", "    total = 0.0\n", "    total = 0.0 / 0\n")
    assert "present code fails" in repository.refused("equal")


def test_a_damaged_list_is_one_line(repository: Repository) -> None:
    repository.versions_file.write_text("{", encoding="utf-8")
    for tool, arguments in (("check", ()), ("declare", ("new", "train"))):
        done = repository.tool(tool, *arguments)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert "versions.json" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_comparing_leaves_nothing_in_the_repository(repository: Repository) -> None:
    repository.edit("training/train.py", "total += one", "total = total + one")
    repository.declare("equal")
    status = subprocess.run(
        ["git", "-C", str(repository.root), "status", "--porcelain"],
        capture_output=True,
        text=True,
        check=True,
    )
    changed = {line[3:] for line in status.stdout.splitlines()}
    assert changed == {
        "workflow/noise_resistance/store/versions.json",
        "workflow/noise_resistance/training/train.py",
    }
