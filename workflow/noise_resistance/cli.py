"""The command line: one subcommand a rule. It parses, calls, and reports errors in one line."""

import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from noise_resistance.errors import NoiseResistanceError
from noise_resistance.storage.provenance import Provenance

if TYPE_CHECKING:
    from noise_resistance.study.outline import Outline

__all__ = ["main"]

_FILE = click.Path(path_type=Path, dir_okay=False)


class _Json(click.ParamType[Any]):
    """A JSON object, or the path of a file that holds one."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            text = (
                value if value.lstrip().startswith("{") else Path(value).read_text(encoding="utf-8")
            )
            return json.loads(text)
        except (OSError, ValueError) as error:
            self.fail(f"neither a JSON object nor a file with one: {error}", param, ctx)


_JSON = _Json()
_fingerprint = click.option(
    "--fingerprint", default="none", help="Hash of the code that decides the result; recorded."
)
_device = click.option(
    "--device", type=click.Choice(["gpu", "cpu", "auto"]), default="auto", show_default=True
)
_threads = click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads."
)
_places = click.option(
    "--trainings-per-gpu",
    "places",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Jobs that may share a GPU.",
)
_outline = click.option("--outline", type=_JSON, required=True, help="The study's grid, as JSON.")
_summary = click.option("--summary", type=_FILE, required=True, help="The study's summary.h5.")
_scope = click.option("--scope", required=True, help="Noise scope.")
_stem = click.option("--stem", type=_FILE, required=True, help="Output path without its suffix.")


def _trained_model_options(command: Any) -> Any:
    options = (
        click.option("--dataset", type=_FILE, required=True, help="Prepared dataset, HDF5."),
        click.option("--model", required=True, help="Model, such as resnet20."),
        click.option("--weights", type=_FILE, required=True, help="Trained weights."),
        click.option("--history", type=_FILE, required=True, help="The training's history."),
        click.option("--output", type=_FILE, required=True, help="File to write."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--log",
    type=_FILE,
    help="File for all output, TensorFlow's too; errors also go to the terminal.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="noise-resistance")
def _commands(log: Path | None, debug: bool) -> None:
    """Train networks at several learning rates and measure their resistance to weight noise."""


@_commands.command()
@click.option("--url", required=True, help="http(s) or file URL, or a local path.")
@click.option("--checksum", required=True, help="md5:, sha1: or sha256: and the digest.")
@click.option("--output", type=_FILE, required=True, help="File to write.")
def download_dataset(url: str, checksum: str, output: Path) -> None:
    """Download one archive and verify its checksum."""
    from noise_resistance.datasets.download import download

    download(url, checksum, output)


@_commands.command()
@click.option(
    "--entry",
    type=_JSON,
    required=True,
    help="The dataset's entry in the catalogue, with its name.",
)
@click.option(
    "--archive", "archives", type=_FILE, multiple=True, help="Downloaded archive; may be repeated."
)
@click.option("--output", type=_FILE, required=True, help="File to write.")
@_fingerprint
def prepare_dataset(
    entry: dict[str, Any], archives: tuple[Path, ...], output: Path, fingerprint: str
) -> None:
    """Read a dataset's archives into one HDF5 file."""
    from noise_resistance.datasets.prepare import prepare
    from noise_resistance.study.dataset import Dataset

    prepare(Dataset.from_mapping(entry), archives, output, Provenance(fingerprint))


