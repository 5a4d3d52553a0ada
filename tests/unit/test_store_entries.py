"""The store: entries are whole, verified, shared with nothing, and made once."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from made_up_results import EPOCHS, STATE_FILES, add, add_training, evaluation, training, write
from noise_resistance.errors import DataError
from noise_resistance.store.entries import Store
from noise_resistance.store.folders import copy_file
from noise_resistance.store.jobs import Job, folder_of
from noise_resistance.store.manifest import read_entry
from noise_resistance.store.results import Identity, Result, identity_of
from noise_resistance.store.versions import counts

HERE = Path(__file__).parents[1]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


class Computing:
    """Stands for what computes; counts how often it is asked."""

    def __init__(self, value: float = 0.5, device: str = "cpu: 1 thread") -> None:
        self.value, self.device = value, device
        self.asked: list[Sequence[Result]] = []

    def __call__(self, folder: Path, missing: Sequence[Result]) -> None:
        self.asked.append(missing)
        for one in missing:
            names = STATE_FILES if one.step == "train" else ["noise.h5"]
            made = folder_of(one, folder)
            write(one, {name: made / name for name in names}, self.value, self.device)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def tree(folder: Path) -> list[str]:
    return sorted(one.relative_to(folder).as_posix() for one in folder.rglob("*"))


def test_a_result_is_found_under_its_key_and_code_and_no_other(store: Store) -> None:
    one = evaluation(1)
    place = add(store, one)
    assert place == store.root / "evaluate_noise" / one.key / counts("evaluate_noise")[0]
    entry = store.find(one, counts("evaluate_noise"))
    assert entry is not None
    assert entry.folder == place
    assert sorted(one.name for one in place.iterdir()) == ["entry.json", "log.txt", "noise.h5"]
    assert entry.size == sum((place / name).stat().st_size for name in ("noise.h5", "log.txt"))
    assert store.find(evaluation(2), counts("evaluate_noise")) is None
    assert store.find(evaluation(1, 0.2), counts("evaluate_noise")) is None
    assert store.find(one, ["another code"]) is None
    assert store.find(one, ["another code", *counts("evaluate_noise")]) is not None
    assert [found.folder for found in store.entries()] == [place]


def test_numbers_written_in_two_ways_and_choices_in_another_order_have_one_key() -> None:
    one = Result("train", {"b": 1, "a": {"y": 2, "x": 0.1}}, {})
    other = Result("train", {"a": {"x": 1e-1, "y": 2}, "b": 1}, {})
    assert one.key == other.key != Result("diagnose", one.request, {}).key


def test_an_entry_is_read_only_and_shares_neither_bytes_nor_times_with_what_is_restored(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "study/eta-0.1.h5"
    one = evaluation(1, file=path)
    kept = add(store, one) / "noise.h5"
    assert store.restore(one, counts(one.step)) is not None
    assert path.read_bytes() == kept.read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o444
    assert path.stat().st_mode & 0o200
    assert path.stat().st_ino != kept.stat().st_ino
    assert path.stat().st_nlink == kept.stat().st_nlink == 1
    before = kept.stat().st_mtime_ns
    os.utime(path, (1, 1))
    path.write_bytes(b"overwritten")
    assert kept.stat().st_mtime_ns == before
    entry = read_entry(kept.parent)
    assert entry is not None
    assert not entry.damage()


def test_a_copy_is_a_clone_where_there_are_clones_and_otherwise_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from noise_resistance.store import folders

    source = tmp_path / "source"
    source.write_bytes(os.urandom(3_000_000))
    copy_file(source, tmp_path / "real")

    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(folders.fcntl, "ioctl", refuse)
    copy_file(source, tmp_path / "copied")
    for name in ("real", "copied"):
        assert (tmp_path / name).read_bytes() == source.read_bytes()
        assert (tmp_path / name).stat().st_ino != source.stat().st_ino
    with pytest.raises(FileNotFoundError):
        copy_file(tmp_path / "none", tmp_path / "copied")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["copied", "real", "source"]


def test_a_damaged_entry_is_dropped_and_said_and_computed_again(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "eta-0.1.h5"
    one = evaluation(1, file=path)
    place = add(store, one)
    damage(place / "noise.h5")
    computing = Computing()
    Job(store).provide([one], computing)
    said = capsys.readouterr().out
    assert f"{place} is damaged (noise.h5 does not match its checksum) and is dropped" in said
    assert len(computing.asked) == 1
    entry = store.find(one, counts(one.step))
    assert entry is not None
    assert not entry.damage()


@pytest.mark.parametrize("missing", ["noise.h5", "entry.json"])
def test_an_entry_without_one_of_its_files_is_none(
    store: Store, tmp_path: Path, missing: str
) -> None:
    one = evaluation(1, file=tmp_path / "eta-0.1.h5")
    (add(store, one) / missing).unlink()
    computing = Computing()
    Job(store).provide([one], computing)
    assert len(computing.asked) == 1
    assert one.is_there(counts(one.step))
    entry = store.take(one, counts(one.step))
    assert entry is not None


def test_nothing_is_computed_again_for_a_log_alone(store: Store, tmp_path: Path) -> None:
    one = evaluation(1, file=tmp_path / "eta-0.1.h5")
    damage(add(store, one) / "log.txt")
    Job(store).provide([one], no_computing)
    assert one.is_there(counts(one.step))
    entry = store.find(one, counts(one.step))
    assert entry is not None
    assert entry.damage() == "log.txt does not match its checksum"


def no_computing(folder: Path, missing: Sequence[Result]) -> None:
    raise AssertionError(f"{[one.files for one in missing]} would be computed in {folder}")


def test_what_is_computed_is_kept_and_what_is_kept_is_not_computed(
    store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "eta-0.1.h5"
    one = evaluation(1, file=path)

    def compute(folder: Path, missing: Sequence[Result]) -> None:
        print("epoch 1/8")
        Computing(0.7)(folder, missing)

    # Standard output is a job's log.
    Job(store, log=tmp_path / "job.log").provide([one], compute)
    capfd.readouterr()
    bytes_before = path.read_bytes()
    path.unlink()
    Job(store).provide([one], no_computing)
    said = capfd.readouterr().out
    assert path.read_bytes() == bytes_before
    assert "epoch 1/8\n" in said
    assert f"restored: {path}, computed 20" in said
    # Another study asks for the same.
    elsewhere = evaluation(1, file=tmp_path / "other/eta-0.1.h5")
    Job(store).provide([elsewhere], no_computing)
    assert elsewhere.is_there(counts(one.step))
    assert len(list(store.entries())) == 1


def test_own_files_stay_as_they_are_and_are_adopted(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "eta-0.1.h5"
    one = evaluation(1, file=path)
    write(one, one.files, 0.3)
    before = path.stat()
    Job(store).provide([one], no_computing)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert f"kept: {path}" in capsys.readouterr().out
    entry = store.take(one, counts(one.step))
    assert entry is not None
    assert (entry.folder / "noise.h5").read_bytes() == path.read_bytes()
    assert (entry.folder / "noise.h5").stat().st_ino != path.stat().st_ino


def test_the_log_of_what_stays_is_that_of_its_computation(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = evaluation(1, file=tmp_path / "eta-0.1.h5")
    add(store, one, log="epoch 1/8\n")
    store.restore(one, counts(one.step))
    Job(store).provide([one], no_computing)
    assert capsys.readouterr().out.startswith("epoch 1/8\nkept: ")


def test_own_files_that_cannot_be_kept_are_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "store").write_text("a file in the way", encoding="utf-8")
    one = evaluation(1, file=tmp_path / "eta-0.1.h5")
    write(one, one.files)
    Job(Store(tmp_path / "store")).provide([one], no_computing)
    assert "caution: not kept in the store" in capsys.readouterr().out
    # But what is computed must not be lost afterwards: that is said before.
    with pytest.raises(DataError, match="cannot be written"):
        Job(Store(tmp_path / "store")).provide([evaluation(2, file=tmp_path / "b")], no_computing)


def test_files_of_another_request_code_or_epoch_are_not_taken_for_the_result(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "eta-0.1.h5"
    write(evaluation(2), {"noise.h5": path})
    one = evaluation(1, file=path)
    assert not one.is_there(counts(one.step))
    computing = Computing()
    Job(store).provide([one], computing)
    assert len(computing.asked) == 1
    assert one.is_there(counts(one.step))
    assert not one.is_there(["another code"])
    state = training(1, 6, tmp_path)
    write(training(1, EPOCHS), state.files)
    assert not state.is_there(counts("train"))


def test_fewer_states_are_a_part_of_an_entry_and_more_are_trained_compared_and_added(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_training(store, 1, (6, EPOCHS))
    Job(store).provide([training(1, EPOCHS, tmp_path / "whole")], no_computing)
    wanted = [training(1, one, tmp_path / f"{one}") for one in (3, 6, EPOCHS)]

    def train(folder: Path, missing: Sequence[Result]) -> None:
        assert [one.finished_epochs for one in missing] == [3]
        Computing()(folder, wanted)

    Job(store).provide(wanted, train, lock=store.key_folder(wanted[0]) / "lock")
    said = capsys.readouterr().out
    assert said.count("bit by bit") == 2
    for one in wanted:
        assert store.take(one, counts("train")) is not None
        assert one.is_there(counts("train"))


def test_what_is_computed_again_otherwise_on_the_same_cpu_is_an_error_and_on_a_gpu_a_caution(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = evaluation(1, file=tmp_path / "eta-0.1.h5")
    add(store, one, value=0.5)
    before = tree(store.root)
    Job(store, recompute=True).provide([one], Computing(0.5))
    assert "bit by bit" in capsys.readouterr().out
    with pytest.raises(DataError, match=r"differs from .* in noise.h5: accuracy, with the same"):
        Job(store, recompute=True).provide([one], Computing(0.6))
    Job(store, recompute=True).provide([one], Computing(0.6, device="gpu: some"))
    assert "caution" in capsys.readouterr().out
    assert tree(store.root) == before
    assert tree(tmp_path) == ["eta-0.1.h5", "store", *(f"store/{name}" for name in before)]


def test_what_is_compared_with_a_damaged_entry_takes_its_place(
    store: Store, tmp_path: Path
) -> None:
    states = [training(1, one, tmp_path / str(one)) for one in (6, EPOCHS)]
    _, last = add_training(store, 1)
    write(states[1], states[1].files)
    damage(last / "model.weights.h5")
    (store.place(states[0], counts("train")[0]) / "entry.json").unlink()
    Job(store).provide(states, lambda folder, missing: Computing()(folder, states))
    for one in states:
        assert store.take(one, counts("train")) is not None


def test_no_manifest_leads_out_of_its_folder(store: Store, tmp_path: Path) -> None:
    place = add(store, evaluation(1))
    manifest = json.loads((place / "entry.json").read_text(encoding="utf-8"))
    secret = tmp_path / "secret"
    secret.write_text("secret", encoding="utf-8")
    for values in (
        {
            **manifest,
            "files": {**manifest["files"], "../../../../secret": {"bytes": 6, "sha256": ""}},
        },
        {**manifest, "files": {}},
        {**manifest, "step": "../.."},
        {**manifest, "made": {}},
        [],
    ):
        (place / "entry.json").chmod(0o644)
        (place / "entry.json").write_text(json.dumps(values), encoding="utf-8")
        assert read_entry(place) is None


def test_what_a_dead_process_left_is_cleared_and_what_a_living_one_makes_is_not(
    store: Store,
) -> None:
    with store.temporary() as living:
        dead = living.with_name(f".tmp-{os.uname().nodename}-{_dead_process()}-abc")
        dead.mkdir()
        (dead / "half.h5").write_bytes(b"half")
        foreign = living.with_name(".tmp-another-machine-12-abc")
        foreign.mkdir()
        with store.temporary() as second:
            assert second != living
            assert living.is_dir()
            assert foreign.is_dir()
            assert not dead.exists()
        old = living.stat().st_mtime - 8 * 24 * 3600
        os.utime(foreign, (old, old))
        with store.temporary():
            assert not foreign.exists()
    assert tree(store.root) == []


def _dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    return ended.pid


def test_entries_that_come_and_go_at_once_are_whole_or_not_there(store: Store) -> None:
    wanted = [evaluation(seed) for seed in range(3)]
    errors: list[BaseException] = []
    over = threading.Event()

    def run(turn: int) -> None:
        try:
            for index in range(40):
                one = wanted[(turn + index) % 3]
                if turn % 2:
                    add(store, one)
                elif (entry := store.find(one, counts(one.step))) is not None:
                    store.drop(entry.folder)
        except BaseException as error:
            errors.append(error)

    def watch() -> None:
        while not over.is_set():
            for entry in store.entries():
                if (damage := entry.damage()) and read_entry(entry.folder) is not None:
                    errors.append(AssertionError(damage))

    threads = [threading.Thread(target=run, args=(turn,)) for turn in range(4)]
    watching = threading.Thread(target=watch)
    for thread in (*threads, watching):
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    watching.join()
    assert errors == []


PROVIDE = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from made_up_results import evaluation, training, write, STATE_FILES
from noise_resistance.store.entries import Store
from noise_resistance.store.jobs import Job, folder_of
store, folder, step = Store(sys.argv[3]), Path(sys.argv[4]), sys.argv[5]
one = training(1, folder=folder) if step == "train" else evaluation(1, file=folder / "noise.h5")
def compute(made, missing):
    print("computing", flush=True)
    time.sleep(1.5)
    write(one, {name: folder_of(one, made) / name for name in one.files}, value=float(sys.argv[6]))
lock = store.key_folder(one) / "lock" if step == "train" else None
Job(store).provide([one], compute, lock)
"""


