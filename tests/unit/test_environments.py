"""The locks, the conda environments, pyproject.toml and the script that makes environments."""

import dataclasses
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = {name: ROOT / "envs" / f"{name}.lock" for name in ("cpu", "gpu", "slurm", "dev")}
CONDA = {name: ROOT / "envs" / f"{name}.yaml" for name in ("cpu", "gpu")}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def logical_lines(lock: Path) -> list[str]:
    """Returns the requirements of a lock with their options, one string each, comments left out."""
    text = re.sub(r"(?m)^\s*#.*\n?", "", lock.read_text())
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def locked(lock: Path) -> list[Requirement]:
    return [Requirement(line.split(" --hash")[0]) for line in logical_lines(lock)]


def conda_pins(file: Path) -> list[Requirement]:
    dependencies = yaml.safe_load(file.read_text())["dependencies"]
    (pip,) = (entry["pip"] for entry in dependencies if isinstance(entry, dict))
    return [Requirement(line) for line in pip]


def versions(requirements: list[Requirement]) -> dict[str, str]:
    """Returns the exact version by package; fails on anything but `==` and on a second mention."""
    result: dict[str, str] = {}
    for requirement in requirements:
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", requirement
        name = canonicalize_name(requirement.name)
        assert name not in result, f"{name} appears twice"
        result[name] = specifier.version
    return result


def dependencies(*groups: str) -> list[Requirement]:
    project = PYPROJECT["project"]
    lines = list(project["dependencies"])
    for group in groups:
        lines += project["optional-dependencies"][group]
    return [Requirement(line) for line in lines]


def unmet(needed: list[Requirement], available: dict[str, str]) -> list[str]:
    return [
        str(requirement)
        for requirement in needed
        if canonicalize_name(requirement.name) not in available
        or available[canonicalize_name(requirement.name)] not in requirement.specifier
    ]


@pytest.mark.parametrize("name", [*LOCKS, "conda cpu", "conda gpu"])
def test_every_environment_holds_each_package_once_at_the_version_of_the_cpu_lock(name):
    cpu = versions(locked(LOCKS["cpu"]))
    other = versions(
        conda_pins(CONDA[name.removeprefix("conda ")])
        if name.startswith("conda ")
        else locked(LOCKS[name])
    )
    shared = cpu.keys() & other.keys()
    assert len(shared) > 40
    assert {p: other[p] for p in shared} == {p: cpu[p] for p in shared}


def test_packages_outside_the_cpu_lock_have_one_version_as_well():
    seen: dict[str, set[str]] = {}
    files = [locked(lock) for lock in LOCKS.values()] + [
        conda_pins(file) for file in CONDA.values()
    ]
    for requirements in files:
        for name, version in versions(requirements).items():
            seen.setdefault(name, set()).add(version)
    assert {name: found for name, found in seen.items() if len(found) > 1} == {}


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_requirement_has_a_sha256_hash(name):
    lines = logical_lines(LOCKS[name])
    assert len(lines) > 80
    pattern = re.compile(r"\S+==\S+( ; .+?)?( +--hash=sha256:[0-9a-f]{64})+ *")
    assert [line[:60] for line in lines if not pattern.fullmatch(line)] == []


@pytest.mark.parametrize("name", LOCKS)
def test_no_locked_version_is_for_some_pythons_only(name):
    markers = [str(requirement.marker) for requirement in locked(LOCKS[name])]
    assert [marker for marker in markers if "python" in marker.replace("platform_python", "")] == []


@pytest.mark.parametrize("file", [*LOCKS.values(), *CONDA.values()], ids=lambda file: file.name)
def test_no_environment_names_an_index_or_an_address(file):
    text = file.read_text()
    assert re.findall(r"\S*://\S*|--\S*index\S*|--find-links|--trusted-host| @ ", text) == []
    options = set(re.findall(r"(?<!\S)-{1,2}[a-z][\w-]*", text))
    assert options <= {"--hash"}


@pytest.mark.parametrize(
    ("name", "groups"),
    [("cpu", []), ("gpu", ["gpu"]), ("slurm", ["slurm"]), ("dev", ["dev"])],
)
def test_each_lock_meets_the_dependencies_of_the_project(name, groups):
    available = versions(locked(LOCKS[name]))
    assert unmet(dependencies(*groups), available) == []
    # The project is installed without build isolation.
    build = [Requirement(line) for line in PYPROJECT["build-system"]["requires"]]
    assert unmet(build, available) == []


