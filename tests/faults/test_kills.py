"""Kills at random moments: the study ends as if nothing had happened, to the last bit."""

import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from disturbance import STUDY, Disturbed, differences, litter, stop
from workspace import Workspace

KILLS = 26
SEED = 20220515


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run that nothing disturbed."""
    workspace = Workspace.make(tmp_path_factory.mktemp("undisturbed") / "work")
    run = workspace.snakemake(config=STUDY)
    assert run.status == 0, run.output[-5000:]
    assert not litter(workspace.folder / "results")
    return workspace.folder / "results"


def kill_jobs(run: Disturbed) -> None:
    run.kill_jobs(signal.SIGKILL)


def terminate_jobs(run: Disturbed) -> None:
    run.kill_jobs(signal.SIGTERM)


def kill_everything(run: Disturbed) -> None:
    run.kill_all(signal.SIGKILL)


def press_control_c(run: Disturbed) -> None:
    run.kill_all(signal.SIGINT)


def terminate_snakemake(run: Disturbed) -> None:
    run.process.send_signal(signal.SIGTERM)


WAYS = (kill_jobs, terminate_jobs, kill_everything, press_control_c, terminate_snakemake)


def moments(folder: Path, generator: random.Random) -> Iterator[tuple[str, Callable[[], bool]]]:
    """When to kill, over and over: at any moment of a job, and while files are being written."""
    results = folder / "results"

    def after(seconds: float) -> Callable[[], bool]:
        end = time.monotonic() + seconds
        return lambda: time.monotonic() >= end

    while True:
        yield "while a job starts", after(generator.uniform(0, 3))
        yield "in a job", after(generator.uniform(3, 12))
        yield "at a checkpoint", lambda: any(results.rglob(".resume/.tmp-*"))
        epochs = generator.randint(1, 4)
        yield "after some epochs", after(6 + epochs)
        yield "at a final file", lambda: any(results.rglob("seed-*/.tmp-*"))


def test_a_study_killed_over_and_over_ends_equal_to_one_left_alone(
    undisturbed: Path, tmp_path: Path, counts: Counter[str]
) -> None:
    workspace = Workspace.make(tmp_path / "work")
    generator = random.Random(SEED)
    killed, locked = Counter[str](), 0
    resumed: set[tuple[Path, float]] = set()
    when = moments(workspace.folder, generator)
    while killed.total() < KILLS:
        # Shifted by one each round, so that every way meets every moment.
        rounds, turn = divmod(killed.total(), len(WAYS))
        kill = WAYS[(turn + rounds) % len(WAYS)]
        run = Disturbed(workspace, STUDY)
        try:
            if not run.wait_for(run.has_jobs):
                status = run.end()
                text = run.output.read_text(encoding="utf-8")
                if "Nothing to be done" in text or status == 0:
                    # All is made: go on with a study that has to be made again.
                    found = differences(undisturbed, workspace.folder / "results")
                    assert found == [], text[-3000:]
                    shutil.rmtree(workspace.folder / "results/disturbed")
                    continue
                assert "locked" in text.lower(), text[-3000:]
                assert "--unlock" in text
                locked += 1
                unlocked = workspace.snakemake("--unlock", config=STUDY)
                assert unlocked.status == 0, unlocked.output
                continue
            name, reached = next(when)
            run.wait_for(either(reached, run.has_no_jobs), 30)
            if run.process.poll() is None and run.jobs():
                kill(run)
                killed[f"{kill.__name__} {name}"] += 1
            if kill is not kill_everything and run.process.poll() is None:
                # A run whose jobs were killed goes on with what is left: it is stopped as well.
                time.sleep(0.3)
                run.kill_all(signal.SIGINT)
            run.end()
        finally:
            stop(run)
        resumed |= resumes(workspace)
    finish(workspace)
    found = differences(undisturbed, workspace.folder / "results")
    assert found == []
    assert litter(workspace.folder / "results") == []
    assert len(resumed) >= 3, "hardly a training was met after its first epoch"
    assert len(killed) > 2 * len(WAYS), killed
    counts["kills survived"] += killed.total()
    counts["of them, trainings that went on from a checkpoint"] += len(resumed)
    counts["locks of killed runs taken off"] += locked
    counts["files compared with an undisturbed run"] += len([*undisturbed.rglob("*.h5")])


def either(one: Callable[[], bool], other: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: one() or other()


def resumes(workspace: Workspace) -> set[tuple[Path, float]]:
    """Find the logs that say that a training went on; each attempt writes its log anew."""
    logs = workspace.folder.glob("logs/disturbed/train/**/*.log")
    line = "resume: going on after epoch"
    return {(log, log.stat().st_mtime) for log in logs if line in log.read_text(encoding="utf-8")}


def finish(workspace: Workspace) -> None:
    run = workspace.snakemake(config=STUDY)
    if run.status != 0 and "--unlock" in run.output:
        workspace.snakemake("--unlock", config=STUDY)
        run = workspace.snakemake(config=STUDY)
    assert run.status == 0, run.output[-5000:]
    again = workspace.snakemake(config=STUDY)
    assert "Nothing to be done" in again.output


def test_a_second_run_in_the_same_folder_says_so_and_does_nothing(
    undisturbed: Path, tmp_path: Path, counts: Counter[str]
) -> None:
    workspace = Workspace.make(tmp_path / "work")
    first = Disturbed(workspace, STUDY)
    try:
        assert first.wait_for(first.has_jobs)
        second = workspace.snakemake(config=STUDY)
        assert second.status != 0
        assert "locked" in second.output.lower()
        assert not second.jobs
        assert first.end(500) == 0
    finally:
        stop(first)
    assert differences(undisturbed, workspace.folder / "results") == []
    counts["second runs turned away"] += 1
