"""Reads thousands of damaged HDF5 files; prints how many cases, read, refused.

    python fuzz_hdf5.py FOLDER CASES

Bytes are changed anywhere in a file as it is on the disk, which its last line betrays before the
HDF5 library sees it; and whole structures are changed through the library, and the file sealed
again, as somebody would who means harm.
"""

import random
import resource
import signal
import sys
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))

from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import Variable, read_record, read_tree, stamp_tree, write_record
from noise_resistance.storage.seal import seal

SECONDS_A_CASE = 20
VARIABLES = {
    "draw": Variable(("draw",), np.arange(3, dtype=np.int32), "index"),
    "accuracy": Variable(("draw",), np.array([0.1, 0.2, 0.3]), "accuracy"),
    "correct": Variable(("draw", "class"), np.arange(6).reshape(3, 2), "right"),
    "array": Variable(("array",), ["conv2d/kernel", "σ"], "names"),
}


def main(folder: Path, cases: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    generator = random.Random(1)
    good = folder / "good.h5"
    write_record(good, "noise", VARIABLES, {"parameters": {"eta": 0.1}})
    tree = folder / "good.weights.h5"
    with h5py.File(tree, "w") as file:
        file["layers/dense/vars/0"] = np.ones((2, 3), np.float32)
        file["layers/dense/vars"].attrs["name"] = "dense"
    stamp_tree(tree, "weights", {"parameters": {}})
    contents = {"noise": good.read_bytes(), "weights": tree.read_bytes()}
    read = refused = 0
    path = folder / "case.h5"
    for case in range(cases):
        kind = generator.choice(sorted(contents))
        path.write_bytes(contents[kind])
        if case % 2:
            path.write_bytes(damaged(contents[kind], generator))
        else:
            restructure(path, generator)
        signal.alarm(SECONDS_A_CASE)
        try:
            (read_record if kind == "noise" else read_tree)(path, kind)
            read += 1
        except DataError as error:
            line = str(error)
            if not line.startswith(str(path)) or not line.isprintable():
                sys.exit(f"case {case}: {line!r}")
            refused += 1
        finally:
            signal.alarm(0)
    print(cases, read, refused)


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
