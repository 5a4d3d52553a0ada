"""What a study needs is brought back from the store, in an order that Snakemake finds current."""

import contextlib
import copy
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from made_up_study import CONFIG, ROOT, MadeUpStudy
from noise_resistance.store.jobs import COMPUTE, LOOK, RESTORE, Job
from noise_resistance.store.restoring import NOTHING, Restoring, Wanted, entries_of, in_order
from noise_resistance.store.study_results import STEPS, StudyResults
from noise_resistance.store.upkeep import chosen, remove
from noise_resistance.study.paths import EVALUATION, TRAINING
from noise_resistance.study.settings import lost_records, settings_of

RESULTS = Path("results/tiny")
FOLDER = RESULTS / "trainings/digits/resnet8/standard/adam/lr-0.001/seed-1"
LATER = 2_000_000_000 * 10**9  # in 2033


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder of a finished study."""
    folder = tmp_path_factory.mktemp("finished")
    with contextlib.chdir(folder):
        MadeUpStudy.of(CONFIG).run()
    return folder


@pytest.fixture
def study(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUpStudy:
    """A finished study in a working folder, which is the current one."""
    shutil.copytree(finished, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return MadeUpStudy.of(CONFIG)


def actions(
    study: MadeUpStudy, jobs: Iterable[Wanted] | None = None, *, dry_run: bool = False
) -> Counter[tuple[str, str]]:
    """Restore a study; count what has become of its jobs, by rule."""
    restoring = Restoring(study.products, Job(study.store), dry_run=dry_run)
    jobs = study.jobs if jobs is None else jobs
    return Counter((job.rule, restoring.bring(job).action) for job in jobs)


def all_of(study: MadeUpStudy, action: str) -> Counter[tuple[str, str]]:
    return Counter((job.rule, action) for job in study.jobs)


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.h5")}


def test_all_files_come_back_as_they_were(study: MadeUpStudy) -> None:
    before, logs = contents(RESULTS / "trainings"), contents(Path("logs"))
    external = contents(RESULTS / "external")
    shutil.rmtree(RESULTS)
    shutil.rmtree("logs")
    assert actions(study) == all_of(study, RESTORE)
    assert contents(RESULTS / "trainings") == before
    assert contents(RESULTS / "external") == external
    after = contents(Path("logs"))
    assert after.keys() == logs.keys()
    for name, text in after.items():
        lines = text.decode().splitlines()
        assert lines[0] == logs[name].decode().strip()
        assert all(one.startswith("restored: results/tiny/") for one in lines[1:])
        assert "on cpu: 1 thread in 0" in lines[1]
    assert set(STEPS) == {name.split("/")[1] for name in after}


def test_no_file_is_older_than_what_it_is_made_from(study: MadeUpStudy) -> None:
    shutil.rmtree(RESULTS)
    actions(study)
    found = StudyResults(study.products)
    for job, results in study.results():
        inputs = [path.stat().st_mtime_ns for path in found.inputs(job.rule, job.wildcards)]
        outputs = [path.stat().st_mtime_ns for one in results for path in one.files.values()]
        assert min(outputs) >= max(inputs, default=0)


def test_what_is_there_stays_as_it_is(study: MadeUpStudy) -> None:
    before = {path: path.stat() for path in RESULTS.rglob("*.h5")}
    assert actions(study) == all_of(study, LOOK)
    recorded = [replace(job, planned=False, recorded=True) for job in study.jobs]
    assert actions(study, recorded) == all_of(study, NOTHING)
    after = {path: path.stat() for path in RESULTS.rglob("*.h5")}
    assert {path: (one.st_ino, one.st_mtime_ns) for path, one in after.items()} == {
        path: (one.st_ino, one.st_mtime_ns) for path, one in before.items()
    }


def test_a_restored_training_is_no_newer_than_what_was_made_of_it(study: MadeUpStudy) -> None:
    before = times(RESULTS)
    for name in ("model.weights.h5", "history.h5"):
        (FOLDER / name).unlink()
    jobs = [
        replace(job, planned=False, recorded=True) if job.rule != "train" else job
        for job in study.jobs
    ]
    done = actions(study, jobs)
    assert done["train", RESTORE] == 1
    assert done["evaluate_noise", LOOK] == done["evaluate_noise", NOTHING] == 1
    after = times(RESULTS)
    assert {path for path in before if after[path] != before[path]} <= {
        FOLDER / name for name in ("model.weights.h5", "history.h5", "optimizer.h5")
    }
    oldest = min(time for path, time in after.items() if path.match("seed-1/baseline.h5"))
    assert after[FOLDER / "model.weights.h5"] <= oldest


def test_what_is_restored_is_no_older_than_a_training_from_a_clock_that_is_fast(
    study: MadeUpStudy,
) -> None:
    os.utime(FOLDER / "model.weights.h5", ns=(LATER, LATER))
    (FOLDER / "baseline.h5").unlink()
    actions(study)
    assert (FOLDER / "baseline.h5").stat().st_mtime_ns == LATER


def test_files_that_were_copied_without_times_are_as_new_as_what_they_were_made_from(
    study: MadeUpStudy,
) -> None:
    now = time.time_ns()
    for number, path in enumerate(sorted(RESULTS.rglob("*.h5"))):
        os.utime(path, ns=(now + number, now + number))
    assert actions(study) == all_of(study, LOOK)
    found = StudyResults(study.products)
    for job, results in study.results():
        inputs = [path.stat().st_mtime_ns for path in found.inputs(job.rule, job.wildcards)]
        outputs = [path.stat().st_mtime_ns for one in results for path in one.files.values()]
        assert min(outputs) >= max(inputs, default=0)


def test_what_the_store_has_not_is_left_with_all_that_reads_it(study: MadeUpStudy) -> None:
    (_, (noise,)) = next(pair for pair in study.results() if pair[0].rule == "evaluate_noise")
    train = study.results()[0][1][0]
    shutil.rmtree(RESULTS)
    remove(study.store, chosen(study.store, study.store.key_folder(noise)))
    assert actions(study) - all_of(study, RESTORE) == {("evaluate_noise", COMPUTE): 1}
    shutil.rmtree(RESULTS)
    remove(study.store, chosen(study.store, study.store.key_folder(train)))
    left = {rule for rule, action in actions(study) if action == COMPUTE}
    assert left == set(STEPS) - {"evaluate_external"}
    assert not FOLDER.exists()


def test_a_state_less_is_a_training_that_is_left(study: MadeUpStudy) -> None:
    results = study.results()[0][1]
    one = next(one for one in results if one.finished_epochs == 1)
    shutil.rmtree(RESULTS)
    place = study.store.find(one, [next(study.store.entries()).manifest["fingerprint"]])
    assert place is not None
    study.store.drop(place.folder)
    done = actions(study)
    assert done["train", COMPUTE] == done["train", RESTORE] == 1
    # What needs not that state is there all the same.
    assert done["evaluate_baseline", RESTORE] == done["evaluate_noise", RESTORE] == 2
    assert done["evaluate_snapshot_noise", COMPUTE] == done["diagnose", COMPUTE] == 1


def test_a_damaged_entry_is_dropped_and_left(
    study: MadeUpStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(RESULTS)
    (file, *_) = study.store.root.glob("diagnose/**/diagnostics.h5")
    file.chmod(0o644)
    file.write_bytes(b"damaged")
    assert actions(study) - all_of(study, RESTORE) == {("diagnose", COMPUTE): 1}
    assert "is damaged" in capsys.readouterr().out
    assert not file.exists()


def test_where_a_dataset_is_not_described_nobody_can_know(study: MadeUpStudy) -> None:
    shutil.rmtree(RESULTS)
    (described,) = study.products.datasets.values()
    Path(described).unlink()
    restoring = Restoring(study.products, Job(study.store))
    outcomes = [restoring.bring(job) for job in study.jobs]
    assert {one.action for one in outcomes} == {COMPUTE}
    assert {one.reason for one in outcomes} == {
        f"{described}: no such file; run `snakemake {described}` to make it"
    }


def test_files_of_another_configuration_are_replaced(study: MadeUpStudy) -> None:
    other = copy.deepcopy(CONFIG)
    other["noise"]["draws"] = 3
    theirs = MadeUpStudy.of(other)
    theirs.run()
    # Snakemake plans none of them: it has no records.
    jobs = [replace(job, planned=False) for job in study.jobs]
    done = actions(study, jobs)
    changed = ("evaluate_noise", "evaluate_snapshot_noise", "evaluate_external")
    for rule in STEPS:
        assert (
            done[rule, RESTORE if rule in changed else LOOK]
            == all_of(study, RESTORE)[rule, RESTORE]
        )


def test_a_dry_run_says_the_same_and_changes_nothing(study: MadeUpStudy) -> None:
    shutil.rmtree(RESULTS)
    shutil.rmtree("logs")
    before = contents(Path())
    assert actions(study, dry_run=True) == all_of(study, RESTORE)
    assert contents(Path()) == before


def test_the_entries_of_a_study_are_all_that_its_jobs_keep(study: MadeUpStudy) -> None:
    everything = {entry.folder for entry in study.store.entries()}
    other = copy.deepcopy(CONFIG)
    other["experiments"][0]["learning_rates"] = [0.001]
    one = MadeUpStudy.of(other)
    # Whether its files are there or not.
    for _ in range(2):
        found = {entry.folder for entry in entries_of(study.products, study.store, study.jobs)}
        assert found == everything
        fewer = {entry.folder for entry in entries_of(one.products, one.store, one.jobs)}
        steps = Counter(folder.relative_to(study.store.root).parts[0] for folder in fewer)
        # The state before the first decay is kept as well.
        assert steps["train"] == 3
        assert steps["evaluate_noise"] == 2
        assert fewer < everything
        shutil.rmtree(RESULTS, ignore_errors=True)


def test_jobs_are_restored_in_the_order_of_the_pipeline(study: MadeUpStudy) -> None:
    shuffled = sorted(study.jobs, key=lambda job: job.rule[::-1])
    rules = [job.rule for job in in_order(shuffled)]
    assert list(dict.fromkeys(rules)) == list(STEPS)


def test_the_logs_are_those_of_the_rules(study: MadeUpStudy) -> None:
    text = "".join(
        file.read_text(encoding="utf-8") for file in sorted((ROOT / "workflow/rules").iterdir())
    )
    # Of `rule a:` and of `use rule b as a with:`.
    names = r"^(?:rule|use rule \w+ as) (\w+)(?: with)?:$"
    _, *parts = re.split(names, text, flags=re.MULTILINE)
    logs = {
        rule: found[1]
        for rule, body in zip(parts[::2], parts[1::2], strict=True)
        if (found := re.search(r"log:\n +(f\".*?\"),", body))
    }
    known: dict[str, Any] = {
        "paths": study.products.paths,
        "TRAINING": TRAINING,
        "EVALUATION": EVALUATION,
    }
    found = StudyResults(study.products)
    for job in study.jobs:
        template = eval(logs[job.rule], known)
        assert str(found.log(job.rule, job.wildcards)) == template.format(**job.wildcards)


def test_what_was_restored_has_no_record_and_that_is_said_when_the_configuration_changes(
    study: MadeUpStudy,
) -> None:
    import json

    Path(".snakemake/metadata").mkdir(parents=True)
    Path(".snakemake/metadata/some").touch()
    now = study.products.study
    assert lost_records(now) is None
    Path(now.paths.restored).write_text(json.dumps(settings_of(now)), encoding="utf-8")
    assert lost_records(now) is None
    other = copy.deepcopy(CONFIG)
    other["noise"]["draws"] = 3
    changed = MadeUpStudy.of(other).products.study
    said = lost_records(changed)
    assert said is not None
    assert "another configuration (noise.draws)" in said
    assert "no records of what was restored" in said
    assert "--forceall" in said
    # The study was made anew since.
    Path(now.paths.settings).write_text(json.dumps(settings_of(changed)), encoding="utf-8")
    os.utime(now.paths.settings, ns=(LATER, LATER))
    assert lost_records(changed) is None