@_commands.command()
@click.option("--dataset", type=_FILE, required=True, help="Prepared dataset, HDF5.")
@click.option(
    "--dataset-identity",
    type=_JSON,
    required=True,
    help="Name, version and checksums of the dataset.",
)
@click.option("--model", required=True, help="Model, such as resnet20.")
@click.option("--optimizer", required=True, help="Optimizer, such as adam.")
@click.option(
    "--optimizer-definition",
    type=_JSON,
    help="Keras class and arguments; the optimizer's own by default.",
)
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), required=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Training seed.")
@click.option("--recipe", type=_JSON, help="Training recipe; the paper study's by default.")
@click.option(
    "--weights", type=_FILE, required=True, help="Weights file to write, <name>.weights.h5."
)
@click.option("--history", type=_FILE, required=True, help="History file to write.")
@_device
@_places
@_threads
@_fingerprint
def train(
    dataset: Path,
    weights: Path,
    history: Path,
    device: str,
    places: int,
    threads: int,
    fingerprint: str,
    **values: Any,
) -> None:
    """Train one model; an interrupted training goes on from its last finished epoch."""
    from noise_resistance.devices import prepare_device
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
    run(request, dataset, weights, history, Provenance(fingerprint, used.description))


@_commands.command()
@_trained_model_options
@click.option(
    "--precision", default="float32", show_default=True, help="Precision of the forward pass."
)
@_device
@_places
@_threads
@_fingerprint
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
    provenance = _prepare_evaluation(device, places, threads, fingerprint)

    from noise_resistance.evaluation.baseline import evaluate_baseline as run
    from noise_resistance.evaluation.trained_model import read_trained_model

    trained = read_trained_model(**files)
    accuracy = run(trained, precision, output, provenance, {"model": files["model"]})
    print(f"baseline accuracy {100 * accuracy:.2f} %", flush=True)


@_commands.command()
@_trained_model_options
@_scope
@click.option(
    "--noise-level", type=click.FloatRange(0), required=True, help="eta, a fraction (0.1, not 10)."
)
@click.option("--settings", type=_JSON, help="Noise settings; the paper study's by default.")
@_device
@_places
@_threads
@_fingerprint
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
    provenance = _prepare_evaluation(device, places, threads, fingerprint)

    from noise_resistance.evaluation.noise import evaluate_noise as run
    from noise_resistance.evaluation.trained_model import read_trained_model
    from noise_resistance.study.configuration import default_noise_settings
    from noise_resistance.study.noise_settings import NoiseSettings

    trained = read_trained_model(**files)
    chosen = NoiseSettings.from_mapping(settings) if settings else default_noise_settings()
    accuracy = run(
        trained, scope, noise_level, chosen, output, provenance, {"model": files["model"]}
    )
    print(f"mean accuracy of {chosen.draws} draws {100 * accuracy:.2f} %", flush=True)


@_commands.command()
@_outline
@click.option(
    "--csv", type=_FILE, required=True, help="Tidy table to write, one row an observation."
)
@click.option("--hdf5", type=_FILE, required=True, help="HDF5 file to write.")
@_fingerprint
def summarise(outline: dict[str, Any], csv: Path, hdf5: Path, fingerprint: str) -> None:
    """Gather all accuracies of a study."""
    from noise_resistance.analysis.summary import summarise as run

    run(_outline_from(outline), csv, hdf5, Provenance(fingerprint))


@_commands.command()
@_outline
@click.option(
    "--datasets", type=_JSON, required=True, help="Prepared dataset files by name, as JSON."
)
@_stem
def table1(outline: dict[str, Any], datasets: dict[str, str], stem: Path) -> None:
    """Write Table I: the models and datasets."""
    from noise_resistance.analysis.tables import write_table1

    write_table1(
        _outline_from(outline), {name: Path(path) for name, path in datasets.items()}, stem
    )


@_commands.command()
@_outline
@_summary
@_stem
def table2(outline: dict[str, Any], summary: Path, stem: Path) -> None:
    """Write Table II: baseline accuracies."""
    from noise_resistance.analysis.tables import write_table2

    write_table2(_outline_from(outline), summary, stem)


@_commands.command()
@_outline
@_summary
@_scope
@_stem
def table3(outline: dict[str, Any], summary: Path, scope: str, stem: Path) -> None:
    """Write Table III: average normalized accuracies."""
    from noise_resistance.analysis.tables import write_table3

    write_table3(_outline_from(outline), summary, scope, stem)


