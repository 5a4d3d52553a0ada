"""A working folder with a copy of this checkout's workflow, and Snakemake run in it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from noise_resistance.study.dataset import Dataset

ROOT = Path(__file__).parents[2]
# The name of the prepared digits: a hash of reader and version, since they have no archive.
DIGITS = Dataset("digits", "", "1", "digits", 10, None, None, "", "", ()).digest
COPIED = ("Snakefile", "config", "envs", "profiles", "workflow")
# A worker of pytest-xdist has a core to itself: two TensorFlows on each would swap.
CORES = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2

# Digits come with the installation. An epoch is 43 steps and BatchNorm's moving statistics follow
# with 0.99 a step: eight epochs take seconds, and with fewer the test accuracy stays at chance.
TINY: dict[str, Any] = {
    "study": "tiny",
    "device": "cpu",
    "experiments": [
        {
            "name": "learning_rate",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "learning_rates": [0.001, 0.002],
            "scopes": ["kernels"],
        },
        {
            "name": "optimizer",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "optimizers": ["sgd", "adam"],
            "learning_rates": [0.001],
            "scopes": ["all"],
        },
        {
            "name": "tradeoff",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "learning_rates": [0.001, 0.002],
            "scopes": ["all"],
        },
    ],
    "training": {"epochs": 8, "schedule": [[6, 0.1]], "horizontal_flip": False},
    "noise": {"levels": [0.1, 0.4], "draws": 2},
    "diagnostics": {"images": 16, "batches": 4},
}


# A workflow of the user's own, with this one as a module, as README shows it.
OUTER_SNAKEFILE = """
configfile: "noise/config/datasets.yaml"
configfile: "mine.yaml"


module noise:
    snakefile:
        "noise/Snakefile"
    config:
        config


use rule * from noise as noise_*


rule all:
    default_target: True
    input:
        rules.noise_all.input,
"""


@dataclass(frozen=True)
class Run:
    """One Snakemake run that has ended.

    Attributes:
        status: its exit status.
        output: all it wrote.
    """

    status: int
    output: str

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()

    @property
    def errors(self) -> list[str]:
        """The lines in which the package reports an error."""
        return [line for line in self.lines if line.startswith("error: ")]

    @property
    def planned(self) -> dict[str, int]:
        """The numbers of jobs by rule, from the job statistics."""
        _, _, statistics = self.output.partition("Job stats:")
        table, _, _ = statistics.partition("\ntotal")
        return {
            name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)
        }

    @property
    def jobs(self) -> Counter[str]:
        """The jobs that ran: the rule's name and the values of its wildcards."""
        found = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", self.output, re.MULTILINE)
        return Counter(
            " ".join([rule, *re.findall(r"^    wildcards: (.*)$", about, re.MULTILINE)])
            for rule, about in found
        )


def snakemake_command(*arguments: str) -> list[str]:
    """Return the command that runs Snakemake; a test that needs two jobs at once says --cores=2."""
    stated = any(argument.startswith("--cores") for argument in arguments)
    cores = [] if stated else [f"--cores={CORES}"]
    return [sys.executable, "-m", "snakemake", *arguments, *cores]


@dataclass(frozen=True)
class Workspace:
    """A folder that holds the workflow and, once it has run, its results."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, **environment: str) -> "Workspace":
        """Copy what a user's checkout holds: the Snakefile finds the rest beside itself."""
        folder.mkdir(parents=True)
        for name in COPIED:
            if (ROOT / name).is_dir():
                unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
                shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
            else:
                shutil.copy2(ROOT / name, folder / name)
        return cls(folder, environment)

    def snakemake(
        self, *arguments: str, config: Mapping[str, Any] | None = None, timeout: float = 550
    ) -> Run:
        """Run Snakemake, with this configuration laid over config/config.yaml."""
        command = snakemake_command(*arguments)
        if config is not None:
            (self.folder / "test.yaml").write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
            command.append("--configfile=test.yaml")
        unwanted = ("PYTHONPATH", "SNAKEMAKE_PROFILE")
        environment = {key: value for key, value in os.environ.items() if key not in unwanted}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**environment, "NO_PROXY": "127.0.0.1", **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Run(done.returncode, done.stdout)

    def plan(self, *options: str) -> dict[str, Any]:
        """Return what `noise-resistance plan --json` says of the study in test.yaml."""
        places = (self.folder, self.folder / "noise", self.folder.with_name("checkout"))
        (package,) = [one / "workflow" for one in places if (one / "workflow").is_dir()]
        command = [sys.executable, "-m", "noise_resistance", "plan", "--json"]
        done = subprocess.run(
            [*command, "--configfile=test.yaml", *options],
            cwd=self.folder,
            env={**os.environ, **self.environment, "PYTHONPATH": str(package)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def files(self, below: str) -> set[str]:
        """Return the files below a folder, relative to it, temporary and hidden ones too."""
        folder = self.folder / below
        return {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}
