"""Kills of processes that change the store: nothing of it is lost, and nothing is half there.

Each process does one thing over and over on small made-up entries, says what it has finished, and
is killed at a random moment; two are at the same store at once.
"""

import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from extent import extent
from made_up_results import EPOCHS, STATE_FILES, add, evaluation, training, write
from noise_resistance.storage.locks import holder
from noise_resistance.store.entries import Store
from noise_resistance.store.exchange import export_entry, open_archive, writing
from noise_resistance.store.jobs import Job, folder_of
from noise_resistance.store.prune import prune, pruning
from noise_resistance.store.results import Identity, Result, identity_of
from noise_resistance.store.upkeep import leftovers
from noise_resistance.store.versions import counts

# In each round a store of its own, and pairs of processes that are killed.
ROUNDS, PAIRS = extent(2, 20), 18
SEED = 20251125
# Numbers of the made-up results that each process has to itself.
KEPT, PRUNED, IMPORTED, PROVIDED, ADDED = range(1, 5), range(10, 12), range(20, 24), 30, 1000
Say = Callable[[str], None]


@dataclass
class Stage:
    """A store, and folders that results are restored to."""

    folder: Path
    store: Store = field(init=False)
    archive: Path = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.folder / "store")
        self.archive = self.folder / "entries.tar"

    def prepare(self) -> None:
        self.folder.mkdir()
        other = Store(self.folder / "other")
        for number in IMPORTED:
            add(other, evaluation(number))
            add(other, training(number))
        with writing(self.archive) as archive:
            for entry in other.entries():
                assert not export_entry(other, entry, archive)
        for one in self.kept():
            add(self.store, one)

    def kept(self) -> list[Result]:
        """What is in the store from the first to the last moment."""
        return [
            *(evaluation(number, file=self.folder / f"out/{number}.h5") for number in KEPT),
            *(training(number, folder=self.folder / f"out/{number}") for number in KEPT),
        ]


def adding(stage: Stage, say: Say) -> None:
    for number in count(ADDED + 1000 * os.getpid()):
        one = training(number) if number % 3 == 0 else evaluation(number)
        say(str(add(stage.store, one)))


def restoring(stage: Stage, say: Say) -> None:
    while True:
        for one in stage.kept():
            for path in one.files.values():
                path.unlink(missing_ok=True)
            assert stage.store.restore(one, counts(one.step)) is not None
            say("")


def adopting(stage: Stage, say: Say) -> None:
    for number in count(ADDED + 1000 * os.getpid()):
        one = evaluation(number, file=stage.folder / f"adopted/{number}.h5")
        write(one, one.files)
        stage.store.adopt(one, counts(one.step), "adopted")
        say(str(stage.store.place(one, counts(one.step)[0])))


def removing(stage: Stage, say: Say) -> None:
    stated = {Identity(one.step, one.key, counts(one.step)[0]) for one in stage.kept()}
    while True:
        what = pruning(stage.store, stated, 30, list(stage.store.entries()))
        prune(stage.store, what, what.entries)
        say("")
        for number in PRUNED:
            for one in (evaluation(number), training(number)):
                manifest = add(stage.store, one) / "entry.json"
                os.utime(manifest, (time.time() - 7200,) * 2)


def importing(stage: Stage, say: Say) -> None:
    while True:
        with open_archive(stage.archive) as archive:
            for packed in archive.entries:
                archive.take(stage.store, packed)
            say("")
        for packed in archive.entries:
            stage.store.drop(stage.store.root / packed.place)


def providing(stage: Stage, say: Say) -> None:
    out = stage.folder / f"provided-{os.getpid()}"
    states = [training(PROVIDED, one, out / str(one)) for one in (6, EPOCHS)]

    def compute(made: Path, missing: Sequence[Result]) -> None:
        for one in states:
            write(one, {name: folder_of(one, made) / name for name in STATE_FILES})

    while True:
        Job(stage.store).provide(states, compute, stage.store.key_folder(states[0]) / "lock")
        assert all(one.is_there(counts("train")) for one in states)
        for one in states:
            for path in one.files.values():
                path.unlink()
            if random.random() < 0.5:
                stage.store.drop(stage.store.place(one, counts("train")[0]))
        say("")


