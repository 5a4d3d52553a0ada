"""The store of a finished study, made of small made-up files by the store's own functions.

python tests/benchmarks/made_up_store.py CONFIG

CONFIG is a complete configuration as JSON; entries of all its trainings, baselines and evaluations
are added to the store below the working directory. The files hold one number, and what they state
is what real ones state. Nothing is flushed to the disk while they are written.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from made_up_files import write_datasets

from noise_resistance.storage import files, provenance
from noise_resistance.storage.checksums import canonical, digest_of
from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.store import folders
from noise_resistance.store.entries import Store
from noise_resistance.store.restoring import Wanted
from noise_resistance.store.results import KIND_OF_FILE, Result
from noise_resistance.store.study_results import StudyResults
from noise_resistance.store.versions import counts, version_of
from noise_resistance.study.configuration import Study, load
from noise_resistance.study.paths import wildcards
from noise_resistance.study.products import Products

LOG = "device: cpu: 1 thread\nmean accuracy of 25 draws 50.00 %\n"


def main() -> None:
    (configuration,) = sys.argv[1:]
    write_store(load(json.loads(Path(configuration).read_text(encoding="utf-8"))))


def jobs_of(study: Study) -> Iterator[Wanted]:
    """Give all jobs of a study without diagnostics and snapshots, in the order of the pipeline."""
    paths = study.paths
    states = (paths.weights, paths.history, paths.optimizer)
    for one in study.trainings:
        outputs = tuple(paths.fill(template, one) for template in states)
        yield Wanted("train", wildcards(one), outputs)
    for one in study.trainings:
        yield Wanted("evaluate_baseline", wildcards(one), (paths.fill(paths.baseline, one),))
    for evaluation in study.evaluations:
        noise = paths.fill(paths.noise, evaluation)
        yield Wanted("evaluate_noise", wildcards(evaluation), (noise,))


def write_store(study: Study) -> None:
    # Looked up for every file, and waited for after every file.
    known = provenance.versions()
    provenance.versions = lambda: known
    files._flush = folders.flush = lambda path: None
    write_datasets(study)
    store, found = Store(study.store_folder), StudyResults(Products(study))
    with store.temporary() as made:
        for number, job in enumerate(jobs_of(study)):
            for result in found.of(job.rule, job.wildcards):
                code = counts(result.step)[0]
                place = store.place(result, code)
                # What was interrupted goes on.
                if not place.is_dir():
                    folder = made / f"{number}{result.part}"
                    write(result, folder)
                    store.add(result, folder, code, LOG)
                for name, path in result.files.items():
                    found.expect(path, place / name)


def write(result: Result, folder: Path) -> None:
    step = result.step
    made_by = Provenance(counts(step)[0], version_of(step), "cpu: 1 thread", sources=result.sources)
    attributes: dict[str, Any] = made_by.attributes(result.request)
    if step == "train":
        attributes["weights_sha256"] = digest_of({"training": canonical(result.request)})
        attributes["finished_epochs"] = result.finished_epochs
    # The state before the first decay has no other place than the store.
    names = result.files or ("model.weights.h5", "history.h5", "optimizer.h5")
    for name in names:
        state = {"accuracy": Variable((), np.float64(0.5), "stands in for arrays")}
        write_record(folder / name, KIND_OF_FILE[name], state, attributes)


if __name__ == "__main__":
    main()
