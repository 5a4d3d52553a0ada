"""Commands of the rules that measure trained models."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noise_resistance.cli.machine import Machine, machine_options
from noise_resistance.cli.options import FILE, FOLDER, dataset_option, request_option

if TYPE_CHECKING:
    from noise_resistance.evaluation.trained_model import TrainedModel
    from noise_resistance.storage.provenance import Provenance
    from noise_resistance.store.results import Result

__all__ = ["diagnose", "evaluate_baseline", "evaluate_noise"]

_training_option = click.option(
    "--training",
    type=FOLDER,
    required=True,
    help="Folder of the trained model: of a training, or of a snapshot.",
)
_output_option = click.option("--output", type=FILE, required=True, help="File to write.")


@click.command()
@dataset_option
@request_option
@_training_option
@_output_option
@machine_options
def evaluate_baseline(
    machine: Machine, dataset: Path, request: Mapping[str, Any], training: Path, output: Path
) -> None:
    """Measure a trained model's accuracy without noise."""

    def measure(trained: "TrainedModel", file: Path, provenance: "Provenance") -> None:
        from noise_resistance.evaluation.baseline import evaluate_baseline as run

        accuracy = run(trained, request["precision"], file, provenance, dict(request))
        print(f"baseline accuracy {100 * accuracy:.2f} %", flush=True)

    _evaluate(machine, "evaluate_baseline", dataset, request, training, output, measure)


@click.command()
@dataset_option
@request_option
@_training_option
@_output_option
@machine_options
def evaluate_noise(
    machine: Machine, dataset: Path, request: Mapping[str, Any], training: Path, output: Path
) -> None:
    """Measure noisy copies of a trained model at one noise level."""

    def measure(trained: "TrainedModel", file: Path, provenance: "Provenance") -> None:
        from noise_resistance.evaluation.noise import evaluate_noise as run
        from noise_resistance.study.noise_settings import NoiseSettings

        settings = NoiseSettings.from_request(request)
        scope, level = request["scope"], request["noise_level"]
        accuracy = run(trained, scope, level, settings, file, provenance, dict(request))
        print(f"mean accuracy of {settings.draws} draws {100 * accuracy:.2f} %", flush=True)

    _evaluate(machine, "evaluate_noise", dataset, request, training, output, measure)


def _evaluate(
    machine: Machine,
    step: str,
    dataset: Path,
    request: Mapping[str, Any],
    training: Path,
    output: Path,
    measure: "Callable[[TrainedModel, Path, Provenance], None]",
) -> None:
    """Measure a trained model, unless the result is there or in the store."""
    from noise_resistance.storage.sources import read_dataset_file
    from noise_resistance.store.jobs import folder_of
    from noise_resistance.store.wanted import evaluation_of

    described = read_dataset_file(dataset)
    result = evaluation_of(step, described, request, training, output)

    def compute(made: Path, missing: "Sequence[Result]") -> None:
        provenance = machine.start(step, result.sources)

        from noise_resistance.datasets.images import images_of
        from noise_resistance.evaluation.trained_model import read_trained_model

        trained = read_trained_model(images_of(described), request["training"], training)
        (name,) = result.files
        measure(trained, folder_of(result, made) / name, provenance)

    machine.job().provide([result], compute)


@click.command()
@dataset_option
@request_option
@_training_option
@_output_option
@machine_options
def diagnose(
    machine: Machine, dataset: Path, request: Mapping[str, Any], training: Path, output: Path
) -> None:
    """Measure dead channels, amplification and gradient noise of one training."""
    from noise_resistance.storage.sources import read_dataset_file
    from noise_resistance.store.jobs import folder_of
    from noise_resistance.store.wanted import diagnosed_folders, diagnosis_of
    from noise_resistance.study.request import TrainingRequest

    described = read_dataset_file(dataset)
    result = diagnosis_of(described, request, training, output)

    def compute(made: Path, missing: "Sequence[Result]") -> None:
        provenance = machine.start("diagnose", result.sources, keras=True)

        from noise_resistance.datasets.images import images_of
        from noise_resistance.evaluation.diagnostics import DiagnosedTraining
        from noise_resistance.evaluation.diagnostics import diagnose as run
        from noise_resistance.evaluation.origin import check_origin

        folders = diagnosed_folders(request, training)
        for folder in folders:
            weights, history = folder / "model.weights.h5", folder / "history.h5"
            check_origin(weights, history, request["training"])
        trained = TrainingRequest.from_mapping(request["training"])
        run(
            DiagnosedTraining.of(trained, folders),
            images_of(described),
            request["images"],
            request["batches"],
            folder_of(result, made) / "diagnostics.h5",
            provenance,
            request,
        )

    machine.job().provide([result], compute)
