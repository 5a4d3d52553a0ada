"""The files that a study is made of: what each rule reads and makes, and each job's request."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from noise_resistance.storage.checksums import canonical
from noise_resistance.study.configuration import Study
from noise_resistance.study.grid import Evaluation, Training
from noise_resistance.study.outputs import (
    FIGURE_FORMATS,
    TABLE_FORMATS,
    figure_stems,
    table_stems,
    why_stems,
    why_table_stems,
)
from noise_resistance.study.paths import Paths, evaluation_of, training_of
from noise_resistance.study.specification import Specification

__all__ = ["Products"]

Wildcards = Mapping[str, str]


@dataclass(frozen=True)
class Products:
    """The files of one study, relative to the working directory.

    What grows with the study is made by functions: every job on a cluster reads the rules anew, and
    only the process that plans all jobs needs the lists.
    """

    study: Study

    @property
    def paths(self) -> Paths:
        """The templates of all paths."""
        return self.study.paths

    @cached_property
    def requests(self) -> Specification:
        """What makes the request of each job."""
        return self.study.requests

    def request(self, step: str, wildcards: Wildcards) -> str:
        """Return a job's request as JSON: all that decides its numbers besides code.

        Args:
            step: such as ``train``.
            wildcards: values by name.
        """
        return canonical(self._request(step, wildcards))

    def _request(self, step: str, wildcards: Wildcards) -> Mapping[str, Any]:
        match step:
            case "train":
                return self.requests.training(training_of(wildcards))
            case "evaluate_baseline":
                return self.requests.baseline(training_of(wildcards))
            case "evaluate_noise":
                return self.requests.evaluation(evaluation_of(wildcards))
            case "diagnose":
                return self.requests.diagnosis(training_of(wildcards))
            case _:
                return self._external(wildcards["external"])

    def _external(self, name: str) -> Mapping[str, Any]:
        study = self.study
        model = study.external_models[name]
        return model.requests(study.readings, study.noise_levels, "float32")

    def dataset(self, wildcards: Wildcards) -> str:
        """Return the small file of a job's dataset, which the job depends on."""
        if wildcards.get("external"):
            return self.datasets[self.study.external_models[wildcards["external"]].dataset]
        name = wildcards["dataset"]
        return self.paths.dataset.format(dataset=name, digest=self.study.catalogue[name].digest)

    def place(self, wildcards: Wildcards) -> tuple[str, str | None]:
        """Return a job's dataset and model, by which it asks for memory and time."""
        if wildcards.get("external"):
            return self.study.external_models[wildcards["external"]].dataset, None
        return wildcards["dataset"], wildcards["model"]

    @cached_property
    def datasets(self) -> dict[str, str]:
        """The small file of each dataset that the study uses, by the dataset's name."""
        used = [name for one in self.study.experiments for name in one.datasets]
        used += [one.dataset for one in self.study.external_models.values()]
        return {name: self.dataset({"dataset": name}) for name in dict.fromkeys(used)}

    def archives(self, wildcards: Wildcards) -> list[str]:
        """Return the archives that a dataset is prepared from."""
        name = wildcards["dataset"]
        return [
            self.paths.archive.format(dataset=name, checksum=one.folder, archive=one.name)
            for one in self.study.catalogue[name].archives
        ]

    def trainings(self, template: str) -> list[str]:
        """Return one file of every training."""
        return [self.paths.fill(template, one) for one in self.study.trainings]

    def evaluations(self) -> list[str]:
        """Return the file of every noisy evaluation."""
        return [self.paths.fill(self.paths.noise, one) for one in self.study.evaluations]

    def layer_evaluations(self) -> list[str]:
        """Return the file of every evaluation with noise on one layer alone."""
        return [self.paths.fill(self.paths.noise, one) for one in self.study.layer_evaluations]

    def snapshot_trainings(self, template: str) -> list[str]:
        """Return one file of every snapshot that is evaluated."""
        return self._of_snapshots(template, self.study.trainings)

    def snapshot_evaluations(self) -> list[str]:
        """Return the file of every noisy evaluation of a snapshot."""
        return self._of_snapshots(self.paths.noise, self.study.evaluations)

    def _of_snapshots(self, template: str, cells: Iterable[Training | Evaluation]) -> list[str]:
        templates = [
            self.of_snapshot(template).replace("{epoch}", str(epoch))
            for epoch in self.study.snapshots
        ]
        return [self.paths.fill(one, cell) for cell in cells for one in templates]

    def of_snapshot(self, template: str) -> str:
        """Return the template of a snapshot's file from that of a training's."""
        return template.replace(self.paths.training, self.paths.snapshot)

    def kept(self, *names: str) -> list[str]:
        """Return the templates of these files of the states that every training keeps."""
        folders = [
            self.paths.snapshot.replace("{epoch}", str(epoch)) for epoch in self.study.kept_epochs
        ]
        return [f"{folder}/{name}" for name in names for folder in folders]

    def there(self, files: Callable[[], list[str]]) -> Callable[[Wildcards], list[str]]:
        """Return a function that gives files: of an incomplete study, those that are there."""
        return lambda wildcards: [
            one for one in files() if not self.study.incomplete or Path(one).exists()
        ]

    @cached_property
    def table_stems(self) -> list[str]:
        """The names of the tables."""
        why = [] if self.study.incomplete else why_table_stems(self.study)
        return table_stems(self.study.outline) + why

    @cached_property
    def why_stems(self) -> list[str]:
        """The names of the figures of why, which need all of the study."""
        return [] if self.study.incomplete else why_stems(self.study)

    @cached_property
    def figure_stems(self) -> list[str]:
        """The names of all figures, the paper's first."""
        return [*figure_stems(self.study.outline), *self.why_stems]

    def tables(self) -> list[str]:
        """Return the files of all tables."""
        names = product(self.table_stems, TABLE_FORMATS)
        return [f"{self.paths.tables}/{stem}.{ending}" for stem, ending in names]

    def figures(self) -> list[str]:
        """Return the files of all figures."""
        names = product(self.figure_stems, FIGURE_FORMATS)
        return [f"{self.paths.figures}/{stem}.{ending}" for stem, ending in names]

    @cached_property
    def measured(self) -> dict[str, str]:
        """What a complete study has measured besides its summary: HDF5 files by name."""
        study, paths = self.study, self.paths
        stems = {
            "diagnostics": (paths.diagnostics_summary, study.diagnostics.images),
            "lengths": (paths.lengths, study.snapshots),
            "layers": (paths.layers, study.layer_sweep.levels),
            "external_models": (paths.external_summary, study.external_models),
        }
        wanted = {} if study.incomplete else stems
        return {name: f"{stem}.h5" for name, (stem, asked) in wanted.items() if asked}

    def all(self) -> list[str]:
        """Return all that a study makes for people to read."""
        gathered = [one.replace(".h5", ".csv") for one in self.measured.values()]
        # Lengths are gathered without snapshots as well.
        lengths = [] if self.study.incomplete else [f"{self.paths.lengths}.csv"]
        summaries = dict.fromkeys([f"{self.paths.summary}.csv", *lengths, *gathered])
        return [*self.tables(), *self.figures(), *summaries, self.paths.report]

    def external_outputs(self) -> list[str]:
        """Return the templates of the files of a model that was trained elsewhere."""
        # Every model has the same files; without any model the rule has no job.
        some = next(iter(self.study.external_models), None)
        files = self._external(some) if some else ["baseline.h5"]
        return [f"{self.paths.external}/{file}" for file in files]

    def external_files(self) -> list[str]:
        """Return the files of all models that were trained elsewhere."""
        return [
            template.format(external=name)
            for name in self.study.external_models
            for template in self.external_outputs()
        ]

    def external_folders(self) -> dict[str, dict[str, str]]:
        """Return dataset and folder of each model that was trained elsewhere, by its name."""
        return {
            name: {"dataset": one.dataset, "folder": self.paths.external.format(external=name)}
            for name, one in self.study.external_models.items()
        }
