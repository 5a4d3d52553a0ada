"""Commands of the rules that ask why: lengths of training, single layers, diagnostics."""

from pathlib import Path
from typing import Any

import click

from noise_resistance.cli.options import (
    FILE,
    fingerprint_option,
    outline_from,
    outline_option,
    scope_option,
    specification_from,
    specification_option,
    stem_option,
    summary_option,
)
from noise_resistance.storage.provenance import Provenance

__all__ = [
    "gradient_noise",
    "layers_figure",
    "length_figure",
    "length_table",
    "summarise_diagnostics",
    "summarise_layers",
    "summarise_lengths",
    "why_figure",
]

_csv_option = click.option("--csv", type=FILE, required=True, help="Tidy table to write.")
_hdf5_option = click.option("--hdf5", type=FILE, required=True, help="HDF5 file to write.")
_lengths_option = click.option(
    "--lengths", type=FILE, required=True, help="The study's lengths.h5."
)
_diagnostics_option = click.option(
    "--diagnostics", type=FILE, required=True, help="The study's diagnostics.h5."
)
_snapshot_option = click.option(
    "--snapshot", "snapshots", type=click.IntRange(1), multiple=True, help="Kept epoch; repeatable."
)


@click.command()
@outline_option
@specification_option
@_snapshot_option
@_csv_option
@_hdf5_option
@fingerprint_option
def summarise_lengths(
    outline: dict[str, Any],
    specification: dict[str, Any] | None,
    snapshots: tuple[int, ...],
    csv: Path,
    hdf5: Path,
    fingerprint: str,
) -> None:
    """Gather losses and accuracies of trainings and their snapshots."""
    from noise_resistance.analysis.lengths import summarise_lengths as run

    made_from = specification_from(specification)
    provenance = Provenance(fingerprint)
    run(outline_from(outline), snapshots, csv, hdf5, provenance, specification=made_from)


@click.command()
@outline_option
@_lengths_option
@scope_option
@stem_option
def length_table(outline: dict[str, Any], lengths: Path, scope: str, stem: Path) -> None:
    """Write both accuracies by learning rate and finished epochs."""
    from noise_resistance.analysis.length_table import write

    write(outline_from(outline), lengths, scope, stem)


@click.command()
@outline_option
@_lengths_option
@scope_option
@stem_option
def length_figure(outline: dict[str, Any], lengths: Path, scope: str, stem: Path) -> None:
    """Draw average normalized accuracy by learning rate, one line a training length."""
    from noise_resistance.analysis.figures.length import draw

    draw(outline_from(outline), lengths, scope, stem)


@click.command()
@outline_option
@specification_option
@_csv_option
@_hdf5_option
@fingerprint_option
def summarise_diagnostics(
    outline: dict[str, Any],
    specification: dict[str, Any] | None,
    csv: Path,
    hdf5: Path,
    fingerprint: str,
) -> None:
    """Gather the diagnostics of all trainings."""
    from noise_resistance.analysis.diagnostics import summarise_diagnostics as run

    made_from = specification_from(specification)
    run(outline_from(outline), csv, hdf5, Provenance(fingerprint), specification=made_from)


@click.command()
@outline_option
@_diagnostics_option
@stem_option
def gradient_noise(outline: dict[str, Any], diagnostics: Path, stem: Path) -> None:
    """Write equation (2) measured: its bound beside the noise of gradients."""
    from noise_resistance.analysis.gradient_noise import write

    write(outline_from(outline), diagnostics, stem)


@click.command()
@outline_option
@summary_option
@_diagnostics_option
@scope_option
@stem_option
def why_figure(
    outline: dict[str, Any], summary: Path, diagnostics: Path, scope: str, stem: Path
) -> None:
    """Draw average normalized accuracy against dead channels, noise and amplification."""
    from noise_resistance.analysis.figures.why import draw

    draw(outline_from(outline), summary, diagnostics, scope, stem)


@click.command()
@outline_option
@specification_option
@click.option("--noise-level", "levels", type=float, multiple=True, required=True)
@scope_option
@_csv_option
@_hdf5_option
@fingerprint_option
def summarise_layers(
    outline: dict[str, Any],
    specification: dict[str, Any] | None,
    levels: tuple[float, ...],
    scope: str,
    csv: Path,
    hdf5: Path,
    fingerprint: str,
) -> None:
    """Gather the accuracies with noise on one layer alone."""
    from noise_resistance.analysis.layers import summarise_layers as run

    made_from = specification_from(specification)
    provenance = Provenance(fingerprint)
    run(outline_from(outline), levels, scope, csv, hdf5, provenance, specification=made_from)


@click.command()
@outline_option
@click.option("--layers", type=FILE, required=True, help="The study's layers.h5.")
@click.option("--model", required=True, help="Model, such as resnet20.")
@stem_option
def layers_figure(outline: dict[str, Any], layers: Path, model: str, stem: Path) -> None:
    """Draw the accuracy lost by the layer that alone receives noise."""
    from noise_resistance.analysis.figures.layers import draw

    draw(outline_from(outline), layers, model, stem)