def test_the_gpu_environments_have_the_cuda_libraries_and_the_others_have_not():
    cuda = {"nvidia-cudnn-cu12", "nvidia-cublas-cu12"}
    assert cuda <= versions(locked(LOCKS["gpu"])).keys()
    assert cuda <= versions(conda_pins(CONDA["gpu"])).keys()
    for name in ("cpu", "slurm", "dev"):
        assert not cuda & versions(locked(LOCKS[name])).keys()
    assert not cuda & versions(conda_pins(CONDA["cpu"])).keys()


@pytest.mark.parametrize("name", CONDA)
def test_each_conda_environment_holds_what_the_rules_run(name):
    environment = yaml.safe_load(CONDA[name].read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    (python,) = (d for d in environment["dependencies"] if str(d).startswith("python="))
    assert python.removeprefix("python=") in PYPROJECT["project"]["requires-python"]
    available = versions(conda_pins(CONDA[name]))
    of_rules = [one for one in dependencies() if not one.name.startswith("snakemake")]
    assert unmet(of_rules, available) == []
    assert "snakemake" not in available


# envs/create.sh, with a stand-in for Python: a real environment takes minutes. The stand-in
# answers what the script asks of an interpreter, and does as its own pip what FAKE_PIP says.
PYTHON = """\
#!/bin/sh
case "$*" in
*sys.version_info*) echo "${FAKE_VERSION:-3.12.4}" ;;
*ensurepip*) exit "${FAKE_NO_VENV:-0}" ;;
"-m venv "*)
    mkdir -p "$3/bin"
    : >"$3/pyvenv.cfg"
    cp "$0" "$3/bin/python"
    ;;
"-m pip install "*)
    echo "$*" >>"$CALLS"
    eval "${FAKE_PIP:-true}"
    ;;
"-m compileall "*) exit "${FAKE_UNCOMPILED:-0}" ;;
*) exit 64 ;;
esac
"""


LOCK = """\
# Comment
other==3 \\
    --hash=sha256:aa
setuptools==80 \\
    --hash=sha256:bb \\
    --hash=sha256:cc
some==1 \\
    --hash=sha256:dd
"""


@dataclasses.dataclass(frozen=True)
class Project:
    """A folder with a copy of create.sh, a lock and a stand-in for Python."""

    folder: Path

    @property
    def lock(self) -> Path:
        return self.folder / "envs" / "some.lock"

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    @property
    def calls(self) -> Path:
        return self.folder / "calls"

    def add_python(self, name: str, text: str = PYTHON) -> Path:
        file = self.folder / "bin" / name
        file.write_text(text)
        file.chmod(0o755)
        return file

    def start(self, **variables: str) -> subprocess.Popen:
        environment = {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "PYTHON": str(self.folder / "bin" / "python3"),
            "CALLS": str(self.calls),
            **variables,
        }
        # A shell that starts in the background ignores SIGINT, and hands that down.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(
                ["envs/create.sh", "envs/some.lock", ".venv"],
                cwd=self.folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        finally:
            signal.signal(signal.SIGINT, before)

    def create(self, **variables: str) -> subprocess.CompletedProcess:
        process = self.start(**variables)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def pip_calls(self) -> list[str]:
        """Returns what pip was called with since the last time."""
        calls = self.calls.read_text().splitlines() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return [line.partition("--no-input --no-compile ")[2] for line in calls]


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path / "a project")
    (project.folder / "bin").mkdir(parents=True)
    (project.folder / "envs").mkdir()
    shutil.copy(ROOT / "envs" / "create.sh", project.folder / "envs")
    (project.folder / "pyproject.toml").write_text("[project]\n")
    project.lock.write_text(LOCK)
    project.add_python("python3")
    return project


def installs(project: Project) -> list[str]:
    return [
        f"--require-hashes -r {project.venv / 'setuptools.txt'}",
        f"--require-hashes --no-build-isolation -r {project.lock}",
        "--no-deps --no-build-isolation -e .",
    ]


@pytest.mark.parametrize("status", ["0", "1"])
def test_create_installs_the_lock_with_hashes_then_the_project_and_stamps_it(project, status):
    # A package with a file that does not compile is no failure.
    done = project.create(FAKE_UNCOMPILED=status)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2
    assert project.pip_calls() == installs(project)
    assert (project.venv / "setuptools.txt").read_text().splitlines() == LOCK.splitlines()[3:6]
    digest = hashlib.sha256(project.lock.read_bytes()).hexdigest()
    assert digest in (project.venv / "created-from").read_text()


