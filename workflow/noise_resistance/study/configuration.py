"""From the configuration's plain values to a `Study`, or one line that says what is wrong."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from noise_resistance.errors import ConfigurationError, suggest
from noise_resistance.study.architectures import depth_of
from noise_resistance.study.choices import chosen
from noise_resistance.study.dataset import Archive, Dataset
from noise_resistance.study.external import ExternalModel
from noise_resistance.study.grid import (
    Evaluation,
    Experiment,
    Training,
    evaluations_of,
    trainings_of,
)
from noise_resistance.study.layers import LayerSweep
from noise_resistance.study.noise_settings import NoiseSettings
from noise_resistance.study.numbers import format_number
from noise_resistance.study.optimizers import OPTIMIZERS, optimizer_named
from noise_resistance.study.outline import DatasetOutline, Outline
from noise_resistance.study.paths import Paths
from noise_resistance.study.readings import (
    Reading,
    check_scopes,
    known_scopes,
    reading_named,
    readings_of,
)
from noise_resistance.study.recipe import Recipe
from noise_resistance.study.schema import complete, section_defaults
from noise_resistance.study.specification import Specification

__all__ = ["Study", "default_noise_settings", "default_recipe", "load"]

# A number is part of a file's name, which most file systems limit to 255 bytes.
_LONGEST_NUMBER = 60
_NOISE_KEYS = ("draws", "seed", "sigma_of", "variance_policy", "kind")


@dataclass(frozen=True)
class DiagnosticsSettings:
    """How much is sampled for a training's diagnostics.

    Attributes:
        images: training images for C of equation (3); 0 for no diagnostics at all.
        batches: batches for the noise of batch gradients and updates.
        before_decay: whether trainings keep their state before the learning rate first falls.
    """

    images: int
    batches: int
    before_decay: bool


@dataclass(frozen=True)
class Study:
    """One configuration, checked: every name known, every number possible."""

    name: str
    experiments: tuple[Experiment, ...]
    seeds: tuple[int, ...]
    incomplete: bool
    device: str
    trainings_per_gpu: int
    longest_job: int
    store: bool | str
    recipe: Recipe
    snapshots: tuple[int, ...]
    training_threads: int
    noise_levels: tuple[float, ...]
    noise: NoiseSettings
    readings: Mapping[str, Reading]
    layer_sweep: LayerSweep
    diagnostics: DiagnosticsSettings
    external_models: Mapping[str, ExternalModel]
    evaluation_threads: int
    catalogue: Mapping[str, Dataset]

    @property
    def paths(self) -> Paths:
        """Where everything is."""
        return Paths(self.name)

    @property
    def store_folder(self) -> str:
        """The folder of the store; where it is off, of what is compared with."""
        return self.store if isinstance(self.store, str) else Paths.store

    @property
    def trainings(self) -> list[Training]:
        """All trainings, each once."""
        return trainings_of(self.experiments, self.seeds)

    @property
    def evaluations(self) -> list[Evaluation]:
        """All noisy evaluations, each once."""
        return evaluations_of(self.experiments, self.seeds, self.noise_levels)

    @property
    def layer_evaluations(self) -> list[Evaluation]:
        """All evaluations with noise on one layer alone, each once."""
        return self.layer_sweep.evaluations(self.trainings)

    @property
    def kept_epochs(self) -> tuple[int, ...]:
        """Numbers of finished epochs after which a training keeps its state.

        They are the snapshots, and one more for the diagnostics alone, which is kept whether or
        not there are any: who asks for them later need not train again.
        """
        decay = self.recipe.first_decay if self.diagnostics.before_decay else None
        return tuple(sorted({*self.snapshots, *([decay] if decay else [])}))

    def reading(self, scope: str) -> Reading:
        """Return what a scope's name in a path stands for."""
        return reading_named(scope, self.readings, self.noise, self.layer_sweep.scope)

    @property
    def requests(self) -> Specification:
        """What makes the request of any job, also of one that no experiment asks for."""
        scopes = dict.fromkeys([*self.readings, *known_scopes()])
        return Specification(
            recipe=self.recipe.as_mapping(),
            optimizers={name: one.definition() for name, one in OPTIMIZERS.items()},
            datasets={name: one.identity() for name, one in self.catalogue.items()},
            noise=chosen(self.noise),
            readings={name: self.reading(name).as_mapping() for name in scopes},
            layer_scope=self.layer_sweep.scope,
            diagnostics={
                "images": self.diagnostics.images,
                "batches": self.diagnostics.batches,
                "epochs": list(self.kept_epochs),
            },
        )

    def specification(self, summary: str) -> Specification:
        """Return what the files behind a summary are made from, and nothing else.

        Args:
            summary: the step that makes it, such as ``summarise``.
        """
        whole, used = self.requests, self.experiments
        layers, diagnostics = summary == "summarise_layers", summary == "summarise_diagnostics"
        optimizers = dict.fromkeys(name for one in used for name in one.optimizers)
        datasets = dict.fromkeys(name for one in used for name in one.datasets)
        of_scopes = [] if layers or diagnostics else [name for one in used for name in one.scopes]
        return replace(
            whole,
            optimizers={name: whole.optimizers[name] for name in optimizers},
            datasets={name: whole.datasets[name] for name in datasets},
            noise={} if diagnostics else whole.noise,
            readings={name: whole.readings[name] for name in dict.fromkeys(of_scopes)},
            layer_scope=whole.layer_scope if layers else "",
            diagnostics=whole.diagnostics if diagnostics else {},
        )

    @property
    def outline(self) -> Outline:
        """What the analysis must know of the study."""
        used = dict.fromkeys(
            name for experiment in self.experiments for name in experiment.datasets
        )
        titles = {
            name: DatasetOutline(self.catalogue[name].title, self.catalogue[name].classes)
            for name in used
        }
        return Outline(
            study=self.name,
            experiments=self.experiments,
            seeds=self.seeds,
            noise_levels=self.noise_levels,
            draws=self.noise.draws,
            epochs=self.recipe.epochs,
            datasets=titles,
            schedule=self.recipe.schedule,
        )


