"""Only what is stale runs: each change of README's table, made, run, and compared job by job."""

import copy
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspace import COPIED, Run, Workspace

STUDY: dict[str, Any] = {
    "study": "stale",
    "device": "cpu",
    "experiments": [
        {
            "name": "learning_rate",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "learning_rates": [0.001],
        }
    ],
    "training": {"epochs": 1, "schedule": [], "horizontal_flip": False},
    "noise": {"levels": [0.1], "scopes": ["kernels"], "draws": 2},
    "diagnostics": {"images": 0, "before_decay": False},
}
# Each job is written as its rule and what tells it from the rule's others.
TRAIN, BASELINE = "train {rate} {optimizer} {seed}", "evaluate_baseline {rate} {optimizer} {seed}"
NOISE = "evaluate_noise {rate} {optimizer} {seed} {scope} {level}"
FIGURE = {"learning_rate_figure kernels"}
OF_THE_SCOPE = {
    f"{table} kernels" for table in ("table3", "uncertainty", "best_rate", "comparison")
}
FROM_SUMMARY = {"table2", "readings", "claims", "report"} | OF_THE_SCOPE | FIGURE
SUMMARIES = {"summarise", "summarise_lengths"}
AGGREGATES = SUMMARIES | {"table1"} | FROM_SUMMARY
OF_ANOTHER_SCOPE = {one.replace("kernels", "all") for one in OF_THE_SCOPE | FIGURE}


def cell(template: str, **changes: object) -> str:
    values = {"rate": 0.001, "optimizer": "adam", "seed": 1, "scope": "kernels", "level": 0.1}
    return template.format(**{**values, **changes})


