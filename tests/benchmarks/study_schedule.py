"""How long a study takes on 1 to 512 GPUs, and what limits it: simulated from job times.

python tests/benchmarks/study_schedule.py [--study results/STUDY]
    [--configfile FILE] [--output results/benchmarks]

Without a study's results the job times are those by which `plan` estimates a study that has not
begun: arithmetic, for a GPU of 2017. With them they are the medians of a study's finished jobs.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pandas as pd
import yaml
from bench import ROOT
from schedule import Bounds, Job, bounds, list_schedule

from noise_resistance.analysis.hours import TIMED_RULES, Records
from noise_resistance.analysis.plan import Job as PlannedJob
from noise_resistance.study.configuration import Study, load
from noise_resistance.study.demands import seconds_of as seconds_by_arithmetic
from noise_resistance.study.grid import Training

GPUS = (1, 8, 64, 512)
SEEDS = (1, 100)
OVERHEAD = 5.0  # seconds a submission, as measured on Slurm: two starts of Snakemake
START_UP = 5  # seconds until a process computes: importing TensorFlow
# The seconds of a training's job of this rule.
SecondsOf = Callable[[str, Training], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, help="results of a study; none: arithmetic")
    parser.add_argument("--configfile", type=Path, default=ROOT / "config/config.yaml")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "benchmarks")
    arguments = parser.parse_args()
    study = load_study(arguments.configfile)
    results: Path | None = arguments.study
    seconds_of = measured(results) if results else assumed(study)
    table = simulate(study, seconds_of)
    arguments.output.mkdir(parents=True, exist_ok=True)
    table.to_csv(arguments.output / "schedule.csv", index=False)
    print(by_model(study, seconds_of).to_string(index=False))
    print(table.to_string(index=False))


def load_study(file: Path) -> Study:
    values: dict[str, object] = {}
    for path in (ROOT / "config/datasets.yaml", ROOT / "config/config.yaml", file):
        values |= yaml.safe_load(path.read_text(encoding="utf-8"))
    return load(values)


def assumed(study: Study) -> SecondsOf:
    """Job times by arithmetic, as `plan` estimates them, and the start of each process."""

    def seconds(rule: str, training: Training) -> float:
        step = TIMED_RULES[rule]
        return START_UP + seconds_by_arithmetic(study, step, training.dataset, training.model)

    return seconds


def measured(folder: Path) -> SecondsOf:
    """Job times from the medians of a study's finished jobs, as `plan` estimates them."""
    records = Records(folder)

    @cache
    def of_model(rule: str, dataset: str, model: str) -> float:
        place = {"dataset": dataset, "model": model}
        if (seconds := records.seconds(PlannedJob(rule, place, ()))) is None:
            sys.exit(
                f"{folder}: no file of {rule} on {dataset}; name with --configfile the "
                "configuration of the study that the results are of"
            )
        return seconds

    return lambda rule, training: of_model(rule, training.dataset, training.model)


def summarise_seconds() -> float:
    """Seconds of `summarise` an evaluation, by the largest study of docs/growth.csv."""
    growth = pd.read_csv(ROOT / "docs/growth.csv")
    last = growth[growth["measurement"] == "summarise: processor"].iloc[-1]
    return float(last["value"] / last["evaluations"])


def jobs_of(study: Study, seconds_of: SecondsOf, copies: int, bundled: bool) -> list[Job]:
    """Return a study's submissions: trainings as the study lists them, what needs them behind.

    Args:
        study: with one seed.
        seconds_of: the job times of a training.
        copies: how many seeds there are.
        bundled: whether all evaluations of a model are one submission.
    """
    noisy: dict[Training, int] = dict.fromkeys(study.trainings, 0)
    for evaluation in study.evaluations:
        noisy[evaluation.training] += 1
    trainings = [one for one in noisy for _ in range(copies)]
    jobs = [Job(seconds_of("train", one)) for one in trainings]
    for index, training in enumerate(trainings):
        each = [seconds_of("evaluate_baseline", training)]
        each += [seconds_of("evaluate_noise", training)] * noisy[training]
        jobs += [Job(one, (index,)) for one in ([sum(each)] if bundled else each)]
        if study.diagnostics.images:
            jobs.append(Job(seconds_of("diagnose", training), (index,)))
    after = tuple(range(len(trainings), len(jobs)))
    summarise = summarise_seconds() * copies * len(study.evaluations)
    return [*jobs, Job(summarise, after, gpu=False)]


def simulate(study: Study, seconds_of: SecondsOf) -> pd.DataFrame:
    rows: list[Mapping[str, object]] = []
    for seeds in SEEDS:
        for bundled in (False, True):
            jobs = jobs_of(study, seconds_of, seeds, bundled)
            for gpus in GPUS:
                schedule = list_schedule(jobs, gpus, OVERHEAD)
                limit = bounds(jobs, gpus, OVERHEAD)
                work = sum(job.seconds for job in jobs if job.gpu)
                rows.append(
                    {
                        "seeds": seeds,
                        "bundled": bundled,
                        "submissions": sum(job.gpu for job in jobs),
                        "gpus": gpus,
                        "hours": round(schedule.seconds / 3600, 3),
                        "hours_of_work_per_gpu": round(limit.work / 3600, 3),
                        "hours_of_overhead_per_gpu": round(limit.overhead / 3600, 3),
                        "hours_of_longest_chain": round(limit.chain / 3600, 3),
                        "gpu_use": round(work / (gpus * schedule.seconds), 3),
                        "limited_by": limited_by(limit, gpus, seeds * len(study.trainings)),
                    }
                )
    return pd.DataFrame(rows)


def limited_by(limit: Bounds, gpus: int, trainings: int) -> str:
    if limit.chain > limit.work + limit.overhead:
        few = "fewer trainings than GPUs" if trainings < gpus else "uneven trainings"
        return f"longest training ({few})"
    return "number of GPUs"


def by_model(study: Study, seconds_of: SecondsOf) -> pd.DataFrame:
    rules = ["train", "evaluate_baseline", "evaluate_noise"]
    rules += ["diagnose"] if study.diagnostics.images else []
    cells = {(one.dataset, one.model): one for one in study.trainings}
    rows = [
        {"dataset": dataset, "model": model, **{rule: seconds_of(rule, one) for rule in rules}}
        for (dataset, model), one in cells.items()
    ]
    return pd.DataFrame(rows).round(1)


if __name__ == "__main__":
    main()
