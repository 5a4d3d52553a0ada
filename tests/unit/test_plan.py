"""`noise-resistance plan`: what is left, why, and for how long, from a dry run and from files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from noise_resistance.analysis.disk import disk_needed
from noise_resistance.analysis.hours import Records, TimedJob, hours_at_once, time_jobs
from noise_resistance.analysis.plan import Job, as_document, jobs_of, reasons
from noise_resistance.models.resnet import ResNet
from noise_resistance.storage.hdf5 import write_record
from noise_resistance.study.configuration import Study, load
from noise_resistance.study.sizes import archive_size, count_parameters, file_size

CHANGED = (
    "Params have changed since last execution: "
    "Union of exclusive params before and now across all output:"
)
TRAIN = {
    "rule": "train",
    "wildcards": {"dataset": "digits", "model": "resnet8", "seed": "1"},
    "outputs": ["results/s/a/model.weights.h5", "results/s/a/history.h5"],
    "planned": True,
    "reason": f"{CHANGED} before: 'x' now: 'y'",
}
SUMMARISE = {
    "rule": "summarise",
    "wildcards": {},
    "outputs": ["results/s/summary.csv", "results/s/summary.h5"],
    "planned": True,
    "reason": "Missing output files: results/s/summary.csv; Input files updated by another job: x",
}
BASELINE = {**TRAIN, "rule": "evaluate_baseline", "planned": False, "reason": ""}
ALL = {**SUMMARISE, "rule": "all", "outputs": [], "reason": "Input files updated: x"}


def test_a_dry_run_is_read_job_by_job_without_its_targets_and_in_one_order() -> None:
    baseline, summarise, train = jobs_of([ALL, TRAIN, SUMMARISE, BASELINE])
    assert jobs_of([SUMMARISE, BASELINE, ALL, TRAIN]) == [baseline, summarise, train]
    assert train.rule == "train"
    assert train.wildcards == TRAIN["wildcards"]
    assert train.reason == 'a parameter changed from "x" to "y"'
    assert train.stale
    assert train.outputs == ("results/s/a/model.weights.h5", "results/s/a/history.h5")
    assert (summarise.rule, summarise.wildcards) == ("summarise", {})
    assert summarise.reason == "not made yet, or deleted"
    assert not summarise.stale
    assert (baseline.action, baseline.reason, baseline.stale) == ("nothing", "", False)
    assert {summarise.action, train.action} == {"compute"}


def test_the_document_has_every_job() -> None:
    document = as_document("s", jobs_of([SUMMARISE, BASELINE]))
    assert document == {
        "study": "s",
        "jobs": [
            {
                "rule": "evaluate_baseline",
                "wildcards": TRAIN["wildcards"],
                "action": "nothing",
                "reason": "",
                "outputs": ("results/s/a/model.weights.h5", "results/s/a/history.h5"),
            },
            {
                "rule": "summarise",
                "wildcards": {},
                "action": "compute",
                "reason": "not made yet, or deleted",
                "outputs": ("results/s/summary.csv", "results/s/summary.h5"),
            },
        ],
    }


def test_rules_are_counted_by_reason_and_the_reason_of_the_most_jobs_is_first() -> None:
    stale = replace(job("train", "resnet14"), reason="its code changed")
    jobs = [stale, *[job("train", "resnet8")] * 3, job("evaluate_noise", "resnet8")]
    assert list(reasons(jobs).items()) == [
        ("not made yet", {"train": 3, "evaluate_noise": 1}),
        ("its code changed", {"train": 1}),
    ]


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ("'0123456789abcdef'", "'fedcba9876543210'", "its code changed"),
        ("'1'", "'2'", "its code changed"),
        ("'1'", "'unlisted-fedcba9876543210'", "its code changed"),
        ("512", "1024", "a parameter changed from 512 to 1024"),
        (
            """'{"batch_size": 32, "epochs": 200}'""",
            """'{"batch_size": 32, "epochs": 10}'""",
            "epochs changed from 200 to 10",
        ),
        (
            """'0123456789abcdef','{"draws": 25, "sigma_of": "array"}'""",
            """'fedcba9876543210','{"draws": 5, "sigma_of": "pool"}'""",
            'its code changed, draws changed from 25 to 5, sigma_of changed from "array" to "pool"',
        ),
        (
            "['--a=1', '--b=2']",
            "['--a=1', '--b=3']",
            'a parameter changed from ["--a=1", "--b=2"] to ["--a=1", "--b=3"]',
        ),
        (
            "<nothing exclusive>",
            "'--incomplete'",
            'a parameter changed from null to "--incomplete"',
        ),
    ],
)
def test_a_stale_job_says_what_changed(before: str, now: str, expected: str) -> None:
    reason = f"{CHANGED} before: {before} now: {now} "
    (found,) = jobs_of([{**TRAIN, "reason": reason}])
    assert (found.reason, found.stale) == (expected, True)


@pytest.fixture(scope="module")
def study() -> Study:
    config = Path(__file__).parents[2] / "config"
    values = {}
    for name in ("datasets", "config"):
        values |= yaml.safe_load((config / f"{name}.yaml").read_text(encoding="utf-8"))
    return load({**values, "study": "s"})


def job(rule: str, model: str, dataset: str = "digits", output: str = "new.h5") -> Job:
    return Job(rule, {"dataset": dataset, "model": model}, (output,), reason="not made yet")


FILES = {
    "train": "history",
    "evaluate_baseline": "baseline",
    "evaluate_noise": "noise",
}


def finish(folder: Path, rule: str, model: str, seed: int, seconds: float) -> None:
    """Write a job's file as far as its times go."""
    training = folder / f"trainings/digits/{model}/standard/adam/lr-0.001/seed-{seed}"
    name = "noise/all/eta-0.1" if rule == "evaluate_noise" else FILES[rule]
    write_record(training / f"{name}.h5", FILES[rule], {}, {"seconds": seconds})


