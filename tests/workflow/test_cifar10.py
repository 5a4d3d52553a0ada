"""Real CIFAR10 images through Snakemake: from an archive on a server to figures."""

import csv
import hashlib
from typing import Any

import h5py
import pytest
from workspace import Workspace

from servers import Server

ARCHIVE = "cifar-10-binary.tar.gz"


def study(url: str, checksum: str) -> dict[str, Any]:
    return {
        "study": "real",
        "device": "cpu",
        "experiments": [
            {
                "name": "learning_rate",
                "datasets": ["cifar10"],
                "models": ["resnet8"],
                "learning_rates": [0.001],
                "scopes": ["kernels"],
            }
        ],
        "training": {"epochs": 4},
        "noise": {"levels": [0.1], "draws": 2},
        "diagnostics": {"images": 0},
        "datasets": {
            "cifar10": {
                "train_images": 3000,
                "test_images": 660,
                "files": {ARCHIVE: {"url": url, "checksum": checksum}},
            }
        },
    }


def test_real_images_go_from_download_to_figures(
    workspace: Workspace, server: Server, real_cifar10: bytes
) -> None:
    url = server.add(ARCHIVE, real_cifar10)
    checksum = f"md5:{hashlib.md5(real_cifar10).hexdigest()}"
    run = workspace.snakemake(config=study(url, checksum))
    assert run.status == 0, run.output[-5000:]
    assert server.ranges == [None]  # one request
    results = workspace.folder / "results"
    folder = results / "datasets/cifar10"
    assert (folder / checksum[4:20] / ARCHIVE).read_bytes() == real_cifar10
    (prepared,) = folder.glob("*.h5")
    with h5py.File(prepared) as dataset:
        assert dataset["train_images"].shape == (3000, 32, 32, 3)
        assert dataset["test_images"].shape == (660, 32, 32, 3)
        labels = dataset["test_labels"][:]
    training = results / "real/trainings/cifar10/resnet8/standard/adam/lr-0.001/seed-1"
    with h5py.File(training / "baseline.h5") as baseline:
        accuracy = float((baseline["prediction"][:] == labels).mean())
    assert accuracy > 0.15  # chance is 0.1, with a standard deviation of 0.012
    with (results / "real/tables/table2.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert float(row["value"]) == pytest.approx(100 * accuracy, abs=1e-9)
    for suffix in ("png", "svg", "pdf"):
        assert (results / f"real/figures/figure1-cifar10-kernels.{suffix}").stat().st_size > 1000


def test_a_wrong_checksum_is_one_line_and_never_becomes_a_dataset(
    workspace: Workspace, server: Server
) -> None:
    url = server.add(ARCHIVE, b"not what was published")
    run = workspace.snakemake(config=study(url, f"md5:{'0' * 32}"))
    assert run.status != 0
    (line,) = run.errors
    assert url in line
    assert "checksum" in line
    assert f"datasets.cifar10.files.{ARCHIVE}" in line
    assert workspace.files("results/datasets") == set()
    assert not (workspace.folder / "results/real").exists()
