"""A configuration becomes a study, or one line that says what is wrong and what to write."""

import copy
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from noise_resistance.datasets.prepare import READERS
from noise_resistance.errors import ConfigurationError
from noise_resistance.study.architectures import depth_of
from noise_resistance.study.configuration import default_noise_settings, default_recipe, load
from noise_resistance.study.dataset import Dataset
from noise_resistance.study.grid import EXPERIMENTS, Evaluation, Training
from noise_resistance.study.noise_settings import NoiseSettings
from noise_resistance.study.numbers import NUMBER_PATTERN, format_number
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.outline import Outline
from noise_resistance.study.outputs import figure_stems, table_stems
from noise_resistance.study.paths import NAME_PATTERN, Paths, wildcards
from noise_resistance.study.recipe import Recipe
from noise_resistance.study.seeds import derive_seed

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))


def configured(name: str) -> dict[str, Any]:
    """Return config/datasets.yaml with a study's file laid over it, as Snakemake reads them."""
    values: dict[str, Any] = {}
    for file in ("datasets", name):
        values |= yaml.safe_load((ROOT / f"config/{file}.yaml").read_text(encoding="utf-8"))
    return values


PAPER = configured("config")


def changed(config: dict[str, Any], **sections: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with values laid over some of its sections."""
    return {**config, **{key: {**config.get(key, {}), **one} for key, one in sections.items()}}


def test_a_configuration_that_is_no_mapping_is_refused_in_one_line() -> None:
    for config in (None, [], "study: mine", 3):
        with pytest.raises(ConfigurationError, match="keys with values"):
            load(config)  # type: ignore[arg-type]


def test_a_switch_may_be_text_as_the_command_line_hands_it_over() -> None:
    assert load({**PAPER, "incomplete": "true"}).incomplete is True
    assert load({**PAPER, "incomplete": "false"}).incomplete is False
    with pytest.raises(ConfigurationError, match="incomplete: 'yes' is not possible"):
        load({**PAPER, "incomplete": "yes"})


@pytest.mark.parametrize(
    ("written", "store", "folder"),
    [
        (True, True, "results/store"),
        # As --config hands them over.
        ("true", True, "results/store"),
        ("false", False, "results/store"),
        (False, False, "results/store"),
        ("/shared/store", "/shared/store", "/shared/store"),
    ],
)
def test_the_store_is_on_off_or_a_folder(
    written: bool | str, store: bool | str, folder: str
) -> None:
    study = load({**PAPER, "store": written})
    assert study.store == store
    # Where it is off, what is computed is compared with what is there.
    assert study.store_folder == folder
    assert load(PAPER).store is True


# Numbers

POSITIVE = st.floats(min_value=0, allow_infinity=False, allow_nan=False, allow_subnormal=True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00075, "0.00075"),
        (0.0075, "0.0075"),
        (1e-05, "0.00001"),
        (0.1, "0.1"),
        (0, "0"),
        (0.0, "0"),
        (1, "1"),
        (1.0, "1"),
        (10, "10"),
        (100.5, "100.5"),
        (1e22, "10000000000000000000000"),
        (1e-7, "0.0000001"),
    ],
)
def test_a_number_is_written_one_way(value: float, text: str) -> None:
    assert format_number(value) == text


@given(POSITIVE.map(abs))
@settings(max_examples=500)
def test_a_written_number_reads_as_the_same_number_and_matches_the_pattern(value: float) -> None:
    text = format_number(value)
    assert float(text) == value
    assert re.fullmatch(NUMBER_PATTERN, text)


@given(st.decimals(min_value=0, max_value=1000, places=6))
def test_however_a_number_is_spelt_it_is_written_the_same(value: Decimal) -> None:
    spellings = (str(value), f"{value:.10f}", f"{value:e}", f"{value:.12E}")
    assert len({format_number(float(one)) for one in spellings}) == 1


@given(st.text(alphabet="0123456789.e+-x_ \n", max_size=8))
@settings(max_examples=500)
def test_the_pattern_matches_what_is_written_and_nothing_else(text: str) -> None:
    written = bool(re.fullmatch(r"[0-9]+(\.[0-9]+)?", text)) and format_number(float(text)) == text
    assert bool(re.fullmatch(NUMBER_PATTERN, text)) == written


@pytest.mark.parametrize(
    "text", ["0.10", "00.1", ".1", "1.", "1e-3", "0.0", "-0", "+1", "", "1.0", "01", "0.1\n", "1_0"]
)
def test_the_pattern_refuses_every_other_spelling(text: str) -> None:
    assert not re.fullmatch(NUMBER_PATTERN, text)


# The grid


def test_the_paper_s_study_makes_73_trainings_each_once() -> None:
    study = load(PAPER)
    by_experiment = {one.name: set(one.trainings(study.seeds)) for one in study.experiments}
    rates, optimizers, tradeoff = (
        by_experiment[name] for name in ("learning_rate", "optimizer", "tradeoff")
    )
    assert len(rates) == 4 * 2 * 6
    assert len(optimizers - rates) == 5
    assert len(tradeoff - rates - optimizers) == 20
    assert len(study.trainings) == len(set(study.trainings)) == 73
    assert set(study.trainings) == rates | optimizers | tradeoff


def test_the_paper_s_study_makes_876_evaluations_each_once() -> None:
    evaluations = load(PAPER).evaluations
    assert len(evaluations) == len(set(evaluations)) == 73 * 2 * 6 == 876
    assert {one.noise_level for one in evaluations} == {0.01, 0.05, 0.1, 0.2, 0.3, 0.4}
    assert {one.scope for one in evaluations} == {"kernels", "all"}


def test_each_seed_makes_every_training_again() -> None:
    study = load({**PAPER, "seeds": [1, 2, 7]})
    assert len(study.trainings) == 3 * 73
    assert len(study.evaluations) == 3 * 876


def test_a_scope_of_one_experiment_is_evaluated_for_its_trainings_alone() -> None:
    config = copy.deepcopy(PAPER)
    config["experiments"][1]["scopes"] = ["trainable"]
    trainable = [one for one in load(config).evaluations if one.scope == "trainable"]
    assert len(trainable) == 6 * 6
    assert {one.training.learning_rate for one in trainable} == {0.00075}


def test_the_demo_has_every_experiment_of_the_paper() -> None:
    demo, paper = load(configured("demo")), load(PAPER)
    assert {one.name for one in demo.experiments} == {one.name for one in paper.experiments}
    assert {one.name for one in demo.experiments} == set(EXPERIMENTS)
    assert demo.name != paper.name
    assert not any(demo.catalogue[name].archives for name in demo.outline.datasets)
    assert len(table_stems(demo.outline)) == len(table_stems(paper.outline))
    assert len(figure_stems(demo.outline)) >= 4


def test_a_variant_is_evaluated_under_its_own_name_with_its_own_noise() -> None:
    variant = {"name": "all_layer", "arrays": "all", "sigma_of": "layer", "kind": "additive_max"}
    study = load(changed(PAPER, noise={"scopes": ["kernels", variant]}))
    assert {one.scope for one in study.evaluations} == {"kernels", "all_layer"}
    reading = study.reading("all_layer")
    assert reading.arrays == "all"
    assert reading.settings == replace(study.noise, sigma_of="layer", kind="additive_max")
    assert study.reading("kernels").settings == study.noise
    assert study.reading("layer-stem_conv").arrays == "kernels@stem_conv"


def test_a_layer_sweep_evaluates_each_layer_of_each_training_and_nothing_by_default() -> None:
    assert load(PAPER).layer_evaluations == []
    sweep = {"layer_sweep": {"levels": [0.2]}}
    study = load(changed(PAPER, noise=sweep))
    assert study.evaluations == load(PAPER).evaluations
    of_first = [one for one in study.layer_evaluations if one.training == study.trainings[0]]
    assert len(of_first) == 20 + 2  # the shortcuts too
    assert of_first[0].scope == "layer-stem_conv"


def test_tables_and_figures_bear_the_paper_s_numbers_and_their_scope() -> None:
    outline = load(PAPER).outline
    assert table_stems(outline) == [
        *("table1", "table2", "table3-kernels", "table3-all"),
        *("uncertainty-kernels", "uncertainty-all", "best_rate-kernels", "best_rate-all"),
        *("comparison-kernels", "comparison-all", "readings", "claims"),
    ]
    assert figure_stems(outline) == [
        "figure1-cifar10-kernels",
        "figure1-cifar10-all",
        "figure2-cifar100-kernels",
        "figure2-cifar100-all",
        "figure3-kernels",
        "figure3-all",
        "figure4-kernels",
        "figure4-all",
    ]


def test_a_study_without_an_experiment_has_none_of_its_tables_and_figures() -> None:
    outline = load({**PAPER, "experiments": PAPER["experiments"][1:2]}).outline
    assert table_stems(outline) == []
    assert figure_stems(outline) == ["figure3-kernels", "figure3-all"]


# Paths

TRAINING = Training("cifar10", "resnet20", "sgd_momentum", 7.5e-04, 3)
FOLDER = "results/paper/trainings/cifar10/resnet20/standard/sgd_momentum/lr-0.00075/seed-3"


def test_every_path_is_where_the_readme_of_the_results_says() -> None:
    paths = Paths("paper")
    assert paths.fill(paths.weights, TRAINING) == f"{FOLDER}/model.weights.h5"
    assert paths.fill(paths.history, TRAINING) == f"{FOLDER}/history.h5"
    assert paths.fill(paths.baseline, TRAINING) == f"{FOLDER}/baseline.h5"
    evaluation = Evaluation(TRAINING, "all", 0.10)
    assert paths.fill(paths.noise, evaluation) == f"{FOLDER}/noise/all/eta-0.1.h5"
    folder = "results/datasets/cifar10"
    for template, name in ((paths.dataset, "0123.json"), (paths.images, "0123.h5")):
        assert template.format(dataset="cifar10", digest="0123") == f"{folder}/{name}"
    file = {"checksum": "4567", "archive": "c.tar.gz"}
    assert paths.archive.format(dataset="cifar10", **file) == f"{folder}/4567/c.tar.gz"
    assert paths.settings == "results/paper/study.json"
    assert paths.summary == "results/paper/summary"
    assert paths.tables == "results/paper/tables"
    assert paths.figures == "results/paper/figures"
    assert paths.logs == "logs/paper"


def test_no_two_jobs_of_the_paper_s_study_share_a_path() -> None:
    study = load(PAPER)
    paths = [study.paths.fill(study.paths.noise, one) for one in study.evaluations]
    assert len(set(paths)) == 876


def test_every_wildcard_value_matches_its_pattern() -> None:
    for one in load(PAPER).evaluations:
        values = wildcards(one)
        for name in ("dataset", "model", "optimizer", "scope"):
            assert re.fullmatch(NAME_PATTERN, values[name])
        for name in ("learning_rate", "noise_level"):
            assert re.fullmatch(NUMBER_PATTERN, values[name])
        assert values["seed"].isdigit()


# Bad input: one line that names the key, what is wrong, and what to write

Change = Callable[[dict[str, Any]], object]


def first_experiment(**values: Any) -> Change:
    return lambda config: config["experiments"][0].update(values)


def section(name: str, **values: Any) -> Change:
    return lambda config: config.setdefault(name, {}).update(values)


def top(**values: Any) -> Change:
    return lambda config: config.update(values)


CIFAR10_FILE = "datasets.cifar10.files.cifar-10-binary.tar.gz"


def archive(**values: Any) -> Change:
    return lambda config: config["datasets"]["cifar10"]["files"]["cifar-10-binary.tar.gz"].update(
        values
    )


RATES = "experiments[0].learning_rates[0]"
MISTAKES: list[tuple[str, Change, list[str]]] = [
    (
        "unknown model",
        first_experiment(models=["vgg16"]),
        ["experiment learning_rate: models", "unknown model 'vgg16'", "resnet20"],
    ),
    (
        "model in capitals",
        first_experiment(models=["ResNet20"]),
        ["unknown model 'ResNet20'", "write resnet<depth>"],
    ),
    (
        "depth not 6n+2",
        first_experiment(models=["resnet21"]),
        ["experiment learning_rate: models", "resnet21", "6n+2", "resnet20 and resnet26"],
    ),
    ("depth 2", first_experiment(models=["resnet2"]), ["6n+2", "resnet8 and resnet14"]),
    ("depth 0", first_experiment(models=["resnet0"]), ["unknown model 'resnet0'"]),
    ("depth 020", first_experiment(models=["resnet020"]), ["unknown model 'resnet020'"]),
    (
        "unknown dataset",
        first_experiment(datasets=["cifar11"]),
        ["experiment learning_rate: datasets", "'cifar11'", "did you mean 'cifar10'?"],
    ),
    (
        "unknown optimizer",
        first_experiment(optimizers=["adm"]),
        ["experiment learning_rate: optimizers", "'adm'", "did you mean 'adam'?"],
    ),
    (
        "unknown scope",
        first_experiment(scopes=["kernel"]),
        ["experiments[0].scopes[0]", "'kernel'", "did you mean 'kernels'?"],
    ),
    (
        "unknown scope of noise",
        section("noise", scopes=["everything"]),
        ["noise.scopes[0]", "known: all, batchnorm, dead_kernels, kernels"],
    ),
    (
        "unknown kind of noise",
        section("noise", kind="multiplicativ"),
        ["noise.kind", "did you mean 'multiplicative'?"],
    ),
    (
        "unknown scope of a variant",
        section("noise", scopes=[{"name": "other", "arrays": "kernel"}]),
        ["noise.scopes[0].arrays", "'kernel'", "did you mean 'kernels'?"],
    ),
    (
        "unknown key of a variant",
        section("noise", scopes=[{"name": "other", "arrays": "all", "sigma": "layer"}]),
        ["noise.scopes[0].sigma", "did you mean 'sigma_of'?"],
    ),
    (
        "a variant with a scope's name",
        section("noise", scopes=[{"name": "all", "arrays": "all"}]),
        ["noise.scopes[0].name", "'all' is a scope's own name"],
    ),
    (
        "a variant's name that is no name",
        section("noise", scopes=[{"name": "All-2", "arrays": "all"}]),
        ["noise.scopes[0].name", "lower-case letters"],
    ),
    (
        "a variant twice",
        section("noise", scopes=[{"name": "other", "arrays": "all"}] * 2),
        ["noise.scopes", "other is there 2 times"],
    ),
    (
        "unknown experiment",
        first_experiment(name="learning_rates"),
        ["experiments[0].name", "did you mean 'learning_rate'?"],
    ),
    ("unknown key", top(epochs=3), ["unknown key 'epochs'", "known: datasets, device"]),
    (
        "unknown key of training",
        section("training", epoch=3),
        ["unknown key 'training.epoch'", "did you mean 'epochs'?"],
    ),
    (
        "unknown key of noise",
        section("noise", draw=3),
        ["unknown key 'noise.draw'", "did you mean 'draws'?"],
    ),
    (
        "unknown key of an experiment",
        first_experiment(learning_rate=[0.1]),
        ["unknown key 'experiments[0].learning_rate'", "did you mean 'learning_rates'?"],
    ),
    ("a key that is a number", lambda config: config.update({1: 2}), ["unknown key '"]),
    (
        "learning rate as text",
        first_experiment(learning_rates=["1e-3"]),
        [RATES, "'1e-3'", "text to YAML", "0.001 or 1.0e-3"],
    ),
    (
        "learning rate as a word",
        first_experiment(learning_rates=["small"]),
        [RATES, "'small'", "write a number"],
    ),
    (
        "learning rate negative",
        first_experiment(learning_rates=[-0.1]),
        [RATES, "-0.1", "more than 0"],
    ),
    ("learning rate zero", first_experiment(learning_rates=[0]), [RATES, "write more than 0"]),
    (
        "learning rate not a number",
        first_experiment(learning_rates=[math.nan]),
        ["learning_rates", "nan", "not a finite number", "such as 0.001"],
    ),
    (
        "learning rate infinite",
        first_experiment(learning_rates=[math.inf]),
        [RATES, "inf", "at most 1000"],
    ),
    (
        "learning rate twice",
        first_experiment(learning_rates=[0.001, 1.0e-3]),
        ["experiment learning_rate: learning_rates", "0.001 is there 2 times", "write it once"],
    ),
    (
        "learning rate true",
        first_experiment(learning_rates=[True]),
        [RATES, "True", "write a number"],
    ),
    (
        "learning rate too long for a path",
        first_experiment(learning_rates=[1e-200]),
        ["learning_rates", "1e-200", "write a rounder number"],
    ),
    (
        "learning rates not a list",
        first_experiment(learning_rates=0.1),
        ["experiments[0].learning_rates", "write a list in brackets"],
    ),
    (
        "no learning rate",
        first_experiment(learning_rates=[]),
        ["experiments[0].learning_rates", "write at least 1"],
    ),
    ("level as text", section("noise", levels=["1e-1"]), ["noise.levels[0]", "1.0e-3"]),
    ("level negative", section("noise", levels=[-0.1]), ["noise.levels[0]", "at least 0"]),
    ("level in percent", section("noise", levels=[40]), ["noise.levels[0]", "at most 10"]),
    ("level not a number", section("noise", levels=[math.nan]), ["noise.levels", "finite"]),
    ("level twice", section("noise", levels=[0.1, 0.10]), ["noise.levels", "0.1 is there 2 times"]),
    ("zero twice", section("noise", levels=[0, -0.0]), ["noise.levels", "is there 2 times"]),
    ("no level", section("noise", levels=[]), ["noise.levels", "at least 1"]),
    ("zero draws", section("noise", draws=0), ["noise.draws", "at least 1"]),
    ("draws with a point", section("noise", draws=25.0), ["noise.draws", "25.0", "whole number"]),
    ("draws true", section("noise", draws=True), ["noise.draws", "True", "whole number"]),
    (
        "unknown variance policy",
        section("noise", variance_policy="clamp"),
        ["noise.variance_policy", "'clamp'", "did you mean 'clip'?"],
    ),
    ("unknown sigma", section("noise", sigma_of="model"), ["noise.sigma_of", "array, layer"]),
    ("no epochs", section("training", epochs=0), ["training.epochs", "at least 1"]),
    ("epochs with a point", section("training", epochs=2.0), ["training.epochs", "whole number"]),
    ("epochs as text", section("training", epochs="200"), ["training.epochs", "without quotes"]),
    ("batch of nothing", section("training", batch_size=0), ["training.batch_size", "at least 1"]),
    ("negative penalty", section("training", l2=-1), ["training.l2", "at least 0"]),
    ("penalty not a number", section("training", l2=math.nan), ["training.l2", "finite"]),
    ("shift of all", section("training", shift=1), ["training.shift", "at most 0.5"]),
    (
        "schedule that does not rise",
        section("training", schedule=[[9, 0.1], [6, 0.01]]),
        ["training.schedule", "[9, 6] do not rise", "the lowest first"],
    ),
    (
        "schedule not a number",
        section("training", schedule=[[9, math.nan]]),
        ["training.schedule[0]", "finite"],
    ),
    (
        "schedule without a factor",
        section("training", schedule=[[9]]),
        ["training.schedule[0]", "at least 2"],
    ),
    ("flip as text", section("training", horizontal_flip="yes"), ["horizontal_flip", "true or"]),
    ("no seed", top(seeds=[]), ["seeds", "at least 1"]),
    ("seed twice", top(seeds=[1, 2, 1]), ["seeds", "1 is there 2 times"]),
    ("seed negative", top(seeds=[-1]), ["seeds[0]", "at least 0"]),
    ("seed with a point", top(seeds=[1.0]), ["seeds[0]", "whole number"]),
    ("seed too large", top(seeds=[1 << 31]), ["seeds[0]", "at most 2147483647"]),
    ("unknown device", top(device="GPU"), ["device", "'GPU'", "known: auto, cpu, gpu"]),
    ("no experiments", top(experiments=[]), ["experiments", "at least 1"]),
    ("experiments null", top(experiments=None), ["experiments", "write a list in brackets"]),
    (
        "experiment twice",
        lambda config: config["experiments"].append(config["experiments"][0]),
        ["experiments: name", "learning_rate is there 2 times", "write it once"],
    ),
    ("model twice", first_experiment(models=["resnet8"] * 2), ["models", "resnet8 is there 2"]),
    ("scope twice", first_experiment(scopes=["all"] * 2), ["scopes", "all is there 2 times"]),
    ("no name", lambda config: config.pop("study"), ["'study' is missing", "add it"]),
    (
        "no models",
        lambda config: config["experiments"][0].pop("models"),
        ["'experiments[0].models' is missing"],
    ),
    ("name of a folder above", top(study="../up"), ["study", "'../up'", "lower-case letters"]),
    ("name with a line end", top(study="demo\n"), ["study", r"'demo\n'", "lower-case letters"]),
    ("name with a command", top(study="a;touch x"), ["study", "'a;touch x'", "lower-case"]),
    ("name in capitals", top(study="Paper"), ["study", "'Paper'", "lower-case letters"]),
    ("name that is a number", top(study=1), ["study", "write text"]),
    ("name of the datasets", top(study="datasets"), ["study", "reserved; choose another"]),
    ("name of the store", top(study="store"), ["study", "reserved; choose another"]),
    ("name of benchmarks", top(study="benchmarks"), ["study", "reserved; choose another"]),
    ("a store without a name", top(store=""), ["store"]),
    ("a store that is a number", top(store=3), ["store", "true or false or text"]),
    ("name without end", top(study="a" * 300), ["study", "too long"]),
    (
        "dataset with a slash",
        lambda config: config["datasets"].update({"../x": config["datasets"]["digits"]}),
        ["datasets", "'../x'", "lower-case letters"],
    ),
    (
        "dataset that is a number",
        lambda config: config["datasets"].update({1: config["datasets"]["digits"]}),
        ["datasets", "1 is not possible", "write text"],
    ),
    (
        "archive above its folder",
        lambda config: config["datasets"]["digits"].update(
            files={"../x": {"url": "x", "checksum": f"md5:{'0' * 32}"}}
        ),
        ["datasets.digits.files", "'../x'", "letters, digits"],
    ),
    ("checksum cut", archive(checksum="md5:123"), [f"{CIFAR10_FILE}.checksum", "'md5:"]),
    ("checksum with a line end", archive(checksum=f"md5:{'0' * 32}\n"), ["checksum"]),
    ("no URL", archive(url=""), [f"{CIFAR10_FILE}.url"]),
    (
        "one class",
        lambda config: config["datasets"]["digits"].update(classes=1),
        ["datasets.digits.classes", "at least 2"],
    ),
]


@pytest.mark.parametrize(
    ("change", "expected"),
    [(change, expected) for _, change, expected in MISTAKES],
    ids=[name for name, _, _ in MISTAKES],
)
def test_a_mistake_is_one_line_that_names_the_key_and_the_remedy(
    change: Change, expected: list[str]
) -> None:
    config = copy.deepcopy(PAPER)
    change(config)
    with pytest.raises(ConfigurationError) as caught:
        load(config)
    line = str(caught.value)
    assert line.startswith("configuration: ")
    assert "\n" not in line
    assert len(line) < 400
    for fragment in expected:
        assert fragment in line


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(part, (*at, key))


@given(st.sampled_from([at for at in places(PAPER) if at]), ANY)
@settings(max_examples=400, deadline=None)
def test_any_value_in_any_place_is_taken_or_refused_in_one_line(
    at: tuple[Any, ...], value: Any
) -> None:
    config = copy.deepcopy(PAPER)
    place = config
    for key in at[:-1]:
        place = place[key]
    place[at[-1]] = value
    line, study = "", None
    try:
        study = load(config)
    except ConfigurationError as error:
        line = str(error)
    assert "\n" not in line
    if study:
        for one in study.evaluations[:50]:
            assert ".." not in study.paths.fill(study.paths.noise, one)
        assert Outline.from_json(study.outline.to_json()) == study.outline


def test_a_configuration_is_not_changed_by_loading_it() -> None:
    config = copy.deepcopy(PAPER)
    load(config)
    assert config == PAPER


@pytest.mark.parametrize("depth", [8, 14, 20, 32, 44, 56, 110, 1202])
def test_every_depth_of_6n_plus_2_is_a_model(depth: int) -> None:
    assert depth_of(f"resnet{depth}") == depth


# Defaults and schema


def test_what_a_configuration_leaves_out_is_the_paper_s_study() -> None:
    bare = {key: PAPER[key] for key in ("study", "experiments", "datasets")}
    assert load(bare) == load(PAPER)
    recipe = load(bare).recipe
    assert recipe == default_recipe()
    assert (recipe.epochs, recipe.batch_size, recipe.l2, recipe.shift) == (200, 32, 1e-4, 0.1)
    assert recipe.schedule == ((81, 0.1), (121, 0.01), (161, 0.001), (181, 0.0005))
    assert recipe.horizontal_flip
    assert recipe.subtract_pixel_mean
    noise = load(bare).noise
    assert noise == default_noise_settings()
    assert noise == NoiseSettings(25, 0, "array", "clip", "float32")


def test_a_key_that_is_given_changes_that_key_alone() -> None:
    study = load({**PAPER, "training": {"epochs": 3}, "noise": {"draws": 2}})
    assert study.recipe == Recipe(**{**default_recipe().__dict__, "epochs": 3})
    assert study.noise == NoiseSettings(2, 0, "array", "clip", "float32")


def properties(schema: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        for name, one in schema.get("properties", {}).items():
            yield f"{at}.{name}", one
            yield from properties(one, f"{at}.{name}")
        for key in ("items", "additionalProperties"):
            yield from properties(schema.get(key), f"{at}[]")


def test_every_key_is_described_and_no_unknown_one_is_taken() -> None:
    found = dict(properties(SCHEMA))
    assert len(found) > 35
    assert not [key for key, one in found.items() if len(one.get("description", "")) < 10]
    for key, one in {"": SCHEMA, **found}.items():
        assert "properties" not in one or one["additionalProperties"] is False, key


def test_the_schema_s_names_are_those_the_program_knows() -> None:
    from noise_resistance.noise.kinds import NOISE_KINDS
    from noise_resistance.noise.scopes import SCOPES
    from noise_resistance.noise.variances import VARIANCE_POLICIES

    assert set(SCHEMA["$defs"]["scope"]["enum"]) == set(SCOPES)
    assert set(SCHEMA["$defs"]["kind"]["enum"]) == set(NOISE_KINDS)
    assert set(SCHEMA["$defs"]["variance_policy"]["enum"]) == set(VARIANCE_POLICIES)
    experiment = SCHEMA["properties"]["experiments"]["items"]["properties"]
    assert set(experiment["name"]["enum"]) == set(EXPERIMENTS)
    for name in OPTIMIZERS:
        assert name in experiment["optimizers"]["description"]
    assert {one.reader for one in load(PAPER).catalogue.values()} == set(READERS)


@pytest.mark.parametrize("sigma_of", SCHEMA["$defs"]["sigma_of"]["enum"])
def test_every_sigma_of_the_schema_can_be_computed(sigma_of: str) -> None:
    import numpy as np

    from noise_resistance.noise.additive import weight_deviations
    from noise_resistance.study.arrays import Array

    arrays = [Array("dense", "kernel", (2,)), Array("dense", "bias", (2,))]
    weights = {"dense/kernel": np.array([0.0, 2.0]), "dense/bias": np.array([5.0, 5.0])}
    deviations = weight_deviations(weights, arrays, sigma_of)
    expected = {"array": [1.0, 0.0], "layer": [np.std([0, 2, 5, 5])] * 2}
    assert list(deviations.values()) == pytest.approx(expected[sigma_of])


# Values that travel as JSON


def through_json(values: Any) -> Any:
    return json.loads(json.dumps(values, allow_nan=False))


@pytest.mark.parametrize("name", ["config", "demo"])
def test_what_jobs_are_given_as_json_comes_out_equal(name: str) -> None:
    study = load(configured(name))
    assert Recipe.from_mapping(through_json(study.recipe.as_mapping())) == study.recipe
    assert NoiseSettings.from_mapping(through_json(study.noise.as_mapping())) == study.noise
    assert Outline.from_json(study.outline.to_json()) == study.outline
    assert study.outline.trainings == study.trainings
    assert study.outline.evaluations == study.evaluations
    for dataset in study.catalogue.values():
        read = Dataset.from_mapping(through_json(dataset.as_mapping()))
        assert read.identity() == dataset.identity()
        assert read.as_mapping() == dataset.as_mapping()


def test_another_spelling_of_a_number_changes_no_parameter() -> None:
    plain = load({**PAPER, "training": {"l2": 0, "shift": 0, "schedule": [[81, 1]]}})
    pointed = load({**PAPER, "training": {"l2": 0.0, "shift": 0.0, "schedule": [[81, 1.0]]}})
    assert json.dumps(plain.recipe.as_mapping()) == json.dumps(pointed.recipe.as_mapping())
    rates = [{**PAPER["experiments"][0], "learning_rates": [rate]} for rate in (1, 1.0, 1.0e0)]
    outlines = {load({**PAPER, "experiments": [one]}).outline.to_json() for one in rates}
    assert len(outlines) == 1


def test_zero_has_no_sign() -> None:
    study = load({**PAPER, "noise": {"levels": [-0.0, 0.1]}})
    assert format_number(study.noise_levels[0]) == "0"


def test_where_an_archive_is_downloaded_from_changes_no_training() -> None:
    config = copy.deepcopy(PAPER)
    archive(url="/elsewhere/cifar.tar.gz")(config)
    mirror, original = (load(one).catalogue["cifar10"] for one in (config, PAPER))
    assert mirror.archives[0].url == "/elsewhere/cifar.tar.gz"
    assert mirror.identity() == original.identity()
    assert mirror.as_mapping() == original.as_mapping()


def test_another_checksum_or_version_is_another_dataset() -> None:
    original = load(PAPER).catalogue["cifar10"].identity()
    for change in (
        archive(checksum=f"md5:{'0' * 32}"),
        lambda config: config["datasets"]["cifar10"].update(version="2010"),
    ):
        config = copy.deepcopy(PAPER)
        change(config)
        assert load(config).catalogue["cifar10"].identity() != original


def test_threads_device_and_study_name_are_no_parameter_of_a_training() -> None:
    other = {"study": "other", "device": "cpu", "training": {"threads": 4}}
    changed = load({**PAPER, **other})
    assert changed.recipe == load(PAPER).recipe
    assert changed.training_threads == 4
    assert "threads" not in changed.recipe.as_mapping()


def test_derived_seeds_depend_on_every_part_and_their_order() -> None:
    seeds = {
        derive_seed(1, "order", 2),
        derive_seed(2, "order", 1),
        derive_seed(1, "order", 3),
        derive_seed(1, "augmentation", 2),
        derive_seed(12, "order"),
    }
    assert len(seeds) == 5
    assert all(0 <= seed < 1 << 31 for seed in seeds)
    # printf 1/order/2 | sha256sum begins with 297308b6.
    assert derive_seed(1, "order", 2) == 0x297308B6 // 2
