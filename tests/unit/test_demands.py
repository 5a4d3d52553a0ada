"""What jobs ask of a cluster: by depth, images, epochs and attempt."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from noise_resistance.study.configuration import Study, load
from noise_resistance.study.demands import demand_of, evaluations_by_rule

ROOT = Path(__file__).parents[2]


def study(**changes: Any) -> Study:
    values: dict[str, Any] = {}
    for name in ("datasets", "config"):
        values |= yaml.safe_load((ROOT / f"config/{name}.yaml").read_text(encoding="utf-8"))
    return load(copy.deepcopy(values) | changes)


def test_a_training_of_the_paper_asks_for_twice_what_keras_s_example_took_and_a_start() -> None:
    # 200 epochs of (50,000 + 10,000 / 3) images at 35 s a 50,000, and five minutes.
    asked = demand_of(study(), "train", "cifar10", "resnet20", 1)
    assert asked.runtime == 5 + 249
    assert pytest.approx(248.9, abs=0.1) == 200 * 35 * (1 + 1 / 15) * 2 / 60


def test_a_deeper_model_asks_for_time_in_proportion() -> None:
    shallow = demand_of(study(longest_job=10**6), "train", "cifar10", "resnet20", 1)
    deep = demand_of(study(longest_job=10**6), "train", "cifar10", "resnet56", 1)
    assert deep.runtime - 5 == pytest.approx(2.8 * (shallow.runtime - 5), abs=2)


def test_each_attempt_asks_for_as_much_again_up_to_the_longest_job() -> None:
    one, two = (demand_of(study(), "train", "cifar10", "resnet20", attempt) for attempt in (1, 2))
    assert (two.mem_mb, two.runtime) == (2 * one.mem_mb, 2 * one.runtime)
    bounded = demand_of(study(longest_job=240), "train", "cifar10", "resnet20", 1)
    assert bounded.runtime == 240


def test_a_training_ended_by_its_limit_ten_times_asks_for_no_more_memory_than_a_node_has() -> None:
    first, last = (
        demand_of(study(longest_job=60), "train", "cifar10", "resnet56", attempt)
        for attempt in (1, 11)
    )
    assert last.mem_mb == 3 * first.mem_mb
    assert last.runtime == first.runtime == 60


def test_a_training_says_how_many_submissions_it_takes() -> None:
    # 5 + 249 minutes, see above.
    submissions = [
        demand_of(study(longest_job=minutes), "train", "cifar10", "resnet20", 1).submissions
        for minutes in (254, 253, 60)
    ]
    assert submissions == [1, 2, 5]


def test_later_attempts_of_a_bundle_keep_to_the_longest_job_together() -> None:
    noise = {"levels": [0.1, 0.2, 0.4], "scopes": ["kernels", "all"]}
    sweep = noise | {"layer_sweep": {"levels": [0.4], "scope": "kernels"}}
    for values, jobs in (
        ({"noise": noise}, 7),
        ({"noise": noise, "training": {"snapshots": [1, 9]}}, 21),
        # ResNet20 has 19 convolutions, two shortcuts and a dense layer.
        ({"noise": sweep}, 7 + 22),
    ):
        last = demand_of(study(longest_job=240, **values), "evaluate", "cifar10", "resnet20", 9)
        first = demand_of(study(longest_job=240, **values), "evaluate", "cifar10", "resnet20", 1)
        assert last.runtime == max(first.runtime, 240 // jobs)


def test_a_model_has_as_many_evaluations_as_the_study_has_of_it() -> None:
    sweep = {"levels": [0.4], "scope": "kernels"}
    noise = {"levels": [0.1, 0.2, 0.4], "scopes": ["kernels", "all"], "layer_sweep": sweep}
    given = study(noise=noise, training={"snapshots": [1, 9]})
    training = given.trainings[0]
    noisy = [one for one in given.evaluations if one.training == training]
    layers = [one for one in given.layer_evaluations if one.training == training]
    assert evaluations_by_rule(given, training.model) == {
        "evaluate_baseline": 1,
        "evaluate_noise": len(noisy) + len(layers),
        "evaluate_snapshot_baseline": 2,
        "evaluate_snapshot_noise": 2 * len(noisy),
    }
    assert list(evaluations_by_rule(study(), training.model)) == [
        "evaluate_baseline",
        "evaluate_noise",
    ]


def test_an_evaluation_asks_for_more_with_more_draws_and_less_memory_without_a_gpu() -> None:
    few = demand_of(study(), "evaluate", "cifar10", "resnet20", 1)
    noise = {"levels": [0.1], "draws": 2500}
    many = demand_of(study(noise=noise), "evaluate", "cifar10", "resnet20", 1)
    assert many.runtime > 10 * few.runtime
    assert demand_of(study(device="cpu"), "evaluate", "cifar10", "resnet20", 1).mem_mb < few.mem_mb


def test_a_model_of_unknown_depth_is_taken_for_a_deep_one() -> None:
    unknown = demand_of(study(), "evaluate_external", "cifar10", None, 1)
    known = demand_of(study(), "evaluate_external", "cifar10", "resnet20", 1)
    assert unknown.runtime > known.runtime
