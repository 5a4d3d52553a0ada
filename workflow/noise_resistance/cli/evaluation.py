"""Commands of the rules that measure trained models."""

from collections.abc import Mapping
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
    scope_option,
    threads_option,
    trained_model_options,
)

__all__ = ["diagnose", "evaluate_baseline", "evaluate_noise"]


@click.command()
@trained_model_options
@click.option(
    "--precision", default="float32", show_default=True, help="Precision of the forward pass."
)
@device_option
@places_option
@threads_option
@fingerprint_option
def evaluate_baseline(
    output: Path,
    precision: str,
    device: str,
    places: int,
    threads: int,
    fingerprint: str,
    **files: Any,
) -> None:
    """Measure a trained model's accuracy without noise."""
    provenance = prepare_evaluation(device, places, threads, fingerprint)

    from noise_resistance.evaluation.baseline import evaluate_baseline as run
    from noise_resistance.evaluation.trained_model import read_trained_model

    trained = read_trained_model(**files)
    about = {"model": files["model"], "training": trained.origin.training}
    accuracy = run(trained, precision, output, provenance, about)
    print(f"baseline accuracy {100 * accuracy:.2f} %", flush=True)


@click.command()
@trained_model_options
@scope_option
@click.option(
    "--noise-level", type=click.FloatRange(0), required=True, help="eta, a fraction (0.1, not 10)."
)
@click.option("--settings", type=JSON, help="Noise settings; the paper study's by default.")
@device_option
@places_option
@threads_option
@fingerprint_option
def evaluate_noise(
    output: Path,
    scope: str,
    noise_level: float,
    settings: Mapping[str, Any] | None,
    device: str,
    places: int,
    threads: int,
    fingerprint: str,
    **files: Any,
) -> None:
    """Measure noisy copies of a trained model at one noise level."""
    provenance = prepare_evaluation(device, places, threads, fingerprint)

    from noise_resistance.evaluation.noise import evaluate_noise as run
    from noise_resistance.evaluation.trained_model import read_trained_model
    from noise_resistance.study.configuration import default_noise_settings
    from noise_resistance.study.noise_settings import NoiseSettings

    trained = read_trained_model(**files)
    chosen = NoiseSettings.from_mapping(settings) if settings else default_noise_settings()
    about = {"model": files["model"], "training": trained.origin.training}
    accuracy = run(trained, scope, noise_level, chosen, output, provenance, about)
    print(f"mean accuracy of {chosen.draws} draws {100 * accuracy:.2f} %", flush=True)


@click.command(
    epilog="WEIGHTS are the weights files of its snapshots and of its end, in this order; "
    "history.h5 and optimizer.h5 are read beside each."
)
@click.option("--dataset", type=FILE, required=True, help="Prepared dataset, HDF5.")
@click.option("--model", required=True, help="Model, such as resnet20.")
@click.option("--optimizer-definition", type=JSON, required=True, help="Keras class and arguments.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), required=True)
@click.option("--seed", type=click.IntRange(0), required=True, help="Training seed.")
@click.option("--recipe", type=JSON, required=True, help="Training recipe.")
@click.option("--images", type=click.IntRange(2), default=1024, show_default=True, help="For C.")
@click.option("--batches", type=click.IntRange(2), default=64, show_default=True)
@click.option("--output", type=FILE, required=True, help="File to write.")
@device_option
@places_option
@threads_option
@fingerprint_option
@click.argument("weights", type=FILE, nargs=-1, required=True)
def diagnose(
    dataset: Path,
    images: int,
    batches: int,
    output: Path,
    device: str,
    places: int,
    threads: int,
    fingerprint: str,
    **values: Any,
) -> None:
    """Measure dead channels, amplification and gradient noise of one training."""
    provenance = prepare_evaluation(device, places, threads, fingerprint, keras=True)

    from noise_resistance.evaluation.diagnostics import DiagnosedTraining
    from noise_resistance.evaluation.diagnostics import diagnose as run
    from noise_resistance.study.recipe import Recipe

    training = DiagnosedTraining(
        folders=tuple(path.parent for path in values.pop("weights")),
        recipe=Recipe.from_mapping(values.pop("recipe")),
        **values,
    )
    run(training, dataset, images, batches, output, provenance)
