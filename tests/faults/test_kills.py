"""Kills at random moments: the study ends as if nothing had happened, to the last bit."""

import random
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from disturbance import (
    STUDY,
    Disturbed,
    computed,
    differences,
    half_made,
    lasting_writes,
    litter,
    stop,
)
from workspace import Run, Workspace

from extent import extent

# In short form each way of killing comes once.
KILLS = extent(6, 26)
SEED = 20220515
EPOCHS = STUDY["training"]["epochs"]


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """The results of a run that nothing disturbed, and a second run that met it in its folder."""
    workspace = Workspace.make(tmp_path_factory.mktemp("undisturbed") / "work")
    first = Disturbed(workspace, STUDY)
    try:
        assert first.wait_for(first.has_jobs)
        second = workspace.snakemake(config=STUDY)
        assert first.end(500) == 0, first.output.read_text(encoding="utf-8")[-5000:]
    finally:
        stop(first)
    assert not litter(workspace.folder / "results")
    return workspace.folder / "results", second


@pytest.fixture(scope="module")
def undisturbed(two_runs: tuple[Path, Run]) -> Path:
    """The results that all others are compared with."""
    return two_runs[0]


def test_a_second_run_in_the_same_folder_says_so_and_does_nothing(
    two_runs: tuple[Path, Run], counts: Counter[str]
) -> None:
    second = two_runs[1]
    assert second.status != 0
    assert "locked" in second.output.lower()
    assert not second.jobs
    counts["second runs turned away"] += 1


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


def kill_snakemake_alone(run: Disturbed) -> None:
    run.kill_snakemake()
    deadline = time.monotonic() + 60
    while run.jobs() and time.monotonic() < deadline:
        time.sleep(0.05)


# In the order of the moments: SIGKILL comes between epochs and at a checkpoint first, and what a
# Snakemake killed alone leaves running are evaluations.
WAYS = (
    terminate_snakemake,
    kill_everything,
    kill_jobs,
    terminate_jobs,
    press_control_c,
    kill_snakemake_alone,
)
CHECKPOINT, ENTRY, FINAL, OTHER = (
    "at a checkpoint",
    "at an entry of the store",
    "at a final file",
    "in a rule other than train",
)
Moment = Callable[[Disturbed], bool]


def moments(folder: Path, generator: random.Random) -> Iterator[tuple[str, Moment]]:
    """When to kill, over and over: at any moment of a job, and while files are being written."""
    results = folder / "results"

    def after(seconds: float) -> Moment:
        end = time.monotonic() + seconds
        return lambda run: time.monotonic() >= end

    def after_an_epoch(seconds: float, begun: float) -> Moment:
        def met(run: Disturbed) -> bool:
            with suppress(FileNotFoundError):
                states = [one.stat() for one in results.glob("store/train/*/states-*/last.h5")]
                return any(begun < one.st_mtime < time.time() - seconds for one in states)
            return False

        return met

    def writes(pattern: str) -> Moment:
        # A temporary name has the number of its process: what was left by others does not count.
        def met(run: Disturbed) -> bool:
            found = {one.name.split("-")[1] for one in results.glob(pattern)}
            return bool(found & {*map(str, run.jobs())}) if found else False

        return met

    while True:
        yield "while a job starts", after(generator.uniform(0, 3))
        yield "after some epochs", after_an_epoch(generator.uniform(0, 0.2), time.time())
        yield CHECKPOINT, writes("store/train/*/states-*/.tmp-*")
        yield ENTRY, writes("store/.tmp-*/*/.tmp-*")
        yield FINAL, writes("disturbed/trainings/**/.tmp-*")
        yield OTHER, lambda run: bool(run.jobs_by_rule().keys() - {"train"})


