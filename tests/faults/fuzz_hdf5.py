"""Reads thousands of damaged HDF5 files by their real readers; prints cases, used and refused.

    python fuzz_hdf5.py FOLDER CASES

Three ways of damage: bytes are changed anywhere in a file as it is on the disk, which its last line
betrays before the HDF5 library sees it; whole structures are changed through the library, and the
file sealed again, as somebody would who means harm; and files are written by the workflow's own
writer with values, parameters and attributes that no step of it makes. `hypothesis` chooses, and
makes what fails small.
"""

import os
import random
import resource
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent / "workflow"), str(TESTS)]

from noise_resistance.analysis.diagnostics import summarise_diagnostics  # noqa: E402
from noise_resistance.analysis.measured import StudyFiles  # noqa: E402
from noise_resistance.analysis.settling import has_settled  # noqa: E402
from noise_resistance.datasets.prepared import read_split  # noqa: E402
from noise_resistance.errors import DataError  # noqa: E402
from noise_resistance.storage.hdf5 import (  # noqa: E402
    Variable,
    read_tree,
    stamp_tree,
    write_record,
)
from noise_resistance.storage.seal import seal  # noqa: E402
from noise_resistance.storage.sources import digest_of_images, digest_of_weights  # noqa: E402
from noise_resistance.store.results import KIND_OF_FILE, Result  # noqa: E402
from noise_resistance.store.versions import counts  # noqa: E402
from synthetic_study import (  # noqa: E402
    PROVENANCE,
    STEPS,
    attributes_of,
    outline_of,
    specification_of,
)

SECONDS_A_CASE = 20
OUTLINE = outline_of(models=1, rates=1, datasets=1, optimizers=1, draws=3)
SPECIFICATION = specification_of(OUTLINE)
EVALUATION = OUTLINE.evaluations[1]
TRAINING = EVALUATION.training
ONE_TRAINING = replace(
    OUTLINE,
    experiments=tuple(one for one in OUTLINE.experiments if one.name == "learning_rate"),
)
POINT, MODES, LAYERS = ("point",), ("point", "mode"), ("point", "batchnorm")
DRAW = ("draw",)
IMAGES = np.arange(4 * 2 * 2, dtype=np.uint8).reshape(4, 2, 2, 1)
UPDATES = ("update_noise", "update_size")
VARIABLES: dict[str, dict[str, Variable]] = {
    "noise": {
        "draw": Variable(DRAW, np.arange(3, dtype=np.int32), "index"),
        "accuracy": Variable(DRAW, np.array([0.1, 0.2, 0.3]), "accuracy"),
        "loss": Variable(DRAW, np.array([2.0, 1.0, np.nan]), "loss"),
        "nonfinite": Variable(DRAW, np.array([0, 0, 9], np.int32), "not finite"),
        "correct": Variable(("draw", "class"), np.arange(6).reshape(3, 2), "right"),
        "array": Variable(("array",), ["conv2d/kernel", "σ"], "names"),
    },
    "baseline": {
        "accuracy": Variable((), np.float64(0.5), "accuracy"),
        "prediction": Variable(("test_image",), np.zeros(9, np.int16), "class"),
    },
    "history": {
        "loss": Variable(("epoch",), np.linspace(2, 1, OUTLINE.epochs), "loss"),
        "learning_rate": Variable(("epoch",), np.full(OUTLINE.epochs, 0.0005), "rate"),
    },
    "diagnostics": {
        "channels": Variable(("batchnorm",), np.array([16, 32]), "channels"),
        "dead_channels": Variable(LAYERS, np.array([[0, 0], [1, 2]]), "dead"),
        "amplification_max": Variable(LAYERS, np.ones((2, 2)), "gain"),
        "bound_holds": Variable(MODES, np.ones((2, 2), np.int8), "holds"),
        **{
            name: Variable(MODES, np.ones((2, 2)), "noise")
            for name in ("gradient_noise", "gradient_noise_error", "step_noise")
        },
        **{
            name: Variable(POINT, np.array([0.0, 7.0]), name)
            for name in ("epochs", "learning_rate", "C", "C_error", "gradient_bound", "bound")
        },
        **{name: Variable(POINT, np.array([1.0, 2.0]), name) for name in UPDATES},
    },
    "dataset": {
        f"{split}_{name}": Variable(
            (f"{split}_image", "row", "column", "channel")[:axes], one, name
        )
        for split in ("train", "test")
        for name, axes, one in (("images", 4, IMAGES), ("labels", 1, np.arange(4, dtype=np.uint8)))
    },
}
WEIRD: list[Any] = [
    np.array([np.nan, np.inf]),
    np.array([], np.float64),
    np.zeros((3, 3)),
    np.full(3, -1),
    np.full(3, 1e300),
    np.float64(np.nan),
    np.float64(2),
    np.array(["a", "b", "c"], object),
    np.array([True, False, True]),
    np.zeros((0, 2)),
]
WEIRD_ATTRIBUTES: list[Any] = ["", "{", "[1]", '"x"', "null", "{}", '{"training": 5}', 7, -1.5]


