"""The disk that the files of a study which are missing will take."""

from collections.abc import Iterable
from pathlib import Path

from noise_resistance.analysis.actions import STEPS
from noise_resistance.analysis.plan import Job
from noise_resistance.store.jobs import COMPUTE
from noise_resistance.study.configuration import Study
from noise_resistance.study.sizes import archive_size, dataset_size, file_size

__all__ = ["disk_needed"]

# A draw is a row of summary.csv and of summary.h5.
_ROW = 250


def disk_needed(study: Study, jobs: Iterable[Job]) -> tuple[int, int]:
    """Return the bytes that archives, datasets, trainings and evaluations will add.

    A file of a training is taken to be as large as the mean of those of its name and model that are
    there; where there are none, as large as the numbers in it. Tables, figures and the report are
    not counted.

    Args:
        study: the configuration.
        jobs: what is left.

    Returns: the bytes of files that are missing, and those of new entries of the store, which are
        copies of what is computed: on a file system that has clones they take no room.
    """
    means = _means(Path(study.paths.root, "trainings"))
    results = entries = 0.0
    for job in jobs:
        kept = bool(study.store) and job.rule in STEPS and job.action == COMPUTE
        for output in map(Path, job.outputs):
            missing = not output.exists()
            if missing or kept:
                size = _size(study, job, output, means)
                results += size if missing else 0
                entries += size if kept else 0
    return round(results), round(entries)


def _size(study: Study, job: Job, output: Path, means: dict[tuple[str, str], float]) -> float:
    values = job.wildcards
    if job.rule == "download_dataset":
        return archive_size(study.catalogue[values["dataset"]], output.name)
    if job.rule == "prepare_dataset":
        images = output.suffix == ".h5"
        return dataset_size(study.catalogue[values["dataset"]]) if images else 0
    if job.rule == "summarise" and output.suffix == ".csv":
        return _ROW * study.noise.draws * len(study.evaluations)
    if job.rule == "evaluate_external":
        model = study.external_models[values["external"]]
        return file_size(study, output.name, model.dataset, "resnet20", "sgd")
    if "model" in values and "optimizer" in values:
        known = means.get((_sort(output), values["model"]))
        if known is not None:
            return known
        return file_size(
            study, output.name, values["dataset"], values["model"], values["optimizer"]
        )
    return 0


def _means(trainings: Path) -> dict[tuple[str, str], float]:
    sizes: dict[tuple[str, str], list[int]] = {}
    for path in trainings.rglob("*.h5"):
        model = path.relative_to(trainings).parts[1]
        sizes.setdefault((_sort(path), model), []).append(path.stat().st_size)
    return {key: sum(one) / len(one) for key, one in sizes.items()}


def _sort(path: Path) -> str:
    return path.name.partition("-")[0]