# Waits for up to a minute between kills, and for the orphans of a Snakemake killed alone.
@pytest.mark.timeout(1500)
def test_a_study_killed_over_and_over_ends_equal_to_one_left_alone(
    undisturbed: Path, tmp_path: Path, counts: Counter[str]
) -> None:
    workspace = lasting_writes(Workspace.make(tmp_path / "work"))
    generator = random.Random(SEED)
    kills, attempts, locked = Kills(), Attempts(workspace), 0
    when = moments(workspace.folder, generator)
    while kills.number < KILLS or (kills.missed() and kills.number < 2 * KILLS):
        # Shifted by one each round, so that every way meets every moment.
        rounds, turn = divmod(kills.number, len(WAYS))
        kill = WAYS[(turn + rounds) % len(WAYS)]
        # Two jobs at once, so that one kill meets both.
        run = Disturbed(workspace, STUDY, "--cores=2")
        try:
            if not run.wait_for(run.has_jobs):
                status = run.end()
                text = run.output.read_text(encoding="utf-8")
                if "Nothing to be done" in text or status == 0:
                    # All is made: go on with a study that has to be made again.
                    is_whole(workspace, undisturbed)
                    attempts.follow()
                    for name in ("disturbed", "store"):
                        shutil.rmtree(workspace.folder / "results" / name)
                    attempts.forget()
                    continue
                unlock(workspace, text)
                locked += 1
                continue
            name, moment = next(one for one in when if kills.wants(one[0], enough=KILLS))
            if not reached(run, moment):
                name = "at no special moment"
            running = run.jobs_by_rule()
            if run.process.poll() is None and running:
                kill(run)
                kills.add(kill.__name__, name, running, workspace.folder / "results")
            time.sleep(0.3)
            if run.process.poll() is None:
                # A run whose jobs were killed goes on with what is left: it is stopped as well.
                run.kill_all(signal.SIGINT)
            run.end()
        finally:
            stop(run)
        attempts.follow()
    finish(workspace)
    attempts.follow()
    is_whole(workspace, undisturbed)
    assert attempts.resumed >= extent(1, 3), "hardly a training was met after its first epoch"
    assert {way for way, _ in kills.kinds} == {way.__name__ for way in WAYS}, kills
    assert len(kills.kinds) >= KILLS // 2, kills
    assert not kills.missed(), kills
    kills.report(counts)
    counts["trainings that went on from their last finished epoch"] += attempts.resumed
    counts["locks of killed runs taken off"] += locked
    counts["files compared with an undisturbed run"] += len([*undisturbed.rglob("*.h5")])
    counts["reruns compared"] += 1


@dataclass
class Kills:
    """How and at what moments processes were killed, and what was running."""

    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    torn: int = 0

    @property
    def number(self) -> int:
        return self.kinds.total()

    def at(self, moment: str) -> int:
        return sum(number for (_, one), number in self.kinds.items() if one == moment)

    def missed(self) -> bool:
        """Whether a moment that matters has not been met yet."""
        return not (all(map(self.at, (CHECKPOINT, ENTRY, FINAL, OTHER))) and self.torn)

    def wants(self, moment: str, enough: int) -> bool:
        """Whether to wait for a moment: beyond `enough` kills only for one that was missed."""
        if self.number < enough:
            return True
        special = (CHECKPOINT, ENTRY, FINAL)
        return (moment in special and not self.torn) or (
            moment in (*special, OTHER) and not self.at(moment)
        )

    def add(self, way: str, moment: str, running: Counter[str], results: Path) -> None:
        self.kinds[way, moment] += 1
        self.rules.update(running)
        # What SIGKILL cuts off in the middle of a file stays under its temporary name.
        self.torn += any(one.is_file() for one in results.rglob(".tmp-*"))

    def report(self, counts: Counter[str]) -> None:
        counts["kills survived"] += self.number
        for moment in (CHECKPOINT, ENTRY, FINAL, OTHER):
            counts[f"of them, {moment}"] += self.at(moment)
        counts["of them, with a file half written"] += self.torn
        for rule, number in self.rules.items():
            counts[f"jobs of {rule} that ran when a kill came"] += number


def reached(run: Disturbed, moment: Moment) -> bool:
    """Wait for a moment; False if the run ends before, or it does not come."""
    return run.wait_for(lambda: moment(run), 60)


def unlock(workspace: Workspace, said: str) -> None:
    """Take off the lock of a run that was killed, as that which met it says."""
    assert "locked" in said.lower(), said[-3000:]
    assert "--unlock" in said
    unlocked = workspace.snakemake("--unlock", config=STUDY)
    assert unlocked.status == 0, unlocked.output


def is_whole(workspace: Workspace, undisturbed: Path) -> None:
    """The results are those of a run that nothing disturbed, and the store's entries are whole."""
    results = workspace.folder / "results"
    assert differences(undisturbed, results) == []
    assert litter(results) == []
    assert half_made(results / "store") == []


class Attempts:
    """What the trainings' logs say, read after each run: no epoch is trained twice."""

    def __init__(self, workspace: Workspace) -> None:
        self.resumed = 0
        self._logs = workspace.folder / "logs/disturbed/train"
        self._read: dict[Path, str] = {}
        self._finished: dict[Path, int] = {}

    def forget(self) -> None:
        """The results were deleted: trainings start from their first epoch again."""
        shutil.rmtree(self._logs)
        self._read.clear()
        self._finished.clear()

    def follow(self) -> None:
        """Check each new attempt: it goes on where the last one was killed."""
        for log in self._logs.rglob("*.log"):
            text = log.read_text(encoding="utf-8")
            start = re.search(r"^resume: going on after epoch (\d+)$", text, re.MULTILINE)
            epochs = [int(one) for one in re.findall(r"^epoch (\d+)/", text, re.MULTILINE)]
            if text == self._read.get(log) or not (start or epochs):
                continue
            if re.search("^(restored|kept): ", text, re.MULTILINE):
                continue  # what it says of epochs is the log of the job that computed it
            begun, known = int(start[1]) if start else 0, self._finished.get(log, 0)
            # A kill may come after a state was written and before the log says so.
            assert begun in (known, known + 1), f"{log}: {known} epochs were finished\n{text}"
            assert epochs == [*range(begun + 1, begun + 1 + len(epochs))], text
            self._read[log], self._finished[log] = text, begun + len(epochs)
            self.resumed += begun > 0


