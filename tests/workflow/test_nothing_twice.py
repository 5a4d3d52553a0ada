"""Nothing is computed twice, whatever Snakemake is told: ways to call it x what happened before.

Each cell says which jobs are planned and which are computed, exactly. Most cells are decided by the
plan, which asks the code that jobs ask; in at least one cell of each row and column the jobs run.
`make test` has one row and one column; the whole table runs under FULL=1.
"""

import copy
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspace import COPIED, DIGITS, OUTER_SNAKEFILE, Run, Workspace

from extent import FULL

STUDY: dict[str, Any] = {
    "study": "stale",
    "device": "cpu",
    "experiments": [
        {
            "name": "learning_rate",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "learning_rates": [0.001],
            "scopes": ["kernels"],
        }
    ],
    "training": {"epochs": 2, "schedule": [[1, 0.1]], "horizontal_flip": False},
    "noise": {"levels": [0.1], "draws": 2},
    "diagnostics": {"images": 16, "batches": 4},
}
MEASURED = ("train", "evaluate_baseline", "evaluate_noise", "diagnose")
OF_RESULTS = frozenset(
    {
        *("summarise", "summarise_lengths", "summarise_diagnostics", "gradient_noise"),
        *("table2", "table3", "uncertainty", "best_rate", "comparison", "readings", "claims"),
        *("learning_rate_figure", "why_figure", "report"),
    }
)
AGGREGATES = OF_RESULTS | {"table1"}


def measured(rate: float = 0.001, seed: int = 1) -> set[str]:
    """The jobs of one training: its rules, with rate and seed."""
    return {f"{rule} {rate} {seed}" for rule in MEASURED}


def changed(config: dict[str, Any], **sections: Any) -> dict[str, Any]:
    """Return a study with some values replaced; a mapping is laid over a section."""
    config = copy.deepcopy(config)
    for name, value in sections.items():
        if name == "learning_rates":
            config["experiments"][0][name] = value
        elif isinstance(value, dict):
            config[name] = {**config[name], **value}
        else:
            config[name] = value
    return config


@dataclass(frozen=True)
class Way:
    """A way to call Snakemake on the results in a folder.

    Attributes:
        arguments: of Snakemake.
        environment: variables that are set.
        prepare: makes of a folder with results and a checkout the folder it is called in.
    """

    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], Path] = lambda folder: folder


ALL_TRIGGERS = ("--rerun-triggers", "mtime", "code", "params", "input", "software-env")
FOREIGN = """
keep-going: false
printshellcmds: true
latency-wait: 7
rerun-triggers: [mtime, code, params, input, software-env]
default-resources: [mem_mb=3000, runtime=90]
set-threads: [train=1]
"""


def as_module(folder: Path) -> Path:
    """Move the checkout into a folder of another workflow."""
    (folder / "noise").mkdir()
    for name in COPIED:
        (folder / name).rename(folder / "noise" / name)
    text = OUTER_SNAKEFILE.replace("mine.yaml", "test.yaml")
    (folder / "Snakefile").write_text(text, encoding="utf-8")
    return folder


def from_elsewhere(folder: Path) -> Path:
    """Move the checkout out of the folder with the results."""
    checkout = folder.with_name("checkout")
    checkout.mkdir()
    for name in COPIED:
        (folder / name).rename(checkout / name)
    return folder


def with_a_foreign_profile(folder: Path) -> Path:
    profile = folder / "foreign"
    profile.mkdir()
    (profile / "config.yaml").write_text(FOREIGN, encoding="utf-8")
    return folder


WAYS = {
    "profiles/default": Way(),
    "no profile": Way(("--workflow-profile", "none")),
    "all triggers": Way(ALL_TRIGGERS),
    "a foreign profile": Way((), {"SNAKEMAKE_PROFILE": "foreign"}, with_a_foreign_profile),
    "a module": Way((), {}, as_module),
    "from another folder": Way(("--snakefile", "../checkout/Snakefile"), {}, from_elsewhere),
}


def nothing(folder: Path) -> None:
    """Change nothing."""


