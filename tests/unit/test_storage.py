"""Files are whole or absent, explain themselves, and are refused in one line when damaged."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray

from noise_resistance.errors import DataError
from noise_resistance.storage import kinds
from noise_resistance.storage.files import check_writable, replace_atomically, write_text
from noise_resistance.storage.hdf5 import (
    Record,
    Variable,
    read_attributes,
    read_record,
    read_tree,
    stamp_tree,
    write_record,
)
from noise_resistance.storage.provenance import Provenance

WORKFLOW = Path(__file__).parents[2] / "workflow"
SEAL_LENGTH = 90
SEAL = b"\nnoise-resistance sha256 "

VARIABLES = {
    "draw": Variable(("draw",), np.arange(3, dtype=np.int32), "index of the noisy copy"),
    "accuracy": Variable(("draw",), np.array([0.1, 0.2, 0.3]), "test accuracy, a fraction"),
    "correct": Variable(("draw", "class"), np.arange(6).reshape(3, 2), "right predictions"),
    "array": Variable(("array",), ["conv2d/kernel", "dense/bias", "σ"], "names"),
    "loss": Variable((), np.float64(0.5), "mean cross-entropy", "nat"),
    "image": Variable(("row",), np.array([0, 255], np.uint8), "pixels"),
}
ATTRIBUTES = {"parameters": {"noise_level": 0.1, "scopes": ["all"]}, "images": 660, "device": "cpu"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A whole file of kind ``noise``."""
    path = tmp_path / "eta-0.1.h5"
    write_record(path, "noise", VARIABLES, ATTRIBUTES)
    return path


def equal(one: Record, other: Record) -> bool:
    return (
        one.attributes == other.attributes
        and list(one.variables) == list(other.variables)
        and all(
            one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name])
            for name in one.variables
        )
    )


def refusal(path: Path, kind: str = "noise", names: tuple[str, ...] | None = None) -> str:
    """Return the one line with which a file is refused."""
    with pytest.raises(DataError) as caught:
        read_record(path, kind, names)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line


def remove_seal(path: Path) -> None:
    """Leave out the last line, as a program does that rewrites the file."""
    content = path.read_bytes()
    if content[-SEAL_LENGTH:].startswith(SEAL):
        path.write_bytes(content[:-SEAL_LENGTH])


