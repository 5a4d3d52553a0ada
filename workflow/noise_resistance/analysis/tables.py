"""Tables I, II and III, laid out as the paper's, as CSV, Markdown and LaTeX.

The CSV files are for programs: tidy, one row a value, every digit. The others are for people.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from noise_resistance.analysis.flags import AT_CHANCE, at_chance, describe_holes, missing_files
from noise_resistance.analysis.labels import (
    MISSING,
    describe_run,
    experiment_named,
    model_title,
    row_titles,
    scope_of,
)
from noise_resistance.analysis.markup import Cell, Heading, Table, to_latex, to_markdown
from noise_resistance.analysis.settling import describe_settling
from noise_resistance.analysis.statistics import (
    TRAINING_CELL,
    average_normalized_accuracy,
    baseline_accuracy,
    describe_interval,
)
from noise_resistance.analysis.summary import read_summary
from noise_resistance.storage.files import replace_atomically, write_text
from noise_resistance.storage.sources import read_dataset_file
from noise_resistance.study.grid import Experiment
from noise_resistance.study.numbers import format_number
from noise_resistance.study.outline import Outline

__all__ = ["write_table1", "write_table2", "write_table3"]

_COUNTS = ("classes", "height", "width", "channels", "train_images", "test_images")


def write_table1(outline: Outline, dataset_files: Mapping[str, Path], stem: Path) -> None:
    """Write Table I: the models and datasets of the learning-rate experiment.

    Args:
        outline: the study.
        dataset_files: the small file of each prepared dataset of the experiment, by name; their
            counts are what the table states.
        stem: the files' path without its ending; ``.csv``, ``.md`` and ``.tex`` are written.

    Raises:
        ConfigurationError: the study has no learning-rate experiment.
        DataError: a dataset's file is missing, damaged or without a count.
    """
    experiment = experiment_named(outline, "learning_rate")
    counts = {name: _counts_of(dataset_files[name]) for name in experiment.datasets}
    titles = [outline.datasets[name].title for name in experiment.datasets]
    entries = (
        _listing(titles),
        _listing([str(one["classes"]) for one in counts.values()]),
        _listing(_once([_dimension(one) for one in counts.values()])),
        _listing([_per_class(one) for one in counts.values()]),
    )
    models = dict.fromkeys(experiment.models)
    table = Table(
        number="I",
        name=stem.name,
        caption="The models and datasets of the experiments. Images per class are training and "
        "test images together, their mean where classes differ in size.",
        headings=(
            tuple(
                Heading(text)
                for text in (
                    "Model Name",
                    "Dataset",
                    "Number of Classes",
                    "Model Input Dimension",
                    "# Images per class",
                )
            ),
        ),
        rows=tuple((Cell(model_title(model)), *map(Cell, entries)) for model in models),
    )
    rows = [
        {"model": model, "dataset": name, **one, "images_per_class": _images_per_class(one)}
        for model in models
        for name, one in counts.items()
    ]
    _write(stem, pd.DataFrame(rows), table)


def write_table2(outline: Outline, summary_file: Path, stem: Path) -> None:
    """Write Table II: the baseline accuracy in % by model, dataset and learning rate.

    Args:
        outline: the study.
        summary_file: its ``summary.h5``.
        stem: the files' path without its ending; ``.csv``, ``.md`` and ``.tex`` are written. The
            CSV has one row a cell, an interval where there are several seeds.

    Raises:
        ConfigurationError: the study has no learning-rate experiment.
        DataError: the summary is missing or damaged.
    """
    experiment = experiment_named(outline, "learning_rate")
    summary = read_summary(summary_file)
    values = _flagged(
        _cells_of(experiment, baseline_accuracy(summary)),
        at_chance(summary, outline),
        missing_files(summary, outline),
    )
    values = _with_lengths(values, summary, outline)
    interval = describe_interval(len(outline.seeds), 1)
    caption = " ".join(
        [
            "Baseline accuracy in %: test accuracy without noise, by model, dataset and",
            f"learning rate. {describe_run(outline, draws=False)}.",
            *_settling(summary, experiment, outline),
            _about(interval) if interval else "One seed, so no interval.",
        ]
    )
    _write(
        stem,
        _percent(values),
        _wide("II", stem.name, caption, outline, experiment, values, bold=False),
    )


def write_table3(outline: Outline, summary_file: Path, scope: str, stem: Path) -> None:
    """Write Table III: the average normalized accuracy, equation (9), in % under one noise scope.

    Args:
        outline: the study.
        summary_file: its ``summary.h5``.
        scope: a noise scope of the learning-rate experiment.
        stem: the files' path without its ending; ``.csv``, ``.md`` and ``.tex`` are written. The
            CSV has one row a cell with its 95 % interval.

    Raises:
        ConfigurationError: the study has no learning-rate experiment, or not under this scope.
        DataError: the summary is missing or damaged.
    """
    experiment = experiment_named(outline, "learning_rate")
    summary = read_summary(summary_file)
    summary = summary[summary["scope"] == scope_of(experiment, scope)]
    values = _flagged(
        _cells_of(experiment, average_normalized_accuracy(summary, outline.noise_levels)),
        at_chance(summary, outline),
        missing_files(summary, outline, scope),
    )
    values = _with_lengths(values, summary, outline)
    levels = ", ".join(format_number(level) for level in outline.noise_levels if level != 0)
    interval = describe_interval(len(outline.seeds), outline.draws)
    caption = " ".join(
        [
            f"Average normalized accuracy in % (equation 9), noise scope '{scope}': mean over the",
            f"noise form factors {levels}. {describe_run(outline)}.",
            *_settling(summary, experiment, outline),
            _about(interval) if interval else "One seed and one draw, so no interval.",
            "Bold: the best learning rate of a row, for each dataset, cells at chance left out.",
        ]
    )
    _write(
        stem,
        _percent(values),
        _wide("III", stem.name, caption, outline, experiment, values, bold=True),
    )


def _settling(summary: pd.DataFrame, experiment: Experiment, outline: Outline) -> list[str]:
    """Say what of the table's own trainings had settled, and whether the study mixes versions."""
    said = describe_settling(summary.merge(_wanted(experiment)), outline)
    return [one for one in (said, summary.attrs.get("mixture", "")) if one]