def change_a_comment_and_a_log_line(folder: Path) -> None:
    (path,) = [
        one / "noise_resistance/training/train.py"
        for one in (folder / "workflow", folder / "noise/workflow", folder / "../checkout/workflow")
        if one.is_dir()
    ]
    text = path.read_text(encoding="utf-8")
    assert text.count("min left") == 1
    text = text.replace("min left", "minutes left")
    path.write_text(f"# A comment.\n{text}", encoding="utf-8")


def touch_files(folder: Path) -> None:
    """Give every file a time of its own, against the order in which they were made."""
    files = sorted((one for one in folder.rglob("*") if one.is_file()), key=os.path.getmtime)
    for number, path in enumerate(reversed(files)):
        moment = 1_700_000_000 + 10 * number
        os.utime(path, (moment, moment))


def delete_the_dataset(folder: Path) -> None:
    (folder / f"results/datasets/digits/{DIGITS}.h5").unlink()


def delete_the_records(folder: Path) -> None:
    shutil.rmtree(folder / ".snakemake")


def copy_without_times(folder: Path) -> None:
    for name in ("results", ".snakemake"):
        (folder / name).rename(folder / f"{name}.was")
        shutil.copytree(folder / f"{name}.was", folder / name, copy_function=shutil.copy)
        shutil.rmtree(folder / f"{name}.was")


def delete_the_store(folder: Path) -> None:
    shutil.rmtree(folder / "results/store")


def delete_the_study(folder: Path) -> None:
    shutil.rmtree(folder / "results/stale")


@dataclass(frozen=True)
class Change:
    """What happened before, and what follows from it.

    Attributes:
        make: of the folder with the results.
        config: the study that is then asked for.
        planned: the jobs that Snakemake plans.
        computed: those of them that compute; the others of `MEASURED` look, or restore.
        touch: whether `snakemake --touch` was called in the same way.
        start: the finished study that it begins with.
    """

    make: Callable[[Path], None] = nothing
    config: dict[str, Any] = field(default_factory=lambda: STUDY)
    planned: frozenset[str] = frozenset()
    computed: frozenset[str] = frozenset()
    touch: bool = False
    start: str = "finished"


