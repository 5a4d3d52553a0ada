"""Measure what Slurm and Snakemake take for the evaluations of one model: bundled, and one by one.

    .venv-dev/bin/python tests/cluster/bundling.py

Starts a Slurm on this machine (Debian, as root), and ends it. Prints a Markdown table: submissions,
seconds from start to end, and the seconds a job occupied its node beyond its own work.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

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
    benchmarks = (workspace.folder / "results/bundling/benchmarks").rglob("evaluate_*/**/*.tsv")
    own = [float(pd.read_csv(one, sep="\t")["s"].iloc[0]) for one in benchmarks]
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
    print("| | jobs | submissions | start to end | a job's own work | beyond it |")
    print("|---|---|---|---|---|---|")
    for name, row in rows.items():
        print(
            f"| {name} | {row['jobs']} | {row['submissions']} | {row['seconds']:.0f} s "
            f"| {row['own']:.1f} s | {row['beyond']:.1f} s |"
        )


if __name__ == "__main__":
    main()