def run_python(script: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(WORKFLOW)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


# Whole or absent


def test_a_writer_that_fails_in_the_middle_leaves_the_old_file_and_nothing_else(
    tmp_path: Path,
) -> None:
    target = tmp_path / "table.csv"
    write_text(target, "old")

    def fail_in_the_middle() -> None:
        with replace_atomically(target) as temporary:
            temporary.write_text("half of the n", encoding="utf-8")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail_in_the_middle()
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_record_that_cannot_be_laid_out_leaves_no_file(tmp_path: Path) -> None:
    variables = {
        "accuracy": Variable(("draw",), np.zeros(3), "three"),
        "loss": Variable(("draw",), np.zeros(4), "four"),
    }
    with pytest.raises(ValueError, match="dimension draw has 4 entries, elsewhere 3"):
        write_record(tmp_path / "x.h5", "noise", variables, {})
    assert not list(tmp_path.iterdir())


def test_a_folder_is_tried_by_writing_into_it_or_into_what_is_above_it(tmp_path: Path) -> None:
    check_writable(tmp_path / "not" / "yet")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(DataError, match=r"file: cannot be written .Not a directory."):
        check_writable(tmp_path / "file" / "results")


def test_the_temporary_name_lies_beside_the_final_one_and_ends_like_it(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model.weights.h5"
    with replace_atomically(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.name.endswith(".weights.h5")
        assert not target.exists()
        temporary.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"
    assert list(target.parent.iterdir()) == [target]


def test_a_writer_killed_at_any_moment_leaves_a_whole_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "eta-0.1.h5"
    script = """
import sys, numpy as np
from noise_resistance.storage.hdf5 import Variable, write_record
number = 0
while True:
    values = np.full(200_000, number)
    variables = {"correct": Variable(("image",), values, "v")}
    write_record(sys.argv[1], "noise", variables, {"n": number})
    number += 1
    print(number, flush=True)
"""
    litter = 0
    for milliseconds in (0, 1, 2, 3, 5, 7, 11, 13):
        with subprocess.Popen(
            [sys.executable, "-c", script, target],
            env={**os.environ, "PYTHONPATH": str(WORKFLOW)},
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(milliseconds / 1000)
            process.send_signal(signal.SIGKILL)
        litter += len(list(tmp_path.iterdir())) - 1
        record = read_record(target, "noise")
        assert np.all(record["correct"] == record.attributes["n"])
    assert litter > 0, "no kill came while a file was written: the test has shown nothing"
    write_record(target, "noise", {}, {})
    assert list(tmp_path.iterdir()) == [target]


def test_left_overs_of_other_files_and_what_another_process_is_writing_stay(
    tmp_path: Path,
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    ours, other = (tmp_path / f".tmp-{ended.pid}-{name}.csv" for name in "ab")
    theirs = tmp_path / f".tmp-{os.getppid()}-a.csv"
    for path in (ours, other, theirs):
        path.touch()
    write_text(tmp_path / "a.csv", "a")
    assert not ours.exists()
    assert other.exists()
    assert theirs.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no file-size limit")
@pytest.mark.parametrize("limit", [0, 100, 4096, 100_000, 1_600_000])
def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path: Path, limit: int) -> None:
    target = tmp_path / "eta-0.1.h5"
    write_record(target, "noise", VARIABLES, ATTRIBUTES)
    before = target.read_bytes()
    script = """
import resource, sys, numpy as np
from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import Variable, write_record
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
variables = {"correct": Variable(("image",), np.arange(200_000), "v")}
try:
    write_record(sys.argv[1], "noise", variables, {})
except DataError as error:
    sys.exit(str(error))
"""
    done = run_python(script, target, limit)
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{target}: cannot be written (")
    assert "free disk space or make the folder writable, then run again" in line
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results").touch()
    with pytest.raises(DataError, match=r"x\.csv: cannot be written \(.*\); free disk space"):
        write_text(tmp_path / "results" / "x.csv", "text")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match=r"cannot be written \(Permission denied\)"):
        write_text(tmp_path / "x.csv", "text")
    tmp_path.chmod(0o700)


# What is read is what was written


def test_values_and_attributes_come_back_as_they_were(path: Path) -> None:
    record = read_record(path, "noise")
    assert set(record.variables) == set(VARIABLES)
    for name, variable in VARIABLES.items():
        expected = np.asarray(variable.values)
        assert np.array_equal(record[name], expected)
        assert record[name].shape == expected.shape
        if expected.dtype.kind != "U":
            assert record[name].dtype == expected.dtype
    assert record.parameters == ATTRIBUTES["parameters"]
    assert record.attributes["images"] == 660
    assert record.attributes["kind"] == "noise"
    assert record.attributes["title"] == kinds.KINDS["noise"].title
    assert record.attributes["schema_version"] == kinds.KINDS["noise"].schema_version


def test_a_scalar_has_no_axes(path: Path) -> None:
    assert read_record(path, "noise", ["loss"])["loss"].shape == ()
    assert float(read_record(path, "noise", ["loss"])["loss"]) == 0.5


def test_only_the_wanted_variables_are_read(path: Path) -> None:
    assert set(read_record(path, "noise", ["accuracy"]).variables) == {"accuracy"}
    assert read_attributes(path, "noise").variables == {}


def test_not_a_number_and_infinity_survive(tmp_path: Path) -> None:
    values = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324])
    write_record(tmp_path / "x.h5", "noise", {"loss": Variable(("draw",), values, "l")}, {})
    assert read_record(tmp_path / "x.h5", "noise")["loss"].tobytes() == values.tobytes()


def test_xarray_opens_a_file_with_named_dimensions_units_and_descriptions(path: Path) -> None:
    with xarray.open_dataset(path, engine="h5netcdf") as dataset:
        assert dict(dataset.sizes) == {"draw": 3, "class": 2, "array": 3, "row": 2}
        assert dataset["accuracy"].dims == ("draw",)
        assert dataset["correct"].dims == ("draw", "class")
        assert dataset["accuracy"].sel(draw=2).item() == 0.3
        assert dataset["accuracy"].attrs["description"] == "test accuracy, a fraction"
        assert dataset["loss"].attrs["units"] == "nat"
        assert dataset["array"].values.tolist() == ["conv2d/kernel", "dense/bias", "σ"]
        assert dataset.attrs["images"] == 660


def test_the_last_line_is_the_checksum_of_all_before_it(path: Path) -> None:
    content = path.read_bytes()
    label, _, digest = content[-SEAL_LENGTH:].decode().strip().rpartition(" ")
    assert label == "noise-resistance sha256"
    assert digest == hashlib.sha256(content[:-SEAL_LENGTH]).hexdigest()


def test_provenance_says_what_made_a_file(path: Path) -> None:
    sources = {"dataset_sha256": "4567"}
    made_by = Provenance("0123", "2", "cpu: 1 thread", threads=3, sources=sources)
    attributes = made_by.attributes({"seed": 3})
    write_record(path, "baseline", {}, attributes)
    read = read_attributes(path, "baseline")
    assert read.parameters == {"seed": 3}
    assert read.attributes["fingerprint"] == "0123"
    assert read.attributes["version"] == "2"
    assert read.attributes["device"] == "cpu: 1 thread"
    assert read.attributes["threads"] == 3
    assert read.attributes["processor"]
    assert read.attributes["dataset_sha256"] == "4567"
    assert 20 < read.attributes["peak_memory_mb"] < 100_000
    assert read.attributes["created"].endswith("+00:00")
    assert read.attributes["seconds"] >= 0
    for package in ("python", "tensorflow", "keras", "numpy", "noise_resistance"):
        assert f'"{package}": "' in read.attributes["versions"]
    # A step without a version states none.
    assert "version" not in Provenance("0123").attributes({})


# Damage is refused


def test_a_file_cut_short_anywhere_is_refused_or_whole(path: Path, tmp_path: Path) -> None:
    whole, content = read_record(path, "noise"), path.read_bytes()
    cut = tmp_path / "cut.h5"
    lengths = [0, 1, 8, 96, 511, 512, 800, 2048, len(content) // 2, len(content) * 9 // 10]
    for length in [*lengths, len(content) - SEAL_LENGTH - 1]:
        cut.write_bytes(content[:length])
        assert "delete it and run snakemake again" in refusal(cut)
    # What is cut from the last line alone is no damage to a value.
    cut.write_bytes(content[:-1])
    assert equal(Record(path, *_parts(read_record(cut, "noise"))), whole)


def _parts(record: Record) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    return record.attributes, record.variables


@pytest.mark.parametrize("sealed", [True, False], ids=["as written", "without its last line"])
def test_a_flipped_bit_anywhere_is_refused_or_changes_nothing(path: Path, sealed: bool) -> None:
    # In a process of its own: the HDF5 library answers some flipped bits with a crash. Of a file
    # without its last line, only the values' bits are safe to flip.
    whole, content = read_record(path, "noise"), path.read_bytes()
    if not sealed:
        content = content[:-SEAL_LENGTH]
    with h5py.File(path) as file:
        offsets = [file[name].id.get_offset() for name in ("draw", "accuracy", "correct", "loss")]
    positions = range(0, len(content), 7) if sealed else [at + i for at in offsets for i in (0, 7)]
    damaged = path.with_name("damaged.h5")
    refused = 0
    for position in positions:
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        damaged.write_bytes(flipped)
        try:
            read = read_record(damaged, "noise")
        except DataError as error:
            line = str(error)
            assert line.startswith(f"{damaged}: damaged")
            assert "\n" not in line
            refused += 1
        else:
            assert equal(read, whole), f"byte {position}: wrong values"
            assert position >= len(content) - SEAL_LENGTH
    assert refused >= len(positions) - SEAL_LENGTH // 7 - 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file["accuracy"].write_direct(np.array([0.1, 0.2, 0.4])),
        lambda file: file["array"].__setitem__(0, "conv2d/bias"),
        lambda file: file.attrs.__setitem__("images", 661),
        lambda file: file.attrs.__setitem__("new", 1),
        lambda file: file.attrs.__delitem__("device"),
        lambda file: file["accuracy"].attrs.__delitem__("sha256"),
    ],
    ids=["value", "string", "attribute", "added attribute", "lost attribute", "lost checksum"],
)
def test_a_value_changed_by_another_program_is_refused(
    path: Path, damage: Callable[[h5py.File], None]
) -> None:
    with h5py.File(path, "r+") as file:
        damage(file)
    assert "damaged" in refusal(path)
    remove_seal(path)
    assert "not match" in refusal(path)


def test_values_read_in_the_wrong_byte_order_are_refused(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        values, attributes = file["accuracy"][()], dict(file["accuracy"].attrs)
        del file["accuracy"]
        swapped = file.create_dataset("accuracy", data=values.view(">f8"))
        for name in ("description", "units", "sha256"):
            swapped.attrs[name] = attributes[name]
    remove_seal(path)
    assert "variable 'accuracy' does not match its checksum" in refusal(
        path, "noise", ("accuracy",)
    )


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"<html></html>", b"\0" * 5000])
def test_what_is_no_hdf5_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(content)
    assert "damaged or no HDF5 file" in refusal(path)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert "no such file; run snakemake to make it" in refusal(tmp_path / "x.h5")
    assert "no such file" in refusal(tmp_path)


