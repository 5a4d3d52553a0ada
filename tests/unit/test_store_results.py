"""What tells results apart: all that decides their numbers is in the key, and nothing else."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from noise_resistance.storage.hdf5 import Variable, write_record
from noise_resistance.storage.provenance import Provenance
from noise_resistance.store.results import Result
from noise_resistance.store.versions import STORED_STEPS
from noise_resistance.study.choices import chosen
from noise_resistance.study.configuration import default_noise_settings, default_recipe, load
from noise_resistance.study.external import ExternalModel
from noise_resistance.study.noise_settings import NoiseSettings
from noise_resistance.study.products import Products
from noise_resistance.study.recipe import Recipe
from noise_resistance.study.request import TrainingRequest

ROOT = Path(__file__).parents[2]
Configuration = dict[str, Any]


def paper() -> Configuration:
    values: Configuration = {}
    for name in ("datasets", "config"):
        values |= yaml.safe_load((ROOT / f"config/{name}.yaml").read_text(encoding="utf-8"))
    model = {"file": "models/theirs.keras", "dataset": "cifar10", "scale": 255, "mean": [0]}
    return {**values, "external_models": {"theirs": model}}


PLACE = {
    "dataset": "cifar10",
    "model": "resnet20",
    "recipe": "standard",
    "optimizer": "adam",
    "learning_rate": "0.001",
    "seed": "1",
}
WILDCARDS = {
    "train": PLACE,
    "evaluate_baseline": PLACE,
    "evaluate_noise": {**PLACE, "scope": "kernels", "noise_level": "0.1"},
    "diagnose": PLACE,
    "evaluate_external": {"external": "theirs"},
}
OF_A_TRAINING = ("train", "evaluate_baseline", "evaluate_noise", "diagnose")
SOURCES = {"dataset_sha256": "a" * 64}


def request_of(step: str, config: Configuration, **place: str) -> dict[str, Any]:
    wildcards = {**WILDCARDS[step], **place}
    request: dict[str, Any] = json.loads(Products(load(config)).request(step, wildcards))
    return request


def keys(config: Configuration, **place: str) -> dict[str, str]:
    """The key of one job of each step."""
    return {
        step: Result(step, request_of(step, config, **place), SOURCES).key for step in STORED_STEPS
    }


def changed(change: Callable[[Configuration], object]) -> Configuration:
    config = paper()
    change(config)
    return config


def section(name: str, **values: Any) -> Callable[[Configuration], object]:
    return lambda config: config.setdefault(name, {}).update(values)


def top(**values: Any) -> Callable[[Configuration], object]:
    return lambda config: config.update(values)


# What is in a key


@pytest.mark.parametrize(
    "place",
    [
        {"dataset": "cifar100"},
        {"model": "resnet32"},
        {"optimizer": "adamax"},
        {"learning_rate": "0.0015"},
        {"seed": "2"},
    ],
    ids=lambda place: next(iter(place)),
)
def test_a_training_s_place_in_the_grid_is_in_the_keys_of_it_and_of_what_is_measured_on_it(
    place: dict[str, str],
) -> None:
    one, other = keys(paper()), keys(paper(), **place)
    assert {step for step in one if one[step] != other[step]} == {*OF_A_TRAINING}


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 199},
        {"batch_size": 64},
        {"l2": 0.0002},
        {"schedule": [[81, 0.1]]},
        {"shift": 0.05},
        {"horizontal_flip": False},
        {"subtract_pixel_mean": False},
        {"precision": "mixed_bfloat16"},
    ],
    ids=lambda values: next(iter(values)),
)
def test_each_choice_of_the_recipe_is_in_the_keys(values: dict[str, Any]) -> None:
    one, other = keys(paper()), keys(changed(section("training", **values)))
    assert {step for step in one if one[step] != other[step]} == {*OF_A_TRAINING}


@pytest.mark.parametrize(
    "values",
    [
        {"draws": 24},
        {"seed": 1},
        {"sigma_of": "layer"},
        {"variance_policy": "absolute"},
        {"kind": "multiplicative"},
    ],
    ids=lambda values: next(iter(values)),
)
def test_each_noise_setting_is_in_the_keys_of_noisy_evaluations_alone(
    values: dict[str, Any],
) -> None:
    one, other = keys(paper()), keys(changed(section("noise", **values)))
    noisy = {"evaluate_noise", "evaluate_external"}
    assert {step for step in one if one[step] != other[step]} == noisy


def test_level_scope_precision_and_diagnostics_are_in_the_keys_of_what_they_decide() -> None:
    before = keys(paper())

    def differing(config: Configuration, **place: str) -> set[str]:
        after = keys(config, **place)
        return {step for step in before if before[step] != after[step]}

    # The request of an external model has all of its scopes and levels.
    assert differing(paper(), noise_level="0.2") == {"evaluate_noise"}
    assert differing(paper(), scope="all") == {"evaluate_noise"}
    assert differing(changed(section("noise", levels=[0.1]))) == {"evaluate_external"}
    low = changed(section("evaluation", precision="bfloat16"))
    assert {"evaluate_baseline", "evaluate_noise"} <= differing(low)
    assert not {"train", "diagnose"} & differing(low)
    for values in ({"images": 100}, {"batches": 7}, {"before_decay": False}):
        assert differing(changed(section("diagnostics", **values))) == {"diagnose"}


def test_the_optimizer_s_definition_is_in_the_keys_and_not_only_its_name() -> None:
    study = load(paper())
    whole = study.requests
    faster = {**whole.optimizers["adam"], "arguments": {"beta_1": 0.8}}
    other = replace(whole, optimizers={**whole.optimizers, "adam": faster})
    one = study.trainings[0]
    assert one.optimizer == "adam"
    found = {Result("train", each.training(one), SOURCES).key for each in (whole, other)}
    assert len(found) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: entry.update(version="2010"),
        lambda entry: entry.update(reader="cifar100"),
        lambda entry: next(iter(entry["files"].values())).update(checksum=f"md5:{'0' * 32}"),
    ],
    ids=["version", "reader", "archive"],
)
def test_what_a_dataset_is_made_of_is_in_the_keys(
    change: Callable[[dict[str, Any]], object],
) -> None:
    one = keys(paper())
    other = keys(changed(lambda config: change(config["datasets"]["cifar10"])))
    assert {step for step in one if one[step] != other[step]} == {*OF_A_TRAINING}


def test_the_content_of_what_is_read_is_in_the_key() -> None:
    request = request_of("evaluate_noise", paper())
    sources = {"dataset_sha256": "a" * 64, "weights_sha256": "b" * 64}
    found = {
        Result("evaluate_noise", request, {**sources, **change}).key
        for change in ({}, {"dataset_sha256": "c" * 64}, {"weights_sha256": "c" * 64})
    }
    assert len(found) == 3


# What is not


@pytest.mark.parametrize(
    "change",
    [
        top(study="another"),
        top(device="gpu"),
        top(trainings_per_gpu=3),
        top(longest_job=60),
        top(incomplete=True),
        top(store="/shared/store"),
        top(seeds=[1, 2, 3]),
        section("training", threads=4),
        section("evaluation", threads=4),
        section("noise", layer_sweep={"levels": [0.2]}),
        lambda config: config["experiments"].pop(),
        lambda config: config["datasets"]["cifar10"].update(title="Ten classes", licence="?"),
        lambda config: next(iter(config["datasets"]["cifar10"]["files"].values())).update(
            url="/mirror/cifar.tar.gz"
        ),
        lambda config: config["external_models"]["theirs"].update(file="elsewhere/model.keras"),
    ],
    ids=[
        *("study", "device", "places", "longest_job", "incomplete", "store", "seeds"),
        *("training threads", "evaluation threads", "layer sweep", "experiments", "titles"),
        *("mirror", "external file's place"),
    ],
)
def test_names_machines_and_the_rest_of_the_study_are_in_no_key(
    change: Callable[[Configuration], object],
) -> None:
    assert keys(changed(change)) == keys(paper())


def test_which_snapshots_are_kept_is_in_no_key_but_that_of_diagnostics_of_them() -> None:
    one, other = keys(paper()), keys(changed(section("training", snapshots=[24, 100])))
    assert {step for step in one if one[step] != other[step]} == {"diagnose"}
    # A snapshot's evaluation is asked for like its training's; its weights tell them apart.
    wildcards = {**WILDCARDS["evaluate_noise"], "epoch": "24"}
    products = Products(load(paper()))
    assert products.request("evaluate_noise", wildcards) == products.request(
        "evaluate_noise", WILDCARDS["evaluate_noise"]
    )


def test_a_variant_s_name_is_in_no_key() -> None:
    names = ("all_layer", "renamed")
    configs = [
        changed(section("noise", scopes=[{"name": name, "arrays": "all", "sigma_of": "layer"}]))
        for name in names
    ]
    found = {
        keys(config, scope=name)["evaluate_noise"]
        for name, config in zip(names, configs, strict=True)
    }
    # ... as if the study itself had these settings.
    found.add(keys(changed(section("noise", sigma_of="layer")), scope="all")["evaluate_noise"])
    assert len(found) == 1
    assert found != {keys(paper(), scope="all")["evaluate_noise"]}


def test_another_spelling_of_a_number_is_in_no_key() -> None:
    def with_numbers(zero: float, one: float, scale: float) -> Configuration:
        config = paper()
        config["training"] |= {"l2": zero, "shift": zero, "schedule": [[81, one]]}
        config["noise"]["levels"] = [zero, 0.1]
        config["external_models"]["theirs"] |= {
            "scale": scale,
            "mean": [zero],
            "deviation": [one],
        }
        return config

    place = {"noise_level": "0", "learning_rate": "1"}
    assert keys(with_numbers(0, 1, 255), **place) == keys(with_numbers(0.0, 1.0, 255.0), **place)


def test_the_order_of_keys_is_in_no_key() -> None:
    def backwards(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: backwards(value[name]) for name in reversed(value)}
        return [backwards(one) for one in value] if isinstance(value, list) else value

    config = paper()
    turned = backwards(config)
    assert list(turned) == list(config)[::-1]
    assert keys(turned) == keys(config)
    request = request_of("evaluate_noise", config)
    for step in STORED_STEPS:
        same = {Result(step, one, SOURCES).key for one in (request, backwards(request))}
        assert len(same) == 1


# Choices that are off


@dataclass(frozen=True)
class LaterRecipe(Recipe):
    """A recipe as a later version may have it."""

    dropout: float = 0.0
    cutout: bool = False
    remedies: tuple[str, ...] = ()
    teacher: str = ""
    smoothing: float = 0.1


@dataclass(frozen=True)
class LaterNoise(NoiseSettings):
    """Noise settings as a later version may have them."""

    stuck: float = 0.0
    bits: int = 0


def test_a_later_choice_that_is_off_changes_no_key() -> None:
    recipe, later = default_recipe(), LaterRecipe(**vars(default_recipe()))
    stated = chosen(later)
    # A default that is not off is stated, as a choice that somebody made is.
    assert stated.pop("smoothing") == 0.1
    assert stated == chosen(recipe)
    assert chosen(replace(later, dropout=0.5, remedies=("a", "b"))) == {
        **chosen(later),
        "dropout": 0.5,
        "remedies": ["a", "b"],
    }
    # Zero is no default here: left out, it would become 0.1.
    assert chosen(replace(later, smoothing=0.0))["smoothing"] == 0.0
    settings = default_noise_settings()
    assert chosen(LaterNoise(**vars(settings))) == chosen(settings)
    # Noise seed 0 is a seed.
    assert chosen(settings)["seed"] == 0


def test_what_is_left_out_of_a_request_is_off_when_it_is_read() -> None:
    plain = Recipe(epochs=3, batch_size=4)
    assert chosen(plain) == {"epochs": 3, "batch_size": 4, "precision": "float32"}
    full = default_recipe()
    for recipe in (plain, full):
        request = TrainingRequest({"name": "a"}, "resnet8", "sgd", {}, 0.1, 1, recipe)
        stated = json.loads(json.dumps(request.parameters()))
        assert TrainingRequest.from_mapping(stated) == request
    settings = default_noise_settings()
    assert NoiseSettings.from_request({"model": "a", **chosen(settings)}) == settings
    model = ExternalModel("a.keras", "digits", mean=(0.1, 0.2), input_size=(8, 9))
    assert ExternalModel.from_mapping(json.loads(json.dumps(chosen(model)))) == model


# Whether a file is a result

CODES = ("present", "equal")
REQUEST = {"model": "resnet8", "training": {"seed": 1, "recipe": {"epochs": 3}}, "draws": 2}
DIGESTS = {"dataset_sha256": "1", "weights_sha256": "2"}


def write(
    path: Path,
    kind: str = "noise",
    request: Mapping[str, Any] = REQUEST,
    code: str = "present",
    sources: Mapping[str, str] = DIGESTS,
    **attributes: Any,
) -> None:
    stated = Provenance(code, "1", sources=sources).attributes(request)
    variables = {"accuracy": Variable(("draw",), np.ones(2), "accuracy")}
    write_record(path, kind, variables, {**stated, **attributes})


@pytest.fixture
def noise(tmp_path: Path) -> Result:
    path = tmp_path / "eta-0.1.h5"
    write(path)
    return Result("evaluate_noise", REQUEST, DIGESTS, {"noise.h5": path})


def test_a_file_that_states_the_request_by_code_that_counts_is_the_result(noise: Result) -> None:
    (path,) = noise.files.values()
    assert noise.is_there(CODES)
    write(path, code="equal")
    assert noise.is_there(CODES)
    # Another day, another machine: the same result.
    again = {"created": "2001-01-01", "device": "gpu: other", "threads": 64, "seconds": 1e6}
    write(path, version="7", processor="other", **again)
    assert noise.is_there(CODES)
    turned = dict(reversed(REQUEST.items()))
    assert replace(noise, request=turned).is_there(CODES)


@pytest.mark.parametrize(
    "change",
    [
        {"request": {**REQUEST, "draws": 3}},
        {"request": {**REQUEST, "later": 1}},
        {"request": {one: REQUEST[one] for one in ("model", "draws")}},
        {"request": {**REQUEST, "training": {"seed": 2, "recipe": {"epochs": 3}}}},
        {"request": {**REQUEST, "training": {"seed": 1, "recipe": {"epochs": 3, "l2": 0.1}}}},
        {"code": "another"},
        {"sources": {**DIGESTS, "dataset_sha256": "3"}},
        {"sources": {**DIGESTS, "weights_sha256": "3"}},
        {"sources": {"dataset_sha256": "1"}},
        {"finished_epochs": 3},
        {"kind": "baseline"},
    ],
)
def test_a_file_of_anything_else_is_not(noise: Result, change: dict[str, Any]) -> None:
    (path,) = noise.files.values()
    write(path, **change)
    assert not noise.is_there(CODES)


def test_a_file_that_is_missing_cut_or_changed_is_not(noise: Result) -> None:
    (path,) = noise.files.values()
    content = path.read_bytes()
    assert noise.is_there(CODES)
    for damaged in (content[: len(content) // 2], b"", bytes([content[0] ^ 1]) + content[1:]):
        path.write_bytes(damaged)
        assert not noise.is_there(CODES)
    path.write_bytes(content)
    assert noise.is_there(CODES)
    path.unlink()
    assert not noise.is_there(CODES)


def test_without_its_last_line_a_file_is_one_if_each_array_is_what_its_checksum_says(
    noise: Result,
) -> None:
    (path,) = noise.files.values()
    content = path.read_bytes()
    content = content[: content.rindex(b"\nnoise-resistance sha256 ")]
    path.write_bytes(content)
    assert noise.is_there(CODES)
    ones = np.ones(2).tobytes()
    assert content.count(ones) == 1
    path.write_bytes(content.replace(ones, np.zeros(2).tobytes()))
    assert not noise.is_there(CODES)


def test_without_a_file_nothing_is_there() -> None:
    assert not Result("train", REQUEST, DIGESTS).is_there(CODES)


def test_a_training_is_there_if_all_its_files_are_of_one_state(tmp_path: Path) -> None:
    names = {"model.weights.h5": "weights", "history.h5": "history", "optimizer.h5": "optimizer"}
    files = {name: tmp_path / name for name in names}
    sources = {"dataset_sha256": "1"}
    training = Result("train", REQUEST, sources, files, finished_epochs=3)

    def write_files(**changes: Any) -> None:
        for name, kind in names.items():
            stated = {"finished_epochs": 3}
            if kind != "optimizer":
                stated["weights_sha256"] = "2"
            write(tmp_path / name, kind, sources=sources, **{**stated, **changes.get(kind, {})})

    write_files()
    assert training.is_there(CODES)
    assert training.part == "epoch-3"
    assert not replace(training, finished_epochs=2).is_there(CODES)
    assert replace(training, finished_epochs=2).key == training.key
    for kind in names.values():
        for change in ({"finished_epochs": 2}, {"dataset_sha256": "3"}, {"code": "another"}):
            write_files(**{kind: change})
            assert not training.is_there(CODES), (kind, change)
    write_files(history={"weights_sha256": "3"})
    assert not training.is_there(CODES)
    for name in names:
        write_files()
        (tmp_path / name).unlink()
        assert not training.is_there(CODES)


def test_what_a_study_asks_for_is_asked_for_again_by_the_same_study() -> None:
    config = paper()
    assert keys(copy.deepcopy(config)) == keys(config)
    assert len(set(keys(config).values())) == len(STORED_STEPS)
