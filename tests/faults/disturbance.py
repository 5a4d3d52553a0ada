"""A study that is run, disturbed, and compared with an undisturbed run value by value."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml
from workspace import Workspace, snakemake_command

from made_up_study import MadeUpStudy
from noise_resistance.store.entries import MANIFEST, Store

# Two trainings, long enough to be met in the middle, and eight evaluations.
STUDY: dict[str, Any] = {
    "study": "disturbed",
    "device": "cpu",
    "experiments": [
        {
            "name": "learning_rate",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "learning_rates": [0.001, 0.002],
        }
    ],
    "training": {"epochs": 8, "schedule": [[6, 0.1]], "horizontal_flip": False},
    "noise": {"levels": [0.1, 0.4], "scopes": ["kernels", "all"], "draws": 3},
    "diagnostics": {"images": 0, "before_decay": False},
}
# What differs between two runs of the same thing.
UNSTABLE_ATTRIBUTES = {"created", "seconds", "peak_memory_mb", "attributes_sha256"}
UNSTABLE_VARIABLES = {"seconds"}


class Disturbed:
    """Snakemake running in the background, in a session of its own, as from a terminal."""

    def __init__(self, workspace: Workspace, config: dict[str, Any], *arguments: str) -> None:
        (workspace.folder / "test.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        command = snakemake_command(*arguments, "--configfile=test.yaml")
        unwanted = ("PYTHONPATH", "SNAKEMAKE_PROFILE")
        self.output = workspace.folder / "snakemake.out"
        # A shell's background job ignores Ctrl-C, and so would its children.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        with self.output.open("w", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                command,
                cwd=workspace.folder,
                env={key: one for key, one in os.environ.items() if key not in unwanted},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        signal.signal(signal.SIGINT, before)

    def jobs(self) -> list[int]:
        """The processes of jobs that are running now."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    group = os.getpgid(int(entry.name))
                except OSError:
                    continue
                if group == self.process.pid and words[1:3] == [b"-m", b"noise_resistance"]:
                    found.append(int(entry.name))
        return sorted(found)

    def has_jobs(self) -> bool:
        return bool(self.jobs())

    def wait_for(self, condition: Callable[[], bool], seconds: float = 120) -> bool:
        """Wait until something is so; False if the run ends before."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if condition():
                return True
            time.sleep(0.01)
        return False

    def jobs_by_rule(self) -> Counter[str]:
        """The commands of jobs that are running now."""
        found = Counter[str]()
        for process in self.jobs():
            try:
                words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if len(words) < 6:
                continue  # it has just ended
            found[words[5].decode()] += 1  # after --log and its file
        return found

    def kill_snakemake(self) -> None:
        """Kill Snakemake with SIGKILL; its jobs know nothing of it and go on."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def kill_jobs(self, number: int) -> None:
        for process in self.jobs():
            try:
                os.kill(process, number)
            except ProcessLookupError:
                continue

    def kill_all(self, number: int) -> None:
        """Send a signal to Snakemake and all jobs, as Ctrl-C in a terminal does."""
        os.killpg(self.process.pid, number)

    def end(self, seconds: float = 120) -> int:
        """Wait for the end; what does not end by itself is killed."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill_all(signal.SIGKILL)
            self.process.wait()
            raise
        finally:
            # Jobs of a Snakemake that was killed alone may still be there.
            self.kill_jobs(signal.SIGKILL)


def stop(run: Disturbed) -> None:
    """End whatever is left of a run."""
    if run.process.poll() is None:
        run.kill_all(signal.SIGKILL)
        run.process.wait()
    run.kill_jobs(signal.SIGKILL)


def lasting_writes(workspace: Workspace, seconds: float = 0.2) -> Workspace:
    """Let each file stay under its temporary name for a while, so that kills meet it there."""
    module = workspace.folder / "workflow/noise_resistance/storage/files.py"
    text = module.read_text(encoding="utf-8")
    old = "    _flush(whole)\n"
    assert text.count(old) == 1
    text = text.replace(old, f"{old}    __import__('time').sleep({seconds})\n")
    module.write_text(text, encoding="utf-8")
    return workspace


def differences(one: Path, other: Path) -> list[str]:
    """Compare all HDF5 files below two folders, value by value and attribute by attribute.

    Those of the store are among them: what was computed for the same has the same place there.
    """
    found = []
    names = [{path.relative_to(root) for path in root.rglob("*.h5")} for root in (one, other)]
    found += [f"{name}: on one side alone" for name in sorted(names[0] ^ names[1])]
    for name in sorted(names[0] & names[1]):
        with h5py.File(one / name) as first, h5py.File(other / name) as second:
            contents = [_content(file) for file in (first, second)]
        found += [
            f"{name}: {key}"
            for key in sorted({*contents[0], *contents[1]})
            if not _equal(contents[0].get(key), contents[1].get(key))
        ]
    return found


def litter(folder: Path) -> list[Path]:
    """What no finished study has: temporary files and folders, states, locks of trainings."""
    unwanted = (".tmp-", ".download-", "states-", ".resume")
    return [
        path
        for path in folder.rglob("*")
        if path.name.startswith(unwanted) or path.name == "lock" or path.suffix == ".lock"
    ]


def half_made(store: Path) -> list[str]:
    """Read every entry of a store: what is damaged, and what is no part of any."""
    entries = [*Store(store).entries()]
    assert entries
    files = {one.folder / name for one in entries for name in (*one.manifest["files"], MANIFEST)}
    found = [f"{one.folder}: {damage}" for one in entries if (damage := one.damage())]
    return found + [str(one) for one in store.rglob("*") if one.is_file() and one not in files]


def computed(store: Path) -> dict[str, int]:
    """When each entry of a store was made: the same as before where nothing was computed."""
    folders = [one.folder for one in Store(store).entries()]
    return {
        one.relative_to(store).as_posix(): (one / MANIFEST).stat().st_mtime_ns for one in folders
    }


def dataset_of(config: dict[str, Any], name: str) -> str:
    """The small file of a dataset, beside which its images lie."""
    return MadeUpStudy.of(config).products.dataset({"dataset": name})


def _content(file: h5py.File) -> dict[str, Any]:
    # A dataset's file that was deleted and made again says so.
    unstable = UNSTABLE_ATTRIBUTES | ({"fingerprint"} if file.attrs["kind"] == "dataset" else set())
    content = {f"@{key}": one for key, one in file.attrs.items() if key not in unstable}

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and name not in UNSTABLE_VARIABLES:
            content[name] = item[()]

    file.visititems(add)
    return content


def _equal(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return False
    first, second = np.asarray(one), np.asarray(other)
    if first.dtype.kind == "f":
        return np.array_equal(first, second, equal_nan=True)
    return np.array_equal(first, second)
