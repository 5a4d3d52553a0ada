"""What a study asks for beside the paper's grid, each once and really run through Snakemake."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from described import assert_readme_describes
from workspace import Run, Workspace

SCOPES = ("live_kernels", "dead_kernels", "trainable")
STUDY: dict[str, Any] = {
    "study": "optional",
    "device": "cpu",
    "experiments": [
        {
            "name": "tradeoff",
            "datasets": ["digits"],
            "models": ["resnet8"],
            "learning_rates": [0.002],
        }
    ],
    "training": {
        "epochs": 6,
        "schedule": [[4, 0.1]],
        "horizontal_flip": False,
        "snapshots": [3],
    },
    "noise": {
        "levels": [0.3],
        "scopes": [*SCOPES],
        "draws": 2,
        "layer_sweep": {"levels": [0.4], "scope": "batchnorm"},
    },
    "diagnostics": {"images": 16, "batches": 4},
    "external_models": {"theirs": {"file": "theirs.keras", "dataset": "digits"}},
}
FOLDER = "trainings/digits/resnet8/standard/adam/lr-0.002/seed-1"
# A classifier of another architecture, made by plain Keras.
PLAIN_KERAS = """
import keras
keras.utils.set_random_seed(1)
keras.Sequential([
    keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")
]).save("theirs.keras")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Run]:
    """The study, run once to its end."""
    workspace = Workspace.make(tmp_path_factory.mktemp("optional") / "work")
    subprocess.run([sys.executable, "-c", PLAIN_KERAS], cwd=workspace.folder, check=True)
    run = workspace.snakemake(config=STUDY)
    assert run.status == 0, run.output[-5000:]
    return workspace, run


@pytest.fixture(scope="module")
def results(made: tuple[Workspace, Run]) -> Path:
    """The folder of the study's results."""
    return made[0].folder / "results" / "optional"


def accuracies(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        return np.asarray(file["accuracy"])


def test_each_option_makes_its_files_and_each_job_runs_once(
    made: tuple[Workspace, Run], results: Path
) -> None:
    assert set(made[1].jobs.values()) == {1}
    for place in ("", "snapshots/epoch-3/"):
        for scope in SCOPES:
            assert len(accuracies(results / FOLDER / f"{place}noise/{scope}/eta-0.3.h5")) == 2
    # Kept before the first decay, for the diagnostics alone.
    kept = made[0].files(f"results/optional/{FOLDER}/snapshots/epoch-4")
    assert kept == {"model.weights.h5", "history.h5", "optimizer.h5"}
    layers = made[0].files(f"results/optional/{FOLDER}/noise") - {
        f"{scope}/eta-0.3.h5" for scope in SCOPES
    }
    assert len(layers) == 7  # ResNet8 has seven BatchNorms
    for scope in SCOPES:
        assert (results / f"external/theirs/noise/{scope}/eta-0.3.h5").is_file()
    tables = ["gradient_noise", *(f"length-{scope}" for scope in SCOPES)]
    figures = ["external", "layers-resnet8", "length-dead_kernels", "why-trainable"]
    page = (results / "report.html").read_text(encoding="utf-8")
    for table in tables:
        assert (results / f"tables/{table}.tex").is_file()
        assert f'id="{table}"' in page
    for figure in figures:
        assert (results / f"figures/{figure}.svg").stat().st_size > 5_000
    assert "Models trained elsewhere" in page


def test_dead_kernels_of_a_network_without_dead_filters_change_nothing(results: Path) -> None:
    with h5py.File(results / FOLDER / "diagnostics.h5") as file:
        assert file["epochs"][()].tolist() == [0, 3, 4, 6]
        np.testing.assert_allclose(file["learning_rate"], [0.002, 0.002, 0.002, 0.0002])
        assert file["dead_channels"][-1].sum() == 0
    baseline = accuracies(results / FOLDER / "baseline.h5")
    dead = accuracies(results / FOLDER / "noise/dead_kernels/eta-0.3.h5")
    live = accuracies(results / FOLDER / "noise/live_kernels/eta-0.3.h5")
    assert (dead == baseline).all()
    assert (live != baseline).any()


def test_the_tables_gather_what_the_files_say(results: Path) -> None:
    lengths = pd.read_csv(results / "lengths.csv")
    assert len(lengths) == 2 * len(SCOPES)
    snapshot = lengths[(lengths["scope"] == "trainable") & (lengths["final"] == 0)].iloc[0]
    folder = results / FOLDER / "snapshots/epoch-3"
    baseline = accuracies(folder / "baseline.h5")
    noisy = accuracies(folder / "noise/trainable/eta-0.3.h5")
    assert snapshot["average_normalized_accuracy"] == pytest.approx(noisy.mean() / baseline)
    assert (snapshot["epochs"], snapshot["learning_rate_now"]) == (3, 0.002)
    layers = pd.read_csv(results / "layers.csv")
    for row in layers.to_dict("records"):
        found = accuracies(results / FOLDER / f"noise/layer-{row['layer']}/eta-0.4.h5")
        assert row["accuracy"] == pytest.approx(found.mean())
        assert row["epochs"] == 6
    external = pd.read_csv(results / "external_models.csv")
    assert len(external) == 2 * len(SCOPES)
    assert set(external["epochs"]) == {"unknown"}
    noise = pd.read_csv(results / "tables/gradient_noise.csv")
    assert noise["epochs"].tolist() == [0, 0, 3, 3, 4, 4, 6, 6]


def test_results_readme_describes_the_optional_files_too(results: Path) -> None:
    kinds = assert_readme_describes(results)
    assert {"layers", "external", "lengths", "diagnostics", "diagnostics_summary"} <= kinds


def test_a_second_run_has_nothing_to_do(made: tuple[Workspace, Run]) -> None:
    run = made[0].snakemake(config=STUDY)
    assert run.status == 0
    assert not run.jobs
