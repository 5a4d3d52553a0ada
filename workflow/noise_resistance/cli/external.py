"""Commands for models that were trained elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noise_resistance.cli.machine import Machine, machine_options
from noise_resistance.cli.options import (
    FILE,
    FOLDER,
    JSON,
    dataset_option,
    fingerprint_option,
    request_option,
    stem_option,
)
from noise_resistance.storage.provenance import Provenance

if TYPE_CHECKING:
    from noise_resistance.store.results import Result
    from noise_resistance.study.external import ExternalModel

__all__ = ["evaluate", "evaluate_external", "external_figure", "summarise_external"]


@click.command()
@click.option("--weights", type=FILE, required=True, help=".keras, legacy .h5, or weights alone.")
@click.option(
    "--dataset", required=True, help="A dataset's name, or the .json file of a prepared one."
)
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
@click.option(
    "--scale",
    type=click.FloatRange(0, min_open=True),
    default=255.0,
    show_default=True,
    help="Divides pixel values.",
)
@click.option("--mean", type=float, multiple=True, help="Subtracted then; repeat for channels.")
@click.option("--deviation", type=float, multiple=True, help="Divides then; repeat for channels.")
@click.option("--input-size", type=int, nargs=2, help="Height and width to resize images to.")
@click.option("--folder", type=FOLDER, help="Folder to write; beside the weights by default.")
@click.option("--figure", is_flag=True, help="Draw normalized accuracy against the noise level.")
@machine_options
def evaluate(
    machine: Machine,
    weights: Path,
    dataset: str,
    eta: tuple[float, ...],
    scope: str,
    folder: Path | None,
    figure: bool,
    **values: Any,
) -> None:
    """Measure any Keras classifier under weight noise."""
    options = {name: values.pop(name) for name in ("kind", "sigma_of", "variance_policy")}
    _check_names({"scope": scope, **options})

    from noise_resistance.storage.sources import read_dataset_file
    from noise_resistance.study.configuration import default_noise_settings
    from noise_resistance.study.external import ExternalModel
    from noise_resistance.study.readings import Reading

    if not machine.store.is_dir():
        # By hand, in a folder that has none, nothing is kept but what is asked for.
        machine = replace(machine, recompute=True)
    dataset_file = _dataset_file(dataset)
    draws, seed = values.pop("draws"), values.pop("noise_seed")
    settings = replace(default_noise_settings(), draws=draws, seed=seed, **options)
    stated = {
        "file": str(weights),
        "dataset": str(read_dataset_file(dataset_file).entry["name"]),
        "architecture": values.pop("model"),
    }
    preprocessing = {name: one for name, one in values.items() if one}
    entry = ExternalModel.from_mapping({**stated, **preprocessing})
    folder = folder or weights.with_name(f"{weights.name.partition('.')[0]}-noise")
    requests = entry.requests({scope: Reading(scope, scope, settings)}, eta, "float32")
    _measure(machine, entry, dataset_file, requests, folder)
    for file, request in requests.items():
        level = request.get("noise_level")
        what = (
            "without noise" if level is None else f"eta {level:g}, {scope}, mean of {draws} draws"
        )
        print(f"{what}: accuracy {100 * _accuracy(folder / file):.2f} %", flush=True)
    _write_rows(weights, entry.dataset, scope, eta, folder, figure, Provenance("none"))
    print(f"written to {folder}", flush=True)


def _measure(
    machine: Machine,
    entry: "ExternalModel",
    dataset: Path,
    requests: Mapping[str, Mapping[str, Any]],
    folder: Path,
) -> None:
    """Measure what is neither there nor in the store."""
    from noise_resistance.storage.sources import read_dataset_file
    from noise_resistance.store.jobs import folder_of
    from noise_resistance.store.wanted import external_evaluations_of

    described = read_dataset_file(dataset)
    results = external_evaluations_of(described, requests, Path(entry.file), folder)

    def compute(made: Path, missing: "Sequence[Result]") -> None:
        provenance = machine.start("evaluate_external", results[0].sources, keras=True)

        from noise_resistance.datasets.images import images_of
        from noise_resistance.evaluation.external import evaluate_external as run

        wanted = [
            (one.request, folder_of(one, made) / name) for one in missing for name in one.files
        ]
        run(entry, images_of(described), wanted, provenance)

    machine.job().provide(results, compute)


def _accuracy(file: Path) -> float:
    from noise_resistance.storage.hdf5 import read_record

    kind = "baseline" if file.name == "baseline.h5" else "noise"
    return float(read_record(file, kind, ["accuracy"])["accuracy"].mean())


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
    models = {name: {"dataset": dataset, "folder": str(folder)}}
    rows = folder / "external_models"
    hdf5 = rows.with_suffix(".h5")
    summarise(models, [scope], sorted(set(eta)), rows.with_suffix(".csv"), hdf5, provenance)
    if figure:
        draw(hdf5, {}, folder / "external")


@click.command()
@dataset_option
@request_option
@click.option("--file", type=FILE, required=True, help="The model's file.")
@click.option("--folder", type=FOLDER, required=True, help="Folder to write.")
@machine_options
def evaluate_external(
    machine: Machine, dataset: Path, request: Mapping[str, Any], file: Path, folder: Path
) -> None:
    """Measure a model of the configuration that was trained elsewhere.

    The request holds one request for each file below the folder, by its path.
    """
    from noise_resistance.study.external import ExternalModel

    entry = ExternalModel.from_mapping({**request["baseline.h5"]["external"], "file": str(file)})
    _measure(machine, entry, dataset, request, folder)


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
    """Return the small file of a prepared dataset that is given by its name or by either file."""
    path = Path(name)
    if path.suffix in (".json", ".h5"):
        return path.with_suffix(".json")
    prepared = sorted(Path("results/datasets", name).glob("*.json"))
    if len(prepared) == 1:
        return prepared[0]
    if prepared:
        files = ", ".join(map(str, prepared))
        raise click.UsageError(
            f"dataset '{name}' is prepared in several versions; name one: {files}"
        )
    raise click.UsageError(
        f"dataset '{name}' is not prepared; run snakemake for a study that uses it, or name the "
        ".json file of a prepared one"
    )