def expected(study: Study, folder: Path, jobs: list[Job], **remaining: float) -> list[TimedJob]:
    return time_jobs(study, jobs, Records(folder), remaining)


def test_a_job_takes_the_median_time_of_its_like(study: Study, tmp_path: Path) -> None:
    times = [100.0, 160.0, 900.0]
    for seed, seconds in enumerate(times):
        finish(tmp_path, "train", "resnet20", seed, seconds)
    (found,) = expected(study, tmp_path, [job("train", "resnet20")])
    assert found.seconds == np.median(times)
    assert found.measured
    assert len(Records(tmp_path)) == 3


def test_a_model_without_records_takes_time_in_proportion_to_depth(
    study: Study, tmp_path: Path
) -> None:
    finish(tmp_path, "train", "resnet20", 1, 100.0)
    (found,) = expected(study, tmp_path, [job("train", "resnet56")])
    assert found.seconds == pytest.approx(100 * 56 / 20)
    assert found.measured


def test_a_snapshot_takes_what_its_training_s_evaluations_took(
    study: Study, tmp_path: Path
) -> None:
    finish(tmp_path, "evaluate_noise", "resnet20", 1, 12.0)
    (found,) = expected(study, tmp_path, [job("evaluate_snapshot_noise", "resnet20")])
    assert found == TimedJob(found.job, 12.0, True)


def test_a_training_that_has_begun_takes_what_is_left_of_it(study: Study, tmp_path: Path) -> None:
    finish(tmp_path, "train", "resnet20", 1, 100.0)
    one = job("train", "resnet20", output="w")
    assert expected(study, tmp_path, [one], w=0.25)[0].seconds == pytest.approx(25)


def test_what_resembles_no_finished_job_is_estimated_and_marked(
    study: Study, tmp_path: Path
) -> None:
    finish(tmp_path, "train", "resnet20", 1, 100.0)
    half = tmp_path / "trainings/digits/resnet20/standard/adam/lr-0.001/seed-2/history.h5"
    half.parent.mkdir()
    half.write_bytes(b"half")
    jobs = [job("train", "resnet20", "cifar10"), job("evaluate_noise", "resnet20", "cifar10")]
    train, noise = expected(study, tmp_path, [*jobs, job("table1", "")])
    assert not train.measured
    assert not noise.measured
    # 35 seconds an epoch of 50,000 images, and a third of that for each of its 10,000 test images.
    assert train.seconds == pytest.approx(200 * 35 * (1 + 10_000 / 50_000 / 3))
    assert noise.seconds == pytest.approx(25 * 35 * 10_000 / 50_000 / 3)


def test_a_model_trained_elsewhere_is_timed_by_its_like_and_needs_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = Path(__file__).parents[2] / "config"
    values = {}
    for name in ("datasets", "config"):
        values |= yaml.safe_load((config / f"{name}.yaml").read_text(encoding="utf-8"))
    theirs = {"theirs": {"file": "model.keras", "dataset": "cifar10"}}
    study = load({**values, "external_models": theirs})
    outputs = ("external/theirs/baseline.h5", "external/theirs/noise/all/eta-0.1.h5")
    one = Job("evaluate_external", {"external": "theirs"}, outputs)
    (found,) = time_jobs(study, [one], Records(tmp_path), {})
    assert not found.measured
    # Twelve passes of 25 draws over 10,000 images, each a third of a step of the deepest network.
    assert found.seconds == pytest.approx(35 * 110 / 20 * 12 * 25 * 10_000 / 50_000 / 3)
    # A prediction of two bytes an image, and 25 draws of ten classes.
    assert disk_needed(study, [one])[0] > 2 * 10_000 + 25 * 10 * 8
    # The last file that a job writes states the time of the whole job.
    write_record(tmp_path / "external/theirs/baseline.h5", "baseline", {}, {"seconds": 3.0})
    write_record(tmp_path / "external/theirs/noise/all/eta-0.1.h5", "noise", {}, {"seconds": 77.0})
    assert time_jobs(study, [one], Records(tmp_path), {}) == [TimedJob(one, 77.0, True)]


