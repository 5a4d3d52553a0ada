"""What the jobs of a study are to make, and what they read, by rule and wildcards."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from noise_resistance.errors import DataError
from noise_resistance.storage.sources import (
    digest_of_states,
    digest_of_weights,
    read_dataset_file,
)
from noise_resistance.store.results import Result
from noise_resistance.store.wanted import (
    STATE_FILES,
    Digests,
    diagnosed_folders,
    diagnosis_of,
    evaluation_of,
    external_evaluations_of,
    trainings_of,
)
from noise_resistance.study.products import Products

__all__ = ["STEPS", "StudyResults"]

# Each rule whose jobs look before they compute, in the order of the pipeline, and the step of its
# results.
STEPS = {
    "train": "train",
    "evaluate_baseline": "evaluate_baseline",
    "evaluate_noise": "evaluate_noise",
    "evaluate_snapshot_baseline": "evaluate_baseline",
    "evaluate_snapshot_noise": "evaluate_noise",
    "diagnose": "diagnose",
    "evaluate_external": "evaluate_external",
}


class StudyResults:
    """The results of a study's jobs, their paths relative to the working directory."""

    def __init__(self, products: Products) -> None:
        """Name the study; nothing is read yet."""
        self._products = products
        self._dataset = cache(read_dataset_file)
        self._digests = Digests(
            cache(self._digest(digest_of_weights)), cache(self._digest(digest_of_states))
        )
        self._places: dict[Path, Path | None] = {}

    def expect(self, path: Path, place: Path | None) -> None:
        """Say where a file's content is while it is not where it goes.

        Args:
            path: where it goes, a file that others read.
            place: where it is; None where it is to be computed, and nobody can say what it will be.
        """
        self._places[path] = place

    def of(self, rule: str, wildcards: Mapping[str, str]) -> list[Result]:
        """Return what a job is to make.

        Args:
            rule: one of `STEPS`.
            wildcards: values by name.

        Raises:
            DataError: what it reads is not there.
        """
        products, study = self._products, self._products.study
        paths, step = products.paths, STEPS[rule]
        dataset = self._dataset(products.dataset(wildcards))
        request = json.loads(products.request(step, wildcards))
        folder = self._folder(rule, wildcards)
        if step == "evaluate_external":
            model = Path(study.external_models[wildcards["external"]].file)
            return external_evaluations_of(dataset, request, model, folder)
        if step == "train":
            kept, stored = study.kept_epochs, bool(study.store)
            return trainings_of(dataset, request, folder, kept, stored=stored)
        if step == "diagnose":
            output = Path(paths.diagnostics.format(**wildcards))
            return [diagnosis_of(dataset, request, folder, output, self._digests)]
        template = paths.baseline if step == "evaluate_baseline" else paths.noise
        template = products.of_snapshot(template) if "epoch" in wildcards else template
        output = Path(template.format(**wildcards))
        return [evaluation_of(step, dataset, request, folder, output, self._digests)]

    def inputs(self, rule: str, wildcards: Mapping[str, str]) -> list[Path]:
        """Return the files of a training, or of a model from elsewhere, that a job reads."""
        step, folder = STEPS[rule], self._folder(rule, wildcards)
        if step == "train":
            return []
        if step == "evaluate_external":
            return [Path(self._products.study.external_models[wildcards["external"]].file)]
        if step != "diagnose":
            return [folder / "model.weights.h5", folder / "history.h5"]
        request = json.loads(self._products.request(step, wildcards))
        return [one / name for one in diagnosed_folders(request, folder) for name in STATE_FILES]

    def log(self, rule: str, wildcards: Mapping[str, str]) -> Path:
        """Return the log of a job."""
        return Path(self._products.paths.log(rule, wildcards))

    def _folder(self, rule: str, wildcards: Mapping[str, str]) -> Path:
        paths = self._products.paths
        if rule == "evaluate_external":
            return Path(paths.external.format(**wildcards))
        return Path(
            (paths.snapshot if "epoch" in wildcards else paths.training).format(**wildcards)
        )

    def _digest(self, read: Callable[[Path], str]) -> Callable[[Path], str]:
        def find(path: Path) -> str:
            place = self._places.get(path, path)
            if place is None:
                raise DataError(f"{path}: not made yet")
            return read(place)

        return find
