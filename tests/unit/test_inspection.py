"""`noise-resistance show`: any file of the workflow, for people and as JSON."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from noise_resistance import cli
from noise_resistance.storage.hdf5 import Variable, stamp_tree, write_record
from noise_resistance.storage.kinds import KINDS
from noise_resistance.storage.provenance import Provenance

ATTRIBUTES = {
    **Provenance("0123456789abcdef", "1", "cpu: 1 thread").attributes({"scope": "all", "eta": 0.2}),
    "images": 40,
}
ACCURACY = np.array([0.25, 0.5, 0.75])


@pytest.fixture
def noise_file(tmp_path: Path) -> Path:
    path = tmp_path / "eta-0.2.h5"
    variables = {
        "draw": Variable(("draw",), np.arange(3), "index of the noisy copy"),
        "accuracy": Variable(("draw",), ACCURACY, "test accuracy, a fraction"),
        "loss": Variable(("draw",), np.array([1.0, np.nan, 3.0]), "cross-entropy", "nat"),
        "correct": Variable(("draw", "class"), np.arange(30).reshape(3, 10), "right answers"),
        "array": Variable(("array",), ["stem/kernel"], "arrays with noise"),
    }
    write_record(path, "noise", variables, ATTRIBUTES)
    return path


def show(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli._commands, ["show", *map(str, arguments)])


def lines(path: Path) -> list[str]:
    return str(show(path).output).splitlines()


def words(output: str, first: str) -> list[str]:
    """The words of the last line that begins with this one."""
    return [line.split() for line in output.splitlines() if line.split()[:1] == [first]][-1]


def test_people_see_what_it_is_its_parameters_and_its_numbers(noise_file: Path) -> None:
    output = show(noise_file).output
    assert KINDS["noise"].title in output
    assert words(output, "scope") == ["scope", "all"]
    assert words(output, "fingerprint") == ["fingerprint", "0123456789abcdef"]
    mean, low, high = ACCURACY.mean(), ACCURACY.min(), ACCURACY.max()
    assert words(output, "accuracy") == [
        *("accuracy", "draw", "3", f"{mean:.6g}", f"{low:.6g}", f"{high:.6g}"),
        *("test", "accuracy,", "a", "fraction"),
    ]
    assert words(output, "2") == ["2", "0.75", "3"]  # the last draw: its accuracy and loss


def test_a_value_that_is_not_finite_is_left_out_of_the_mean_and_shown_in_its_row(
    noise_file: Path,
) -> None:
    output = show(noise_file).output
    assert words(output, "loss")[3:6] == ["2", "1", "3"]
    assert words(output, "1") == ["1", "0.5", "nan"]


def test_programs_get_json_with_the_same_numbers(noise_file: Path) -> None:
    found = json.loads(show("--json", noise_file).output)
    assert found["kind"] == "noise"
    assert found["parameters"] == {"scope": "all", "eta": 0.2}
    assert found["attributes"]["images"] == 40
    arrays = {one["name"]: one for one in found["arrays"]}
    assert arrays["accuracy"]["values"] == ACCURACY.tolist()
    assert arrays["correct"]["dimensions"] == ["draw", "class"]
    assert arrays["loss"]["values"] == [1.0, None, 3.0]
    assert arrays["array"]["values"] == ["stem/kernel"]
    assert arrays["array"]["mean"] is None


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"weights"}))
def test_every_kind_of_file_is_shown(tmp_path: Path, kind: str) -> None:
    write_record(tmp_path / "one.h5", kind, {"x": Variable((), 1.5, "a number")}, ATTRIBUTES)
    output = show(tmp_path / "one.h5").output
    assert f"{kind}: {KINDS[kind].title}" in output
    assert words(output, "x") == ["x", "1.5", "1.5", "1.5", "a", "number"]


def test_weights_are_named_by_layer_and_role(tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        for layer, count in (("conv", 2), ("norm", 4), ("odd", 1)):
            group = file.create_group(f"layers/{layer}_1/vars")
            group.attrs["name"] = layer
            for index in range(count):
                group[str(index)] = np.full((2, 2), float(index))
    stamp_tree(path, "weights", ATTRIBUTES)
    output = show(path).output
    assert words(output, "conv/bias")[:5] == ["conv/bias", "2,", "2", "1", "1"]
    assert words(output, "norm/moving_variance")[3:6] == ["3", "3", "3"]
    assert words(output, "odd/0")[3] == "0"


def test_several_files_are_shown_one_after_the_other(noise_file: Path) -> None:
    output = show(noise_file, noise_file).output
    assert output.count(KINDS["noise"].title) == 2


def test_a_file_that_is_not_there_is_one_line_with_the_nearest_that_is(noise_file: Path) -> None:
    missing, folder = noise_file.with_name("eta-0.3.h5"), noise_file.parent
    assert str(show(missing).exception) == (
        f"{missing}: no such file; did you mean '{noise_file}'? ({folder} has eta-0.2.h5)"
    )
    other = folder / "summary.csv"
    assert str(show(other).exception) == f"{other}: no such file; {folder} has eta-0.2.h5"
    elsewhere = folder / "missing" / "folder" / "eta-0.2.h5"
    assert str(show(elsewhere).exception) == f"{elsewhere}: no such file; {folder} has eta-0.2.h5"


def test_a_damaged_file_is_one_line(noise_file: Path) -> None:
    content = bytearray(noise_file.read_bytes())
    content[len(content) // 2] ^= 1
    noise_file.write_bytes(content)
    assert "damaged" in str(show(noise_file).exception)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("table2.md", b"| a |\n", "no HDF5 file"),
        ("summary.csv", b"", "no table"),
        ("summary.csv", b"\xff\xfe\x00", "no table"),
    ],
)
def test_another_file_is_one_line(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    error = str(show(tmp_path / name).exception)
    assert expected in error
    assert "\n" not in error


def test_a_table_is_shown_by_column_and_row(tmp_path: Path) -> None:
    path = tmp_path / "summary.csv"
    path.write_text("optimizer,eta,accuracy\nadam,0.1,0.5\nsgd,0.2,0.25\n", encoding="utf-8")
    output = show(path).output
    assert output.splitlines()[1] == "table: A table, one row a line."
    assert words(output, "accuracy") == ["accuracy", "row", "2", "0.375", "0.25", "0.5"]
    assert words(output, "sgd") == ["sgd", "0.2", "0.25"]
    assert "adam, sgd" in output
    found = json.loads(show("--json", path).output)
    assert found["attributes"] == {"rows": 2}
    assert found["arrays"][2]["values"] == [0.5, 0.25]


def test_a_table_with_holes_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "comparison.csv"
    path.write_text("value,note\n0.5,\n,x\n", encoding="utf-8")
    assert any(line.split()[:4] == ["value", "row", "2", "0.5"] for line in lines(path))
    assert json.loads(show("--json", path).output)["arrays"][0]["values"] == [0.5, None]


def test_long_texts_of_a_table_are_cut_for_people_and_whole_for_programs(tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    statement = "The learning rate that is named is the most resistant of all " * 2
    path.write_text(f"claim,statement\na,{statement}\nb,other\n", encoding="utf-8")
    assert max(map(len, lines(path))) <= 100
    assert json.loads(show("--json", path).output)["arrays"][1]["values"][0] == statement


def test_a_training_s_folder_is_shown_file_by_file(noise_file: Path) -> None:
    folder = noise_file.parent
    resume = folder / ".resume"
    resume.mkdir()
    (resume / "state.h5").write_bytes(b"half")
    baseline = {"accuracy": Variable((), np.float64(0.875), "test accuracy")}
    write_record(folder / "baseline.h5", "baseline", baseline, ATTRIBUTES)
    output = show(folder).output
    assert words(output, "baseline.h5")[:3] == ["baseline.h5", "baseline", "0.875"]
    assert words(output, "eta-0.2.h5")[:3] == ["eta-0.2.h5", "noise", f"{ACCURACY.mean():.6g}"]
    assert ".resume" not in output


def test_a_folder_without_files_of_the_workflow_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    error = str(show(tmp_path).exception)
    assert error.startswith(f"{tmp_path}: no .h5 file of the workflow below this folder; ")
    assert error.endswith(f"; {tmp_path} has figures")


def test_an_hdf5_file_of_another_program_is_one_line(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    assert "not one of this workflow" in str(show(tmp_path / "other.h5").exception)