def test_a_file_of_another_kind_is_refused(path: Path) -> None:
    assert "is a noise file, not a baseline file" in refusal(path, "baseline")


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["accuracy"] = 0.5
    assert "is not a file of this workflow, not a noise file" in refusal(path)


def test_a_file_of_another_layout_version_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = kinds.KINDS["noise"]
    newer = kinds.Kind(noise.name, noise.title, noise.schema_version + 1)
    monkeypatch.setitem(kinds.KINDS, "noise", newer)
    line = refusal(path)
    assert f"layout version {noise.schema_version}, this program reads" in line
    assert "delete it and run snakemake again" in line


def test_a_missing_variable_is_named(path: Path) -> None:
    assert "has no variable 'sigma_w'" in refusal(path, "noise", ("accuracy", "sigma_w"))


def test_an_unknown_kind_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'nose' is no kind of file of this workflow"):
        write_record(tmp_path / "x.h5", "nose", {}, {})
    assert not list(tmp_path.iterdir())


def test_an_external_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.h5"
    write_record(elsewhere, "noise", VARIABLES, ATTRIBUTES)
    with h5py.File(path, "r+") as file:
        del file["accuracy"]
        file["accuracy"] = h5py.ExternalLink(elsewhere.name, "/accuracy")
        file["other"] = h5py.SoftLink("/correct")
    assert "has no variable 'accuracy'" in refusal(path, "noise", ("accuracy",))
    assert "has no variable 'other'" in refusal(path, "noise", ("other",))