@pytest.mark.parametrize(("step", "computed"), [("train", 1), ("evaluate_noise", 2)])
def test_of_two_processes_at_one_key_both_have_what_the_first_computed(
    store: Store, tmp_path: Path, step: str, computed: int
) -> None:
    processes = []
    for number in range(2):
        words = [HERE, HERE.parent / "workflow", store.root, tmp_path / str(number), step, "0.5"]
        command = [sys.executable, "-c", PROVIDE, *map(str, words)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum("computing\n" in one for one in said) == computed
    if step == "train":
        assert sum("waiting: process" in one and "restored: " in one for one in said) == 1
    name = "model.weights.h5" if step == "train" else "noise.h5"
    (entry,) = store.entries()
    for number in range(2):
        assert (tmp_path / str(number) / name).read_bytes() == (entry.folder / name).read_bytes()


def test_a_file_says_of_which_entry_it_is(store: Store, tmp_path: Path) -> None:
    for one in (evaluation(1), training(1), training(1, 6)):
        place = add(store, one)
        for name in ("noise.h5",) if one.step == "evaluate_noise" else STATE_FILES:
            found = identity_of(place / name)
            assert found == Identity(one.step, one.key, counts(one.step)[0])
    other = tmp_path / "other.h5"
    other.write_bytes(b"no HDF5 file")
    with pytest.raises(DataError, match=r"other\.h5: cannot be read"):
        identity_of(other)
    damage(place / "history.h5")
    with pytest.raises(DataError, match="damaged"):
        identity_of(place / "history.h5")