def finish(workspace: Workspace) -> None:
    run = workspace.snakemake(config=STUDY)
    if run.status != 0 and "--unlock" in run.output:
        unlock(workspace, run.output)
        run = workspace.snakemake(config=STUDY)
    assert run.status == 0, run.output[-5000:]
    assert "Nothing to be done" in workspace.snakemake(config=STUDY).output


def test_a_study_killed_while_it_is_restored_is_restored_and_nothing_is_computed(
    undisturbed: Path, tmp_path: Path, counts: Counter[str]
) -> None:
    shutil.copytree(undisturbed.parent, tmp_path / "work", symlinks=True)
    workspace = lasting_writes(Workspace(tmp_path / "work"))
    results = workspace.folder / "results"
    made = computed(results / "store")
    shutil.rmtree(results / "disturbed")
    kills = 0
    for moment in range(extent(2, 8)):
        run = Disturbed(workspace, STUDY, "evaluations")
        try:
            if run.wait_for(lambda: any(results.rglob("seed-*/**/.tmp-*"))):
                time.sleep(moment / 20)
                run.kill_all(signal.SIGKILL)
                kills += 1
            run.end()
        finally:
            stop(run)
        if kills > moment:
            unlock(workspace, "locked --unlock")
    assert kills >= 2
    finish(workspace)
    is_whole(workspace, undisturbed)
    assert computed(results / "store") == made
    counts["kills survived"] += kills
    counts["of the kills, while results were restored"] += kills
    counts["reruns compared"] += 1


def test_what_the_store_has_when_a_kill_comes_is_not_computed_again(
    tmp_path: Path, counts: Counter[str]
) -> None:
    # Three seconds pass between the name of an entry and that of the last file copied from it.
    workspace = lasting_writes(Workspace.make(tmp_path / "work"), seconds=1)
    config = {**STUDY, "training": {**STUDY["training"], "epochs": 1, "schedule": []}}
    results = workspace.folder / "results"
    run = Disturbed(workspace, config, "trainings", "--cores=1")
    try:
        assert run.wait_for(lambda: bool(computed(results / "store")))
        run.kill_all(signal.SIGKILL)
        run.end()
    finally:
        stop(run)
    assert not any(results.rglob("seed-*/optimizer.h5"))
    (made,) = computed(results / "store").items()
    unlock(workspace, "locked --unlock")
    again = workspace.snakemake("trainings", config=config)
    assert again.status == 0, again.output[-5000:]
    assert made in computed(results / "store").items()
    said = [log.read_text(encoding="utf-8") for log in workspace.folder.rglob("logs/**/seed-1.log")]
    assert sorted("\nrestored: " in one for one in said) == [False, True]
    assert litter(results) == []
    assert half_made(results / "store") == []
    counts["kills survived"] += 1
    counts["of the kills, between an entry and the files copied from it"] += 1


@pytest.mark.timeout(900)
def test_a_training_that_outlives_its_snakemake_is_not_trained_again(
    undisturbed: Path, tmp_path: Path, counts: Counter[str]
) -> None:
    # States are written slowly: there is time for another Snakemake to begin.
    workspace = lasting_writes(Workspace.make(tmp_path / "work"), seconds=0.7)
    logs = workspace.folder / "logs/disturbed/train"

    def training() -> bool:
        return any(
            f"epoch 1/{EPOCHS}" in log.read_text(encoding="utf-8") for log in logs.rglob("*.log")
        )

    run = Disturbed(workspace, STUDY, "--cores=2")
    try:
        assert run.wait_for(training)
        run.kill_snakemake()
        orphans = run.jobs()
        assert orphans
        assert workspace.snakemake("--unlock", config=STUDY).status == 0
        # The next one does not wait for the orphan to end: its job does.
        again = workspace.snakemake("trainings", "--cores=2", config=STUDY)
    finally:
        stop(run)
    assert again.status == 0, again.output[-5000:]
    said = [log.read_text(encoding="utf-8") for log in logs.rglob("*.log")]
    waited = [one for one in said if re.search(r"^waiting: process (\d+) on ", one, re.MULTILINE)]
    assert len(waited) == len(orphans)
    for one in waited:
        assert re.search(r"^(restored|kept): ", one, re.MULTILINE)
        # The orphan's own log, which the entry keeps.
        assert [int(each) for each in re.findall(r"^epoch (\d+)/", one, re.MULTILINE)] == [
            *range(1, EPOCHS + 1)
        ]
    results = workspace.folder / "results"
    found = differences(undisturbed, results)
    assert [one for one in found if not one.endswith(": on one side alone")] == []
    assert litter(results) == []
    assert half_made(results / "store") == []
    counts["trainings that outlived Snakemake and were not trained again"] += len(orphans)
    counts["reruns compared"] += 1
