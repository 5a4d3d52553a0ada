"""The command that says what a study has done and what is left, and changes nothing."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from noise_resistance.cli.options import configfile_option, directory_option, snakefile_option
from noise_resistance.errors import ConfigurationError
from noise_resistance.storage.files import what_is_there

__all__ = ["plan"]

# A bytecode cache would be a change too.
_UNTOUCHED = {"PYTHONDONTWRITEBYTECODE": "1"}


@click.command(context_settings={"ignore_unknown_options": True})
@snakefile_option
@directory_option
@configfile_option
@click.option(
    "--at-once",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Trainings that run at once: GPUs times trainings_per_gpu, or cores.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as said above.")
@click.argument("options", metavar="[SNAKEMAKE OPTIONS]", nargs=-1, type=click.UNPROCESSED)
def plan(
    snakefile: Path | None,
    directory: Path,
    files: tuple[Path, ...],
    at_once: int,
    as_json: bool,
    options: tuple[str, ...],
) -> None:
    """Print what a study has done, what runs, what is left and why, and how long that takes.

    Nothing is run or changed. Other options go to snakemake, such as --forceall, and so do targets.
    The Snakefile may have this workflow as a module.

    A job that snakemake plans and that trains or measures looks first at its own output, which
    stays if it is whole and made from the same request (look); then at the store (restore); and
    computes what neither has (compute). Everything else that is planned is computed. Whether
    entries of the store are damaged is not checked here; a job that finds one so computes. Where
    the description of a dataset is missing, all that reads it counts as computed.

    With --json this is one document: study, its name, and jobs, all of them by rule and outputs.
    Each has rule; wildcards, by name; action, which is nothing (not planned), look, restore or
    compute; reason, why snakemake plans it, empty where it does not; and outputs, its files.
    """
    from noise_resistance.analysis.actions import Outlook
    from noise_resistance.analysis.plan import as_document, jobs_of
    from noise_resistance.analysis.plan_text import plan_text
    from noise_resistance.study.configuration import load

    found = dry_run_of(snakefile, directory, files, options)
    study = load(found["config"])
    with contextlib.chdir(directory):
        outlook = Outlook(study)
        jobs = outlook.of(jobs_of(found["jobs"]))
        if as_json:
            click.echo(json.dumps(as_document(study.name, jobs), indent=1))
        else:
            click.echo(plan_text(study, jobs, outlook, at_once))


def dry_run_of(
    snakefile: Path | None, directory: Path, files: Sequence[Path], options: Sequence[str]
) -> Mapping[str, Any]:
    """Return what `dry_run` writes: the configuration, and the jobs that snakemake plans or not.

    Raises:
        ConfigurationError: a configuration file is none, or snakemake cannot plan the study.
    """
    for file in files:
        _check(file)
    return _dry_run(arguments_of(snakefile, directory, files, options))


def _check(file: Path) -> None:
    """Refuse a configuration file as Snakemake would, which does not say which file it is."""
    import yaml

    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}; {what_is_there(file)}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: no text in UTF-8") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file}: no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"{file}: holds no keys; write such as 'study: mine'")


def arguments_of(
    snakefile: Path | None, directory: Path, files: Sequence[Path], options: Sequence[str]
) -> list[str]:
    """Return the options by which snakemake plans a study, others behind them."""
    # One option with all files: of several options Snakemake takes the last alone. What an
    # incomplete study leaves out is left to do.
    return [
        *(["--snakefile", str(snakefile)] if snakefile else []),
        *("--directory", str(directory)),
        *(["--configfile", *map(str, files)] if files else []),
        *("--config", "incomplete=false"),
        "--cores=1",
        *options,
    ]


def _dry_run(arguments: Sequence[str]) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory(prefix="noise-resistance-plan-") as folder:
        written = Path(folder, "plan.json")
        done = subprocess.run(
            [sys.executable, "-m", "noise_resistance.cli.dry_run", written, *arguments],
            env={**os.environ, **_UNTOUCHED},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = [line for line in done.stdout.splitlines() if line.strip()]
            ours = [one.removeprefix("error: ") for one in lines if one.startswith("error: ")]
            error = (ours or lines[-1:] or ["no word"])[0]
            raise ConfigurationError(f"snakemake cannot plan this study: {error}")
        document: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
        return document
