"""What the sections of the report hold, read from the study's files."""

import base64
import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from noise_resistance.analysis.figures.style import sequence
from noise_resistance.analysis.labels import model_title
from noise_resistance.storage.hdf5 import read_attributes, read_record
from noise_resistance.study.grid import Training
from noise_resistance.study.numbers import format_number
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.outline import Outline

__all__ = [
    "Curve",
    "Figure",
    "Panel",
    "Table",
    "datasets_used",
    "figures",
    "run_times",
    "software",
    "tables",
    "training_panels",
]

_TIMED = {
    "train": "training",
    "evaluate_baseline": "evaluation without noise",
    "evaluate_noise": "evaluation with noise",
    "diagnose": "diagnostics",
}
_GROUPS = (
    ("The paper's tables", ("table1", "table2", "table3")),
    ("How sure", ("best_rate", "uncertainty")),
    ("Why", ("gradient_noise", "length")),
    ("Against the paper", ("claims", "comparison", "readings")),
)


@dataclass(frozen=True)
class Table:
    """A table as HTML: its name, caption, and the rows, escaped."""

    name: str
    group: str
    caption: str
    headings: tuple[str, ...]
    right: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A figure as it is embedded."""

    name: str
    source: str
    alternative: str
    caption: str


@dataclass(frozen=True)
class Curve:
    """One line of a small panel, as the points of an SVG polyline."""

    label: str
    colour: str
    points: str


@dataclass(frozen=True)
class Panel:
    """Training curves of one network."""

    title: str
    curves: tuple[Curve, ...]
    epochs: int
    alternative: str


def tables(folder: Path, stems: Iterable[str]) -> list[Table]:
    """Read tables from their Markdown, in the order of the report's groups."""
    found = [_table(folder / f"{stem}.md") for stem in stems]
    order = [name for name, _ in _GROUPS] + ["More"]
    return sorted(found, key=lambda one: order.index(one.group))


def figures(stems: Iterable[Path], captions: Mapping[str, str]) -> list[Figure]:
    """Embed figures.

    Args:
        stems: paths without their endings; the SVG is embedded.
        captions: what each shows, by the beginning of its name.
    """
    found = []
    for stem in stems:
        name = stem.name
        caption = next((text for start, text in captions.items() if name.startswith(start)), name)
        content = base64.b64encode(stem.with_suffix(".svg").read_bytes()).decode()
        found.append(Figure(name, f"data:image/svg+xml;base64,{content}", caption, caption))
    return found


def training_panels(outline: Outline) -> list[Panel]:
    """Read the test accuracy by epoch of every training, one panel a network."""
    groups: dict[tuple[str, str, str], list[Training]] = {}
    for training in outline.trainings:
        key = (training.dataset, training.model, training.optimizer)
        groups.setdefault(key, []).append(training)
    return [_panel(outline, key, trainings) for key, trainings in groups.items()]


def run_times(folder: Path) -> list[dict[str, Any]]:
    """Return jobs, median and total seconds and largest memory by rule and model."""
    rows = []
    for rule, title in _TIMED.items():
        for path in sorted((folder / rule).rglob("*.tsv")):
            try:
                one = pd.read_csv(path, sep="\t").iloc[0]
            except (ValueError, IndexError):
                continue
            model = path.relative_to(folder / rule).parts[1]
            rows.append((title, model_title(model), float(one["s"]), _number(one.get("max_rss"))))
    if not rows:
        return []
    table = pd.DataFrame(rows, columns=["rule", "model", "seconds", "memory"])
    groups = table.groupby(["rule", "model"], sort=False)
    return [
        {
            "rule": rule,
            "model": model,
            "jobs": len(group),
            "median": f"{group['seconds'].median():.1f}",
            "total": f"{group['seconds'].sum() / 3600:.2f}",
            "memory": "–" if group["memory"].isna().all() else f"{group['memory'].max():.0f}",
        }
        for (rule, model), group in groups
    ]