def test_values_that_lie_in_another_file_are_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(np.array([0.1, 0.2, 0.3]).tobytes())
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource(path, "accuracy", shape=(3,))
    with h5py.File(path, "r+") as file:
        file.create_dataset("far", (3,), "f8", external=[(tmp_path / "raw", 0, 24)])
        file.create_virtual_dataset("seen", layout)
    for name in ("far", "seen"):
        assert f"variable '{name}' is not stored in the file itself" in refusal(
            path, "noise", (name,)
        )


def test_an_absurd_shape_is_refused_before_memory_is_taken(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.create_dataset("bomb", (1 << 50,), "f8", chunks=(1 << 20,), compression="gzip")
    assert "claims 9007199254740992 bytes, more than the file has" in refusal(
        path, "noise", ("bomb",)
    )


def test_a_group_in_the_place_of_a_variable_is_refused(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["accuracy"]
        file.create_group("accuracy")
    assert "has no variable 'accuracy'" in refusal(path, "noise", ("accuracy",))


# Trees: what another program wrote, stamped


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Weights laid out as Keras lays them out, stamped."""
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        for layer, values in {"conv2d": np.arange(4.0, dtype="f4"), "dense": np.ones(2)}.items():
            group = file.create_group(f"layers/{layer}/vars")
            group.attrs["name"] = layer
            group["0"] = values
    stamp_tree(path, "weights", {"parameters": {"seed": 1}})
    return path


def test_a_stamped_tree_is_read_by_full_names_with_labels(tree: Path) -> None:
    record = read_tree(tree, "weights")
    assert set(record.variables) == {"layers/conv2d/vars/0", "layers/dense/vars/0"}
    assert record["layers/conv2d/vars/0"].tolist() == [0, 1, 2, 3]
    assert record["layers/conv2d/vars/0"].dtype == np.float32
    assert record.labels == {"layers/conv2d/vars": "conv2d", "layers/dense/vars": "dense"}
    assert record.parameters == {"seed": 1}


def test_a_tree_can_be_stamped_again(tree: Path) -> None:
    stamp_tree(tree, "weights", {"parameters": {"seed": 2}})
    assert read_tree(tree, "weights").parameters == {"seed": 2}


def test_an_array_of_a_tree_that_changed_is_refused(tree: Path) -> None:
    with h5py.File(tree, "r+") as file:
        file["layers/dense/vars/0"][0] = 1.5
    with pytest.raises(DataError) as caught:
        read_tree(tree, "weights")
    assert str(caught.value).startswith(f"{tree}: damaged")


def test_a_tree_that_nobody_stamped_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.ones(2)
    with pytest.raises(DataError, match="is not a file of this workflow, not a weights file"):
        read_tree(path, "weights")
