"""Commands for models that were trained elsewhere."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from noise_resistance.cli.options import (
    FILE,
    JSON,
    device_option,
    fingerprint_option,
    places_option,
    prepare_evaluation,
    stem_option,
    threads_option,
)
from noise_resistance.storage.provenance import Provenance

__all__ = ["evaluate", "evaluate_external", "external_figure", "summarise_external"]

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--weights", type=FILE, required=True, help=".keras, legacy .h5, or weights alone.")
@click.option("--dataset", required=True, help="A dataset's name, or a prepared HDF5 file.")
@click.option(
    "--eta", type=click.FloatRange(0), multiple=True, required=True, help="Noise level; repeatable."
)
@click.option("--scope", default="kernels", show_default=True, help="Noise scope.")
@click.option("--draws", type=click.IntRange(1), default=25, show_default=True)
@click.option("--kind", default="additive", show_default=True, help="Kind of noise.")
@click.option(
    "--sigma-of",
    default="array",
    show_default=True,
    help="What sigma_w is taken over: array, layer.",
)
@click.option(
    "--variance-policy", default="clip", show_default=True, help="What a negative variance becomes."
)
@click.option("--noise-seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--model", default="", help="Architecture of a file with weights alone: resnet20.")
@click.option("--scale", type=float, default=255.0, show_default=True, help="Divides pixel values.")
@click.option("--mean", type=float, multiple=True, help="Subtracted then; repeat for channels.")
@click.option("--deviation", type=float, multiple=True, help="Divides then; repeat for channels.")
@click.option("--input-size", type=int, nargs=2, help="Height and width to resize images to.")
@click.option("--folder", type=_FOLDER, help="Folder to write; beside the weights by default.")
@click.option("--figure", is_flag=True, help="Draw normalized accuracy against the noise level.")
@device_option
@threads_option
def evaluate(
    weights: Path,
    dataset: str,
    eta: tuple[float, ...],
    scope: str,
    folder: Path | None,
    figure: bool,
    device: str,
    threads: int,
    **values: Any,
) -> None:
    """Measure any Keras classifier under weight noise."""
    chosen = {name: values.pop(name) for name in ("kind", "sigma_of", "variance_policy")}
    _check_names({"scope": scope, **chosen})
    provenance = prepare_evaluation(device, 1, threads, "none", keras=True)

    from noise_resistance.evaluation.external import evaluate_external as run
    from noise_resistance.study.configuration import default_noise_settings
    from noise_resistance.study.external import ExternalModel

    draws, seed = values.pop("draws"), values.pop("noise_seed")
    settings = replace(default_noise_settings(), draws=draws, seed=seed, **chosen)
    stated = {
        "file": str(weights),
        "dataset": Path(dataset).stem,
        "architecture": values.pop("model"),
    }
    preprocessing = {name: one for name, one in values.items() if one}
    entry = ExternalModel.from_mapping({**stated, **preprocessing})
    folder = folder or weights.with_name(f"{weights.name.partition('.')[0]}-noise")
    found = run(entry, _dataset_file(dataset), {scope: (scope, settings)}, eta, folder, provenance)
    for (name, level), accuracy in found.items():
        what = f"eta {level:g}, {name}, mean of {draws} draws" if name else "without noise"
        print(f"{what}: accuracy {100 * accuracy:.2f} %", flush=True)
    _write_rows(weights, dataset, scope, eta, folder, figure, provenance)
    print(f"written to {folder}", flush=True)


def _check_names(values: Mapping[str, str]) -> None:
    from noise_resistance.errors import suggest
    from noise_resistance.study.schema import schema

    for name, value in values.items():
        known = schema()["$defs"][name]["enum"]
        if value not in known:
            option = name.replace("_", "-")
            raise click.UsageError(
                f"--{option}: '{value}' is not possible; {suggest(value, known)}"
            )


def _write_rows(
    weights: Path,
    dataset: str,
    scope: str,
    eta: tuple[float, ...],
    folder: Path,
    figure: bool,
    provenance: Provenance,
) -> None:
    """Write one row a draw beside the HDF5 files, and the figure of them."""
    from noise_resistance.analysis.external import summarise_external as summarise
    from noise_resistance.analysis.figures.external import draw

    name = weights.name.partition(".")[0]
    models = {name: {"dataset": Path(dataset).stem, "folder": str(folder)}}
    rows = folder / "external_models"
    hdf5 = rows.with_suffix(".h5")
    summarise(models, [scope], sorted(set(eta)), rows.with_suffix(".csv"), hdf5, provenance)
    if figure:
        draw(hdf5, {}, folder / "external")


@click.command()
@click.option("--entry", type=JSON, required=True, help="The model's entry.")
@click.option("--dataset", type=FILE, required=True, help="Prepared dataset, HDF5.")
@click.option("--readings", type=JSON, required=True, help="Scope and settings by name.")
@click.option("--noise-level", "levels", type=float, multiple=True, required=True)
@click.option("--folder", type=_FOLDER, required=True, help="Folder to write.")
@device_option
@places_option
@threads_option
@fingerprint_option
def evaluate_external(
    entry: Mapping[str, Any],
    readings: Mapping[str, Any],
    levels: tuple[float, ...],
    device: str,
    places: int,
    threads: int,
    fingerprint: str,
    **files: Path,
) -> None:
    """Measure a model of the configuration that was trained elsewhere."""
    provenance = prepare_evaluation(device, places, threads, fingerprint, keras=True)

    from noise_resistance.evaluation.external import evaluate_external as run
    from noise_resistance.study.external import ExternalModel
    from noise_resistance.study.noise_settings import NoiseSettings

    chosen = {
        name: (one["arrays"], NoiseSettings.from_mapping(one["settings"]))
        for name, one in readings.items()
    }
    run(
        ExternalModel.from_mapping(entry),
        files["dataset"],
        chosen,
        levels,
        files["folder"],
        provenance,
    )


@click.command()
@click.option("--models", type=JSON, required=True, help="Dataset and folder by model, as JSON.")
@click.option("--scope", "scopes", multiple=True, required=True, help="Noise scope; repeatable.")
@click.option("--noise-level", "levels", type=float, multiple=True, required=True)
@click.option("--csv", type=FILE, required=True, help="Tidy table to write.")
@click.option("--hdf5", type=FILE, required=True, help="HDF5 file to write.")
@fingerprint_option
def summarise_external(
    models: Mapping[str, Any],
    scopes: tuple[str, ...],
    levels: tuple[float, ...],
    csv: Path,
    hdf5: Path,
    fingerprint: str,
) -> None:
    """Gather the accuracies of models that were trained elsewhere."""
    from noise_resistance.analysis.external import summarise_external as run

    run(models, scopes, levels, csv, hdf5, Provenance(fingerprint))


@click.command()
@click.option("--external", type=FILE, required=True, help="The study's external_models.h5.")
@click.option("--titles", type=JSON, required=True, help="The datasets' titles, as JSON.")
@stem_option
def external_figure(external: Path, titles: Mapping[str, str], stem: Path) -> None:
    """Draw normalized accuracy against the noise level of models trained elsewhere."""
    from noise_resistance.analysis.figures.external import draw

    draw(external, titles, stem)


def _dataset_file(name: str) -> Path:
    path = Path(name)
    if path.is_file() or path.suffix == ".h5":
        return path
    prepared = Path("results/datasets") / f"{name}.h5"
    if not prepared.is_file():
        raise click.UsageError(
            f"dataset '{name}' is not prepared; run 'snakemake {prepared}' or name an HDF5 file"
        )
    return prepared