def training(**changes: object) -> set[str]:
    """One training and all that is measured on it."""
    return {cell(template, **changes) for template in (TRAIN, BASELINE, NOISE)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.make(tmp_path_factory.mktemp("stale") / "finished")
    run = workspace.snakemake(config=STUDY)
    assert run.status == 0, run.output[-5000:]
    assert jobs(run) == {"prepare_dataset digits"} | training() | AGGREGATES
    return workspace


@pytest.fixture
def workspace(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished study, with its times."""
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    return Workspace(tmp_path / "copy")


def jobs(run: Run) -> set[str]:
    found = set()
    for job in run.jobs:
        rule, _, text = job.partition(" ")
        values = dict(pair.split("=", 1) for pair in text.split(", ")) if text else {}
        names = ("learning_rate", "optimizer", "seed", "scope", "noise_level")
        if rule == "prepare_dataset":
            names = ("dataset",)
        elif rule == "learning_rate_figure":
            names = ("scope",)
        found.add(" ".join([rule, *(values[name] for name in names if name in values)]))
    return found - {"all"}


def rerun(workspace: Workspace, config: dict[str, Any] | None = None) -> set[str]:
    run = workspace.snakemake(config=config or STUDY)
    assert run.status == 0, run.output[-5000:]
    return jobs(run)


def measured(workspace: Workspace, config: dict[str, Any]) -> set[str]:
    """Run all that trains and measures, and add what Snakemake then plans: tables and figures."""
    run = workspace.snakemake("evaluations", config=config)
    assert run.status == 0, run.output[-5000:]
    planned = workspace.snakemake("--dry-run", config=config)
    assert planned.status == 0, planned.output[-5000:]
    ran, left = jobs(run) - {"evaluations"}, jobs(planned)
    # Nothing that was measured is measured again.
    assert not any(job.startswith(("prepare", "train", "evaluate")) for job in left), left
    return ran | left


def changed(**sections: Any) -> dict[str, Any]:
    """Return the study with some values replaced; a mapping is laid over a section."""
    config = copy.deepcopy(STUDY)
    for name, value in sections.items():
        if name in STUDY["experiments"][0] or name == "optimizers":
            config["experiments"][0][name] = value
        elif isinstance(value, dict):
            config[name] = {**config.get(name, {}), **value}
        else:
            config[name] = value
    return config


def edit(workspace: Workspace, module: str, old: str, new: str) -> None:
    path = workspace.folder / "workflow" / "noise_resistance" / module
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{module} has {text.count(old)} times {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_comments_docstrings_formatting_and_touched_files_run_nothing(workspace: Workspace) -> None:
    for path in (workspace.folder / "workflow").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        head, quotes, rest = text.partition('"""')
        path.write_text(f"# A comment.\n{head}{quotes}Changed. {rest}\n\n", encoding="utf-8")
    for path in workspace.folder.rglob("*"):
        if path.suffix in {".smk", ".yaml", ".h5", ".csv", ".png"} or path.name == "Snakefile":
            path.touch()
    assert rerun(workspace) == set()


@pytest.mark.parametrize("order", [1, -1])
def test_results_copied_without_their_times_run_nothing(workspace: Workspace, order: int) -> None:
    """Every file gets a time of its own, in the order of the names or against it."""
    files = sorted(path for path in workspace.folder.rglob("*") if path.is_file())
    for number, path in enumerate(files):
        moment = 1_700_000_000 + order * 10 * number
        os.utime(path, (moment, moment))
    assert rerun(workspace) == set()


def test_a_moved_folder_runs_nothing(workspace: Workspace) -> None:
    moved = workspace.folder.with_name("moved elsewhere")
    workspace.folder.rename(moved)
    assert rerun(Workspace(moved)) == set()


@pytest.mark.parametrize("copy_file", [shutil.copy2, shutil.copy], ids=["with", "without"])
def test_results_copied_beside_a_fresh_clone_run_nothing(
    workspace: Workspace, tmp_path: Path, copy_file: Callable[..., Any]
) -> None:
    """With their times and without; what git checks out is always new."""
    clone = tmp_path / "clone"
    for command in (
        ["git", "init", "--quiet"],
        ["git", "add", "--force", *COPIED, "test.yaml"],
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "all"],
        ["git", "clone", "--quiet", str(workspace.folder), str(clone)],
    ):
        subprocess.run(command, cwd=workspace.folder, check=True)
    for name in ("results", ".snakemake"):
        source = workspace.folder / name
        shutil.copytree(source, clone / name, copy_function=copy_file, dirs_exist_ok=True)
    assert rerun(Workspace(clone)) == set()


def test_the_order_of_configuration_files_and_of_keys_runs_nothing(workspace: Workspace) -> None:
    halves = [dict(reversed(list(STUDY.items())[start::2])) for start in (0, 1)]
    names = ["one.yaml", "two.yaml"]
    for name, half in zip(names, halves, strict=True):
        text = yaml.safe_dump(half, sort_keys=False)
        (workspace.folder / name).write_text(text, encoding="utf-8")
    for order in (names, names[::-1]):
        run = workspace.snakemake("--configfile", *order)
        assert run.status == 0, run.output[-5000:]
        assert jobs(run) == set()


def test_another_profile_runs_nothing(workspace: Workspace) -> None:
    profile = workspace.folder / "elsewhere"
    profile.mkdir()
    (profile / "config.yaml").write_text(
        "cores: 1\nkeep-going: false\nprintshellcmds: true\nlatency-wait: 7\nretries: 2\n"
        "default-resources: [mem_mb=3000, runtime=90]\nset-threads: [train=1]\n"
        "set-resources: [train:mem_mb=5000]\n",
        encoding="utf-8",
    )
    run = workspace.snakemake("--profile=elsewhere", config=STUDY)
    assert run.status == 0, run.output[-5000:]
    assert jobs(run) == set()


def test_cores_threads_devices_and_sharing_run_nothing(workspace: Workspace) -> None:
    config = changed(
        training={"threads": 2}, evaluation={"threads": 2}, device="auto", trainings_per_gpu=3
    )
    run = workspace.snakemake("--cores=1", "--resources", "gpu=2", "mem_mb=9000", config=config)
    assert run.status == 0, run.output[-5000:]
    assert jobs(run) == set()


STYLE = "analysis/figures/learning_rate.py"


@pytest.mark.parametrize(
    ("module", "old", "new", "expected"),
    [
        (STYLE, "Initial learning rate", "Rate", FIGURE | {"report"}),
        (
            "noise/additive.py",
            "values = weights[array.name] + sigma",
            "values = weights[array.name] - sigma",
            {cell(BASELINE), cell(NOISE)} | SUMMARIES | FROM_SUMMARY,
        ),
        (
            "models/folding.py",
            "scale = gamma * tf",
            "scale = 1.0 * gamma * tf",
            {cell(BASELINE), cell(NOISE)} | SUMMARIES | FROM_SUMMARY,
        ),
        (
            "training/augmentation.py",
            "(2 * uniform[:, :2] - 1)",
            "(1 - 2 * uniform[:, :2])",
            training() | SUMMARIES | FROM_SUMMARY,
        ),
        ("devices.py", "min(threads, 2)", "min(threads, 3)", set()),
        (
            "study/optimizers.py",
            '"adamx": Optimizer',
            '"again": Optimizer',
            {"table1"} | FROM_SUMMARY,
        ),
    ],
    ids=["a plot", "noise code", "inference code", "training code", "devices", "an optimizer"],
)
def test_a_change_of_code_runs_what_it_decides(
    workspace: Workspace, module: str, old: str, new: str, expected: set[str]
) -> None:
    edit(workspace, module, old, new)
    run = measured if cell(NOISE) in expected else rerun
    assert run(workspace, STUDY) == expected


FROM_PUBLISHED = {"comparison kernels", "readings", "claims", "report"} | FIGURE


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("analysis/published/values.csv", "0.0005,,91.11", "0.0005,,91.12", FROM_PUBLISHED),
        ("analysis/report/templates/page.css", "{", "{ ", {"report"}),
    ],
    ids=["published values", "style of the page"],
)
def test_a_change_of_a_data_file_runs_what_reads_it(
    workspace: Workspace, file: str, old: str, new: str, expected: set[str]
) -> None:
    path = workspace.folder / "workflow/noise_resistance" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert rerun(workspace) == expected


