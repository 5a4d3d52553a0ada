"""Measure what Slurm and Snakemake take for the evaluations of one model: bundled, and one by one.

    .venv-dev/bin/python tests/cluster/bundling.py

Starts a Slurm on this machine (Debian, as root), and ends it. Prints a Markdown table: submissions,
seconds from start to end, and the seconds a job occupied its node beyond what its file states.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import pandas as pd

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("workflow", "."))]

from conftest import PROFILE, OnCluster  # noqa: E402
from one_node_slurm import OneNodeSlurm  # noqa: E402
from workspace import Workspace  # noqa: E402

STUDY: dict[str, Any] = {
    "study": "bundling",
    "device": "auto",
    "experiments": [
        {
            "name": "learning_rate",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "learning_rates": [0.001],
        }
    ],
    "training": {"epochs": 1, "schedule": [], "horizontal_flip": False},
    "noise": {"levels": [0.05, 0.1, 0.2, 0.3, 0.4, 0.5], "scopes": ["kernels", "all"], "draws": 10},
    "longest_job": 100,
}


def measure(slurm: OneNodeSlurm, folder: Path, *arguments: str) -> dict[str, float]:
    workspace = Workspace.make(folder)
    assert workspace.snakemake("trainings", config={**STUDY, "device": "cpu"}).status == 0
    before = {number for number, _, _ in slurm.jobs("all")}
    started = time.monotonic()
    run = OnCluster(workspace, STUDY, "evaluations", *PROFILE, *arguments).end(600)
    seconds = time.monotonic() - started
    assert run.status == 0, run.output[-3000:]
    numbers = [number for number, _, _ in slurm.jobs("all") if number not in before]
    held = sum(_held(number) for number in numbers)
    own = []
    for evaluation in ("baseline.h5", "eta-*.h5"):
        for path in (workspace.folder / "results/bundling").rglob(evaluation):
            with h5py.File(path) as file:
                own.append(float(file.attrs["seconds"]))
    return {
        "jobs": len(own),
        "submissions": len(numbers),
        "seconds": seconds,
        "own": sum(own) / len(own),
        "beyond": (held - sum(own)) / len(own),
    }


def _held(number: str) -> float:
    """Return how long a job held its node, in seconds."""
    shown = subprocess.run(
        ["scontrol", "show", "job", number], capture_output=True, text=True, check=True
    ).stdout
    start, end = (
        pd.Timestamp(re.search(rf"{name}=(\S+)", shown)[1])  # type: ignore[index]
        for name in ("StartTime", "EndTime")
    )
    return float((end - start).total_seconds())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        slurm = OneNodeSlurm.start(Path(folder, "slurm"), cpus=2)
        try:
            one_by_one = (
                "--groups",
                "evaluate_baseline=baseline-{dataset}-{model}-{learning_rate}",
                "evaluate_noise=noise-{dataset}-{model}-{learning_rate}-{scope}-{noise_level}",
            )
            rows = {
                "bundled": measure(slurm, Path(folder, "bundled"), "--jobs=2"),
                "one by one": measure(slurm, Path(folder, "single"), "--jobs=2", *one_by_one),
                "as an array": measure(
                    slurm, Path(folder, "array"), "--jobs=20", *one_by_one,
                    "--slurm-array-jobs=all",
                ),
            }  # fmt: skip
        finally:
            slurm.stop()
    print("| | jobs | submissions | start to end | a job computes | beyond that |")
    print("|---|---|---|---|---|---|")
    for name, row in rows.items():
        print(
            f"| {name} | {row['jobs']} | {row['submissions']} | {row['seconds']:.0f} s "
            f"| {row['own']:.1f} s | {row['beyond']:.1f} s |"
        )


if __name__ == "__main__":
    main()
