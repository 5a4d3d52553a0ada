"""docs/extending.md, done as it says: every example applied to one checkout, and run."""

import json
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from workspace import CORES, ROOT, Workspace

EXAMPLE = re.compile(
    r"^(?P<how>New file|At the end of|In) `(?P<file>[^`]+)`(?:, after the line `(?P<line>[^`]+)`)?:"
    r"\n\n```\w+\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
TEXT = (ROOT / "docs/extending.md").read_text(encoding="utf-8")


def apply(folder: Path, example: re.Match[str]) -> None:
    path = folder / example["file"]
    if example["how"] == "New file":
        assert not path.exists()
        path.write_text(example["code"], encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    if example["how"] == "At the end of":
        path.write_text(text + example["code"], encoding="utf-8")
        return
    lines = text.splitlines(keepends=True)
    places = [index for index, line in enumerate(lines) if line == f"{example['line']}\n"]
    assert len(places) == 1, f"{example['file']} has the line {len(places)} times"
    lines.insert(places[0] + 1, example["code"])
    path.write_text("".join(lines), encoding="utf-8")


def python(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, float]:
    """The workspace after all examples, and what Keras says of the model of the page."""
    workspace = Workspace.make(tmp_path_factory.mktemp("extending") / "work")
    examples = list(EXAMPLE.finditer(TEXT))
    # Nothing on the page that looks like an example is passed over.
    assert len(examples) == TEXT.count("\n```python\n") + TEXT.count("\n```yaml\n") >= 13
    for example in examples:
        apply(workspace.folder, example)
    configuration = workspace.folder / "config/bars.yaml"
    text = configuration.read_text(encoding="utf-8")
    checksum = python(workspace.folder, "make_bars.py")
    configuration.write_text(text.replace("CHECKSUM", checksum), encoding="utf-8")
    accuracy = float(python(workspace.folder, "two_layers.py"))
    (command,) = re.findall(r"^    snakemake (.*)$", TEXT, re.MULTILINE)
    run = workspace.snakemake(*command.split(), f"--cores={CORES}")
    assert run.status == 0, run.output[-4000:]
    return workspace, accuracy


def test_the_dataset_of_the_page_is_prepared(extended: tuple[Workspace, float]) -> None:
    (prepared,) = (extended[0].folder / "results/datasets/bars").glob("*.h5")
    with h5py.File(prepared) as file:
        assert file["train_images"].shape == (1920, 12, 12, 1)
        assert np.bincount(file["test_labels"][:]).tolist() == [40, 40, 40, 40]


def test_the_optimizer_of_the_page_trained_its_models(extended: tuple[Workspace, float]) -> None:
    folder = (
        extended[0].folder / "results/bars/trainings/bars/resnet8/standard/rmsprop/lr-0.001/seed-1"
    )
    with h5py.File(folder / "history.h5") as file:
        parameters = json.loads(file.attrs["parameters"])
        loss = file["loss"][:]
    assert parameters["optimizer_definition"] == {"class": "RMSprop", "arguments": {"rho": 0.9}}
    assert loss[-1] < loss[0]


def test_the_noise_of_the_page_is_the_range_of_the_weights(
    extended: tuple[Workspace, float],
) -> None:
    code = (
        "import numpy as np; from noise_resistance.noise.kinds import noise_kind_named as named; "
        "print(named('additive_range')(np.zeros(1), np.array([-1.0, 0.5, 3.0])))"
    )
    assert float(python(extended[0].folder / "workflow", "-c", code)) == 4.0
    table = pd.read_csv(extended[0].folder / "results/bars/summary.csv")
    assert set(table["scope"]) == {"kernels", "kernels_range"}
    # Weights' ranges are several standard deviations, so this noise does more harm.
    harm = table[table["noise_level"] == 0.1].groupby("scope")["loss"].mean()
    assert harm["kernels_range"] > harm["kernels"]


def test_the_model_of_the_page_has_the_accuracy_that_keras_gives(
    extended: tuple[Workspace, float],
) -> None:
    workspace, accuracy = extended
    table = pd.read_csv(workspace.folder / "results/bars/external_models.csv")
    assert set(table["model"]) == {"two_layers"}
    assert table["baseline_accuracy"].iloc[0] == pytest.approx(accuracy, abs=1e-6)


def test_the_figure_of_the_page_is_drawn(extended: tuple[Workspace, float]) -> None:
    for suffix in ("png", "svg", "pdf"):
        file = extended[0].folder / f"results/bars/figures/spread-kernels.{suffix}"
        assert file.stat().st_size > 2_000