def software(outline: Outline) -> list[dict[str, Any]]:
    """Return the versions, devices and fingerprints that trainings and baselines were made with."""
    paths = outline.paths
    rows: dict[tuple[str, ...], int] = {}
    for training in outline.trainings:
        for kind, template in (("history", paths.history), ("baseline", paths.baseline)):
            path = paths.fill(template, training)
            if not Path(path).exists():
                continue
            attributes = read_attributes(path, kind).attributes
            versions = json.loads(attributes["versions"])
            text = ", ".join(f"{name} {one}" for name, one in sorted(versions.items()))
            what = "training" if kind == "history" else "evaluation"
            key = (what, str(attributes["fingerprint"]), str(attributes["device"]), text)
            rows[key] = rows.get(key, 0) + 1
    names = ("what", "fingerprint", "device", "versions")
    return [{**dict(zip(names, key, strict=True)), "files": count} for key, count in rows.items()]


def datasets_used(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return title, version, checksums, licence and counts of the datasets."""
    found = []
    for file in files:
        record = read_attributes(file, "dataset")
        one = record.attributes
        checksums = record.parameters.get("checksums", {})
        found.append(
            {
                "title": one["title"],
                "version": record.parameters.get("version", ""),
                "test_images": int(one["test_images"]),
                "train_images": int(one["train_images"]),
                "licence": one.get("licence", ""),
                "source": one.get("source", ""),
                "checksums": [f"{name} {value}" for name, value in checksums.items()]
                or ["comes with the installation"],
            }
        )
    return found


def _number(text: Any) -> float:
    """Read a number that Snakemake may have written as NA or a dash."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")


def _table(path: Path) -> Table:
    caption, _, body = path.read_text(encoding="utf-8").partition("\n\n")
    head, rule, *rows = [_cells(line) for line in body.splitlines() if line.startswith("|")]
    group = next(
        (name for name, starts in _GROUPS if path.stem.startswith(starts)),
        "More",
    )
    return Table(
        name=path.stem,
        group=group,
        caption=_inline(caption),
        headings=tuple(map(_inline, head)),
        right=tuple(one.endswith(":") and not one.startswith(":") for one in rule),
        rows=tuple(tuple(map(_inline, row)) for row in rows),
    )


def _cells(line: str) -> list[str]:
    return [one.strip() for one in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def _inline(text: str) -> str:
    """Turn the Markdown that our tables use, bold and escapes, into HTML."""
    escaped = html.escape(
        re.sub(r"\\([^\w\s])", lambda one: f"&#{ord(one[1])};", text), quote=False
    )
    entities = re.sub(r"&amp;#(\d+);", r"&#\1;", escaped)
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", entities)


def _panel(outline: Outline, key: tuple[str, str, str], trainings: Sequence[Training]) -> Panel:
    dataset, model, optimizer = key
    rates = sorted({one.learning_rate for one in trainings})
    colours = dict(zip(rates, sequence(len(rates)), strict=True))
    curves = []
    for training in trainings:
        path = outline.paths.fill(outline.paths.history, training)
        if not Path(path).exists():
            continue  # a hole, and the report's warnings say so
        accuracy = read_record(path, "history", ["test_accuracy"])["test_accuracy"]
        step = 1 / max(1, len(accuracy) - 1)
        points = " ".join(
            f"{100 * index * step:.2f},{60 * (1 - value):.2f}"
            for index, value in enumerate(accuracy)
        )
        label = format_number(training.learning_rate)
        curves.append(Curve(label, colours[training.learning_rate], points))
    label = OPTIMIZERS[optimizer].label
    title = f"{model_title(model)}, {outline.datasets[dataset].title}, {label}"
    listing = ", ".join(format_number(rate) for rate in rates)
    return Panel(
        title=title,
        curves=tuple(curves),
        epochs=outline.epochs,
        alternative=f"Test accuracy by epoch of {title} at learning rates {listing}.",
    )