def load(config: Mapping[str, Any]) -> Study:
    """Check a configuration and make the study it describes.

    Args:
        config: plain values as read from YAML; it is not changed.

    Raises:
        ConfigurationError: the first thing that is wrong, in one line.
    """
    values = complete(config)
    training, noise = values["training"], values["noise"]
    settings = _noise_settings(noise, values["evaluation"])
    readings = readings_of(noise["scopes"], settings)
    study = Study(
        name=values["study"],
        experiments=tuple(_experiment(one, list(readings)) for one in values["experiments"]),
        seeds=tuple(_unique("seeds", values["seeds"])),
        incomplete=values["incomplete"],
        device=values["device"],
        trainings_per_gpu=values["trainings_per_gpu"],
        longest_job=values["longest_job"],
        store=values["store"],
        recipe=_recipe(training),
        snapshots=tuple(_unique("training.snapshots", training["snapshots"])),
        training_threads=training["threads"],
        noise_levels=tuple(_numbers("noise.levels", noise["levels"])),
        noise=settings,
        readings=readings,
        layer_sweep=LayerSweep(
            tuple(_numbers("noise.layer_sweep.levels", noise["layer_sweep"]["levels"])),
            noise["layer_sweep"]["scope"],
        ),
        diagnostics=DiagnosticsSettings(**values["diagnostics"]),
        external_models={
            name: ExternalModel.from_mapping(entry)
            for name, entry in values["external_models"].items()
        },
        evaluation_threads=values["evaluation"]["threads"],
        catalogue={name: _dataset(name, entry) for name, entry in values["datasets"].items()},
    )
    _check_names(study)
    return study


def default_recipe() -> Recipe:
    """Return the recipe of a configuration that says nothing about training."""
    return _recipe(section_defaults("training"))


def default_noise_settings() -> NoiseSettings:
    """Return the noise settings of a configuration that says nothing about noise."""
    return _noise_settings(section_defaults("noise"), section_defaults("evaluation"))


def _recipe(training: Mapping[str, Any]) -> Recipe:
    return Recipe.from_mapping(
        {key: value for key, value in training.items() if key not in ("threads", "snapshots")}
    )


def _noise_settings(noise: Mapping[str, Any], evaluation: Mapping[str, Any]) -> NoiseSettings:
    chosen = {key: noise[key] for key in _NOISE_KEYS}
    return NoiseSettings.from_mapping({**chosen, "precision": evaluation["precision"]})