PROCESSES = (adding, restoring, adopting, removing, importing, providing)


class Doing:
    """A process that does one of these."""

    def __init__(self, what: Callable[[Stage, Say], None], stage: Stage) -> None:
        self.what, self.done = what, 0
        self._said, self._say = os.pipe()
        self._process = multiprocessing.get_context("fork").Process(
            target=what, args=(stage, self._tell), daemon=True
        )
        self._process.start()
        os.close(self._say)

    def _tell(self, text: str) -> None:
        os.write(self._say, f"{text}\n".encode())

    def kill(self) -> list[str]:
        """Kill it; return what it had finished."""
        assert self._process.is_alive(), f"{self.what.__name__} has failed by itself"
        self._process.kill()
        self._process.join()
        with os.fdopen(self._said, encoding="utf-8") as said:
            lines = said.read().splitlines()
        self.done = len(lines)
        return [line for line in lines if line]


def half_there(store: Store) -> Iterator[str]:
    for step in ("train", "evaluate_noise"):
        for place in store.places(step):
            if any(place.iterdir()) and not (place / "entry.json").exists():
                yield f"{place} has no manifest"
    for entry in store.entries():
        if damage := entry.damage():
            yield f"{entry.folder}: {damage}"


def half_written(stage: Stage) -> Iterator[str]:
    """Files under a final name that cannot be read, or are not what they say."""
    folders = ("out", "adopted", "provided-*")
    for path in (path for one in folders for path in stage.folder.glob(f"{one}/**/*.h5")):
        if not path.name.startswith(".tmp-") and identity_of(path) is None:
            yield str(path)


@pytest.mark.timeout(1800)
def test_a_store_whose_processes_are_killed_over_and_over_loses_nothing_and_has_nothing_half(
    tmp_path: Path, counts: Counter[str]
) -> None:
    generator, met = random.Random(SEED), Counter[str]()
    for number in range(ROUNDS):
        stage = Stage(tmp_path / str(number))
        stage.prepare()
        finished: set[str] = set()
        for kill in range(PAIRS):
            first = PROCESSES[kill % len(PROCESSES)]
            pair = [Doing(what, stage) for what in (first, generator.choice(PROCESSES))]
            for one in pair:
                time.sleep(generator.uniform(0.01, 0.4))
                finished.update(one.kill())
                met[one.what.__name__] += one.done
            met["torn"] += any(stage.store.root.glob(".tmp-*"))
            assert list(half_there(stage.store)) == []
            assert list(half_written(stage)) == []
            assert finished <= {str(entry.folder) for entry in stage.store.entries()}
            for result in stage.kept():
                assert stage.store.find(result, made_by(result)) is not None
        goes_on(stage)
        met["finished"] += len(finished)
    assert {what.__name__ for what in PROCESSES} < met.keys()
    assert all(met.values()), "a process was killed before it had done anything, each time"
    assert met["torn"] > ROUNDS * PAIRS / 10, "hardly a kill met what was being written"
    counts["kills of processes that change the store"] += 2 * ROUNDS * PAIRS
    counts["of them, with an entry half made or half removed"] += met["torn"]
    counts["entries that such processes had finished, all whole"] += met["finished"]


def goes_on(stage: Stage) -> None:
    """Whoever comes next finds all that was kept, and clears away what is left."""
    with stage.store.temporary():
        pass
    assert [left for left in leftovers(stage.store) if "states" not in left.what] == []
    assert not any(map(holder, stage.store.root.glob("train/*/lock")))
    for one in stage.kept():
        assert stage.store.restore(one, made_by(one)) is not None
        assert one.is_there(made_by(one))


def made_by(result: Result) -> tuple[str, ...]:
    return counts(result.step)
