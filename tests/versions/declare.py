"""Declare what a step's changed code means for results that are kept, as `make declare` does.

- ``new``: it gives other numbers. The step's version rises, and every user's results are stale.
- ``equal``: it gives the same numbers. Its tiny cases (`cases`) run with the code of the newest
  commit that is listed and with the code as it is, on this machine. It is listed only if every
  stored array is equal bit by bit, and if every line that changed behind the step was run.
- ``first``: nothing is listed yet.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from changes import Statement, not_run  # noqa: E402
from executed import Executed  # noqa: E402

from noise_resistance.errors import NoiseResistanceError  # noqa: E402
from noise_resistance.storage.kinds import kind_named  # noqa: E402
from noise_resistance.store.fingerprint import STEPS, Code, fingerprint  # noqa: E402
from noise_resistance.store.versions import (  # noqa: E402
    STORED_STEPS,
    VERSIONS_FILE,
    Version,
    read_versions,
)

PACKAGE = "workflow/noise_resistance"
# Says how long something took.
_TIMES = "seconds"
_SHOWN = 20

# Prints a step's fingerprint, the module that runs it, and the layouts of the files it writes.
_ASK = """
import json, sys
from noise_resistance.storage.kinds import kind_named
from noise_resistance.store.fingerprint import STEPS, fingerprint
entry, kinds = STEPS[sys.argv[1]]
layouts = {kind: kind_named(kind).schema_version for kind in kinds}
print(json.dumps([fingerprint(sys.argv[1]), entry, layouts]))
"""


class Refused(NoiseResistanceError):
    """The declaration does not hold; the message says why."""


class Listed(NamedTuple):
    """A commit whose code is listed.

    Attributes:
        commit: its name.
        package: the folder that its package was exported to.
        entry: the module that runs the step.
        layouts: the versions of the layouts of the files that the step writes, by kind.
    """

    commit: str
    package: Path
    entry: str
    layouts: dict[str, int]


def declare(step: str, how: str) -> str:
    """List the present code of a step.

    Args:
        step: one of `STORED_STEPS`.
        how: ``equal``, ``new`` or ``first``.

    Returns: what was done, one line.

    Raises:
        Refused: it may not be listed so.
    """
    version, present = read_versions()[step], fingerprint(step)
    if how == "new":
        _write(step, Version(version.number + 1, (present,)))
        return (
            f"{step}: version {version.number + 1}; write a line in CHANGELOG.md: which numbers "
            "change, and why"
        )
    if present in version.fingerprints:
        return f"{step}: this code is listed already, as version {version.number}"
    if how == "first":
        if version.fingerprints:
            raise Refused(f"{step}: code is listed already; write AS=equal or AS=new")
    else:
        _check_equal(step, version)
    _write(step, replace(version, fingerprints=(*version.fingerprints, present)))
    return f"{step}: listed {present} as version {version.number}"


def _write(step: str, version: Version) -> None:
    versions = {name: asdict(one) for name, one in {**read_versions(), step: version}.items()}
    values = {
        name: {"version": one["number"], "fingerprints": one["fingerprints"]}
        for name, one in versions.items()
    }
    VERSIONS_FILE.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _check_equal(step: str, version: Version) -> None:
    """Run cases with listed code and with the present, and compare.

    A step shares modules with others, so a line that its own cases do not run may be one that only
    theirs do: they run as well then, and must come out equal too.
    """
    with tempfile.TemporaryDirectory(prefix="declare-") as name:
        folder = Path(name)
        listed = _newest_listed(step, version, folder)
        layouts = {kind: kind_named(kind).schema_version for kind in STEPS[step][1]}
        if listed.layouts != layouts:
            raise Refused(
                f"{step}: the layout of its files changed since commit {listed.commit[:10]}, so "
                "those that are kept cannot be read; write AS=new"
            )
        old, new = Code(listed.package), Code(ROOT / PACKAGE)
        executed = Executed(), Executed()
        gone: list[Statement] = []
        come: list[Statement] = []
        for cases in _others_after(step):
            shared = {one.module for one in (*gone, *come)} & new.behind(STEPS[cases][0])
            if cases != step and not shared:
                continue
            print(f"{step}: comparing cases of {cases} with {listed.commit[:10]}", flush=True)
            ran = _run_both(cases, old.root, new.root, folder)
            for whole, part in zip(executed, ran, strict=True):
                whole.add(part)
            gone, come = not_run(old, listed.entry, new, STEPS[step][0], executed)
            if not gone and not come:
                return
        lines = [*(f"{one} (gone)" for one in _places(gone)), *_places(come)]
        raise Refused(
            f"{step}: all arrays are equal, but no case runs these changed lines: {_some(lines)}; "
            "add a case to tests/versions/cases.py, or write AS=new"
        )


def _others_after(step: str) -> list[str]:
    """Return a step, then the others, training last: its cases take longest."""
    return sorted(STORED_STEPS, key=lambda one: (one != step, one == "train"))


def _run_both(step: str, old: Path, new: Path, folder: Path) -> list[Executed]:
    """Run a step's cases with both packages; return what ran of each.

    Raises:
        Refused: an array differs, or a package fails.
    """
    inputs = folder / "inputs"
    made = [folder / f"{side}-{step}" for side in ("old", "new")]
    _run(old, folder, "inputs", step, inputs)
    for package, output in zip((old, new), made, strict=True):
        _run(package, folder, "run", step, inputs, output)
    if differing := differing_arrays(*made):
        raise Refused(
            f"{step}: not equal: {len(differing)} arrays differ: {_some(differing)}; write AS=new "
            "if this is meant"
        )
    return [Executed.read(output / "executed.json") for output in made]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _places(statements: list[Statement]) -> Iterator[str]:
    for one in statements:
        last = f"-{one.lines[-1]}" if len(one.lines) > 1 else ""
        yield f"{one.file}:{one.lines[0]}{last}"


def _newest_listed(step: str, version: Version, folder: Path) -> Listed:
    """Find the newest ancestor whose own fingerprint the present version lists, and export it."""
    for commit in _git("rev-list", "HEAD", "--", PACKAGE).decode().split():
        export = folder / commit
        archive = BytesIO(_git("archive", commit, PACKAGE))
        with tarfile.open(fileobj=archive) as files:
            files.extractall(export, filter="data")
        asked = subprocess.run(
            [sys.executable, "-c", _ASK, step],
            env=_environment(export / PACKAGE),
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode:
            break  # from here on back, no step has versions
        found, entry, layouts = json.loads(asked.stdout)
        if found in version.fingerprints:
            return Listed(commit, export / PACKAGE, entry, layouts)
    raise Refused(
        f"{step}: no ancestor of this commit has code that version {version.number} lists; fetch "
        "the whole history, or write AS=new"
    )


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)
    if done.returncode:
        raise Refused(f"git {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout


def _environment(package: Path) -> dict[str, str]:
    # No bytecode: it would be written into the repository.
    return {
        **os.environ,
        "PYTHONPATH": str(package.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
    }


def _run(package: Path, folder: Path, *arguments: str | Path) -> None:
    log = folder / "log.txt"
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            [sys.executable, str(HERE / "cases.py"), *map(str, arguments)],
            env=_environment(package),
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        print(log.read_text(encoding="utf-8", errors="replace"), file=sys.stderr)
        whose = "present" if package == ROOT / PACKAGE else "listed"
        raise Refused(f"{arguments[1]}: the {whose} code fails on the cases; see the log above")


def differing_arrays(one: Path, other: Path) -> list[str]:
    """Return the arrays of all HDF5 files below two folders that are not equal bit by bit.

    Folders whose names begin with a dot hold no results.

    Returns: such as ``adam/history.h5: loss``; the file alone where only one folder has it.
    """
    files = [
        {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*.h5"))
            if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        }
        for folder in (one, other)
    ]
    if not files[0]:
        raise Refused("the cases wrote no HDF5 file")
    found = []
    for name in sorted({*files[0], *files[1]}):
        if name not in files[0] or name not in files[1]:
            found.append(name)
            continue
        ours, theirs = (_arrays(side[name]) for side in files)
        found += [
            f"{name}: {array}"
            for array in sorted({*ours, *theirs})
            if ours.get(array) != theirs.get(array) and array != _TIMES
        ]
    return found


def _arrays(path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    found: dict[str, tuple[str, tuple[int, ...], bytes]] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            values = np.asarray(item[()])
            content = repr(values.tolist()).encode() if values.dtype == object else values.tobytes()
            found[name] = (values.dtype.str, values.shape, content)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("how", choices=["equal", "new", "first"])
    parser.add_argument("steps", nargs="+", choices=STORED_STEPS, metavar="step")
    arguments = parser.parse_args()
    try:
        for step in arguments.steps:
            print(declare(step, arguments.how), flush=True)
    except NoiseResistanceError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