def _experiment(values: Mapping[str, Any], scopes: Sequence[str]) -> Experiment:
    where = f"experiment {values['name']}"
    return Experiment(
        name=values["name"],
        datasets=tuple(_unique(f"{where}: datasets", values["datasets"])),
        models=tuple(_unique(f"{where}: models", values["models"])),
        optimizers=tuple(_unique(f"{where}: optimizers", values["optimizers"])),
        learning_rates=tuple(_numbers(f"{where}: learning_rates", values["learning_rates"])),
        scopes=tuple(_unique(f"{where}: scopes", values.get("scopes", scopes))),
    )


def _dataset(name: str, entry: Mapping[str, Any]) -> Dataset:
    archives = tuple(
        Archive(file, one["checksum"], one["url"]) for file, one in entry["files"].items()
    )
    rest = {key: value for key, value in entry.items() if key != "files"}
    return Dataset(name=name, archives=archives, **rest)


def _unique(where: str, values: Sequence[Any]) -> Sequence[Any]:
    value, count = next(iter(Counter(values).most_common(1)), (None, 0))
    if count > 1:
        raise ConfigurationError(
            f"configuration: {where}: {value} is there {count} times; write it once"
        )
    return values


def _numbers(where: str, values: Sequence[float]) -> list[float]:
    """Check that numbers are finite and differ in the way they are written in paths."""
    for value in values:
        if not math.isfinite(value):
            raise ConfigurationError(
                f"configuration: {where}: {value} is not a finite number; write one such as 0.001"
            )
        if len(format_number(value)) > _LONGEST_NUMBER:
            raise ConfigurationError(
                f"configuration: {where}: {value} has more than {_LONGEST_NUMBER} digits "
                "in a path; write a rounder number"
            )
    # Adding zero turns -0.0 into 0.0.
    numbers = [float(value) + 0.0 for value in values]
    _unique(where, [format_number(number) for number in numbers])
    return numbers


def _check_names(study: Study) -> None:
    if not any(study.noise_levels):
        raise ConfigurationError(
            "configuration: noise.levels: 0 alone leaves equation (9) without a value; add a level"
        )
    _unique("experiments: name", [experiment.name for experiment in study.experiments])
    _check_recipe(study.recipe)
    for epoch in study.snapshots:
        if epoch >= study.recipe.epochs:
            raise ConfigurationError(
                f"configuration: training.snapshots: {epoch} is not before the last epoch of "
                f"{study.recipe.epochs}, whose model is kept anyway; write a lower one"
            )
    for name, external in study.external_models.items():
        if external.dataset not in study.catalogue:
            raise ConfigurationError(
                f"configuration: external_models.{name}.dataset: unknown dataset "
                f"'{external.dataset}'; {suggest(external.dataset, study.catalogue)}"
            )
        if set("{}") & set(external.file):
            # Snakemake would take what is in them for a wildcard.
            raise ConfigurationError(
                f"configuration: external_models.{name}.file: {external.file!r} has braces; "
                "give the file another name"
            )
        if external.architecture:
            _check_each(f"external_models.{name}.architecture", [external.architecture], depth_of)
    for index, experiment in enumerate(study.experiments):
        where = f"experiment {experiment.name}"
        check_scopes(f"experiments[{index}].scopes", experiment.scopes, study.readings)
        _check_each(f"{where}: models", experiment.models, depth_of)
        _check_each(f"{where}: optimizers", experiment.optimizers, optimizer_named)
        for dataset in experiment.datasets:
            if dataset not in study.catalogue:
                raise ConfigurationError(
                    f"configuration: {where}: datasets: unknown dataset '{dataset}'; "
                    f"{suggest(dataset, study.catalogue)}"
                )


def _check_recipe(recipe: Recipe) -> None:
    epochs = [epoch for epoch, _ in recipe.schedule]
    if epochs != sorted(set(epochs)):
        raise ConfigurationError(
            f"configuration: training.schedule: the epochs {epochs} do not rise; write "
            "each once, the lowest first"
        )
    factors = {
        f"training.schedule[{index}]": factor for index, (_, factor) in enumerate(recipe.schedule)
    }
    for key, number in {
        "training.l2": recipe.l2,
        "training.shift": recipe.shift,
        **factors,
    }.items():
        if not math.isfinite(number):
            raise ConfigurationError(
                f"configuration: {key}: {number} is not a finite number; write one such as 0.1"
            )


def _check_each(where: str, names: Iterable[str], check: Callable[[str], object]) -> None:
    for name in names:
        try:
            check(name)
        except ConfigurationError as error:
            raise ConfigurationError(f"configuration: {where}: {error}") from error
