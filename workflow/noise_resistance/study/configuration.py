"""From the configuration's plain values to a `Study`, or one line that says what is wrong."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from noise_resistance.errors import ConfigurationError, suggest
from noise_resistance.study.architectures import depth_of
from noise_resistance.study.grid import Evaluation, Experiment, Training, evaluations_of, trainings_of
from noise_resistance.study.noise_settings import NoiseSettings
from noise_resistance.study.optimizers import optimizer_named
from noise_resistance.study.outline import DatasetOutline, Outline
from noise_resistance.study.paths import Paths, format_number
from noise_resistance.study.recipe import Recipe

__all__ = ["Archive", "Dataset", "Study", "default_noise_settings", "default_recipe", "load"]

_SCHEMA = Path(__file__).parents[2] / "schemas" / "config.schema.yaml"
# A number is part of a file's name, which most file systems limit to 255 bytes.
_LONGEST_NUMBER = 60


@dataclass(frozen=True)
class Archive:
    """One file of a dataset as it is published.

    Attributes:
        name: its file name below ``results/datasets/<dataset>/``.
        checksum: algorithm, colon, hexadecimal digest.
        url: http(s) or file URL, or a local path; where it comes from decides no number.
    """

    name: str
    checksum: str
    url: str = ""


@dataclass(frozen=True)
class Dataset:
    """One entry of the catalogue; the attributes are those of the schema."""

    name: str
    title: str
    version: str
    reader: str
    classes: int
    train_images: int | None
    test_images: int | None
    licence: str
    source: str
    archives: tuple[Archive, ...]

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Dataset":
        """Make an entry from plain values, as `as_mapping` gives them."""
        archives = tuple(Archive(**archive) for archive in values["archives"])
        return cls(**{**values, "archives": archives})

    def as_mapping(self) -> dict[str, Any]:
        """Return plain values, ready for JSON, without the URLs."""
        archives = [{"name": archive.name, "checksum": archive.checksum} for archive in self.archives]
        return {**asdict(self), "archives": archives}

    def identity(self) -> dict[str, Any]:
        """Return what tells its content from another's; where it is downloaded from does not."""
        checksums = {archive.name: archive.checksum for archive in self.archives}
        return {"name": self.name, "version": self.version, "reader": self.reader, "checksums": checksums}


@dataclass(frozen=True)
class Study:
    """One configuration, checked: every name known, every number possible."""

    name: str
    experiments: tuple[Experiment, ...]
    seeds: tuple[int, ...]
    device: str
    recipe: Recipe
    training_threads: int
    noise_levels: tuple[float, ...]
    noise: NoiseSettings
    evaluation_threads: int
    catalogue: Mapping[str, Dataset]

    @property
    def paths(self) -> Paths:
        """Where everything is."""
        return Paths(self.name)

    @property
    def trainings(self) -> list[Training]:
        """All trainings, each once."""
        return trainings_of(self.experiments, self.seeds)

    @property
    def evaluations(self) -> list[Evaluation]:
        """All noisy evaluations, each once."""
        return evaluations_of(self.experiments, self.seeds, self.noise_levels)

    @property
    def outline(self) -> Outline:
        """What the analysis must know of the study."""
        used = dict.fromkeys(name for experiment in self.experiments for name in experiment.datasets)
        titles = {name: DatasetOutline(self.catalogue[name].title, self.catalogue[name].classes) for name in used}
        return Outline(
            study=self.name,
            experiments=self.experiments,
            seeds=self.seeds,
            noise_levels=self.noise_levels,
            draws=self.noise.draws,
            epochs=self.recipe.epochs,
            datasets=titles,
        )


def load(config: Mapping[str, Any]) -> Study:
    """Check a configuration and make the study it describes.

    Args:
        config: plain values as read from YAML; it is not changed.

    Raises:
        ConfigurationError: the first thing that is wrong, in one line.
    """
    complete = _checked(config)
    training, noise = complete["training"], complete["noise"]
    study = Study(
        name=complete["study"],
        experiments=tuple(_experiment(one, noise["scopes"]) for one in complete["experiments"]),
        seeds=tuple(_unique("seeds", complete["seeds"])),
        device=complete["device"],
        recipe=_recipe(training),
        training_threads=training["threads"],
        noise_levels=tuple(_numbers("noise.levels", noise["levels"])),
        noise=_noise_settings(noise, complete["evaluation"]),
        evaluation_threads=complete["evaluation"]["threads"],
        catalogue={name: _dataset(name, entry) for name, entry in complete["datasets"].items()},
    )
    _check_names(study)
    return study


def default_recipe() -> Recipe:
    """Return the recipe of a configuration that says nothing about training."""
    return _recipe(_section("training"))


def default_noise_settings() -> NoiseSettings:
    """Return the noise settings of a configuration that says nothing about noise."""
    return _noise_settings(_section("noise"), _section("evaluation"))


def _section(name: str) -> dict[str, Any]:
    values: dict[str, Any] = _with_defaults(_schema()["properties"][name], {})
    return values


def _recipe(training: Mapping[str, Any]) -> Recipe:
    return Recipe.from_mapping({key: value for key, value in training.items() if key != "threads"})


def _noise_settings(noise: Mapping[str, Any], evaluation: Mapping[str, Any]) -> NoiseSettings:
    chosen = {key: noise[key] for key in ("draws", "seed", "sigma_of", "variance_policy")}
    return NoiseSettings.from_mapping({**chosen, "precision": evaluation["precision"]})


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = yaml.safe_load(_SCHEMA.read_text(encoding="utf-8"))
    return schema


