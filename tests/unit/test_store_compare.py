"""What was computed again beside what the store has: arrays, not dates."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import Variable, read_record, write_record
from noise_resistance.storage.provenance import Provenance, versions
from noise_resistance.store.compare import compare
from noise_resistance.store.entries import Store
from noise_resistance.store.jobs import Job, folder_of
from noise_resistance.store.results import Result
from noise_resistance.store.versions import counts

REQUEST = {"model": "resnet8"}
SOURCES = {"dataset_sha256": "1", "weights_sha256": "2"}
VALUES = (0.25, 0.5)
NAMES = ("baseline.h5",)


def write(
    path: Path,
    values: Sequence[float] = VALUES,
    kind: str = "baseline",
    device: str = "cpu: 1 thread",
    **attributes: Any,
) -> None:
    step = "train" if kind == "history" else "evaluate_baseline"
    sources = {"dataset_sha256": "1"} if kind == "history" else SOURCES
    made_by = Provenance(counts(step)[0], "1", device, sources=sources)
    variables = {
        "loss": Variable(("epoch",), np.array(values), "loss"),
        # How long it took is no result.
        "seconds": Variable(("epoch",), np.random.default_rng().random(len(values)), "time"),
    }
    write_record(path, kind, variables, {**made_by.attributes(REQUEST), **attributes})


def test_equal_arrays_are_equal_whenever_and_however_long_they_were_computed(
    tmp_path: Path,
) -> None:
    write(tmp_path / "one/baseline.h5", created="2001-01-01T00:00:00+00:00", seconds=1e6)
    write(tmp_path / "other/baseline.h5", peak_memory_mb=7, fingerprint="equal", version="7")
    found = compare(tmp_path / "one", tmp_path / "other", NAMES)
    assert found.differing == ()
    assert found.environment == ""
    assert found.alike


def test_differing_arrays_are_named(tmp_path: Path) -> None:
    write(tmp_path / "one/baseline.h5")
    write(tmp_path / "other/baseline.h5", (0.25, np.nextafter(0.5, 1)))
    found = compare(tmp_path / "one", tmp_path / "other", NAMES)
    assert found.differing == ("baseline.h5: loss",)
    assert found.alike


@pytest.mark.parametrize(
    ("stated", "environment"),
    [
        ({"threads": 2}, "threads"),
        ({"processor": "another"}, "processor"),
        ({"device": "gpu: one"}, "device"),
        ({"versions": {**versions(), "numpy": "0.1"}}, "versions"),
        ({"versions": {**versions(), "tensorflow": "0.1"}, "threads": 2}, "threads, versions"),
        # This package's own version decides no number: its code has a fingerprint.
        ({"versions": {**versions(), "noise_resistance": "0.0.1"}}, ""),
    ],
)
def test_what_bits_depend_on_besides_code_is_told(
    tmp_path: Path, stated: Mapping[str, Any], environment: str
) -> None:
    write(tmp_path / "one/baseline.h5")
    write(tmp_path / "other/baseline.h5", **stated)
    found = compare(tmp_path / "one", tmp_path / "other", NAMES)
    assert found.environment == environment
    assert found.alike == (environment == "")


def test_two_computations_on_one_gpu_need_not_be_equal(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        write(tmp_path / folder / "baseline.h5", device="gpu: one")
    found = compare(tmp_path / "one", tmp_path / "other", NAMES)
    assert found.environment == ""
    assert not found.alike


# As a job has it with `store: false`


@pytest.fixture
def result(tmp_path: Path) -> Result:
    """A result whose entry is in the store."""
    files = {"baseline.h5": tmp_path / "study/baseline.h5"}
    one = Result("evaluate_baseline", REQUEST, SOURCES, files)
    provide(tmp_path, one, recompute=False)
    return one


def provide(folder: Path, result: Result, *, recompute: bool = True, **stated: Any) -> list[Result]:
    """Run a job that writes what is stated; return what it computed."""
    computed: list[Result] = []

    def compute(made: Path, missing: Sequence[Result]) -> None:
        computed.extend(missing)
        write(folder_of(result, made) / "baseline.h5", **stated)

    Job(Store(folder / "store"), recompute).provide([result], compute)
    return computed


def loss_of(result: Result) -> list[float]:
    (path,) = result.files.values()
    values: list[float] = read_record(path, "baseline", ["loss"])["loss"].tolist()
    return values


def test_without_a_store_what_is_there_is_computed_all_the_same_and_found_equal(
    tmp_path: Path, result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provide(tmp_path, result) == [result]
    assert "equal to" in capsys.readouterr().out
    # With the store it is not.
    assert provide(tmp_path, result, recompute=False) == []


def test_another_result_of_the_same_machine_is_an_error_and_changes_no_file(
    tmp_path: Path, result: Result
) -> None:
    with pytest.raises(DataError, match="this is a fault of the program or of the") as caught:
        provide(tmp_path, result, values=(0.25, 0.75))
    line = str(caught.value)
    assert str(tmp_path / "study/baseline.h5") in line
    assert "baseline.h5: loss" in line
    assert "store verify" in line
    assert "\n" not in line
    assert loss_of(result) == [*VALUES]


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ({"device": "gpu: one"}, "other device"),
        ({"versions": {**versions(), "keras": "0.1"}}, "other versions"),
        ({"processor": "another", "threads": 2}, "other processor, threads"),
    ],
)
def test_another_result_of_another_machine_is_a_caution(
    tmp_path: Path,
    result: Result,
    capsys: pytest.CaptureFixture[str],
    stated: Mapping[str, Any],
    reason: str,
) -> None:
    provide(tmp_path, result, values=(0.25, 0.75), **stated)
    said = capsys.readouterr().out
    assert "caution: " in said
    assert "baseline.h5: loss" in said
    assert reason in said
    # What was asked for is handed out, and the store keeps what it has.
    assert loss_of(result) == [0.25, 0.75]
    (path,) = result.files.values()
    path.unlink()
    assert provide(tmp_path, result, recompute=False) == []
    assert loss_of(result) == [*VALUES]


def test_a_training_for_another_snapshot_is_compared_with_what_is_kept_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = {"dataset_sha256": "1"}

    def state(epochs: int) -> Result:
        files = {"history.h5": tmp_path / f"study/epoch-{epochs}/history.h5"}
        return Result("train", REQUEST, sources, files, finished_epochs=epochs)

    def train(results: Sequence[Result], last: float) -> None:
        def compute(made: Path, missing: Sequence[Result]) -> None:
            for one in results:
                values = (0.5, 0.25, last)[: one.finished_epochs]
                path = folder_of(one, made) / "history.h5"
                write(path, values, "history", finished_epochs=one.finished_epochs)

        Job(Store(tmp_path / "store")).provide(results, compute)

    train([state(3)], 0.125)
    with pytest.raises(DataError, match=r"differs from .*epoch-3 in history\.h5: loss"):
        train([state(3), state(1)], 0.0625)
    assert not (tmp_path / "study/epoch-1").exists()
    capsys.readouterr()
    train([state(3), state(1)], 0.125)
    assert "equal to" in capsys.readouterr().out
    assert (tmp_path / "study/epoch-1/history.h5").exists()