def test_a_module_that_is_imported_late_through_another_runs_what_reaches_it(
    workspace: Workspace,
) -> None:
    package = workspace.folder / "workflow/noise_resistance/analysis"
    with (package / "checks.py").open("a", encoding="utf-8") as file:
        file.write("\n\ndef later():\n    from noise_resistance.analysis import nearer\n")
    (package / "nearer.py").write_text("from noise_resistance.analysis import farther\n", "utf-8")
    (package / "farther.py").write_text("VALUE = 1\n", encoding="utf-8")
    assert rerun(workspace) == {"claims", "report"}
    assert rerun(workspace) == set()
    (package / "farther.py").write_text("VALUE = 2\n", encoding="utf-8")
    assert rerun(workspace) == {"claims", "report"}


NEW_PLACES = [("kernels", 0.2), ("all", 0.1), ("all", 0.2)]


# For one more learning rate see the next test.
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (changed(noise={"draws": 3}), {cell(NOISE)} | AGGREGATES),
        (changed(training={"l2": 0.001}), training() | SUMMARIES | FROM_SUMMARY),
        (changed(seeds=[1, 2]), training(seed=2) | AGGREGATES),
        (changed(optimizers=["adam", "sgd"]), training(optimizer="sgd") | AGGREGATES),
        (
            changed(noise={"levels": [0.1, 0.2], "scopes": ["kernels", "all"]}),
            {cell(NOISE, scope=scope, level=level) for scope, level in NEW_PLACES}
            | OF_ANOTHER_SCOPE
            | AGGREGATES,
        ),
    ],
    ids=["draws", "recipe", "seed", "optimizer", "level and scope"],
)
def test_a_change_of_the_configuration_runs_what_is_new(
    workspace: Workspace, config: dict[str, Any], expected: set[str]
) -> None:
    assert measured(workspace, config) == expected


def test_a_rate_that_is_removed_and_added_back_trains_nothing(workspace: Workspace) -> None:
    both = changed(learning_rates=[0.001, 0.002])
    assert measured(workspace, both) == training(rate=0.002) | AGGREGATES
    # The tables are still those of the study without it.
    assert measured(workspace, STUDY) == set()
    assert measured(workspace, both) == AGGREGATES