def _about(interval: str) -> str:
    return f"±: half of the {interval}."


def _counts_of(path: Path) -> dict[str, int]:
    return {name: int(read_dataset_file(path).counts[name]) for name in _COUNTS}


def _images_per_class(counts: Mapping[str, int]) -> float:
    return (counts["train_images"] + counts["test_images"]) / counts["classes"]


def _per_class(counts: Mapping[str, int]) -> str:
    return f"{_images_per_class(counts):.1f}".removesuffix(".0")


def _dimension(counts: Mapping[str, int]) -> str:
    return f"{counts['height']}×{counts['width']}×{counts['channels']}"


def _once(texts: list[str]) -> list[str]:
    return texts[:1] if len(set(texts)) == 1 else texts


def _listing(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _cells_of(experiment: Experiment, values: pd.DataFrame) -> pd.DataFrame:
    """Return the experiment's cells in its order; a hole's value is NaN."""
    return _wanted(experiment).merge(values, how="left")


def _wanted(experiment: Experiment) -> pd.DataFrame:
    cells = [
        {"dataset": dataset, "model": model, "optimizer": optimizer, "learning_rate": rate}
        for dataset in experiment.datasets
        for model in experiment.models
        for optimizer in experiment.optimizers
        for rate in experiment.learning_rates
    ]
    return pd.DataFrame(cells)


def _flagged(
    values: pd.DataFrame,
    chance: Mapping[tuple[str, str, str, float], int],
    missing: Mapping[tuple[str, str, str, float], list[str]],
) -> pd.DataFrame:
    """Add how many trainings of a cell ended at chance, and the files that it lacks."""
    cells = list(values[TRAINING_CELL].itertuples(index=False, name=None))
    return values.assign(
        at_chance=[chance.get(cell, 0) for cell in cells],
        missing=[" ".join(missing.get(cell, [])) for cell in cells],
    )


def _with_lengths(values: pd.DataFrame, summary: pd.DataFrame, outline: Outline) -> pd.DataFrame:
    """Add how long the trainings were, and in how many of a cell's the loss had settled."""
    counted = ["settled", "settled_before_decay"]
    trainings = summary.drop_duplicates([*TRAINING_CELL, "seed"])
    settled = trainings.groupby(TRAINING_CELL, as_index=False)[counted].sum(min_count=1)
    merged = values.merge(settled, on=TRAINING_CELL, how="left").assign(epochs=outline.epochs)
    return merged.astype(dict.fromkeys(counted, "Int64"))


def _percent(values: pd.DataFrame) -> pd.DataFrame:
    table = values.copy()
    table[["value", "low", "high"]] = (100 * table[["value", "low", "high"]]).round(10)
    table["learning_rate"] = [format_number(rate) for rate in table["learning_rate"]]
    return table.assign(unit="%")


def _wide(
    number: str,
    name: str,
    caption: str,
    outline: Outline,
    experiment: Experiment,
    values: pd.DataFrame,
    *,
    bold: bool,
) -> Table:
    """Lay out one row a model, one group of columns a dataset, one column a learning rate."""
    by_cell = {
        (one.dataset, one.model, one.optimizer, one.learning_rate): one
        for one in values.itertuples(index=False)
    }
    rates = experiment.learning_rates
    rows = []
    for (model, optimizer), title in row_titles(experiment).items():
        row = [Cell(title)]
        for dataset in experiment.datasets:
            group = [by_cell[dataset, model, optimizer, rate] for rate in rates]
            row += _group_of_cells(group, bold=bold)
        rows.append(tuple(row))
    groups = [outline.datasets[dataset].title for dataset in experiment.datasets]
    headings = (
        (Heading("Dataset"), *[Heading(title, len(rates)) for title in groups]),
        (Heading(""), *[Heading("Learning Rate", len(rates))] * len(groups)),
        (Heading("Model Name"), *[Heading(format_number(rate)) for rate in rates] * len(groups)),
    )
    if values["at_chance"].any():
        caption += f" {AT_CHANCE}: a training of this cell ended at chance accuracy."
    holes = values[values["missing"] != ""]
    if len(holes):
        files = holes["missing"].str.split(" ")
        cells = holes[TRAINING_CELL].itertuples(index=False, name=None)
        caption += f" {describe_holes(dict(zip(cells, files, strict=True)), outline)}"
    return Table(number, name, caption, headings, tuple(rows), wide=True)


def _group_of_cells(values: list[Any], *, bold: bool) -> list[Cell]:
    """Write one row's values of one dataset; those that show the largest number are bold."""
    shown = [MISSING if math.isnan(one.value) else f"{100 * one.value:.2f}" for one in values]
    comparable = [
        math.nan if text == MISSING or one.at_chance else float(text)
        for text, one in zip(shown, values, strict=True)
    ]
    best = max((number for number in comparable if not math.isnan(number)), default=math.nan)
    return [
        Cell(text + AT_CHANCE * bool(one.at_chance), _spread(one), bold=bold and number == best)
        for text, number, one in zip(shown, comparable, values, strict=True)
    ]


def _spread(value: Any) -> str:
    if math.isnan(value.low):
        return ""
    return f"{50 * (value.high - value.low):.2f}"


def _write(stem: Path, values: pd.DataFrame, table: Table) -> None:
    with replace_atomically(f"{stem}.csv") as temporary:
        values.to_csv(temporary, index=False)
    write_text(f"{stem}.md", to_markdown(table))
    write_text(f"{stem}.tex", to_latex(table))
