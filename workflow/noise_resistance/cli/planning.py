"""The command that says what a study has done and what is left, and changes nothing."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noise_resistance.cli.options import FILE
from noise_resistance.errors import ConfigurationError
from noise_resistance.storage.files import what_is_there

if TYPE_CHECKING:
    from noise_resistance.study.configuration import Study

__all__ = ["plan"]

_OWN_FILES = ("config/datasets.yaml", "config/config.yaml")
# A bytecode cache would be a change too.
_UNTOUCHED = {"PYTHONDONTWRITEBYTECODE": "1"}


@click.command()
@click.option(
    "--configfile",
    "files",
    type=FILE,
    multiple=True,
    help="As for snakemake: laid over config/config.yaml; may be repeated.",
)
@click.option(
    "--at-once",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Trainings that run at once: GPUs times trainings_per_gpu, or cores.",
)
def plan(files: tuple[Path, ...], at_once: int) -> None:
    """Print what a study has done, what runs, what is left and why, and how long that takes.

    To be called where snakemake is, beside the Snakefile. Nothing is run or changed.
    """
    from noise_resistance.analysis.plan import jobs_left
    from noise_resistance.analysis.plan_text import plan_text

    study = _study(files)
    click.echo(plan_text(study, jobs_left(_dry_run(files)), at_once))


def _dry_run(files: Sequence[Path]) -> str:
    # One option with all files: of several options Snakemake takes the last alone. What an
    # incomplete study leaves out is left to do.
    given = ["--configfile", *map(str, files)] if files else []
    options = ["--cores=1", *given, "--config", "incomplete=false"]
    done = subprocess.run(
        [sys.executable, "-m", "noise_resistance.cli.dry_run", *options],
        env={**os.environ, **_UNTOUCHED},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("error: ")] or lines[-1:] or ["no word"]
        raise ConfigurationError(
            f"snakemake cannot plan this study: {errors[0].removeprefix('error: ')}"
        )
    return done.stdout


def _study(files: Sequence[Path]) -> "Study":
    """Read the configuration as the Snakefile does: each file laid over those before it."""
    import yaml
    from snakemake.utils import update_config

    from noise_resistance.study.configuration import load

    merged: dict[str, Any] = {}
    for file in (*map(Path, _OWN_FILES), *files):
        try:
            values = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        except OSError as error:
            remedy = what_is_there(file) if file in files else "call this beside the Snakefile"
            raise ConfigurationError(f"{file}: {error.strerror}; {remedy}") from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{file}: no text in UTF-8") from error
        except yaml.YAMLError as error:
            raise ConfigurationError(f"{file}: no YAML: {' '.join(str(error).split())}") from error
        if not isinstance(values, dict):
            raise ConfigurationError(f"{file}: holds no keys; write such as 'study: mine'")
        update_config(merged, values)
    return load(merged)