@_commands.command()
@_outline
@_summary
@_scope
@click.option("--dataset", required=True, help="Name of the dataset.")
@_stem
def learning_rate_figure(
    outline: dict[str, Any], summary: Path, scope: str, dataset: str, stem: Path
) -> None:
    """Draw Figure 1 or 2: normalized accuracy by noise level."""
    from noise_resistance.analysis.figures.learning_rate import draw

    draw(_outline_from(outline), summary, scope, dataset, stem)


@_commands.command()
@_outline
@_summary
@_scope
@_stem
def optimizer_figure(outline: dict[str, Any], summary: Path, scope: str, stem: Path) -> None:
    """Draw Figure 3: baseline and average normalized accuracy by optimizer."""
    from noise_resistance.analysis.figures.optimizer import draw

    draw(_outline_from(outline), summary, scope, stem)


@_commands.command()
@_outline
@_summary
@_scope
@_stem
def tradeoff_figure(outline: dict[str, Any], summary: Path, scope: str, stem: Path) -> None:
    """Draw Figure 4: baseline and average normalized accuracy by learning rate."""
    from noise_resistance.analysis.figures.tradeoff import draw

    draw(_outline_from(outline), summary, scope, stem)


@_commands.command()
def configuration_reference() -> None:
    """Print the reference of the configuration as Markdown."""
    from noise_resistance.study.reference import configuration_reference as write

    click.echo(write(), nl=False)


def _prepare_evaluation(device: str, places: int, threads: int, fingerprint: str) -> Provenance:
    from noise_resistance.devices import prepare_device

    used = prepare_device(device, threads, keras=False, places=places)
    print(f"device: {used.description}", flush=True)
    return Provenance(fingerprint, used.description)


def _outline_from(values: dict[str, Any]) -> "Outline":
    from noise_resistance.study.outline import Outline

    return Outline.from_mapping(values)


def main() -> None:
    """Run the command line; errors are one line and a non-zero exit status."""
    arguments = sys.argv[1:]
    log = _value_of("--log", arguments)
    terminal: TextIO = sys.stderr
    if log:
        try:
            terminal = _redirect_output(Path(log))
        except OSError as error:
            sys.exit(
                f"error: {log}: the log cannot be written ({error.strerror}); name another "
                "file after --log"
            )
    try:
        _commands(args=arguments, standalone_mode=False, prog_name="noise-resistance")
    except click.exceptions.NoArgsIsHelpError as error:
        error.show(terminal)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _report(f"error: {' '.join(error.format_message().split())}", terminal, log)
        sys.exit(error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _report("error: interrupted", terminal, log)
        sys.exit(130)
    except NoiseResistanceError as error:
        if "--debug" in arguments:
            traceback.print_exc()
        _report(f"error: {error}", terminal, log)
        sys.exit(1)
    except Exception as error:
        if log or "--debug" in arguments:
            traceback.print_exc()
        where = f"traceback in {log}" if log else "run again with --debug for the traceback"
        first_line = (str(error).strip().splitlines() or [""])[0]
        _report(f"error: unexpected {type(error).__name__}: {first_line} ({where})", terminal, log)
        sys.exit(1)


def _value_of(option: str, arguments: list[str]) -> str | None:
    """Find an option's value before click parses, so that even a usage error reaches the log."""
    for index, argument in enumerate(arguments):
        if argument == option and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
    return None


def _redirect_output(log: Path) -> TextIO:
    """Send both output streams, those of C libraries included, to a file; return the terminal."""
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal = os.fdopen(os.dup(2), "w", encoding="utf-8")
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    return terminal


def _report(line: str, terminal: TextIO, log: str | None) -> None:
    print(line, file=sys.stderr, flush=True)
    if log:
        print(f"{line} [log: {log}]", file=terminal, flush=True)