def test_hours_at_once_are_those_of_the_longest_chain_where_there_are_places_enough() -> None:
    def one(rule: str, seed: int, hours: float) -> TimedJob:
        wildcards = {"dataset": "digits", "model": "resnet8", "seed": str(seed)}
        return TimedJob(Job(rule, wildcards, ("w.h5",)), 3600 * hours, True)

    jobs = [one("train", 1, 10.0), one("train", 2, 2.0), one("evaluate_noise", 1, 1.0)]
    assert hours_at_once(jobs, 1) == pytest.approx(13)
    assert hours_at_once(jobs, 2) == pytest.approx(11)
    assert hours_at_once(jobs, 100) == pytest.approx(11)
    done = [one("evaluate_noise", 3, 1.0)] * 4
    assert hours_at_once(done, 2) == pytest.approx(2)
    assert hours_at_once([], 2) == 0


@pytest.mark.parametrize(
    ("model", "classes", "channels"), [("resnet8", 10, 1), ("resnet20", 100, 3)]
)
def test_the_parameters_of_a_network_are_counted_as_it_has_them(
    model: str, classes: int, channels: int
) -> None:
    network = ResNet.named(model, (8, 8, channels), classes)
    sizes = [np.prod(array.shape) for array in network.arrays()]
    assert count_parameters(model, classes, channels) == sum(sizes)


def test_the_parameters_are_the_published_ones() -> None:
    counts = [count_parameters(f"resnet{depth}", 10) for depth in (20, 32, 44, 56)]
    assert counts == [274_442, 470_218, 665_994, 861_770]
    assert count_parameters("resnet20", 100) - counts[0] == 5_850


def test_disk_needed_is_that_of_missing_files_of_the_same_model_and_of_copies_in_the_store(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path(
        study.paths.root, "trainings/digits/resnet8/standard/adam/lr-0.001/seed-1/noise/all"
    )
    there = folder / "eta-0.1.h5"
    there.parent.mkdir(parents=True)
    there.write_bytes(bytes(1000))
    missing = Job("evaluate_noise", WILDCARDS, (str(there.with_name("eta-0.2.h5")),))
    stale = Job("evaluate_noise", WILDCARDS, (str(there),))
    assert disk_needed(study, [missing, stale]) == (1000, 2000)
    restored = replace(missing, action="restore")
    assert disk_needed(study, [restored, replace(stale, action="look")]) == (1000, 0)
    assert disk_needed(replace(study, store=False), [missing, stale]) == (1000, 0)


WILDCARDS = {"dataset": "digits", "model": "resnet8", "optimizer": "adam"}


def test_disk_needed_of_a_study_that_has_nothing_is_that_of_its_numbers(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    entry = study.catalogue["cifar10"]
    pixels = 60_000 * (32 * 32 * 3 + 1)
    named = {"dataset": "cifar10", "model": "resnet56", "optimizer": "adam"}
    jobs = [
        Job("download_dataset", {"dataset": "cifar10"}, ("cifar-10-binary.tar.gz",)),
        Job("prepare_dataset", {"dataset": "cifar10"}, ("cifar10.json", "cifar10.h5")),
        Job("train", named, ("model.weights.h5", "optimizer.h5")),
        Job("table1", {}, ("table1.csv",)),
    ]
    assert archive_size(entry, "cifar-10-binary.tar.gz") == pixels
    numbers = 2 * pixels + 4 * 861_770 * 3
    assert numbers < disk_needed(study, jobs)[0] < numbers + 1_000_000


@pytest.mark.parametrize("model", ["resnet8", "resnet20"])
def test_the_expected_size_of_weights_is_about_that_of_the_file(
    study: Study, tmp_path: Path, model: str
) -> None:
    from noise_resistance.models.weights import write_weights

    network = ResNet.named(model, (32, 32, 3), 10)
    values = {one.name: np.zeros(one.shape, np.float32) for one in network.arrays()}
    write_weights(network, values, tmp_path / "model.weights.h5", {})
    size = (tmp_path / "model.weights.h5").stat().st_size
    found = file_size(study, "model.weights.h5", "cifar10", model, "adam")
    assert found == pytest.approx(size, rel=0.1)


@pytest.mark.parametrize(("optimizer", "slots"), [("sgd", 0), ("sgd_momentum", 1), ("adamx", 3)])
def test_an_optimizer_s_state_is_as_large_as_what_it_keeps(
    study: Study, optimizer: str, slots: int
) -> None:
    found = file_size(study, "optimizer.h5", "cifar10", "resnet20", optimizer)
    assert found == pytest.approx(slots * 4 * 274_442, abs=20_000)
