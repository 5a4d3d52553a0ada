"""Commands that show what a study has made, and change nothing."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noise_resistance.cli.options import FILE
from noise_resistance.errors import ConfigurationError

if TYPE_CHECKING:
    from noise_resistance.analysis.description import ArrayDescription, Description
    from noise_resistance.study.configuration import Study

__all__ = ["plan", "show"]

_ROWS = 12


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a file.")
def show(paths: tuple[Path, ...], as_json: bool) -> None:
    """Print what an HDF5 file of the workflow holds: what it is, parameters, numbers."""
    from noise_resistance.analysis.description import describe

    for position, path in enumerate(paths):
        description = describe(path)
        if as_json:
            click.echo(description.to_json())
            continue
        lines = [*([""] if position else []), *_lines(description)]
        sys.stdout.write("\n".join(lines) + "\n")


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
    """Print what a study has done, what is left and why, and how long that takes.

    To be called where snakemake is, beside the Snakefile. Nothing is run or changed.
    """
    from noise_resistance.analysis.plan import jobs_left
    from noise_resistance.analysis.plan_text import plan_text

    study = _study(files)
    given = [f"--configfile={file}" for file in files]
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nolock", "--cores=1", *given]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("error: ")] or lines[-1:]
        raise ConfigurationError(
            f"snakemake cannot plan this study: {errors[0].removeprefix('error: ')}"
        )
    click.echo(plan_text(study, jobs_left(done.stdout), at_once))


def _study(files: Sequence[Path]) -> "Study":
    """Read the configuration as the Snakefile does: each file laid over those before it."""
    import yaml
    from snakemake.utils import update_config

    from noise_resistance.study.configuration import load

    merged: dict[str, Any] = {}
    for file in (Path("config/datasets.yaml"), Path("config/config.yaml"), *files):
        try:
            values = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise ConfigurationError(
                f"{file}: {error.strerror}; call this beside the Snakefile"
            ) from error
        except yaml.YAMLError as error:
            raise ConfigurationError(f"{file}: no YAML: {' '.join(str(error).split())}") from error
        if not isinstance(values, dict):
            raise ConfigurationError(f"{file}: holds no keys; write such as 'study: mine'")
        update_config(merged, values)
    return load(merged)


def _lines(description: "Description") -> Iterator[str]:
    yield description.path
    yield f"{description.kind}: {description.title}"
    yield ""
    yield from _columns(list(_flat(description.parameters)))
    yield ""
    versions = description.attributes.get("versions", {})
    rest = {name: one for name, one in description.attributes.items() if name != "versions"}
    made_with = ", ".join(f"{name} {one}" for name, one in versions.items())
    yield from _columns([*_flat(rest), ("versions", made_with)])
    yield ""
    yield from _columns(
        [
            ("array", "shape", "mean", "lowest", "highest", "unit", "meaning"),
            *(_row(array) for array in description.arrays),
        ]
    )
    yield from _table(description.arrays)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)


def _row(array: "ArrayDescription") -> tuple[str, ...]:
    sizes = ", ".join(
        f"{name} {size}".strip()
        for name, size in zip(
            array.dimensions or ("",) * len(array.shape), array.shape, strict=True
        )
    )
    numbers = (array.mean, array.low, array.high)
    shown = ("" if one is None else f"{one:.6g}" for one in numbers)
    unit = "" if array.unit == "1" else array.unit
    return (array.name, sizes, *shown, unit, array.description)


def _table(arrays: "Sequence[ArrayDescription]") -> Iterator[str]:
    """Print the arrays of the first dimension that has several, side by side, in short."""
    for first in arrays:
        if len(first.shape) != 1 or first.values is None:
            continue
        beside = [
            one for one in arrays if one.dimensions == first.dimensions and one.values is not None
        ]
        if len(beside) < 2:
            continue
        rows = list(zip(*(one.values for one in beside), strict=True))
        head, tail = (rows, []) if len(rows) <= _ROWS else (rows[: _ROWS // 2], rows[-_ROWS // 2 :])
        dots = [("...",) * len(beside)] if tail else []
        yield ""
        yield from _columns(
            [tuple(one.name for one in beside), *map(_cells, head), *dots, *map(_cells, tail)]
        )
        return


def _cells(row: Sequence[Any]) -> tuple[str, ...]:
    return tuple(f"{one:.6g}" if isinstance(one, float) else str(one) for one in row)


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    if not rows:
        return
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield ("  " + "  ".join(cells)).rstrip()