def test_a_dataset_deleted_to_save_disk_is_made_for_new_trainings_alone(
    workspace: Workspace,
) -> None:
    (workspace.folder / "results/datasets/digits.h5").unlink()
    assert rerun(workspace) == set()
    expected = {"prepare_dataset digits"} | training(rate=0.002) | AGGREGATES
    assert measured(workspace, changed(learning_rates=[0.001, 0.002])) == expected


OLD = "results/stale/trainings/digits/resnet8/adam/lr-0.001/seed-1"
DATASET = "results/datasets/digits.h5"
BOTH_RATES = changed(learning_rates=[0.001, 0.002])


def delete(workspace: Workspace, *names: str) -> None:
    for name in names:
        (workspace.folder / name).unlink()


def test_what_was_deleted_to_save_disk_and_is_missing_to_nothing_retrains_nothing(
    workspace: Workspace,
) -> None:
    delete(workspace, DATASET, f"{OLD}/optimizer.h5", f"{OLD}/model.weights.h5")
    assert rerun(workspace) == set()
    expected = {"prepare_dataset digits"} | training(rate=0.002) | AGGREGATES
    assert measured(workspace, BOTH_RATES) == expected


def test_a_deleted_history_is_made_again_by_training_when_something_gathers_it(
    workspace: Workspace,
) -> None:
    delete(workspace, DATASET, f"{OLD}/history.h5")
    assert rerun(workspace) == set()
    expected = {"prepare_dataset digits"} | training() | training(rate=0.002) | AGGREGATES
    assert measured(workspace, BOTH_RATES) == expected


def test_deleted_weights_are_made_again_when_a_level_is_added(workspace: Workspace) -> None:
    delete(workspace, DATASET, f"{OLD}/model.weights.h5")
    config = changed(noise={"levels": [0.1, 0.2]})
    expected = {"prepare_dataset digits"} | training() | {cell(NOISE, level=0.2)} | AGGREGATES
    assert measured(workspace, config) == expected


def test_a_deleted_optimizer_is_made_again_for_diagnostics_alone(workspace: Workspace) -> None:
    delete(workspace, DATASET, f"{OLD}/optimizer.h5")
    config = changed(diagnostics={"images": 16, "batches": 4})
    run = workspace.snakemake("--dry-run", config=config)
    assert {"prepare_dataset": 1, "train": 1, "diagnose": 1}.items() <= run.planned.items()


def test_an_evaluation_that_is_forced_gets_the_dataset_that_was_deleted(
    workspace: Workspace,
) -> None:
    delete(workspace, DATASET)
    run = workspace.snakemake("evaluations", "--forcerun", "evaluate_noise", config=STUDY)
    assert run.status == 0, run.output[-5000:]
    assert jobs(run) - {"evaluations"} == {"prepare_dataset digits", cell(NOISE)}


def test_other_arrays_of_a_reading_get_the_dataset_that_was_deleted(workspace: Workspace) -> None:
    def of_arrays(arrays: str) -> dict[str, Any]:
        return changed(noise={"scopes": ["kernels", {"name": "mine", "arrays": arrays}]})

    measured(workspace, of_arrays("kernels"))
    delete(workspace, DATASET)
    found = measured(workspace, of_arrays("trainable"))
    assert {"prepare_dataset digits", cell(NOISE, scope="mine")} <= found
    assert not found & {cell(TRAIN), cell(BASELINE), cell(NOISE)}


READER = "datasets/digits.py"


def test_a_dataset_read_by_newer_code_retrains_nothing(workspace: Workspace) -> None:
    edit(workspace, READER, "load_digits()", "load_digits(n_class=10)")
    assert rerun(workspace) == {"prepare_dataset digits", "table1", "report"}
    assert rerun(workspace) == set()


