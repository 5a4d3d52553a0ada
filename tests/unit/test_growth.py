"""The schedule's arithmetic on cases worked by hand, and the committed measurements."""

import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests/benchmarks"))

from schedule import Bounds, Job, bounds, list_schedule  # noqa: E402
from study_schedule import assumed, load_study, simulate  # noqa: E402


def test_one_gpu_does_one_job_after_the_other_and_pays_for_each_submission() -> None:
    schedule = list_schedule([Job(10), Job(20), Job(30)], gpus=1, overhead=5)
    assert schedule.starts == (0, 15, 40)
    assert schedule.seconds == 75


def test_the_first_job_in_the_list_that_can_start_does() -> None:
    # Two GPUs: 0-4 and 0-3; the third takes the GPU free at 3, the fourth the one free at 4.
    schedule = list_schedule([Job(4), Job(3), Job(2), Job(1)], gpus=2, overhead=0)
    assert schedule.starts == (0, 0, 3, 4)
    assert schedule.seconds == 5


def test_the_order_of_the_list_decides_and_the_longest_job_last_is_the_worst() -> None:
    short_first = [Job(1), Job(1), Job(1), Job(1), Job(4)]
    assert list_schedule(short_first, gpus=2, overhead=0).seconds == 6
    assert list_schedule(short_first[::-1], gpus=2, overhead=0).seconds == 4


def test_a_job_waits_for_the_last_of_those_it_depends_on() -> None:
    # A GPU stands idle from 2 to 7 although the third job is there: it cannot start.
    jobs = [Job(7), Job(2), Job(3, after=(0, 1))]
    schedule = list_schedule(jobs, gpus=2, overhead=0)
    assert schedule.starts == (0, 0, 7)
    assert schedule.seconds == 10


def test_a_job_that_is_ready_later_still_goes_before_those_behind_it() -> None:
    # At 1 the second job becomes ready and the GPU free; the third, ready since 0, stands behind.
    schedule = list_schedule([Job(1), Job(5, after=(0,)), Job(2)], gpus=1, overhead=0)
    assert schedule.starts == (0, 1, 6)


def test_a_job_without_gpu_needs_none_and_pays_no_overhead() -> None:
    schedule = list_schedule([Job(10), Job(3, gpu=False), Job(1, (0, 1), gpu=False)], 1, 5)
    assert schedule.starts == (0, 0, 15)
    assert schedule.seconds == 16


def test_one_submission_for_several_evaluations_saves_their_overheads_on_one_gpu() -> None:
    # A training of 100 s and 12 evaluations of 10 s: 220 s of work, 13 or 2 overheads of 5 s.
    alone = [Job(100), *[Job(10, after=(0,))] * 12]
    bundled = [Job(100), Job(120, after=(0,))]
    assert list_schedule(alone, gpus=1, overhead=5).seconds == 220 + 13 * 5
    assert list_schedule(bundled, gpus=1, overhead=5).seconds == 220 + 2 * 5


def test_evaluations_of_one_model_alone_spread_over_idle_gpus_and_bundled_they_cannot() -> None:
    alone = [Job(100), *[Job(10, after=(0,))] * 12]
    bundled = [Job(100), Job(120, after=(0,))]
    assert list_schedule(alone, gpus=12, overhead=5).seconds == 105 + 15
    assert list_schedule(bundled, gpus=12, overhead=5).seconds == 105 + 125


def test_the_bounds_are_the_work_by_gpu_the_overhead_by_gpu_and_the_longest_chain() -> None:
    jobs = [Job(100), Job(10, after=(0,)), Job(20, after=(0,)), Job(3, (1, 2), gpu=False)]
    assert bounds(jobs, gpus=2, overhead=5) == Bounds(work=65, overhead=7.5, chain=105 + 25 + 3)


@pytest.mark.parametrize("gpus", [1, 2, 3, 7])
def test_no_schedule_beats_its_bounds_or_is_worse_than_twice_them(gpus: int) -> None:
    # Graham's bound for greedy schedules: at most work/gpus + chain.
    jobs = [
        Job(1 + (7 * index) % 11, tuple(range(max(0, index - 40), index - 30)))
        for index in range(60)
    ]
    limit = bounds(jobs, gpus, 2)
    seconds = list_schedule(jobs, gpus, 2).seconds
    even = limit.work + limit.overhead
    assert max(even, limit.chain) <= seconds <= even + limit.chain


def test_a_job_that_waits_for_one_behind_it_is_refused() -> None:
    with pytest.raises(ValueError, match="job 0 waits for one that does not stand before it"):
        list_schedule([Job(1, after=(1,)), Job(1)], gpus=1, overhead=0)


def test_no_jobs_take_no_time() -> None:
    assert list_schedule([], gpus=3, overhead=5).seconds == 0


def test_the_recorded_cost_of_a_study_grows_no_faster_than_its_work() -> None:
    table = pd.read_csv(ROOT / "docs/growth.csv")
    for measurement in ("plan, nothing made: processor", "summarise: processor"):
        seconds = table[table["measurement"] == measurement].set_index("evaluations")["value"]
        assert set(seconds.index) == {100, 1_000, 10_000, 100_000}
        assert seconds[100_000] <= 10 * 1.1 * seconds[10_000]


def test_the_recorded_cost_of_a_job_that_looks_is_the_same_for_every_size_of_store() -> None:
    table = pd.read_csv(ROOT / "docs/growth.csv")
    for job in ("a job whose output is there", "a job that restores its output"):
        seconds = table[table["measurement"] == f"store: {job}"].set_index("evaluations")["value"]
        assert set(seconds.index) == {100, 1_000, 10_000, 100_000}
        assert seconds.max() < 1
        assert seconds[100_000] < 1.2 * seconds[100]


def test_the_recorded_schedule_is_that_of_the_study_as_it_is() -> None:
    recorded = pd.read_csv(ROOT / "docs/schedule.csv")
    study = load_study(ROOT / "config/config.yaml")
    pd.testing.assert_frame_equal(simulate(study, assumed(study)), recorded)
    # A training, its evaluations and its diagnostics are a submission each.
    (bundled,) = recorded.query("seeds == 1 and gpus == 1 and bundled")["submissions"]
    assert bundled == 3 * len(study.trainings)
