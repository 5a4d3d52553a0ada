"""The command of the rule that trains."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noise_resistance.cli.machine import Machine, machine_options
from noise_resistance.cli.options import FOLDER, dataset_option, request_option

if TYPE_CHECKING:
    from noise_resistance.store.results import Result

__all__ = ["train"]


@click.command()
@dataset_option
@request_option
@click.option("--folder", type=FOLDER, required=True, help="The training's folder, to write.")
@click.option(
    "--keep-epoch",
    "kept_epochs",
    type=click.IntRange(1),
    multiple=True,
    help="Also keep the state after so many epochs, in snapshots/epoch-<n>/; repeatable.",
)
@machine_options
def train(
    machine: Machine,
    dataset: Path,
    request: Mapping[str, Any],
    folder: Path,
    kept_epochs: tuple[int, ...],
) -> None:
    """Train one model; an interrupted training goes on from its last finished epoch."""
    from noise_resistance.storage.sources import read_dataset_file
    from noise_resistance.store.jobs import folder_of
    from noise_resistance.store.wanted import trainings_of
    from noise_resistance.study.request import TrainingRequest

    described, job = read_dataset_file(dataset), machine.job()
    results = trainings_of(described, request, folder, kept_epochs, stored=not machine.recompute)
    states, lock = job.unfinished(results[0])

    def compute(made: Path, missing: "Sequence[Result]") -> None:
        provenance = machine.start("train", results[0].sources, keras=True)

        from noise_resistance.datasets.images import images_of
        from noise_resistance.training.train import train as run

        wanted = TrainingRequest.from_mapping(request)
        folders = {one.finished_epochs or 0: folder_of(one, made) for one in results}
        run(wanted, images_of(described), folders, states, provenance)

    job.provide(results, compute, lock)
    job.discard(results[0])