def test_a_stale_dataset_hides_nothing_that_is_missing(workspace: Workspace) -> None:
    edit(workspace, READER, "load_digits()", "load_digits(n_class=10)")
    expected = {"prepare_dataset digits"} | training(rate=0.002) | AGGREGATES
    assert measured(workspace, changed(learning_rates=[0.001, 0.002])) == expected


def test_another_version_of_a_dataset_retrains_what_was_trained_on_it(workspace: Workspace) -> None:
    other = {**STUDY, "datasets": {"digits": {"version": "another"}}}
    assert measured(workspace, other) == {"prepare_dataset digits"} | training() | AGGREGATES


def test_what_nothing_is_missing_for_may_be_deleted(workspace: Workspace) -> None:
    names = ("model.weights.h5", "history.h5", "optimizer.h5", "baseline.h5")
    delete(workspace, *(f"{OLD}/{name}" for name in names), f"{OLD}/noise/kernels/eta-0.1.h5")
    assert rerun(workspace) == set()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("baseline.h5", {cell(BASELINE)}),
        ("noise/kernels/eta-0.1.h5", {cell(NOISE)}),
        ("history.h5", training()),
    ],
)
def test_a_deleted_file_is_made_again_when_it_is_asked_for(
    workspace: Workspace, name: str, expected: set[str]
) -> None:
    path = f"results/stale/trainings/digits/resnet8/adam/lr-0.001/seed-1/{name}"
    (workspace.folder / path).unlink()
    run = workspace.snakemake("evaluations", config=STUDY)
    assert run.status == 0, run.output[-5000:]
    assert jobs(run) - {"evaluations"} == (expected if name != "history.h5" else set())


def without_records(workspace: Workspace) -> Workspace:
    """Take Snakemake's records away, as copying `results/` alone does."""
    shutil.rmtree(workspace.folder / ".snakemake")
    return workspace


def test_results_without_snakemake_s_records_run_nothing_where_they_are_the_study_s(
    workspace: Workspace,
) -> None:
    assert rerun(without_records(workspace)) == set()


def test_results_without_records_are_never_published_under_another_recipe(
    workspace: Workspace,
) -> None:
    other = changed(training={"epochs": 2})
    dry = without_records(workspace).snakemake("--dry-run", config=other)
    assert dry.status == 1
    assert [line for line in dry.errors if "specification.recipe.epochs is 1 and must be 2" in line]
    assert "Nothing to be done" not in dry.output
    # What the line asks for leads to the training, and that to the study's own results.
    (workspace.folder / "results/stale/summary.h5").unlink()
    half = workspace.snakemake(config=other)
    assert half.status == 1
    assert [line for line in half.errors if "there without results/stale/summary.h5" in line]
    (workspace.folder / "results/stale/summary.csv").unlink()
    run = workspace.snakemake(config=other)
    assert run.status == 1
    folder = "results/stale/trainings/digits/resnet8/adam/lr-0.001/seed-1"
    assert [line for line in run.errors if f"delete the folder {folder} and" in line]
    assert not (workspace.folder / "results/stale/summary.h5").exists()
    shutil.rmtree(workspace.folder / folder)
    assert measured(workspace, other) >= training() | SUMMARIES | FROM_SUMMARY


def test_trainings_on_two_versions_of_a_dataset_s_pixels_are_never_in_one_table(
    workspace: Workspace,
) -> None:
    edit(workspace, READER, "astype(np.uint16) * 255", "astype(np.uint16) * 254")
    run = workspace.snakemake(config=changed(learning_rates=[0.001, 0.002]))
    assert run.status == 1
    assert [line for line in run.errors if "its dataset digits held other images" in line]


def test_switching_between_studies_that_share_a_dataset_runs_nothing(workspace: Workspace) -> None:
    """As between demo and paper: another name, grid, recipe and noise, the same data."""
    other = changed(
        study="other", learning_rates=[0.002], training={"l2": 0.001}, noise={"levels": [0.2]}
    )
    new = {cell(one, rate=0.002, level=0.2) for one in (TRAIN, BASELINE, NOISE)}
    assert measured(workspace, other) == new | AGGREGATES
    assert rerun(workspace) == set()
    assert measured(workspace, other) == AGGREGATES
