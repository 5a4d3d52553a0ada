"""Commands of the rules that make summary, tables and figures."""

from pathlib import Path
from typing import Any

import click

from noise_resistance.cli.options import (
    FILE,
    JSON,
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
    "best_rate",
    "claims",
    "comparison",
    "learning_rate_figure",
    "optimizer_figure",
    "readings",
    "report",
    "summarise",
    "table1",
    "table2",
    "table3",
    "tradeoff_figure",
    "uncertainty",
]


@click.command()
@outline_option
@specification_option
@click.option(
    "--csv", type=FILE, required=True, help="Tidy table to write, one row an observation."
)
@click.option("--hdf5", type=FILE, required=True, help="HDF5 file to write.")
@click.option("--settings", type=JSON, help="What the study is, as JSON.")
@click.option("--settings-file", type=FILE, help="File to write that into.")
@click.option("--incomplete", is_flag=True, help="Leave holes for files that are missing.")
@fingerprint_option
def summarise(
    outline: dict[str, Any],
    specification: dict[str, Any] | None,
    csv: Path,
    hdf5: Path,
    settings: dict[str, Any] | None,
    settings_file: Path | None,
    incomplete: bool,
    fingerprint: str,
) -> None:
    """Gather all accuracies of a study, and write down what the study was."""
    import json

    from noise_resistance.analysis.summary import summarise as run
    from noise_resistance.storage.files import write_text

    run(
        outline_from(outline),
        csv,
        hdf5,
        Provenance(fingerprint),
        specification=specification_from(specification),
        incomplete=incomplete,
    )
    if settings is not None and settings_file is not None:
        write_text(settings_file, json.dumps(settings, sort_keys=True, indent=1) + "\n")


@click.command()
@outline_option
@click.option(
    "--datasets", type=JSON, required=True, help="Prepared dataset files by name, as JSON."
)
@stem_option
def table1(outline: dict[str, Any], datasets: dict[str, str], stem: Path) -> None:
    """Write Table I: the models and datasets."""
    from noise_resistance.analysis.tables import write_table1

    write_table1(outline_from(outline), {name: Path(path) for name, path in datasets.items()}, stem)


@click.command()
@outline_option
@summary_option
@stem_option
def table2(outline: dict[str, Any], summary: Path, stem: Path) -> None:
    """Write Table II: baseline accuracies."""
    from noise_resistance.analysis.tables import write_table2

    write_table2(outline_from(outline), summary, stem)


@click.command()
@outline_option
@summary_option
@scope_option
@stem_option
def table3(outline: dict[str, Any], summary: Path, scope: str, stem: Path) -> None:
    """Write Table III: average normalized accuracies."""
    from noise_resistance.analysis.tables import write_table3

    write_table3(outline_from(outline), summary, scope, stem)


@click.command()
@outline_option
@summary_option
@scope_option
@stem_option
def uncertainty(outline: dict[str, Any], summary: Path, scope: str, stem: Path) -> None:
    """Write how sure each average normalized accuracy is."""
    from noise_resistance.analysis.uncertainty import write as run

    run(outline_from(outline), summary, scope, stem)


@click.command()
@outline_option
@summary_option
@scope_option
@stem_option
def best_rate(outline: dict[str, Any], summary: Path, scope: str, stem: Path) -> None:
    """Write how likely each learning rate is the best, and the sweet spot."""
    from noise_resistance.analysis.best_rate import write as run

    run(outline_from(outline), summary, scope, stem)


@click.command()
@outline_option
@summary_option
@scope_option
@stem_option
def comparison(outline: dict[str, Any], summary: Path, scope: str, stem: Path) -> None:
    """Write the paper's values beside the study's."""
    from noise_resistance.analysis.comparison import write as run

    run(outline_from(outline), summary, scope, stem)


@click.command()
@outline_option
@summary_option
@stem_option
def readings(outline: dict[str, Any], summary: Path, stem: Path) -> None:
    """Write which noise scope comes nearest to the paper."""
    from noise_resistance.analysis.comparison import write_readings

    write_readings(outline_from(outline), summary, stem)


@click.command()
@outline_option
@summary_option
@stem_option
def claims(outline: dict[str, Any], summary: Path, stem: Path) -> None:
    """Write which of the paper's claims hold in the study."""
    from noise_resistance.analysis.claims import write as run

    run(outline_from(outline), summary, stem)


@click.command()
@outline_option
@summary_option
@scope_option
@click.option("--dataset", required=True, help="Name of the dataset.")
@stem_option
def learning_rate_figure(
    outline: dict[str, Any], summary: Path, scope: str, dataset: str, stem: Path
) -> None:
    """Draw Figure 1 or 2: normalized accuracy by noise level."""
    from noise_resistance.analysis.figures.learning_rate import draw

    draw(outline_from(outline), summary, scope, dataset, stem)


@click.command()
@outline_option
@summary_option
@scope_option
@stem_option
def optimizer_figure(outline: dict[str, Any], summary: Path, scope: str, stem: Path) -> None:
    """Draw Figure 3: baseline and average normalized accuracy by optimizer."""
    from noise_resistance.analysis.figures.optimizer import draw

    draw(outline_from(outline), summary, scope, stem)


@click.command()
@outline_option
@summary_option
@scope_option
@stem_option
def tradeoff_figure(outline: dict[str, Any], summary: Path, scope: str, stem: Path) -> None:
    """Draw Figure 4: baseline and average normalized accuracy by learning rate."""
    from noise_resistance.analysis.figures.tradeoff import draw

    draw(outline_from(outline), summary, scope, stem)


@click.command()
@outline_option
@summary_option
@click.option(
    "--datasets", type=JSON, required=True, help="Prepared dataset files by name, as JSON."
)
@click.option(
    "--measured",
    type=JSON,
    default="{}",
    help="Files of diagnostics, lengths, layers and external_models by name, as JSON; those that "
    "the study has.",
)
@click.option(
    "--configuration", type=JSON, default="{}", help="The study's configuration to show, as JSON."
)
@click.option("--table", "tables", multiple=True, help="Name of a table; may be repeated.")
@click.option("--figure", "figures", multiple=True, help="Name of a figure; may be repeated.")
@click.option("--output", type=FILE, required=True, help="HTML file to write.")
def report(
    outline: dict[str, Any],
    summary: Path,
    datasets: dict[str, str],
    measured: dict[str, str],
    configuration: dict[str, Any],
    tables: tuple[str, ...],
    figures: tuple[str, ...],
    output: Path,
) -> None:
    """Write the study's report, one page that needs no network."""
    from noise_resistance.analysis.report.page import write_report
    from noise_resistance.analysis.report.sources import Sources

    sources = Sources(
        summary,
        {name: Path(path) for name, path in datasets.items()},
        {name: Path(path) for name, path in measured.items()},
    )
    write_report(outline_from(outline), sources, configuration, tables, figures, output)
