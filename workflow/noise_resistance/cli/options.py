"""Options and value types that several commands share."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from noise_resistance.storage.provenance import Provenance
    from noise_resistance.study.outline import Outline
    from noise_resistance.study.specification import Specification

__all__ = [
    "FILE",
    "JSON",
    "device_option",
    "fingerprint_option",
    "outline_from",
    "outline_option",
    "places_option",
    "prepare_evaluation",
    "scope_option",
    "specification_from",
    "specification_option",
    "stem_option",
    "summary_option",
    "threads_option",
    "trained_model_options",
]

FILE = click.Path(path_type=Path, dir_okay=False)


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


JSON = _Json()
fingerprint_option = click.option(
    "--fingerprint", default="none", help="Hash of the code that decides the result; recorded."
)
device_option = click.option(
    "--device", type=click.Choice(["gpu", "cpu", "auto"]), default="auto", show_default=True
)
threads_option = click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads."
)
places_option = click.option(
    "--trainings-per-gpu",
    "places",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Jobs that may share a GPU.",
)
outline_option = click.option(
    "--outline", type=JSON, required=True, help="The study's grid, as JSON."
)
specification_option = click.option(
    "--specification",
    type=JSON,
    help="What the files must have been made from, as JSON; without it they are compared with "
    "their places in the grid and with each other.",
)
summary_option = click.option("--summary", type=FILE, required=True, help="The study's summary.h5.")
scope_option = click.option("--scope", required=True, help="Noise scope.")
stem_option = click.option(
    "--stem", type=FILE, required=True, help="Output path without its suffix."
)


def trained_model_options(command: Any) -> Any:
    """Add the files and the name that say which trained model a command reads."""
    options = (
        click.option("--dataset", type=FILE, required=True, help="Prepared dataset, HDF5."),
        click.option("--model", required=True, help="Model, such as resnet20."),
        click.option("--weights", type=FILE, required=True, help="Trained weights."),
        click.option("--history", type=FILE, required=True, help="The training's history."),
        click.option("--output", type=FILE, required=True, help="File to write."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def prepare_evaluation(
    device: str, places: int, threads: int, fingerprint: str, keras: bool = False
) -> "Provenance":
    """Choose the device of an evaluation, before TensorFlow is imported."""
    from noise_resistance.devices import prepare_device
    from noise_resistance.storage.provenance import Provenance

    used = prepare_device(device, threads, keras=keras, places=places)
    print(f"device: {used.description}", flush=True)
    return Provenance(fingerprint, used.description)


def outline_from(values: dict[str, Any]) -> "Outline":
    """Make the outline of a study from its JSON."""
    from noise_resistance.study.outline import Outline

    return Outline.from_mapping(values)


def specification_from(values: dict[str, Any] | None) -> "Specification | None":
    """Make a study's specification from its JSON, if there is any."""
    from noise_resistance.study.specification import Specification

    return Specification.from_mapping(values) if values else None
