"""Options and value types that several commands share."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noise_resistance.study.paths import Paths

if TYPE_CHECKING:
    from noise_resistance.study.outline import Outline
    from noise_resistance.study.specification import Specification

__all__ = [
    "DEFAULT_STORE",
    "FILE",
    "FOLDER",
    "JSON",
    "configfile_option",
    "dataset_option",
    "directory_option",
    "dry_run_option",
    "fingerprint_option",
    "outline_from",
    "outline_option",
    "request_option",
    "scope_option",
    "snakefile_option",
    "specification_from",
    "specification_option",
    "stem_option",
    "store_option",
    "summary_option",
]

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


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
dataset_option = click.option(
    "--dataset",
    type=FILE,
    required=True,
    help="The small file of a prepared dataset, results/datasets/<dataset>/<digest>.json.",
)
request_option = click.option(
    "--request",
    type=JSON,
    required=True,
    help="All that decides the result, as JSON; files state it as their parameters.",
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
DEFAULT_STORE = Path(Paths.store)
store_option = click.option(
    "--store",
    "root",
    type=FOLDER,
    default=DEFAULT_STORE,
    show_default=True,
    help="Folder of the store.",
)
dry_run_option = click.option(
    "--dry-run", "-n", is_flag=True, help="Say what would be done, and change nothing."
)
snakefile_option = click.option("--snakefile", "-s", type=FILE, help="As for snakemake.")
directory_option = click.option(
    "--directory",
    "-d",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="As for snakemake; it has to be there.",
)
configfile_option = click.option(
    "--configfile",
    "files",
    type=FILE,
    multiple=True,
    help="As for snakemake: laid over config/config.yaml; may be repeated.",
)
stem_option = click.option(
    "--stem", type=FILE, required=True, help="Output path without its suffix."
)


def outline_from(values: dict[str, Any]) -> "Outline":
    """Make the outline of a study from its JSON."""
    from noise_resistance.study.outline import Outline

    return Outline.from_mapping(values)


def specification_from(values: dict[str, Any] | None) -> "Specification | None":
    """Make a study's specification from its JSON, if there is any."""
    from noise_resistance.study.specification import Specification

    return Specification.from_mapping(values) if values else None