def main(folder: Path, cases: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    os.chdir(folder)
    places = {kind: path_of(kind) for kind in (*VARIABLES, "weights")}
    contents = {}
    for kind, path in places.items():
        write_good(kind, path)
        contents[kind] = path.read_bytes()
    for kind, path in places.items():
        assert is_taken(kind, path) or kind == "dataset"
        use(kind, path)
    seen = Counter[str]()

    @settings(
        max_examples=cases,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(sorted(contents)), st.sampled_from(DAMAGES), st.randoms())
    def check(kind: str, damage: Callable[..., None], generator: random.Random) -> None:
        path = places[kind]
        path.write_bytes(contents[kind])
        damage(path, kind, contents[kind], generator)
        seen["cases"] += 1
        signal.alarm(SECONDS_A_CASE)
        try:
            taken = is_taken(kind, path)
            assert not (taken and damage is damage_bytes) or intact(path, contents[kind])
            use(kind, path)
            seen["used"] += 1
        except DataError as error:
            line = str(error)
            assert str(path) in line, repr(line)
            assert line.isprintable(), repr(line)
            seen["refused"] += 1
        finally:
            signal.alarm(0)
            path.write_bytes(contents[kind])

    check()
    print(seen["cases"], seen["used"], seen["refused"])


def path_of(kind: str) -> Path:
    paths = OUTLINE.paths
    if kind == "noise":
        return Path(paths.fill(paths.noise, EVALUATION))
    if kind == "dataset":
        return Path(paths.images.format(dataset=TRAINING.dataset, digest="0" * 16))
    return Path(paths.fill(getattr(paths, kind), TRAINING))


def write_good(kind: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "weights":
        with h5py.File(path, "w") as file:
            file["layers/dense/vars/0"] = np.ones((2, 3), np.float32)
            file["layers/dense/vars"].attrs["name"] = "dense"
        stamp_tree(path, "weights", attributes(kind))
    else:
        write_record(path, kind, VARIABLES[kind], attributes(kind))


def attributes(kind: str) -> Mapping[str, Any]:
    if kind == "dataset":
        return {**PROVENANCE.attributes({"name": "digits"}), "classes": 4}
    stated = "history" if kind == "weights" else kind
    return attributes_of(OUTLINE, EVALUATION if kind == "noise" else TRAINING, stated)


def is_taken(kind: str, path: Path) -> bool:
    """Say whether a job would take a file for its result, as it does before it computes."""
    names = [name for name, one in KIND_OF_FILE.items() if one == kind]
    if not names:
        return False
    stated = attributes(kind)
    sources = {name: stated[name] for name in stated if name.endswith("_sha256")}
    step = "train" if kind == "weights" else STEPS[kind]
    return Result(step, stated["parameters"], sources, {names[0]: path}).is_there(counts(step))


def intact(path: Path, content: bytes) -> bool:
    """Say whether no more than a file's last line is damaged."""
    whole = content[: content.rindex(b"\nnoise-resistance sha256 ")]
    return path.read_bytes().startswith(whole)


def use(kind: str, path: Path) -> None:
    """Read a file as the workflow does, and compute what it computes."""
    files = StudyFiles(OUTLINE, SPECIFICATION)
    if kind == "noise":
        files.baseline(TRAINING)
        assert 0 <= files.noise(EVALUATION)["accuracy"].mean() <= 1
    elif kind == "baseline":
        assert 0 <= float(files.baseline(TRAINING)["accuracy"]) <= 1
    elif kind == "history":
        assert has_settled(files.history(TRAINING)["loss"].tolist()) in (True, False)
    elif kind == "diagnostics":
        summary = Path("results/diagnostics.csv"), Path("results/diagnostics_all.h5")
        summarise_diagnostics(ONE_TRAINING, *summary, PROVENANCE, specification=SPECIFICATION)
    elif kind == "dataset":
        assert digest_of_images(path)
        for split in ("train", "test"):
            one = read_split(path, split)  # type: ignore[arg-type]
            assert np.bincount(one.labels, minlength=one.classes).sum() == len(one.images)
    else:
        assert digest_of_weights(path)
        assert all(one.size >= 0 for one in read_tree(path, kind).variables.values())


def damage_bytes(path: Path, kind: str, content: bytes, generator: random.Random) -> None:
    path.write_bytes(damaged(content, generator))


def damage_structure(path: Path, kind: str, content: bytes, generator: random.Random) -> None:
    restructure(path, generator)


def write_malformed(path: Path, kind: str, content: bytes, generator: random.Random) -> None:
    """Write a file that is sealed and checksummed throughout, and makes no sense."""
    if kind == "weights":
        parameters = generator.choice(WEIRD_ATTRIBUTES)
        stamp_tree(path, kind, {"parameters": parameters, "fingerprint": 7})
        return
    variables, header = dict(VARIABLES[kind]), dict(attributes(kind))
    for _ in range(generator.randint(0, 2)):
        what = generator.choice(["value", "value", "variable", "attribute", "no attribute"])
        if what == "value":
            # What is a dimension of another cannot have dimensions of its own.
            axes = {axis for one in variables.values() for axis in one.dimensions}
            name = generator.choice(sorted(set(variables) - axes) or sorted(variables))
            value = np.asarray(generator.choice(WEIRD))
            dimensions = tuple(f"{name}_{axis}" for axis in range(value.ndim))
            variables[name] = Variable(dimensions, value, "weird")
        elif what == "variable" and len(variables) > 1:
            del variables[generator.choice(sorted(variables))]
        elif what == "no attribute":
            header.pop(generator.choice(sorted(header)))
        else:
            header[generator.choice(sorted(header))] = generator.choice(WEIRD_ATTRIBUTES)
        if len(header) < 2:
            break
    write_record(path, kind, variables, header)


DAMAGES = (damage_bytes, damage_structure, write_malformed)


def damaged(content: bytes, generator: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(generator.randint(0, 3)):
        at = generator.randrange(len(data))
        piece = generator.randbytes(generator.randint(1, 30))
        what = generator.choice(["overwrite", "insert", "cut"])
        if what == "cut":
            del data[max(at, 1) :]
        elif what == "insert":
            data[at:at] = piece
        else:
            data[at : at + len(piece)] = piece
    return bytes(data)


def restructure(path: Path, generator: random.Random) -> None:
    """Make one or two changes through the library, and seal the file again."""
    with h5py.File(path, "r+") as file:
        for _ in range(generator.randint(1, 2)):
            names: list[str] = []
            file.visit(names.append)
            if not names:
                break
            name = generator.choice(names)
            generator.choice(CHANGES)(file, name, generator)
    seal(path)


def delete(file: h5py.File, name: str, generator: random.Random) -> None:
    del file[name]


def replace_by_group(file: h5py.File, name: str, generator: random.Random) -> None:
    del file[name]
    file.create_group(name)


def replace_by_link(file: h5py.File, name: str, generator: random.Random) -> None:
    del file[name]
    targets = [
        h5py.ExternalLink("/etc/passwd", "/x"),
        h5py.SoftLink("/nowhere"),
        h5py.SoftLink("/"),
    ]
    file[name] = generator.choice(targets)


def replace_by_bomb(file: h5py.File, name: str, generator: random.Random) -> None:
    del file[name]
    shape = generator.choice([(1 << 50,), (1 << 20, 1 << 20), (0,), ()])
    chunks = tuple(min(one, 1 << 10) for one in shape) if all(shape) and shape else None
    file.create_dataset(name, shape, generator.choice(["f8", "i1"]), chunks=chunks)


def replace_by_values(file: h5py.File, name: str, generator: random.Random) -> None:
    del file[name]
    file[name] = generator.choice(
        [
            np.array([np.nan, np.inf]),
            np.array([b"bytes", b"more"]),
            np.zeros(3, [("a", "f4"), ("b", "i2")]),
            np.bool_(True),
            np.complex64(1j),
            "text",
            1 << 62,
        ]
    )


def change_attribute(file: h5py.File, name: str, generator: random.Random) -> None:
    owner = generator.choice([file, file[name]])
    key = generator.choice(["kind", "schema_version", "parameters", "sha256", "name", "new"])
    owner.attrs[key] = generator.choice(
        ["", "noise", "../x", "{", 7, -1.5, np.array([1, 2]), np.bytes_(b"\xff"), h5py.Empty("f8")]
    )


def delete_attribute(file: h5py.File, name: str, generator: random.Random) -> None:
    owner = generator.choice([file, file[name]])
    if owner.attrs:
        del owner.attrs[generator.choice(sorted(owner.attrs))]


def add_nothing(file: h5py.File, name: str, generator: random.Random) -> None:
    """Leave a file as it is: it must be read."""


CHANGES = (
    delete,
    replace_by_group,
    replace_by_link,
    replace_by_bomb,
    replace_by_values,
    change_attribute,
    delete_attribute,
    add_nothing,
)

if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
