"""Kills at random moments: the study ends as if nothing had happened, to the last bit."""

import random
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from disturbance import STUDY, Disturbed, differences, litter, stop
from workspace import Run, Workspace

KILLS = 26
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


WAYS = (
    kill_jobs,
    terminate_jobs,
    kill_everything,
    press_control_c,
    terminate_snakemake,
    kill_snakemake_alone,
)
CHECKPOINT, FINAL, OTHER = "at a checkpoint", "at a final file", "in a rule other than train"
Moment = Callable[[Disturbed], bool]


def moments(folder: Path, generator: random.Random) -> Iterator[tuple[str, Moment]]:
    """When to kill, over and over: at any moment of a job, and while files are being written."""
    results = folder / "results"

    def after(seconds: float) -> Moment:
        end = time.monotonic() + seconds
        return lambda run: time.monotonic() >= end

    while True:
        yield "while a job starts", after(generator.uniform(0, 3))
        yield "in a job", after(generator.uniform(3, 9))
        yield CHECKPOINT, lambda run: any(results.rglob(".resume/.tmp-*"))
        yield "after some epochs", after(6 + generator.randint(1, 4))
        yield FINAL, lambda run: any(results.rglob("seed-*/.tmp-*"))
        yield OTHER, lambda run: bool(run.jobs_by_rule().keys() - {"train"})


def lasting_writes(workspace: Workspace) -> Workspace:
    """Let each file stay under its temporary name for a while, so that kills meet it there."""
    module = workspace.folder / "workflow/noise_resistance/storage/files.py"
    text = module.read_text(encoding="utf-8")
    old = "    _flush(whole)\n"
    assert text.count(old) == 1
    text = text.replace(old, f"{old}    __import__('time').sleep(0.2)\n")
    module.write_text(text, encoding="utf-8")
    return workspace


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
        run = Disturbed(workspace, STUDY)
        try:
            if not run.wait_for(run.has_jobs):
                status = run.end()
                text = run.output.read_text(encoding="utf-8")
                if "Nothing to be done" in text or status == 0:
                    # All is made: go on with a study that has to be made again.
                    found = differences(undisturbed, without_states(workspace))
                    assert found == [], text[-3000:]
                    attempts.follow()
                    shutil.rmtree(workspace.folder / "results/disturbed")
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
            if kill is not kill_everything and run.process.poll() is None:
                # A run whose jobs were killed goes on with what is left: it is stopped as well.
                time.sleep(0.3)
                run.kill_all(signal.SIGINT)
            run.end()
        finally:
            stop(run)
        attempts.follow()
    finish(workspace)
    attempts.follow()
    assert differences(undisturbed, workspace.folder / "results") == []
    assert litter(workspace.folder / "results") == []
    assert attempts.resumed >= 3, "hardly a training was met after its first epoch"
    assert len(kills.kinds) > 2 * len(WAYS), kills
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
        return not (all(map(self.at, (CHECKPOINT, FINAL, OTHER))) and self.torn)

    def wants(self, moment: str, enough: int) -> bool:
        """Whether to wait for a moment: beyond `enough` kills only for one that was missed."""
        if self.number < enough:
            return True
        special = (CHECKPOINT, FINAL) if not self.torn else ()
        return moment in special or (moment in (CHECKPOINT, FINAL, OTHER) and not self.at(moment))

    def add(self, way: str, moment: str, running: Counter[str], results: Path) -> None:
        self.kinds[way, moment] += 1
        self.rules.update(running)
        # What SIGKILL cuts off in the middle of a file stays under its temporary name.
        self.torn += any(results.rglob(".tmp-*"))

    def report(self, counts: Counter[str]) -> None:
        counts["kills survived"] += self.number
        for moment in (CHECKPOINT, FINAL, OTHER):
            counts[f"of them, {moment}"] += self.at(moment)
        counts["of them, with a file half written"] += self.torn
        for rule, number in self.rules.items():
            counts[f"jobs of {rule} that ran when a kill came"] += number


def reached(run: Disturbed, moment: Moment) -> bool:
    """Wait for a moment; False if the jobs end before, or it does not come."""
    met: list[bool] = []

    def met_or_over() -> bool:
        if moment(run):
            met.append(True)
        return bool(met) or run.has_no_jobs()

    run.wait_for(met_or_over, 60)
    return bool(met)


def unlock(workspace: Workspace, said: str) -> None:
    """Take off the lock of a run that was killed, as that which met it says."""
    assert "locked" in said.lower(), said[-3000:]
    assert "--unlock" in said
    unlocked = workspace.snakemake("--unlock", config=STUDY)
    assert unlocked.status == 0, unlocked.output


def without_states(workspace: Workspace) -> Path:
    """The results, freed of what a Snakemake that was killed after its last job left behind."""
    results = workspace.folder / "results"
    for folder in [*results.rglob(".resume")]:
        shutil.rmtree(folder)
    return results


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
            begun, known = int(start[1]) if start else 0, self._finished.get(log, 0)
            # A kill may come after a state was written and before the log says so.
            assert begun in (known, known + 1), f"{log}: {known} epochs were finished\n{text}"
            assert epochs == [*range(begun + 1, begun + 1 + len(epochs))], text
            self._read[log], self._finished[log] = text, begun + len(epochs)
            self.resumed += begun > 0


def finish(workspace: Workspace) -> None:
    run = workspace.snakemake(config=STUDY)
    if run.status != 0 and "--unlock" in run.output:
        workspace.snakemake("--unlock", config=STUDY)
        run = workspace.snakemake(config=STUDY)
    assert run.status == 0, run.output[-5000:]
    again = workspace.snakemake(config=STUDY)
    assert "Nothing to be done" in again.output
    # If the last kill came after the last job, the states go with the next run that does something.
    if litter(workspace.folder / "results"):
        assert workspace.snakemake("--forcerun", "report", config=STUDY).status == 0


@pytest.mark.timeout(900)
def test_a_training_that_outlives_its_snakemake_is_not_trained_again(
    undisturbed: Path, tmp_path: Path, counts: Counter[str]
) -> None:
    workspace = Workspace.make(tmp_path / "work")
    logs = workspace.folder / "logs/disturbed/train"

    def training() -> bool:
        return any(
            f"epoch 1/{EPOCHS}" in log.read_text(encoding="utf-8") for log in logs.rglob("*.log")
        )

    run = Disturbed(workspace, STUDY)
    try:
        assert run.wait_for(training)
        run.kill_snakemake()
        deadline = time.monotonic() + 300
        while run.jobs() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not run.jobs()
    finally:
        stop(run)
    made = [*workspace.folder.glob("results/disturbed/trainings/**/model.weights.h5")]
    assert made, "the orphan has finished its training"
    assert workspace.snakemake("--unlock", config=STUDY).status == 0
    again = workspace.snakemake(config=STUDY)
    assert again.status == 0, again.output[-5000:]
    assert sum(job.startswith("train ") for job in again.jobs.elements()) == 2
    for weights in made:
        folder = weights.parent.relative_to(workspace.folder / "results/disturbed/trainings")
        said = (logs / folder).with_suffix(".log").read_text(encoding="utf-8")
        assert f"resume: going on after epoch {EPOCHS}" in said
        assert not re.search(r"^epoch \d+/", said, re.MULTILINE)
    assert differences(undisturbed, workspace.folder / "results") == []
    assert litter(workspace.folder / "results") == []
    counts["trainings that outlived Snakemake and were not trained again"] += len(made)
    counts["reruns compared"] += 1
