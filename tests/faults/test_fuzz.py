"""Hundreds or thousands of made-up inputs: each is accepted and used, or refused in one line."""

import contextlib
import copy
import gzip
import io
import json
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workspace import ROOT

from extent import extent
from made_up_results import add, evaluation
from made_up_study import CONFIG, MadeUpStudy
from noise_resistance.datasets.cifar import read_cifar10, read_cifar100
from noise_resistance.datasets.idx import read_idx
from noise_resistance.errors import ConfigurationError, DataError
from noise_resistance.storage.checksums import canonical
from noise_resistance.storage.sources import read_dataset_file
from noise_resistance.store.entries import MANIFEST, Store
from noise_resistance.store.manifest import read_entry
from noise_resistance.study.configuration import Study, load
from noise_resistance.study.outline import Outline
from noise_resistance.study.paths import wildcards
from noise_resistance.study.products import Products
from noise_resistance.study.request import TrainingRequest

CASES = extent(300, 2000)
FUZZ = settings(
    max_examples=CASES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TEXT = st.text(max_size=12) | st.sampled_from(
    [
        "../x",
        "/etc/passwd",
        "a;touch hacked",
        "$(touch hacked)",
        "-rf",
        "a\nb",
        "a b",
        "{seed}",
        "~",
    ]
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def configuration(name: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for file in ("datasets.yaml", name):
        values.update(yaml.safe_load((ROOT / "config" / file).read_text(encoding="utf-8")))
    return values


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        return [at, *(place for key in keys for place in places(value[key], (*at, key)))]
    return [at]


STUDIES = [configuration(name) for name in ("config.yaml", "demo.yaml", "cpu.yaml")]


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """A good configuration in which up to three places hold something else."""
    config = copy.deepcopy(draw(st.sampled_from(STUDIES)))
    for _ in range(draw(st.integers(0, 2))):
        *path, last = draw(st.sampled_from([at for at in places(config) if at]))
        place: Any = config
        for key in path:
            place = place[key]
        action = draw(st.sampled_from(["replace", "replace", "add", "remove"]))
        if action == "remove":
            del place[last]
        elif action == "add" and isinstance(place[last], dict):
            place[last][draw(TEXT)] = draw(ANY)
        else:
            place[last] = draw(ANY)
    return config


def is_one_line(text: str) -> bool:
    return text.isprintable() and bool(text)


def test_any_configuration_is_used_or_refused_in_one_line(counts: Counter[str]) -> None:
    seen = Counter[str]()

    @FUZZ
    @given(configurations() | ANY)
    def check(config: Any) -> None:
        seen["cases"] += 1
        try:
            study = load(config)
        except ConfigurationError as error:
            assert is_one_line(str(error)), repr(str(error))  # noqa: PT017
            seen["refused"] += 1
        else:
            use(study)
            seen["used"] += 1

    check()
    assert seen["cases"] >= CASES
    assert min(seen["used"], seen["refused"]) > CASES / 50, seen
    counts["made-up configurations, used or refused in one line"] += seen["cases"]


def use(study: Study) -> None:
    """Paths stay below results/ and logs/, and outline and requests survive JSON."""
    paths = [study.paths.fill(study.paths.noise, one) for one in study.evaluations[:20]]
    paths += [study.paths.fill(study.paths.weights, one) for one in study.trainings[:20]]
    for path in [*paths, study.paths.summary, study.paths.settings]:
        assert path.startswith(f"results/{study.name}/")
        assert ".." not in path.split("/")
        assert not set(path) & set(" ;$`'\"\\\n{}~*?&|<>()")
    assert study.paths.logs == f"logs/{study.name}"
    assert Outline.from_json(study.outline.to_json()) == study.outline
    products = Products(study)
    for one in study.trainings[:5]:
        request = products.request("train", wildcards(one))
        again = TrainingRequest.from_mapping(json.loads(request)).parameters()
        assert canonical(again) == request


def small_tar(name: str, record: int) -> bytes:
    plain = io.BytesIO()
    generator = np.random.default_rng(1)
    members = {
        "cifar10": {f"data_batch_{index}.bin": 1 for index in range(1, 6)} | {"test_batch.bin": 1},
        "cifar100": {"train.bin": 2, "test.bin": 1},
    }[name]
    folder = {"cifar10": "cifar-10-batches-bin", "cifar100": "cifar-100-binary"}[name]
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for member, count in members.items():
            labels = generator.integers(0, 10, (count, record - 3072), np.uint8)
            pixels = generator.integers(0, 256, (count, 3072), np.uint8)
            content = np.hstack([labels, pixels]).tobytes()
            header = tarfile.TarInfo(f"{folder}/{member}")
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return plain.getvalue()


TARS = {"cifar10": small_tar("cifar10", 3073), "cifar100": small_tar("cifar100", 3074)}
IDX = b"\0\0\x08\x03" + b"\0\0\0\x02\0\0\0\x04\0\0\0\x04" + bytes(range(32))
READERS = {"cifar10": read_cifar10, "cifar100": read_cifar100}


@st.composite
def archives(draw: st.DrawFn) -> tuple[str, bytes]:
    """A good archive with damage: in headers or anywhere, before packing or after it."""
    reader = draw(st.sampled_from(["cifar10", "cifar100", "idx"]))
    data = bytearray(IDX if reader == "idx" else TARS[reader])
    if draw(st.booleans()):
        return reader, bytes(mutated(draw, bytearray(gzip.compress(bytes(data), 1, mtime=0))))
    packed = bytes(mutated(draw, data))
    return reader, gzip.compress(packed, 1, mtime=0) if draw(st.integers(0, 9)) else packed


def mutated(draw: st.DrawFn, data: bytearray) -> bytearray:
    for _ in range(draw(st.integers(0, 3))):
        # Headers of a tar are the first 512 bytes of each member of 4,096 or 8,192.
        at = draw(st.integers(0, len(data)) | st.integers(0, 511).map(lambda one: one % len(data)))
        what = draw(st.sampled_from(["overwrite", "insert", "cut"]))
        piece = draw(st.binary(min_size=1, max_size=40))
        if what == "cut":
            del data[at:]
        elif what == "insert":
            data[at:at] = piece
        else:
            data[at : at + len(piece)] = piece
        if not data:
            break
    return data


def test_any_archive_is_read_or_refused_in_one_line(tmp_path: Path, counts: Counter[str]) -> None:
    seen = Counter[str]()
    path = tmp_path / "archive.gz"

    @FUZZ
    @given(archives())
    def check(case: tuple[str, bytes]) -> None:
        reader, content = case
        path.write_bytes(content)
        seen["cases"] += 1
        try:
            if reader == "idx":
                assert read_idx(path, 3).dtype == np.uint8
            else:
                assert READERS[reader]([path]).train_images.shape[1:] == (32, 32, 3)
        except DataError as error:
            assert is_one_line(str(error)), repr(str(error))  # noqa: PT017
            assert str(path) in str(error)  # noqa: PT017
            seen["refused"] += 1
        else:
            seen["used"] += 1

    check()
    assert [one.name for one in tmp_path.iterdir()] == ["archive.gz"]
    assert seen["cases"] >= CASES
    assert min(seen["used"], seen["refused"]) > CASES / 50, seen
    counts["made-up archives, read or refused in one line"] += seen["cases"]


def test_any_hdf5_file_is_read_or_refused_in_one_line(tmp_path: Path, counts: Counter[str]) -> None:
    # In a process of its own with a limit of time and memory: a crash of the HDF5 library or a hang
    # is a failure here and not the end of the tests.
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("fuzz_hdf5.py")), str(tmp_path), str(CASES)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-1000:]}{done.stderr[-3000:]}"
    cases, read, refused = map(int, done.stdout.split()[-3:])
    assert cases >= CASES
    assert cases == read + refused
    assert min(read, refused) > CASES / 50, (read, refused)
    counts["made-up HDF5 files, read or refused in one line"] += cases


