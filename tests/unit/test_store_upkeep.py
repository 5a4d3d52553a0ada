"""The commands of the store: listed, verified, removed, pruned, and what is left alone."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from made_up_results import (
    EPOCHS,
    STATE_FILES,
    add,
    add_training,
    age,
    evaluation,
    training,
    write,
    write_states,
)
from noise_resistance.cli.store import store as commands
from noise_resistance.errors import ConfigurationError, DataError
from noise_resistance.storage.locks import hold
from noise_resistance.store.entries import Store
from noise_resistance.store.results import Result
from noise_resistance.store.versions import counts
from noise_resistance.study.numbers import format_bytes
from store_commands import run


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def places(store: Store) -> list[Path]:
    return [entry.folder for entry in store.entries()]


def in_study(study: str, *results: Result) -> None:
    """Write files as a study has them."""
    for number, one in enumerate(results):
        folder = Path("results", study, "trainings", str(number))
        names = STATE_FILES if one.step == "train" else ["noise.h5"]
        write(one, {name: folder / name for name in names})


def test_sizes_are_written_for_people() -> None:
    written = [format_bytes(one) for one in (0, 999, 1000, 999_949, 999_950, 4.2e9, 5e12)]
    assert written == ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "4.2 GB", "5000.0 GB"]


def test_the_list_counts_by_step_dataset_and_model_and_a_training_once(store: Store) -> None:
    for place in [*add_training(store, 1), *add_training(store, 2), add(store, evaluation(1))]:
        manifest = json.loads((place / "entry.json").read_text(encoding="utf-8"))
        manifest["made"].update(seconds=3600.0, created="2026-01-02T03:04:05+00:00")
        (place / "entry.json").chmod(0o644)
        (place / "entry.json").write_text(json.dumps(manifest), encoding="utf-8")
    size = sum(entry.size for entry in store.entries())
    rows = [line.split() for line in run("list").text.splitlines()]
    assert rows[0] == [
        *("step", "dataset", "model", "entries", "size", "oldest", "newest", "computing")
    ]
    assert rows[1][:4] == ["train", "digits", "resnet8", "4"]
    assert rows[1][-4:] == ["2026-01-02", "2026-01-02", "2.0", "h"]
    assert rows[2][:4] == ["evaluate_noise", "digits", "resnet8", "1"]
    assert rows[3][:4] == ["all", "5", *format_bytes(size).split()]
    assert rows[3][-2:] == ["3.0", "h"]


def test_an_entry_is_listed_with_what_it_is_and_where(store: Store) -> None:
    (place,) = add_training(store, 7, (EPOCHS,))
    noise = add(store, evaluation(7, 0.25))
    head, first, second = (line.split() for line in run("list", "--long").text.splitlines())
    code = counts("train")[0]
    assert first[:8] == ["train", "digits", "resnet8", "adam", "0.001", "7", str(EPOCHS), code]
    assert first[-1] == str(place)
    assert second[6:8] == ["kernels", "0.25"]
    assert second[-1] == str(noise)
    assert head[-1] == "path"
    values = json.loads(run("list", "--json").text)
    assert [one["path"] for one in values["entries"]] == [str(place), str(noise)]
    assert values["entries"][1]["noise_level"] == 0.25
    assert "epochs" not in values["entries"][1]
    assert values["unfinished"] == []


def test_unfinished_trainings_are_listed_with_who_is_at_them(store: Store) -> None:
    states = write_states(store, training(1), 3)
    size = format_bytes((states / "last.h5").stat().st_size)
    assert f"1 unfinished training, {size}; 0 running" in run("list").text
    with hold(states.parent / "lock"):
        assert f"1 unfinished training, {size}; 1 running" in run("list").text
        (one,) = json.loads(run("list", "--json").text)["unfinished"]
    assert one["process"] == f"process {os.getpid()} on {os.uname().nodename}"


def test_no_store_is_said(store: Store) -> None:
    with pytest.raises(DataError, match="results/store: no store; name one with --store"):
        run("verify")


def test_a_sound_store_is_verified_with_status_0(store: Store) -> None:
    add_training(store, 1)
    add(store, evaluation(1))
    write_states(store, training(2), 3)
    said = run("verify")
    assert said.status == 0
    assert said.text.startswith("3 entries, ")
    assert said.text.endswith(": none damaged\n")


@pytest.mark.parametrize("name", ["noise.h5", "log.txt"])
def test_damage_is_named_with_status_1_and_removed_when_asked(store: Store, name: str) -> None:
    good, bad = add(store, evaluation(1)), add(store, evaluation(2))
    damage(bad / name)
    for words in ([], ["--remove", "--dry-run"]):
        said = run("verify", *words)
        assert said.status == 1
        assert f"damaged: {bad}: {name} does not match its checksum" in said.text
        assert bad.exists()
    said = run("verify", "--remove")
    assert said.status == 1
    assert "1 damaged and removed" in said.text
    assert places(store) == [good]
    assert not bad.parent.exists()
    assert run("verify").status == 0


def test_a_missing_file_and_an_entry_in_anothers_place_are_damage(store: Store) -> None:
    lost, moved = add(store, evaluation(1)), add(store, evaluation(2))
    (lost / "noise.h5").unlink()
    elsewhere = store.root / "evaluate_noise" / ("0" * 32) / moved.name
    elsewhere.parent.mkdir()
    moved.rename(elsewhere)
    said = run("verify").text
    assert f"damaged: {lost}: noise.h5: No such file" in said
    assert f"damaged: {elsewhere}: entry.json states what belongs elsewhere" in said


def test_what_killed_processes_left_is_named_and_removed(store: Store) -> None:
    add_training(store, 1, (6, EPOCHS))
    whole = write_states(store, training(1), EPOCHS, kept=(6,))
    begun = write_states(store, training(2), 3)
    half = add(store, evaluation(1))
    (half / "entry.json").unlink()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    dead = store.root / f".tmp-{os.uname().nodename}-{ended.pid}-x"
    dead.mkdir(parents=True)
    (dead / "half.h5").write_bytes(b"half")
    said = run("verify")
    assert said.status == 0
    assert f"left over: {dead}: left by a process that is gone, 4 B" in said.text
    assert f"left over: {half}: no entry: it has no manifest" in said.text
    assert f"left over: {whole}: states of a training whose results are whole" in said.text
    assert str(begun) not in said.text
    assert half.exists()
    with hold(whole.parent / "lock"):
        assert str(whole) not in run("verify", "--remove").text
    assert not half.exists()
    assert not dead.exists()
    assert "1 left over and removed" in run("verify", "--remove").text
    assert not whole.exists()
    assert (begun / "last.h5").exists()
    assert len(places(store)) == 2


def test_states_lead_to_something_until_all_that_they_kept_is_in_the_store(store: Store) -> None:
    add_training(store, 1, (EPOCHS,))
    for epochs, kept, version in ((3, (), ""), (EPOCHS, (6,), ""), (EPOCHS, (), "another")):
        states = write_states(store, training(1), epochs, kept, version)
        assert run("verify").text.endswith(": none damaged\n")
        for file in states.iterdir():
            file.unlink()
        states.rmdir()


def test_an_entry_or_a_key_is_removed_with_what_is_empty_then(store: Store) -> None:
    first, last = add_training(store, 1)
    noise = add(store, evaluation(1))
    said = run("remove", first, "--dry-run")
    assert said.text.startswith(f"would remove {first}, ")
    assert first.exists()
    assert run("remove", first).text.startswith(f"removed {first}, ")
    assert places(store) == [last, noise]
    write_states(store, training(1), 3)
    run("remove", last.parent.parent, noise.absolute())
    assert not (store.root / "train").exists()
    assert not (store.root / "evaluate_noise").exists()


def test_nothing_but_entries_and_keys_of_the_store_is_removed(store: Store) -> None:
    place = add(store, evaluation(1))
    outside = Path("results/tiny")
    outside.mkdir()
    link = place.parent.parent / "link"
    link.symlink_to(outside.absolute())
    for path, words in (
        (outside, "not in the store"),
        (link, "not in the store"),
        (place / "../../../../tiny", "not in the store"),
        (store.root, "neither an entry's folder nor a key's"),
        (place.parent.parent, "neither an entry's folder nor a key's"),
        (place / "noise.h5", "neither an entry's folder nor a key's"),
        (place.with_name("none"), "no such folder"),
        (store.root / ".tmp/x", "neither an entry's folder nor a key's"),
    ):
        with pytest.raises(DataError, match=words):
            run("remove", place, path)
        assert place.exists()
    assert outside.is_dir()


def test_a_training_that_a_process_is_at_is_not_removed(store: Store) -> None:
    first, last = add_training(store, 1)
    with hold(store.key_folder(training(1)) / "lock"):
        for path in (first, first.parent, first.parent.parent):
            with pytest.raises(DataError, match=f"process {os.getpid()} on .* is at this training"):
                run("remove", path)
    assert places(store) == [first, last]
    run("remove", first.parent.parent)
    assert places(store) == []


def test_what_no_study_states_goes_when_confirmed(store: Store) -> None:
    add_training(store, 1)
    add_training(store, 2)
    kept, gone = add(store, evaluation(1)), add(store, evaluation(1, 0.2))
    age(store)
    # One file of a training is enough, and its other states stay with it.
    in_study("renamed", evaluation(1))
    write(training(1), {"history.h5": Path("results/other/copied elsewhere.h5")})
    size = sum(entry.size for entry in store.entries() if entry.folder == gone)
    for words in ([], ["--dry-run"], ["--dry-run", "--yes"]):
        said = run("prune", *words).text
        assert "would remove" in said
        assert "3 entries of it" in said
        assert gone.exists()
    assert str(gone) in run("prune", "--long").text
    said = run("prune", "--yes").text
    assert said.splitlines()[-1].startswith("removed ")
    assert size
    assert places(store) == [*store.places("train"), kept]
    assert [one.name for one in store.places("train")] == ["epoch-6", f"epoch-{EPOCHS}"]
    assert run("prune").text == "nothing to remove; 2 files of studies read\n"


def test_files_on_another_disk_that_a_study_links_to_count(store: Store, tmp_path: Path) -> None:
    place = add(store, evaluation(1))
    age(store)
    elsewhere = tmp_path / "other disk"
    write(evaluation(1), {"noise.h5": elsewhere / "seed-1/noise.h5"})
    Path("results/tiny").mkdir()
    Path("results/tiny/trainings").symlink_to(elsewhere)
    (elsewhere / "seed-1/round").symlink_to(elsewhere)
    assert run("prune", "--yes").text == "nothing to remove; 1 file of studies read\n"
    assert place.exists()


def test_an_entry_of_other_code_than_a_study_states_goes(store: Store) -> None:
    in_study("tiny", evaluation(1))
    add(store, evaluation(1))
    with store.temporary() as folder:
        write(evaluation(1), {"noise.h5": folder / "made/noise.h5"})
        other = store.add(evaluation(1), folder / "made", "f" * 16, "log")
    age(store)
    run("prune", "--yes")
    assert not other.exists()
    assert len(places(store)) == 1


def test_what_was_just_made_or_is_worked_at_stays(store: Store) -> None:
    Path("results/tiny").mkdir(parents=True)
    old = add_training(store, 1)
    age(store)
    new = add(store, evaluation(1))
    with hold(store.key_folder(training(1)) / "lock"):
        assert "3 more stay, being new or in use" in run("prune", "--yes").text
    assert places(store) == [*old, new]
    assert "1 more stay, being new or in use" in run("prune", "--yes").text
    assert places(store) == [new]


def test_states_go_when_they_are_old_and_nobody_is_at_them(store: Store) -> None:
    Path("results/tiny").mkdir(parents=True)
    states = write_states(store, training(1), 3)
    killed_at_once = store.key_folder(training(2)) / "lock"
    killed_at_once.parent.mkdir()
    killed_at_once.touch()
    age(store, hours=24 * 29)
    assert run("prune", "--yes").text.startswith("nothing to remove")
    age(store, hours=48)
    said = run("prune").text
    assert f"unfinished training: {states.parent}, " in said
    with hold(states.parent / "lock"):
        run("prune", "--yes")
    assert states.exists()
    age(store, hours=24 * 31)
    assert "removed" in run("prune", "--yes").text
    assert not states.parent.exists()
    assert not killed_at_once.parent.exists()


def test_a_file_that_cannot_be_read_may_need_its_entry(store: Store) -> None:
    place = add(store, evaluation(1))
    age(store)
    in_study("tiny", evaluation(1))
    (file,) = Path("results/tiny").rglob("*.h5")
    damage(file)
    with pytest.raises(DataError, match=rf"{file}: damaged .* prune then"):
        run("prune", "--yes")
    assert place.exists()


def test_other_files_of_a_study_state_nothing_and_hinder_nothing(store: Store) -> None:
    add(store, evaluation(1))
    age(store)
    folder = Path("results/tiny")
    write(training(3), {"history.h5": folder / ".resume/history.h5"})
    (folder / ".tmp-12-half.h5").write_bytes(b"being written")
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    # Such as another's store beside the studies, which states all that it has.
    write(evaluation(1), {"noise.h5": Path("results/datasets/noise.h5")})
    said = run("prune", "--yes").text
    assert "1 entry of it" in said
    assert places(store) == []


def test_a_shared_store_is_pruned_by_the_results_of_all_who_share_it(tmp_path: Path) -> None:
    shared = Store(tmp_path / "shared")
    kept, gone = add(shared, evaluation(1)), add(shared, evaluation(2))
    age(shared)
    folders = []
    for number in (1, 3):
        folder = tmp_path / f"work-{number}/results"
        write(evaluation(number), {"noise.h5": folder / "tiny/noise.h5"})
        folders += ["--results", folder]
    with pytest.raises(ConfigurationError, match="name the results of each that does"):
        run("prune", "--store", shared.root, "--yes")
    with pytest.raises(DataError, match="no such folder"):
        run("prune", "--store", shared.root, "--results", tmp_path / "none", "--yes")
    run("prune", "--store", shared.root, *folders, "--yes")
    assert places(shared) == [kept]
    assert not gone.exists()


def test_the_commands_are_one_group(capsys: pytest.CaptureFixture[str]) -> None:
    words: Sequence[str] = sorted(commands.commands)
    assert words == ["export", "import", "list", "prune", "remove", "restore", "verify"]