def test_create_does_nothing_the_second_time(project):
    project.create()
    project.pip_calls()
    again = project.create()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert project.pip_calls() == []


def test_create_starts_from_scratch_when_the_lock_changed(project):
    project.create()
    project.pip_calls()
    leftover = project.venv / "leftover"
    leftover.touch()
    project.lock.write_text(LOCK.replace("some==1", "some==2"))
    assert project.create().returncode == 0
    assert project.pip_calls() == installs(project)
    assert not leftover.exists()


def test_create_reinstalls_only_the_project_when_pyproject_changed(project):
    project.create()
    project.pip_calls()
    (project.folder / "pyproject.toml").write_text("[project]\nversion = '2'\n")
    assert project.create().returncode == 0
    assert project.pip_calls() == installs(project)[-1:]
    assert project.create().stdout == ""


def test_create_makes_a_moved_environment_again(project):
    project.create()
    project.pip_calls()
    there = Project(project.folder.with_name("moved"))
    project.folder.rename(there.folder)
    assert there.create().returncode == 0
    assert there.pip_calls() == installs(there)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_creation_is_not_taken_for_a_finished_one(project, number):
    process = project.start(FAKE_PIP="sleep 60")
    deadline = time.monotonic() + 30
    while not project.calls.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # Again until it ends: dash loses a signal that comes just as it starts a child.
    while process.poll() is None:
        assert time.monotonic() < deadline
        os.killpg(process.pid, number)
        time.sleep(0.1)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert not (project.venv / "created-from").exists()
    project.pip_calls()
    assert project.create().returncode == 0
    assert project.pip_calls() == installs(project)


def test_two_creations_at_once_make_one_environment(project):
    processes = [project.start(FAKE_PIP="sleep 0.3") for _ in range(2)]
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0]
    assert project.pip_calls() == installs(project)


def test_create_tries_pip_once_more_when_it_fails(project):
    failing_once = 'test -e "$CALLS.failed" || { : >"$CALLS.failed"; exit 1; }'
    done = project.create(FAKE_PIP=failing_once)
    assert done.returncode == 0
    setuptools, *rest = installs(project)
    assert project.pip_calls() == [setuptools, setuptools, *rest]


def test_create_shows_the_end_of_the_log_and_fails_when_pip_fails_twice(project):
    done = project.create(FAKE_PIP="echo no such package; exit 1")
    assert done.returncode == 1
    assert "no such package" in done.stderr
    assert str(project.venv) + ".log" in done.stderr.splitlines()[-1]
    assert len(project.pip_calls()) == 2
    assert not (project.venv / "created-from").exists()


@pytest.mark.parametrize("version", ["2.7.18", "3.10.13", "3.14.0"])
def test_create_names_the_version_found_and_the_versions_needed(project, version):
    done = project.create(FAKE_VERSION=version)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert version in line
    assert "Python 3.11, 3.12 or 3.13" in line
    assert not project.venv.exists()


def test_create_says_how_to_get_the_venv_module(project):
    done = project.create(FAKE_NO_VENV="1")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "python3-venv" in line


def test_create_passes_over_pythons_that_do_not_fit(project):
    broken = project.add_python("python3.13", "#!/bin/sh\nexit 127\n")
    project.add_python("python3.12", PYTHON.replace("FAKE_NO_VENV:-0", "FAKE_NO_VENV:-1"))
    project.add_python("python3.11", PYTHON.replace("FAKE_VERSION:-3.12.4", "FAKE_VERSION:-3.11.7"))
    done = project.create(PYTHON="")
    assert broken.exists()
    assert done.returncode == 0, done.stderr
    assert "python3.11 (3.11.7)" in done.stdout


def test_create_does_not_remove_a_folder_that_is_no_environment(project):
    project.venv.mkdir()
    (project.venv / "thesis.tex").touch()
    done = project.create()
    assert done.returncode == 1
    assert (project.venv / "thesis.tex").exists()
    assert len(done.stderr.splitlines()) == 1


def test_create_says_which_lock_is_missing(project):
    project.lock.unlink()
    done = project.create()
    assert done.returncode == 1
    assert done.stderr == "envs/create.sh: no lock file envs/some.lock\n"