def test_damaged_descriptions_are_refused_or_say_what_they_said(
    tmp_path: Path, counts: Counter[str]
) -> None:
    seen = Counter[str]()
    with contextlib.chdir(tmp_path):
        study = MadeUpStudy.of(CONFIG)
        study.prepare()
        dataset = Path(study.products.dataset({"dataset": "digits"}))
    entry = add(Store(tmp_path / "store"), evaluation(seed=1))
    files = [tmp_path / dataset, entry / MANIFEST]
    whole = {file: file.read_bytes() for file in files}

    def said(file: Path) -> str | None:
        """What is taken from a file, as text; None where it is refused."""
        if file.name != MANIFEST:
            try:
                return canonical(vars(read_dataset_file(file)) | {"path": ""})
            except DataError as error:
                assert is_one_line(str(error)), repr(str(error))  # noqa: PT017
                assert str(file) in str(error)  # noqa: PT017
                return None
        found = read_entry(entry)
        if found is None or found.damage():
            return None
        return canonical({name: found.manifest[name] for name in ("request", "sources", "step")})

    as_written = {file: said(file) for file in files}
    assert None not in as_written.values()

    @FUZZ
    @given(st.data())
    def check(data: st.DataObject) -> None:
        file = data.draw(st.sampled_from(files))
        file.chmod(0o644)
        file.write_bytes(mutated(data.draw, bytearray(whole[file])))
        seen["cases"] += 1
        found = said(file)
        file.write_bytes(whole[file])
        assert found in (None, as_written[file])
        seen["refused" if found is None else "used"] += 1

    check()
    assert min(seen["used"], seen["refused"]) > 0, seen
    counts["made-up descriptions, read or refused in one line"] += seen["cases"]


@pytest.mark.parametrize("text", ["study: [", "a: b: c", "\t- x", "- 1\n- 2", "5"])
def test_what_is_no_mapping_in_yaml_is_refused_before_any_job(
    tmp_path: Path, text: str, counts: Counter[str]
) -> None:
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "noise_resistance", "plan", f"--configfile={tmp_path / 'bad.yaml'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert is_one_line(done.stderr.removesuffix("\n"))
    assert "bad.yaml" in done.stderr
    counts["hostile inputs refused"] += 1
