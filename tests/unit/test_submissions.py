"""What Slurm would be asked for: by the study, and by what a command line or a profile changes."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.resources import Resource, Resources
from snakemake.settings.types import GroupSettings, ResourceSettings

from noise_resistance.errors import ClusterError
from noise_resistance.planning.submissions import Submission, advice, submissions
from noise_resistance.study.configuration import Study, load

ROOT = Path(__file__).parents[2]
PROFILE = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text(encoding="utf-8"))
EVALUATIONS = ("evaluate_baseline", "evaluate_noise")


def study(**changes: Any) -> Study:
    values: dict[str, Any] = {}
    for name in ("datasets", "config"):
        values |= yaml.safe_load((ROOT / f"config/{name}.yaml").read_text(encoding="utf-8"))
    experiment = {
        "name": "learning_rate",
        "datasets": ["cifar10"],
        "models": ["resnet20"],
        "learning_rates": [0.1, 0.01],
    }
    noise = {"levels": [0.1, 0.2], "scopes": ["kernels", "all"], "draws": 25}
    small = {"experiments": [experiment], "seeds": [1, 2], "noise": noise}
    return load(values | small | changes)


def settings(
    default: list[str] | None = None,
    limits: tuple[str, ...] = ("in_turn=1",),
    threads: dict[str, int] | None = None,
    max_threads: int | None = None,
    **rules: list[str],
) -> ResourceSettings:
    """What Snakemake makes of a command line: --default-resources, --resources, --set-..."""

    def parsed(lines: list[str]) -> Resources:
        return Resources.parse(lines, allow_expressions=True)

    return ResourceSettings(
        default_resources=Resources.parse(default or [], allow_expressions=True, defaults="full"),
        resources=Resources.parse(list(limits), allow_expressions=False),
        max_threads=max_threads,
        overwrite_threads={rule: Resource("_cores", n) for rule, n in (threads or {}).items()},
        overwrite_resources={rule: parsed(lines) for rule, lines in rules.items()},
    )


def groups(most: int = 10_000) -> GroupSettings:
    """Those of profiles/slurm, with as many jobs a submission."""
    (name,) = {entry.split("=", 1)[1] for entry in PROFILE["groups"]}
    rules = {entry.split("=", 1)[0]: name for entry in PROFILE["groups"]}
    return GroupSettings(overwrite_groups=rules, group_components={name: most})


def asked(
    given: Study,
    user: ResourceSettings | None = None,
    bundled: GroupSettings | None = None,
    attempts: int = 1,
) -> list[Submission]:
    return list(submissions(given, user or settings(), bundled or groups(), attempts))


def option(submission: Submission, name: str) -> str | None:
    options = dict(one.split("=", 1) for one in submission.options)
    return options.get(f"--{name}")


def of(rule: str, found: list[Submission]) -> Submission:
    return next(one for one in found if rule in one.rules)


def test_each_kind_of_job_is_asked_about_and_evaluations_of_a_model_are_one() -> None:
    found = asked(study())
    assert [one.rules for one in found] == [("train",), ("diagnose",), EVALUATIONS]
    # 5 + 249 minutes, as demands has it; 4 GB and CUDA's.
    assert of("train", found).options == (
        "--gpus=1", "--cpus-per-task=1", "--mem=8000", "--time=254",
    )  # fmt: skip


def test_all_of_a_bundle_ask_for_the_time_of_all_and_one_gpu_and_the_memory_of_one() -> None:
    alone = of("evaluate_noise", asked(study(), bundled=GroupSettings()))
    assert alone.rules == ("evaluate_noise",)
    bundle = of("evaluate_noise", asked(study()))
    assert option(bundle, "gpus") == option(alone, "gpus") == "1"
    assert option(bundle, "mem") == option(alone, "mem")
    # Two levels under two scopes, and the baseline.
    assert int(option(bundle, "time") or 0) == 5 * int(option(alone, "time") or 0)


def test_snapshots_and_layers_are_in_the_bundle_of_their_model() -> None:
    alone = int(option(of("evaluate_noise", asked(study(), bundled=GroupSettings())), "time") or 0)
    snapshots = of("evaluate_noise", asked(study(training={"snapshots": [1, 9]})))
    assert len(snapshots.rules) == 4
    assert int(option(snapshots, "time") or 0) == 3 * 5 * alone
    sweep = {"levels": [0.4], "scope": "kernels"}
    noise = {"levels": [0.1, 0.2], "scopes": ["kernels", "all"], "draws": 25, "layer_sweep": sweep}
    # ResNet20 has 19 convolutions, two shortcuts and a dense layer.
    layers = of("evaluate_noise", asked(study(noise=noise)))
    assert int(option(layers, "time") or 0) == (5 + 22) * alone


def test_a_bundle_of_fewer_jobs_is_shorter() -> None:
    whole, part = (of("evaluate_noise", asked(study(), bundled=groups(n))) for n in (9, 2))
    assert int(option(part, "time") or 0) * 5 == int(option(whole, "time") or 0) * 2


def test_the_longest_jobs_of_a_bundle_count_where_the_user_sets_their_time() -> None:
    user = settings(evaluate_baseline=["runtime=100"], evaluate_noise=["runtime=3"])
    assert option(of("evaluate_noise", asked(study(), user)), "time") == "112"
    assert option(of("evaluate_noise", asked(study(), user, groups(2))), "time") == "103"


def test_the_last_attempt_is_asked_about_too() -> None:
    given = study(longest_job=300)
    first, last = (one for one in asked(given, attempts=4) if "train" in one.rules)
    assert (option(first, "mem"), option(first, "time")) == ("8000", "254")
    assert (option(last, "mem"), option(last, "time")) == ("24000", "300")
    assert (first.attempt, last.attempt) == (1, 4)


def test_a_study_without_gpu_and_diagnostics_asks_for_neither() -> None:
    found = asked(study(device="cpu", diagnostics={"images": 0}))
    assert {option(one, "gpus") for one in found} == {None}
    assert [one.rules for one in found] == [("train",), EVALUATIONS]


def test_a_model_that_was_trained_elsewhere_is_one_submission() -> None:
    other = {"other": {"file": "other.keras", "dataset": "cifar10"}}
    found = asked(study(external_models=other))
    assert found[-1].rules == ("evaluate_external",)


def test_what_is_set_for_a_rule_replaces_what_the_rule_asks_for() -> None:
    user = settings(train=["gpu=3", "runtime=10h", "mem=16GB"], threads={"train": 7})
    train = of("train", asked(study(), user))
    assert train.options == ("--gpus=3", "--cpus-per-task=7", "--mem=16000", "--time=600")
    assert option(of("diagnose", asked(study(), user)), "gpus") == "1"


def test_defaults_fill_what_a_rule_leaves_open_and_nothing_else() -> None:
    lines = ["slurm_partition=gpu-long", "slurm_account=mine,yours", "mem_mb=1", "runtime=1"]
    train = of("train", asked(study(), settings(lines)))
    assert train.options[:2] == ("--partition=gpu-long", "--account=mine")
    assert (option(train, "mem"), option(train, "time")) == ("8000", "254")


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("4000 if attempt > 1 else 200", "200", "4000"),
        ("1000 * attempt * threads", "1000", "2000"),
        ("9000 if wildcards.model == 'resnet20' else 1", "9000", "9000"),
        ("max(1.6, attempt)", "2", "2"),
    ],
)
def test_expressions_of_what_the_grid_knows_count(text: str, first: str, last: str) -> None:
    found = asked(study(), settings(train=[f"mem_mb={text}"]), attempts=2)
    assert [option(one, "mem") for one in found if "train" in one.rules] == [first, last]


@pytest.mark.parametrize(
    "line",
    [
        "mem_mb=2 * input.size_mb",
        "mem=2 * input.size_mb",
        "runtime='5h' if attempt > 1 else '1h'",
        "slurm_partition='a' if wildcards.seed == '1' else 'b'",
        "slurm_partition=lookup(dpath='a', within={})",
        "slurm_partition=max",
    ],
)
def test_a_job_that_asks_by_what_the_grid_does_not_know_is_not_asked_about(line: str) -> None:
    assert [one.rules for one in asked(study(), settings(train=[line]))] == [
        ("diagnose",),
        EVALUATIONS,
    ]


def test_a_variable_of_the_environment_is_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECT", "p17")
    found = asked(study(), settings(["slurm_account=$PROJECT"]))
    assert {option(one, "account") for one in found} == {"p17"}


def test_limits_bound_what_jobs_ask_for() -> None:
    user = settings(limits=("in_turn=1", "mem_mb=5000"), train=["mem_mb=9000"])
    assert {option(one, "mem") for one in asked(study(), user)} == {"5000"}


def test_the_largest_number_of_threads_bounds_all() -> None:
    user = settings(threads={"train": 7}, max_threads=3)
    assert option(of("train", asked(study(), user)), "cpus-per-task") == "3"


def test_a_default_that_is_taken_back_is_none() -> None:
    user = settings(["slurm_partition=gpu"], train=["slurm_partition=None"])
    assert option(of("train", asked(study(), user)), "partition") is None


def test_memory_by_cpu_and_other_options_are_passed_on() -> None:
    user = settings(
        ["slurm_extra='--reservation=mine --exclusive'", "qos=fast", "gres=gpu:fake:1"],
        train=["mem_mb_per_cpu=3000", "cpus_per_task=5"],
    )
    assert of("train", asked(study(), user)).options == (
        "--qos=fast", "--gres=gpu:fake:1", "--gpus=1", "--cpus-per-task=5", "--mem-per-cpu=3000",
        "--time=254", "--reservation=mine", "--exclusive",
    )  # fmt: skip


@pytest.mark.parametrize("extra", ["--mem=3", "--mem 3", "--nice=10 -p gpu", "--gres=gpu:1"])
def test_an_option_that_the_executor_sets_is_refused(extra: str) -> None:
    with pytest.raises(ClusterError, match=r"of train cannot be submitted: -.* in slurm"):
        asked(study(), settings([f"slurm_extra='{extra}'"]))


def test_other_options_with_an_open_quote_are_refused() -> None:
    with pytest.raises(ClusterError, match="slurm_extra is --nice='1, with no closing quotation"):
        asked(study(), settings(['slurm_extra="--nice=\'1"']))


@pytest.mark.parametrize("gres", ["'gpu:1:2:3'", "'gpu:1,tmp:3'", "\"'gpu'\""])
def test_a_form_of_gres_that_the_executor_does_not_know_is_refused(gres: str) -> None:
    with pytest.raises(ClusterError, match="resources of diagnose cannot be submitted: gres is"):
        asked(study(), settings(diagnose=[f"gres={gres}"]))


def test_bundles_whose_jobs_would_run_at_once_are_pointed_out_and_not_asked_about() -> None:
    user = settings(limits=("gpu=8",))
    assert [one.rules for one in asked(study(), user)] == [("train",), ("diagnose",)]
    (line,) = advice(study(), user, groups(), 4)
    assert "add in_turn=1 to --resources" in line
    assert advice(study(), user, GroupSettings(), 4) == []
    assert "in_turn=1" in PROFILE["resources"]


def test_unfinished_trainings_that_get_too_few_attempts_are_pointed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = study(longest_job=60)  # 254 minutes, see above
    assert advice(given, settings(), groups(), 5) == []
    (line,) = advice(given, settings(), groups(), 4)
    assert "up to 5 submissions of 60 minutes" in line
    assert "gets 4; add --retries 7" in line
    for training in given.trainings:
        assert advice(given, settings(), groups(), 4) == [line]
        weights = Path(given.paths.fill(given.paths.weights, training))
        weights.parent.mkdir(parents=True)
        weights.touch()
    assert advice(given, settings(), groups(), 4) == []


def test_the_profile_bundles_the_evaluations_of_one_training_and_no_more() -> None:
    names = Counter(entry.split("=", 1)[1] for entry in PROFILE["groups"])
    ((name, rules),) = names.items()
    assert rules == 4
    for wildcard in ("dataset", "model", "recipe", "optimizer", "learning_rate", "seed"):
        assert f"{{{wildcard}}}" in name
