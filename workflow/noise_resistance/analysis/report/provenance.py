"""Where a report's numbers come from: code, versions, devices, settings, datasets, time."""

import importlib.metadata
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noise_resistance.analysis.labels import MISSING, count, model_title
from noise_resistance.analysis.report.sources import Sources
from noise_resistance.analysis.times import read_times
from noise_resistance.storage.hdf5 import read_attributes
from noise_resistance.storage.provenance import versions
from noise_resistance.storage.sources import read_dataset_file
from noise_resistance.study.outline import Outline

__all__ = ["Step", "datasets_used", "page_versions", "recorded", "run_times", "times_caption"]

_PAGE_PACKAGES = ("snakemake", "pandas", "scipy", "matplotlib", "seaborn", "jinja2")
# What a file's parameters say of its place in the grid, which the grid says already.
_PLACE = ("dataset", "model", "optimizer", "learning_rate", "seed", "noise_level", "outline")
_TIMED = {
    "train": "training",
    "evaluate_baseline": "evaluation without noise",
    "evaluate_noise": "evaluation with noise",
    "diagnose": "diagnostics",
    "evaluate_external": "evaluation of external models",
}


@dataclass(frozen=True)
class Step:
    """Files of one kind that were made alike.

    Attributes:
        what: the step, for people; with the noise scope where there is one.
        files: how many.
        fingerprint: the hash of the code that decided the numbers.
        device: what computed them.
        versions: of what they were made with, by name.
        settings: what else decided the numbers, as the files record it.
    """

    what: str
    files: int
    fingerprint: str
    device: str
    versions: str
    settings: str


def recorded(outline: Outline, sources: Sources) -> list[Step]:
    """Read from every file of a study what made it.

    Steps that differ in anything stand on lines of their own; a file that is missing is left out.

    Args:
        outline: the study; its paths are relative to the working directory.
        sources: its summary and other tables.

    Raises:
        DataError: a file is damaged.
    """
    found: Counter[tuple[str, str, str, str, str]] = Counter()
    for what, path, kind in _files(outline, sources):
        if not Path(path).exists():
            continue
        record = read_attributes(path, kind)
        one = record.attributes
        made_with = _listed(json.loads(one["versions"]))
        settings = _settings(kind, record.parameters)
        found[what, str(one["fingerprint"]), str(one["device"]), made_with, settings] += 1
    return [
        Step(what, files, fingerprint, device, made_with, settings)
        for (what, fingerprint, device, made_with, settings), files in found.items()
    ]


def _files(outline: Outline, sources: Sources) -> Iterator[tuple[str, str, str]]:
    paths = outline.paths
    for file in sources.dataset_files.values():
        yield "preparation of a dataset", str(file.with_suffix(".h5")), "dataset"
    for template, kind, what in (
        (paths.history, "history", "training"),
        (paths.baseline, "baseline", "evaluation without noise"),
        (paths.diagnostics, "diagnostics", "diagnostics"),
    ):
        for training in outline.trainings:
            yield what, paths.fill(template, training), kind
    for evaluation in outline.evaluations:
        yield f"noise on {evaluation.scope}", paths.fill(paths.noise, evaluation), "noise"
    yield "summary", str(sources.summary_file), "summary"
    kinds = {"diagnostics": "diagnostics_summary", "external_models": "external"}
    for name, file in sources.measured.items():
        yield f"summary: {name.replace('_', ' ')}", str(file), kinds.get(name, name)


def _settings(kind: str, parameters: Mapping[str, Any]) -> str:
    values = {name: value for name, value in parameters.items() if name not in _PLACE}
    if kind == "noise" and "seed" in parameters:
        # Here it is the noise's, which is the same for all.
        values["noise seed"] = parameters["seed"]
    if kind == "dataset":
        return ""
    recipe = values.pop("recipe", {})
    return _listed({**values, **(recipe if kind == "history" else {})})


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_plain(value)}" for name, value in sorted(values.items()))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def page_versions() -> dict[str, str]:
    """Return the versions of what made the page itself."""
    found = versions()
    for name in _PAGE_PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def datasets_used(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return title, version, checksums, licence and counts of the datasets.

    Args:
        files: their small files.

    Raises:
        DataError: a file is missing or damaged.
    """
    found = []
    for file in files:
        described = read_dataset_file(file)
        entry, counts = described.entry, described.counts
        archives = {one["name"]: one["checksum"] for one in entry["archives"]}
        arrays = {name: f"sha256:{digest}" for name, digest in described.arrays.items()}
        found.append(
            {
                **{name: entry[name] for name in ("title", "version", "licence", "source")},
                **{name: counts[name] for name in ("test_images", "train_images", "classes")},
                "checksums": {**archives, **arrays},
            }
        )
    return found


def run_times(study: Path) -> list[dict[str, Any]]:
    """Return jobs, median and total seconds and largest memory by rule and model.

    Args:
        study: its folder.
    """
    table = read_times(study)
    table = table[table["rule"].isin(_TIMED)]
    return [
        {
            "rule": _TIMED[str(rule)],
            "model": model if rule == "evaluate_external" else model_title(str(model)),
            "jobs": len(group),
            "median": f"{group['seconds'].median():.1f}",
            "hours": group["seconds"].sum() / 3600,
            "memory": MISSING
            if group["memory_mb"].isna().all()
            else f"{group['memory_mb'].max():.0f}",
        }
        for (rule, model), group in table.groupby(["rule", "model"], sort=False)
    ]


def times_caption(times: Sequence[Mapping[str, Any]]) -> str:
    """Say how long the jobs took together, and which took most."""
    total = sum(one["hours"] for one in times)
    most = max(times, key=lambda one: float(one["hours"]))
    jobs = count(sum(one["jobs"] for one in times), "job")
    share = f", {100 * most['hours'] / total:.0f} % of it {most['rule']} ({most['model']})"
    return (
        f"Time and memory by job, as the files state them: computing {jobs} took {total:.2f} hours "
        f"one after the other{share if total else ''}."
    )
