"""Entries go from one store to another in a file, and nothing else comes out of such a file."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from made_up_results import EPOCHS, add, add_training, evaluation, training, write
from noise_resistance.errors import DataError
from noise_resistance.store.entries import Store
from store_commands import run

FILE = Path("entries.tar")


@pytest.fixture
def other(store: Store) -> Store:
    """Another store, still empty."""
    return Store("other")


def contents(store: Store) -> dict[str, bytes]:
    files = [path for path in store.root.rglob("*") if path.is_file()]
    return {path.relative_to(store.root).as_posix(): path.read_bytes() for path in files}


def test_all_entries_are_the_same_in_another_store(store: Store, other: Store) -> None:
    add_training(store, 1)
    add(store, evaluation(1))
    assert run("export", FILE, "--dry-run").text.startswith("would write 3 entries, ")
    assert not FILE.exists()
    assert run("export", FILE).text.startswith("wrote 3 entries, ")
    assert run("import", FILE, "--store", "other", "--dry-run").text.startswith("would add 3 ent")
    assert not other.root.exists()
    said = run("import", FILE, "--store", "other")
    assert said.status == 0
    assert said.text.startswith("added 3 entries, ")
    assert contents(other) == contents(store)
    assert all(not entry.damage() for entry in other.entries())
    modes = {path.stat().st_mode & 0o777 for path in other.root.rglob("*.*") if path.is_file()}
    assert modes == {0o444}


def test_an_archive_has_the_layout_of_the_store(store: Store) -> None:
    place = add(store, evaluation(1))
    run("export", FILE)
    with tarfile.open(FILE) as archive:
        names = archive.getnames()
    below = place.relative_to(store.root).as_posix()
    assert names == [f"{below}/{name}" for name in ("entry.json", "log.txt", "noise.h5")]


def test_what_is_there_already_stays(store: Store, other: Store) -> None:
    add(store, evaluation(1), value=0.5)
    add(store, evaluation(2))
    run("export", FILE)
    add(other, evaluation(1), value=0.7)
    before = contents(other)
    assert "added 1 entry, " in run("import", FILE, "--store", "other").text
    assert contents(other).items() > before.items()
    assert "; 2 are there already" in run("import", FILE, "--store", "other").text


def test_an_existing_file_is_not_overwritten(store: Store) -> None:
    add(store, evaluation(1))
    FILE.write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match=r"entries\.tar: is there already"):
        run("export", FILE)
    assert FILE.read_text(encoding="utf-8") == "mine"


def test_entries_of_one_study_are_those_that_its_files_state(store: Store, other: Store) -> None:
    add_training(store, 1)
    kept = add(store, evaluation(1))
    add(store, evaluation(2))
    write(evaluation(1), {"noise.h5": Path("results/tiny/any name.h5")})
    write(evaluation(2), {"noise.h5": Path("results/another/noise.h5")})
    run("export", FILE, "--study", "tiny")
    run("import", FILE, "--store", "other")
    assert [entry.folder.name for entry in other.entries()] == [kept.name]
    with pytest.raises(DataError, match="results/none: no such folder"):
        run("export", "none.tar", "--study", "none")
    assert not Path("none.tar").exists()


def test_damaged_entries_are_left_out_with_status_1(store: Store, other: Store) -> None:
    bad, _ = add(store, evaluation(1)), add(store, evaluation(2))
    (bad / "noise.h5").chmod(0o644)
    (bad / "noise.h5").write_bytes(b"damaged")
    said = run("export", FILE)
    assert said.status == 1
    assert f"left out: {bad}: noise.h5 does not match its checksum" in said.text
    assert "added 1 entry, " in run("import", FILE, "--store", "other").text


def archive_of(files: dict[str, bytes], path: Path = FILE) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def packed(store: Store) -> dict[str, bytes]:
    """The files of an archive with two entries, to be spoiled."""
    add(store, evaluation(1))
    add_training(store, 1, (EPOCHS,))
    return contents(store)


def without_weights(files: dict[str, bytes]) -> None:
    del files[next(name for name in files if "weights" in name)]


def without_manifest(files: dict[str, bytes]) -> None:
    del files[next(name for name in files if "train" in name and "entry.json" in name)]


def with_a_file_more(files: dict[str, bytes]) -> None:
    place = next(name for name in files if "train" in name).rpartition("/")[0]
    files[f"{place}/noise.h5"] = b"noise"


def with_a_flipped_bit(files: dict[str, bytes]) -> None:
    name = next(name for name in files if "history" in name)
    files[name] = files[name][:500] + bytes([files[name][500] ^ 1]) + files[name][501:]


def at_another_key(files: dict[str, bytes]) -> None:
    for name in [name for name in files if name.startswith("train")]:
        _, key, rest = name.split("/", 2)
        files[f"train/{'0' * len(key)}/{rest}"] = files.pop(name)


def at_another_epoch(files: dict[str, bytes]) -> None:
    for name in [name for name in files if name.startswith("train")]:
        files[name.replace(f"epoch-{EPOCHS}", "epoch-6")] = files.pop(name)


def with_a_manifest_that_is_none(files: dict[str, bytes]) -> None:
    name = next(name for name in files if "train" in name and "entry.json" in name)
    files[name] = b"[" * 100_000


@pytest.mark.parametrize(
    "spoil",
    [
        without_weights,
        without_manifest,
        with_a_file_more,
        with_a_flipped_bit,
        at_another_key,
        at_another_epoch,
        with_a_manifest_that_is_none,
    ],
)
def test_an_entry_that_is_not_whole_is_left_out_and_the_others_are_taken(
    store: Store, other: Store, spoil: Callable[[dict[str, bytes]], None]
) -> None:
    files = packed(store)
    spoil(files)
    archive_of(files)
    said = run("import", FILE, "--store", "other")
    assert said.status == 1
    assert said.text.startswith("left out: train/")
    assert "added 1 entry, " in said.text
    assert [one for one in contents(other) if not one.startswith("evaluate_noise/")] == []
    assert sum(1 for _ in other.entries()) == 1


def test_files_of_another_result_than_the_entry_says_are_left_out(
    store: Store, other: Store
) -> None:
    # Checksums and place are right: only the files know better.
    with store.temporary() as folder:
        write(evaluation(2), {"noise.h5": folder / "made/noise.h5"})
        place = store.add(evaluation(1), folder / "made", "0" * 16, "log")
    assert not next(store.entries()).damage()
    run("export", FILE)
    said = run("import", FILE, "--store", "other")
    assert said.status == 1
    assert f"left out: {place.relative_to(store.root)}: its files do not state" in said.text
    assert contents(other) == {}


def test_a_manifest_must_say_how_large_its_files_are(store: Store) -> None:
    place = add(store, evaluation(1))
    manifest = json.loads((place / "entry.json").read_text(encoding="utf-8"))
    manifest["files"]["noise.h5"]["bytes"] = 10**15
    (place / "entry.json").chmod(0o644)
    (place / "entry.json").write_text(json.dumps(manifest), encoding="utf-8")
    run("export", FILE)
    said = run("import", FILE, "--store", "other")
    assert "its files are not as large as it says" in said.text


PLACE = f"evaluate_noise/{'0' * 32}/{'0' * 16}"


def plain(name: str, size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member


def special(kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(f"{PLACE}/noise.h5")
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (plain("/etc/passwd"), "is no file of an entry"),
        (plain(f"/{PLACE}/noise.h5"), "is no file of an entry"),
        (plain(f"{PLACE}/../../../../noise.h5"), "is no file of an entry"),
        (plain(f"../{PLACE}/noise.h5"), "is no file of an entry"),
        (plain(f"{PLACE}/other.h5"), "is no file of an entry"),
        (plain(f"{PLACE}/noise.h5\n"), "is no file of an entry"),
        (plain(f"{PLACE}/epoch-3/noise.h5"), "is no file of an entry"),
        (plain(PLACE.replace("evaluate_noise", "train") + "/noise.h5"), "is no file of an entry"),
        (plain(PLACE.replace("evaluate_noise", "../x") + "/noise.h5"), "is no file of an entry"),
        (plain("train/lock"), "is no file of an entry"),
        (special(tarfile.SYMTYPE, "/etc/passwd"), "is no plain file"),
        (special(tarfile.LNKTYPE, f"{PLACE}/entry.json"), "is no plain file"),
        (special(tarfile.CHRTYPE), "is no plain file"),
        (special(tarfile.BLKTYPE), "is no plain file"),
        (special(tarfile.FIFOTYPE), "is no plain file"),
        (special(tarfile.DIRTYPE), "is no plain file"),
        (special(tarfile.GNUTYPE_SPARSE), "is no plain file"),
        (plain(f"{PLACE}/noise.h5", 10**18), r"claims 1000000000\.0 GB, which cannot be"),
        (plain(f"{PLACE}/noise.h5", 100_000), r"claims 100\.0 kB, which cannot be"),
        (plain(f"{PLACE}/entry.json", 2_000_000), r"claims 2\.0 MB, which cannot be"),
    ],
)
def test_what_is_no_entry_is_refused_in_one_line_and_nothing_is_taken(
    store: Store, other: Store, member: tarfile.TarInfo, words: str
) -> None:
    archive_of(packed(store))
    with tarfile.open(FILE, "a") as archive:
        # The header alone: what it claims is not there.
        offset = archive.offset
    content = FILE.read_bytes()[:offset]
    FILE.write_bytes(content + member.tobuf(tarfile.GNU_FORMAT) + bytes(10240))
    with pytest.raises(DataError, match=words) as error:
        run("import", FILE, "--store", "other")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("entries.tar: '")
    assert not other.root.exists()


def test_a_negative_size_is_refused(store: Store, other: Store) -> None:
    header = bytearray(plain(f"{PLACE}/noise.h5").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (256**12 - 512).to_bytes(12, "big")  # base 256: -512
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    FILE.write_bytes(bytes(header) + bytes(10240))
    with pytest.raises(DataError, match=r"claims -512 B, which cannot be|no archive"):
        run("import", FILE, "--store", "other")


def test_a_name_that_is_there_twice_is_refused(store: Store, other: Store) -> None:
    archive_of(packed(store))
    with tarfile.open(FILE, "a") as archive:
        archive.addfile(archive.getmembers()[0])
    with pytest.raises(DataError, match="is there twice"):
        run("import", FILE, "--store", "other")
    assert not other.root.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        bytes(512) + b"x" * 512,
        bytes(10240),
        plain("pax", 10**12).tobuf(tarfile.GNU_FORMAT).replace(b"0" * 8, b"0" * 8) + b"x",
    ],
    ids=["empty", "short", "zeros first", "zeros", "cut off"],
)
def test_no_archive_is_said_in_one_line(store: Store, other: Store, content: bytes) -> None:
    FILE.write_bytes(content)
    try:
        said = run("import", FILE, "--store", "other").text
    except DataError as error:
        said = str(error)
    assert "\n" not in said.strip()
    assert contents(other) == {}


def test_a_compressed_archive_is_none(store: Store) -> None:
    with tarfile.open(FILE, "w:gz") as archive:
        archive.addfile(plain("train/bomb"))
    with pytest.raises(DataError, match="no archive that `noise-resistance store export`"):
        run("import", FILE)


@pytest.mark.parametrize("kind", [b"x", b"L", b"K", b"g"])
@pytest.mark.parametrize("size", [10**11, 2**62, -512, 0])
def test_headers_about_headers_that_nobody_writes_are_refused(
    store: Store, other: Store, kind: bytes, size: int
) -> None:
    header = bytearray(plain("header").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = kind
    header[124:136] = (size % 256**12).to_bytes(12, "big") if size else b"0" * 11 + b"\0"
    if size > 0:
        header[124] |= 0x80
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    FILE.write_bytes(bytes(header) * 50 + bytes(10240))
    with pytest.raises(DataError):
        run("import", FILE, "--store", "other")
    assert not other.root.exists()


def test_a_file_that_is_not_there_is_said(store: Store) -> None:
    with pytest.raises(DataError, match=r"entries\.tar: no such file"):
        run("import", FILE)


def test_a_training_comes_with_all_its_states(store: Store, other: Store) -> None:
    add_training(store, 1, (3, 6, EPOCHS))
    run("export", FILE)
    run("import", FILE, "--store", "other")
    names = [entry.folder.name for entry in other.entries()]
    assert names == ["epoch-3", "epoch-6", f"epoch-{EPOCHS}"]
    assert other.key_folder(training(1)).is_dir()