def _checked(config: Mapping[str, Any]) -> dict[str, Any]:
    validator = _Validator(_schema())
    error = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if error is not None:
        raise ConfigurationError(f"configuration: {_explain(error)}")
    complete: dict[str, Any] = _with_defaults(_schema(), config)
    return complete


def _match(
    validator: Any, pattern: str, value: Any, schema: Mapping[str, Any]
) -> Iterator[jsonschema.ValidationError]:
    """Refuse text that a pattern does not match whole: Python's ``$`` lets a line end pass."""
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield jsonschema.ValidationError(f"{value!r} does not match {pattern!r}")


# JSON Schema takes 1.0 for an integer, which would fail later, inside a job.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    validators={"pattern": _match},
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def _with_defaults(schema: Mapping[str, Any], value: Any) -> Any:
    """Return a copy in which every key that is missing and has a default is there."""
    if isinstance(value, Mapping):
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties")
        filled = {key: one["default"] for key, one in properties.items() if "default" in one} | dict(value)
        return {key: _with_defaults(properties.get(key, others or {}), one) for key, one in filled.items()}
    if isinstance(value, list):
        items = schema.get("items") or {}
        return [_with_defaults(items, one) for one in value]
    return value


def _explain(error: jsonschema.ValidationError) -> str:
    """Say in one line which key is wrong, how, and what to write instead."""
    where = _key_of(error.absolute_path)
    value = _shorten(error.instance)
    match error.validator:
        case "additionalProperties":
            known = list(error.schema["properties"])
            unknown = next(key for key in error.instance if key not in known)
            return f"unknown key '{_key_of([*error.absolute_path, unknown])}'; {suggest(str(unknown), known)}"
        case "enum":
            return f"{where}: {value} is not possible; {suggest(str(error.instance), map(str, error.validator_value))}"
        case "required":
            missing = next(key for key in error.validator_value if key not in error.instance)
            return f"the key '{_key_of([*error.absolute_path, missing])}' is missing; add it"
        case "type" if error.validator_value in ("number", "integer") and _is_numeric(error.instance):
            return f"{where}: {value} is text to YAML; write a number without quotes, such as 0.001 or 1.0e-3"
        case "type" if error.validator_value == "integer" and isinstance(error.instance, float):
            return f"{where}: {value} is not possible; write a whole number without a point, such as 12"
        case "type":
            return f"{where}: {value} is not possible; write {_words(error.validator_value)}"
        case "pattern":
            schema: Any = error.schema
            meaning = schema.get("description", f"write text that matches {error.validator_value}")
            return f"{where}: {value} is not possible; {meaning}"
        case "minItems":
            return f"{where}: {value} is too short; write at least {error.validator_value}"
        case "not":
            return f"{where}: {value} is reserved; choose another"
        case "minimum" | "exclusiveMinimum" | "maximum":
            relation = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most"}[error.validator]
            return f"{where}: {value} is not possible; write {relation} {error.validator_value}"
        case _:
            return f"{where}: {error.message.splitlines()[0]}"


def _key_of(path: Iterable[Any]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the configuration"


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _words(types: Any) -> str:
    names = {
        "array": "a list in brackets",
        "object": "keys with values",
        "string": "text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "null": "null",
    }
    return " or ".join(names[one] for one in ([types] if isinstance(types, str) else types))


def _is_numeric(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return isinstance(value, str)


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
    archives = tuple(Archive(file, one["checksum"], one["url"]) for file, one in entry["files"].items())
    rest = {key: value for key, value in entry.items() if key != "files"}
    return Dataset(name=name, archives=archives, **rest)


def _unique(where: str, values: Sequence[Any]) -> Sequence[Any]:
    value, count = Counter(values).most_common(1)[0]
    if count > 1:
        raise ConfigurationError(f"configuration: {where}: {value} is there {count} times; write it once")
    return values


def _numbers(where: str, values: Sequence[float]) -> list[float]:
    """Check that numbers are finite and differ in the way they are written in paths."""
    for value in values:
        if not math.isfinite(value):
            raise ConfigurationError(f"configuration: {where}: {value} is not a finite number; write one such as 0.001")
        if len(format_number(value)) > _LONGEST_NUMBER:
            raise ConfigurationError(
                f"configuration: {where}: {value} has more than {_LONGEST_NUMBER} digits in a path; write a rounder number"
            )
    _unique(where, [format_number(value) for value in values])
    # Adding zero turns -0.0 into 0.0.
    return [float(value) + 0.0 for value in values]


def _check_names(study: Study) -> None:
    _unique("experiments: name", [experiment.name for experiment in study.experiments])
    _check_recipe(study.recipe)
    for experiment in study.experiments:
        where = f"experiment {experiment.name}"
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
            f"configuration: training.schedule: the epochs {epochs} do not rise; write each once, the lowest first"
        )
    factors = {f"training.schedule[{index}]": factor for index, (_, factor) in enumerate(recipe.schedule)}
    for key, number in {"training.l2": recipe.l2, "training.shift": recipe.shift, **factors}.items():
        if not math.isfinite(number):
            raise ConfigurationError(f"configuration: {key}: {number} is not a finite number; write one such as 0.1")


def _check_each(where: str, names: Iterable[str], check: Callable[[str], object]) -> None:
    for name in names:
        try:
            check(name)
        except ConfigurationError as error:
            raise ConfigurationError(f"configuration: {where}: {error}") from error