RATE = frozenset(measured(0.002))
SEED = frozenset(measured(seed=2))
CHANGES = {
    "nothing": Change(),
    "a comment and a log line": Change(change_a_comment_and_a_log_line),
    "--touch": Change(touch=True),
    "files touched": Change(touch_files),
    "dataset deleted": Change(delete_the_dataset),
    ".snakemake deleted": Change(delete_the_records),
    "copied without times": Change(copy_without_times),
    "copied without the store": Change(delete_the_store),
    "recipe changed and changed back": Change(
        planned=frozenset(measured() | OF_RESULTS), start="of another recipe"
    ),
    "study renamed": Change(
        config=changed(STUDY, study="renamed"), planned=frozenset(measured() | AGGREGATES)
    ),
    "results of the study deleted": Change(
        delete_the_study, planned=frozenset(measured() | AGGREGATES)
    ),
    "another rate": Change(
        config=changed(STUDY, learning_rates=[0.001, 0.002]),
        planned=RATE | AGGREGATES,
        computed=RATE,
    ),
    "another seed": Change(
        config=changed(STUDY, seeds=[1, 2]), planned=SEED | AGGREGATES, computed=SEED
    ),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.make(tmp_path_factory.mktemp("stale") / "finished")
    run = workspace.snakemake(config=STUDY)
    assert run.status == 0, run.output[-5000:]
    assert jobs_of(run) == {"prepare_dataset"} | measured() | AGGREGATES
    assert computed_in(workspace.folder, "stale") == measured()
    return workspace


@pytest.fixture(scope="module")
def of_another_recipe(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The study, after its recipe was changed and all of it made anew."""
    folder = tmp_path_factory.mktemp("stale") / "other"
    shutil.copytree(finished.folder, folder, symlinks=True)
    workspace = Workspace(folder)
    run = workspace.snakemake(config=changed(STUDY, training={"l2": 0.001}))
    assert run.status == 0, run.output[-5000:]
    assert jobs_of(run) == measured() | OF_RESULTS
    assert computed_in(folder, "stale") == measured()
    return workspace


def jobs_of(run: Run) -> set[str]:
    """The jobs of a run or of a plan: the rule, and rate and seed of what trains or measures."""
    found = set()
    for job in run.jobs:
        rule, _, text = job.partition(" ")
        rule = rule.removeprefix("noise_")
        values = dict(pair.split("=", 1) for pair in text.split(", ")) if text else {}
        place = [values["learning_rate"], values["seed"]] if rule in MEASURED else []
        found.add(" ".join([rule, *place]))
    return found - {"all"}


def computed_in(folder: Path, study: str, since: float = 0) -> set[str]:
    """The jobs that computed, by the logs that are younger than a moment."""
    found = set()
    for log in (folder / "logs" / study).rglob("*.log"):
        rule, *place = log.relative_to(folder / "logs" / study).with_suffix("").parts
        if rule not in MEASURED or log.stat().st_mtime <= since:
            continue
        text = log.read_text(encoding="utf-8")
        if not any(line.startswith(("kept: ", "restored: ")) for line in text.splitlines()):
            rate, seed = place[4].removeprefix("lr-"), place[5].removeprefix("seed-")
            found.add(f"{rule} {rate} {seed}")
    return found


def workspace_of(way: Way, change: Change, finished: Workspace, folder: Path) -> Workspace:
    """A copy of the finished study, with its times, changed, and to be called in this way."""
    shutil.copytree(finished.folder, folder, symlinks=True)
    way.prepare(folder)
    (folder / "test.yaml").write_text(yaml.safe_dump(dict(change.config)), encoding="utf-8")
    workspace = Workspace(folder, dict(way.environment))
    if change.touch:
        assert call(workspace, way, "--touch").status == 0
    change.make(folder)
    return workspace


def call(workspace: Workspace, way: Way, *arguments: str) -> Run:
    return workspace.snakemake(*way.arguments, *arguments, "--configfile", "test.yaml")


WHOLE = [(way, change) for way in WAYS for change in CHANGES]
SHORT = [
    (way, change)
    for way, change in WHOLE
    if way == "no profile" or change == "recipe changed and changed back"
]
# In these cells the jobs run: one of each row and of each column.
RUN = [(list(WAYS)[number % len(WAYS)], change) for number, change in enumerate(CHANGES)]


@pytest.mark.parametrize(("way", "change"), WHOLE if FULL else SHORT)
def test_planned_and_computed_are_what_they_must_be(
    way: str, change: str, finished: Workspace, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    called, happened = WAYS[way], CHANGES[change]
    start = request.getfixturevalue(happened.start.replace(" ", "_"))
    workspace = workspace_of(called, happened, start, tmp_path / "copy")
    dry = call(workspace, called, "--dry-run")
    assert dry.status == 0, dry.output[-3000:]
    assert jobs_of(dry) == happened.planned
    assert ("Nothing to be done" in dry.output) == (not happened.planned)
    assert computed_by_plan(workspace, called) == happened.computed


@pytest.mark.parametrize(("way", "change"), RUN if FULL else RUN[7:10])
def test_jobs_that_run_compute_what_the_plan_says(
    way: str, change: str, finished: Workspace, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    called, happened = WAYS[way], CHANGES[change]
    start = request.getfixturevalue(happened.start.replace(" ", "_"))
    workspace = workspace_of(called, happened, start, tmp_path / "copy")
    name = str(happened.config["study"])
    since = max(one.stat().st_mtime for one in (workspace.folder / "logs").rglob("*.log"))
    run = call(workspace, called)
    assert run.status == 0, run.output[-5000:]
    assert jobs_of(run) == happened.planned
    assert computed_in(workspace.folder, name, since) == happened.computed
    again = call(workspace, called, "--dry-run")
    assert jobs_of(again) == set()
    if name != "stale":
        # The study that shares its trainings has nothing to do either.
        assert jobs_of(workspace.snakemake("--dry-run", config=STUDY)) == set()


def computed_by_plan(workspace: Workspace, way: Way) -> set[str]:
    """The jobs that would compute, as `noise-resistance plan --json` says."""
    return {
        " ".join([job["rule"], job["wildcards"]["learning_rate"], job["wildcards"]["seed"]])
        for job in workspace.plan(*way.arguments)["jobs"]
        if job["rule"] in MEASURED and job["action"] == "compute"
    }
