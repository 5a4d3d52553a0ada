"""Commands of the rules that fetch and prepare datasets."""

from pathlib import Path
from typing import Any

import click

from noise_resistance.cli.options import (
    FILE,
    JSON,
    fingerprint_option,
)
from noise_resistance.storage.provenance import Provenance

__all__ = ["download_dataset", "prepare_dataset"]


@click.command()
@click.option("--url", required=True, help="http(s) or file URL, or a local path.")
@click.option("--checksum", required=True, help="md5:, sha1: or sha256: and the digest.")
@click.option("--output", type=FILE, required=True, help="File to write.")
def download_dataset(url: str, checksum: str, output: Path) -> None:
    """Download one archive and verify its checksum."""
    from noise_resistance.datasets.download import download

    download(url, checksum, output)


@click.command()
@click.option(
    "--entry",
    type=JSON,
    required=True,
    help="The dataset's entry in the catalogue, with its name.",
)
@click.option(
    "--archive", "archives", type=FILE, multiple=True, help="Downloaded archive; may be repeated."
)
@click.option("--output", type=FILE, required=True, help="File to write.")
@fingerprint_option
def prepare_dataset(
    entry: dict[str, Any], archives: tuple[Path, ...], output: Path, fingerprint: str
) -> None:
    """Read a dataset's archives into one HDF5 file."""
    from noise_resistance.datasets.prepare import prepare
    from noise_resistance.study.dataset import Dataset

    prepare(Dataset.from_mapping(entry), archives, output, Provenance(fingerprint))
