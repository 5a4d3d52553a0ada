"""The command of the rule that trains."""

import re
from pathlib import Path
from typing import Any

import click

from noise_resistance.cli.options import (
    FILE,
    JSON,
    device_option,
    fingerprint_option,
    places_option,
    threads_option,
)
from noise_resistance.storage.provenance import Provenance

__all__ = ["train"]


@click.command(
    epilog="SNAPSHOTS are weights files of snapshots to write, epoch-<n>/model.weights.h5: the "
    "model after n epochs."
)
@click.option("--dataset", type=FILE, required=True, help="Prepared dataset, HDF5.")
@click.option(
    "--dataset-identity",
    type=JSON,
    required=True,
    help="Name, version and checksums of the dataset.",
)
@click.option("--model", required=True, help="Model, such as resnet20.")
@click.option("--optimizer", required=True, help="Optimizer, such as adam.")
@click.option(
    "--optimizer-definition",
    type=JSON,
    help="Keras class and arguments; the optimizer's own by default.",
)
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), required=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Training seed.")
@click.option("--recipe", type=JSON, help="Training recipe; the paper study's by default.")
@click.option(
    "--weights", type=FILE, required=True, help="Weights file to write, <name>.weights.h5."
)
@click.option("--history", type=FILE, required=True, help="History file to write.")
@click.argument("snapshots", type=FILE, nargs=-1)
@device_option
@places_option
@threads_option
@fingerprint_option
def train(
    dataset: Path,
    weights: Path,
    history: Path,
    snapshots: tuple[Path, ...],
    device: str,
    places: int,
    threads: int,
    fingerprint: str,
    **values: Any,
) -> None:
    """Train one model; an interrupted training goes on from its last finished epoch."""
    from noise_resistance.devices import prepare_device
    from noise_resistance.storage.sources import digest_of_dataset
    from noise_resistance.study.configuration import default_recipe
    from noise_resistance.study.optimizers import optimizer_named
    from noise_resistance.study.recipe import Recipe

    recipe = values.pop("recipe")
    definition = (
        values.pop("optimizer_definition") or optimizer_named(values["optimizer"]).definition()
    )
    used = prepare_device(device, threads, places=places)
    print(f"device: {used.description}", flush=True)

    from noise_resistance.study.request import TrainingRequest
    from noise_resistance.training.train import train as run

    request = TrainingRequest(
        dataset=values.pop("dataset_identity"),
        optimizer_definition=definition,
        recipe=Recipe.from_mapping(recipe) if recipe else default_recipe(),
        **values,
    )
    folders = {_epoch_of(path): path.parent for path in snapshots}
    sources = {"dataset_sha256": digest_of_dataset(dataset)}
    provenance = Provenance(fingerprint, used.description, sources=sources)
    run(request, dataset, weights, history, provenance, folders)


def _epoch_of(path: Path) -> int:
    found = re.fullmatch(r"epoch-([1-9][0-9]*)", path.parent.name)
    if not found:
        raise click.UsageError(
            f"{path}: not the weights file of a snapshot; write epoch-<n>/model.weights.h5"
        )
    return int(found[1])
