"""A finished study of the paper's size, its files small and their metadata real."""

import os
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from workspace import ROOT, Workspace

from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.study.configuration import Study, load
from noise_resistance.study.fingerprint import fingerprint
from noise_resistance.study.outputs import (
    FIGURE_FORMATS,
    TABLE_FORMATS,
    figure_stems,
    table_stems,
    why_stems,
    why_table_stems,
)
from noise_resistance.study.request import TrainingRequest

# The files of a training's state, by what they are.
TRAINED = {"weights": "model.weights.h5", "history": "history.h5", "optimizer": "optimizer.h5"}


def paper() -> Study:
    values: dict[str, Any] = {}
    for name in ("datasets.yaml", "config.yaml"):
        values |= yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8"))
    return load(values)


def write_fakes(study: Study, folder: Path) -> None:
    """Write every file of a finished study, with the parameters and fingerprints of real ones."""
    paths = study.paths
    number = {"x": Variable((), np.float64(0.5), "a number")}

    def diagnosed(request: TrainingRequest) -> dict[str, Any]:
        values = {name: getattr(request, name) for name in ("model", "learning_rate", "seed")}
        values["optimizer_definition"] = request.optimizer_definition
        return values | {"recipe": study.recipe.as_mapping()} | study.diagnostics.sample

    def write(path: str, kind: str, step: str, parameters: dict[str, Any]) -> None:
        attributes = Provenance(fingerprint(step)).attributes(parameters)
        write_record(folder / path, kind, number, attributes)

    for name in study.outline.datasets:
        dataset = study.catalogue[name]
        write(paths.dataset.format(dataset=name), "dataset", "prepare_dataset", dataset.identity())
        for archive in dataset.archives:
            path = folder / paths.archive.format(dataset=name, archive=archive.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"an archive")
    for training in study.trainings:
        request = study.request(training)
        snapshots = [paths.snapshot.replace("{epoch}", str(epoch)) for epoch in study.kept_epochs]
        for state in (paths.training, *snapshots):
            for kind, name in TRAINED.items():
                path = paths.fill(f"{state}/{name}", training)
                write(path, kind, "train", request.parameters())
        write(
            paths.fill(paths.diagnostics, training), "diagnostics", "diagnose", diagnosed(request)
        )
        of_model = {"model": training.model}
        precision = {"precision": study.noise.precision}
        path = paths.fill(paths.baseline, training)
        write(path, "baseline", "evaluate_baseline", of_model | precision)
    for evaluation in study.evaluations:
        reading = study.reading(evaluation.scope)
        settings = {
            "model": evaluation.training.model,
            "scope": reading.arrays,
            "noise_level": evaluation.noise_level,
            **reading.settings.as_mapping(),
        }
        write(paths.fill(paths.noise, evaluation), "noise", "evaluate_noise", settings)
    tables = table_stems(study.outline) + why_table_stems(study)
    figures = figure_stems(study.outline) + why_stems(study)
    stems = [f"{paths.tables}/{stem}.{end}" for stem in tables for end in TABLE_FORMATS]
    stems += [f"{paths.figures}/{stem}.{end}" for stem in figures for end in FIGURE_FORMATS]
    stems += [f"{paths.summary}.csv", f"{paths.lengths}.csv", f"{paths.lengths}.h5"]
    stems += [f"{paths.diagnostics_summary}.{end}" for end in ("csv", "h5")]
    specification = study.specification("summarise").as_mapping()
    made_from = {"outline": study.outline.to_json(), "specification": specification}
    write(f"{paths.summary}.h5", "summary", "summarise", made_from)
    for path in (*stems, paths.report):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("a file\n", encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.make(tmp_path_factory.mktemp("paper") / "work")
    study = paper()
    write_fakes(study, workspace.folder)
    for path in (workspace.folder / "results").rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    run = workspace.snakemake("--touch")
    assert run.status == 0, run.output[-3000:]
    return workspace


def cpu_seconds_of_children() -> float:
    """Processor time of all programs that this process has started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_a_finished_study_of_the_papers_size_has_nothing_to_do(
    finished: Workspace, counts: Counter[str]
) -> None:
    started, used = time.monotonic(), cpu_seconds_of_children()
    run = finished.snakemake()
    seconds, used = time.monotonic() - started, cpu_seconds_of_children() - used
    assert run.status == 0, run.output[-3000:]
    assert "Nothing to be done" in run.output, run.output[-3000:]
    assert not run.jobs
    study = paper()
    counts["files of a finished study of the paper's size"] += len(
        [*(finished.folder / "results").rglob("*.h5")]
    )
    counts["seconds until 'Nothing to be done' there"] += round(seconds)
    counts["of them, of one processor"] += round(used)
    # Its own time: what else runs on the machine is not this program's.
    assert used < 15
    assert len(study.trainings) == 73
    assert len(study.evaluations) == 876


def test_one_lost_evaluation_of_it_is_all_that_is_planned(finished: Workspace) -> None:
    study = paper()
    lost = finished.folder / study.paths.fill(study.paths.noise, study.evaluations[100])
    content = lost.read_bytes()
    lost.unlink()
    try:
        run = finished.snakemake("evaluations", "--dry-run")
        assert run.planned == {"evaluate_noise": 1, "evaluations": 1}
    finally:
        lost.write_bytes(content)
        os.utime(lost, (1_700_000_000, 1_700_000_000))


def test_its_plan_says_that_nothing_is_left(finished: Workspace) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "noise_resistance", "plan"],
        cwd=finished.folder,
        env={**os.environ, "PYTHONPATH": "workflow"},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split()[:3] for line in done.stdout.splitlines()]
    assert ["train", "73", "0"] in rows
    assert ["evaluate_noise", "876", "0"] in rows
    assert "nothing is left to do" in done.stdout
