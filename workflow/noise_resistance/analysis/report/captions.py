"""What each figure of the report shows: this run's numbers, and a text in the picture's place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from noise_resistance.analysis.cells import Cell, Cells
from noise_resistance.analysis.correlation import rank_correlation
from noise_resistance.analysis.flags import at_chance, cell_title
from noise_resistance.analysis.labels import count, model_title, row_titles
from noise_resistance.analysis.report.sources import Sources
from noise_resistance.analysis.settling import describe_schedule
from noise_resistance.analysis.statistics import (
    TRAINING_CELL,
    describe_interval,
    normalized_accuracy,
)
from noise_resistance.study.grid import Experiment
from noise_resistance.study.numbers import format_number
from noise_resistance.study.optimizers import OPTIMIZERS
from noise_resistance.study.outline import Outline

__all__ = ["Caption", "captions"]

_NAMED = 3


@dataclass(frozen=True)
class Caption:
    """A figure's caption, and the description of the picture for those who do not see it."""

    text: str
    alternative: str


def captions(table: pd.DataFrame, outline: Outline, sources: Sources) -> dict[str, Caption]:
    """Return the captions of a study's figures by their whole names.

    Args:
        table: the tidy table of the summary.
        outline: the study.
        sources: the study's other tables; a figure whose table is not there has no numbers.
    """
    found: dict[str, Caption] = {}
    if experiment := outline.experiment("learning_rate"):
        for position, dataset in enumerate(experiment.datasets, start=1):
            number = str(position) if position <= 2 else ""
            for scope in experiment.scopes:
                one = _noise_levels(table, outline, experiment, dataset, scope, number)
                found[f"figure{number}-{dataset}-{scope}"] = one
    for number, name, describe in (("3", "optimizer", _optimizers), ("4", "tradeoff", _tradeoff)):
        if experiment := outline.experiment(name):
            for scope in experiment.scopes:
                cells = Cells(table, outline, scope)
                found[f"figure{number}-{scope}"] = describe(cells, experiment)
    for scope in dict.fromkeys(table["scope"]):
        found[f"why-{scope}"] = _why(Cells(table, outline, scope), sources.diagnostics)
        found[f"length-{scope}"] = _lengths(outline, scope, sources.lengths)
    for model in dict.fromkeys(table["model"]):
        found[f"layers-{model}"] = _layers(outline, model, sources.layers)
    return found


def _noise_levels(
    table: pd.DataFrame,
    outline: Outline,
    experiment: Experiment,
    dataset: str,
    scope: str,
    number: str,
) -> Caption:
    title = outline.datasets[dataset].title
    wanted = [one for one in _cells(experiment, outline) if one[0] == dataset]
    here = _rows_of(table[table["scope"] == scope], wanted)
    lost = at_chance(here, outline)
    known = normalized_accuracy(here).dropna(subset="value")
    known = known[[cell not in lost for cell in known[TRAINING_CELL].itertuples(index=False)]]
    levels = [level for level in outline.noise_levels if level != 0]
    rates = [format_number(rate) for rate in sorted(experiment.learning_rates)]
    panels = list(row_titles(experiment).values())
    band = describe_interval(len(outline.seeds), outline.draws)
    return Caption(
        _sentences(
            f"{f'Figure {number}: n' if number else 'N'}ormalized accuracy against the noise level "
            f"on {title}, noise on {scope}, by network and learning rate.",
            _extremes(known[known["noise_level"] == max(levels)]),
            _flags(here, wanted, outline),
        ),
        f"Line charts, a panel for each of {_some(panels, 'network')}: noise levels from 0 to "
        f"{format_number(max(levels))} across, normalized accuracy up, falling from 1 at no "
        f"noise. A line with markers for each of {_some(rates, 'learning rate')}, a dashed line "
        f"where guessing would be{f', bands: {band}' if band else ''}.",
    )


def _extremes(values: pd.DataFrame) -> str:
    if values.empty:
        return ""
    ordered = values.sort_values("value")
    best, worst = ordered.iloc[-1], ordered.iloc[0]
    level = format_number(best["noise_level"])
    if len(values) == 1:
        return f"At the highest noise level, {level}, it is {100 * best['value']:.1f} %."
    return (
        f"At the highest noise level, {level}, it lies between {100 * worst['value']:.1f} % "
        f"(learning rate {format_number(worst['learning_rate'])}, {model_title(worst['model'])}) "
        f"and {100 * best['value']:.1f} % ({format_number(best['learning_rate'])}, "
        f"{model_title(best['model'])})."
    )


def _optimizers(cells: Cells, experiment: Experiment) -> Caption:
    labels = [OPTIMIZERS[name].label for name in experiment.optimizers]
    networks = _networks(experiment, cells.outline)
    return Caption(
        _sentences(
            "Figure 3: baseline and average normalized accuracy by optimizer, noise on "
            f"{cells.scope}.",
            _range_of_averages(cells, experiment),
            _flags_of(cells, experiment),
        ),
        f"Dot plots with error bars for {networks}: a row for each of "
        f"{_some(labels, 'optimizer')}, with one mark for the baseline accuracy without noise and "
        "one for the average normalized accuracy.",
    )


def _tradeoff(cells: Cells, experiment: Experiment) -> Caption:
    rates = [format_number(rate) for rate in sorted(experiment.learning_rates)]
    networks = _networks(experiment, cells.outline)
    return Caption(
        _sentences(
            "Figure 4: baseline and average normalized accuracy by learning rate, noise on "
            f"{cells.scope}: where both are high is the sweet spot.",
            _range_of_averages(cells, experiment),
            _flags_of(cells, experiment),
        ),
        f"Line charts over {_some(rates, 'learning rate')} on a logarithmic axis, for {networks}: "
        "one line for the baseline accuracy without noise, one for the average normalized "
        "accuracy.",
    )


def _range_of_averages(cells: Cells, experiment: Experiment) -> str:
    lost = at_chance(cells.table, cells.outline)
    known = {
        cell: float(cells.average[cell].mean())
        for cell in cells.of_experiment(experiment.name)
        if cell not in lost
    }
    if not known:
        return ""
    named = {
        cell: f"{_name_in(experiment, cell, cells.outline)}: {100 * known[cell]:.1f} %, baseline "
        f"{100 * float(cells.baseline[cell].mean()):.1f} %"
        for cell in (max(known, key=lambda one: known[one]), min(known, key=lambda one: known[one]))
    }
    best, worst = max(named, key=lambda one: known[one]), min(named, key=lambda one: known[one])
    if best == worst:
        return f"Average normalized accuracy, {named[best]}."
    return f"Average normalized accuracy is highest for {named[best]}; lowest for {named[worst]}."


def _why(cells: Cells, diagnostics: pd.DataFrame | None) -> Caption:
    said = ""
    if diagnostics is not None and cells.average:
        keys = [*TRAINING_CELL, "seed"]
        ends = diagnostics.sort_values("epochs").groupby(keys, sort=False).tail(1)
        points = pd.DataFrame(
            {
                **dict(zip(TRAINING_CELL, cell, strict=True)),
                "seed": seed,
                "average": values[index].mean(),
            }
            for cell, values in cells.average.items()
            for index, seed in enumerate(cells.outline.seeds)
        ).merge(ends, on=keys)
        if len(points):
            dead = points["dead_fraction"]
            share = (
                f"between {100 * dead.min():.1f} and {100 * dead.max():.1f} %"
                if np.ptp(dead) > 0
                else f"{100 * dead.max():.1f} %"
            )
            said = (
                f"Over {count(len(points), 'training')}, {share} of BatchNorm channels are dead at "
                "the end"
            )
            groups = list(points[TRAINING_CELL].itertuples(index=False, name=None))
            averages = points["average"].to_numpy(np.float64)
            rank = rank_correlation(dead.to_numpy(np.float64), averages, groups).value
            if np.isfinite(rank):
                said += f"; rank correlation with the average normalized accuracy: {rank:+.2f}"
            said += "."
    return Caption(
        _sentences(
            "What goes with resistance: average normalized accuracy of every training against "
            "dead channels, amplification, gradient noise (batch statistics, as in training) and "
            f"the noise of steps and updates, noise on {cells.scope}.",
            said,
            "Step noise is gradient noise times the squared learning rate in force, so it follows "
            "the rate by construction. What is correlated over all trainings and not at one "
            "learning rate is not explained by this quantity beyond the rate itself; at one rate, "
            "networks and optimizers differ in more than it. At the start gradient noise depends "
            "on the seed alone and explains nothing, so it is not drawn.",
        ),
        "Scatter plots, one a quantity: dead channels, amplification, gradient noise, noise of "
        "steps and of updates across, average normalized accuracy up, a mark for each training.",
    )


def _lengths(outline: Outline, scope: str, lengths: pd.DataFrame | None) -> Caption:
    said = ""
    if lengths is not None and len(here := lengths[lengths["scope"] == scope]):
        # Panels of one rate show no relation.
        groups = here.groupby(TRAINING_CELL[:3], sort=False)["learning_rate"]
        several = here[groups.transform("nunique") > 1]
        parts = []
        for epochs, rows in several.groupby("epochs"):
            by_rate = [
                one.set_index("learning_rate")["average_normalized_accuracy"]
                .groupby(level=0)
                .mean()
                for _, one in rows.groupby(TRAINING_CELL[:3], sort=False)
            ]
            lead = np.mean([one.iloc[0] - one.iloc[-1] for one in by_rate])
            parts.append(f"{100 * lead:+.1f} points after {count(int(str(epochs)), 'epoch')}")
        if parts:
            said = (
                "Average normalized accuracy of the lowest learning rate less that of the "
                f"highest, mean over the panels: {', '.join(parts)}."
            )
        ends = here[here["final"] == 1]
        said = _sentences(
            said,
            f"{int(ends['settled'].sum())} of {len(ends)} trainings had settled at their end.",
        )
    return Caption(
        _sentences(
            f"The relation between learning rate and resistance along the trainings, noise on "
            f"{scope}; {describe_schedule(outline)}. A snapshot has the learning rate then in "
            "force: it is no training of that length, whose schedule would have run to its end.",
            said,
        ),
        "Line charts, a panel a dataset, network and optimizer: learning rate across, average "
        f"normalized accuracy up, a line for each length, up to {outline.epochs} epochs.",
    )


def _layers(outline: Outline, model: str, layers: pd.DataFrame | None) -> Caption:
    said = ""
    if layers is not None and len(here := layers[layers["model"] == model]):
        level = here["noise_level"].max()
        at_level = here[here["noise_level"] == level]
        lost = at_level.groupby("layer", sort=False)["accuracy_lost"].mean()
        said = (
            f"At noise level {format_number(level)}, layer {lost.idxmax()} loses most, "
            f"{100 * lost.max():.1f} points on average over "
            f"{count(len(at_level) // len(lost), 'training')}, and {lost.idxmin()} least, "
            f"{100 * lost.min():.1f}."
        )
    return Caption(
        _sentences(
            f"Accuracy lost when noise falls on one layer of {model_title(model)} alone.", said
        ),
        f"Line charts: the layers of {model_title(model)} from input to output across, accuracy "
        "lost in points up, a line for each learning rate.",
    )


def _flags_of(cells: Cells, experiment: Experiment) -> str:
    wanted = _cells(experiment, cells.outline)
    table = cells.table[cells.table["scope"] == cells.scope]
    return _flags(_rows_of(table, wanted), wanted, cells.outline)


def _flags(rows: pd.DataFrame, wanted: Sequence[Cell], outline: Outline) -> str:
    """Say which of a figure's cells must not be read like the others."""
    lost = at_chance(rows, outline)
    titles = [
        cell_title(cell, outline)
        + (f" ({seeds} of {len(outline.seeds)} seeds)" if len(outline.seeds) > 1 else "")
        for cell, seeds in lost.items()
    ]
    measured = rows.dropna(subset="accuracy")
    bad = int((measured["nonfinite"] > 0).sum())
    cells = measured.groupby(TRAINING_CELL)["accuracy"].size()
    whole = len(outline.seeds) * len(outline.noise_levels) * outline.draws
    holes = len(wanted) - int((cells == whole).sum())
    return _sentences(
        f"At chance accuracy, where normalized accuracy says nothing of noise: {_few(titles)}."
        if titles
        else "",
        f"Of {len(measured)} draws {bad} gave outputs that were not finite for some images; these "
        "count as wrong."
        if bad
        else "",
        f"Not measured completely: {holes} of {len(wanted)} cells." if holes else "",
    )


def _cells(experiment: Experiment, outline: Outline) -> list[Cell]:
    trainings = experiment.trainings(outline.seeds)
    return list(
        dict.fromkeys(
            (one.dataset, one.model, one.optimizer, one.learning_rate) for one in trainings
        )
    )


def _rows_of(table: pd.DataFrame, wanted: Sequence[Cell]) -> pd.DataFrame:
    chosen = set(wanted)
    return table[
        [cell in chosen for cell in table[TRAINING_CELL].itertuples(index=False, name=None)]
    ]


def _name_in(experiment: Experiment, cell: Cell, outline: Outline) -> str:
    """Name a cell by what tells it from the experiment's others."""
    dataset, model, optimizer, rate = cell
    label = OPTIMIZERS[optimizer].label
    what = label if experiment.name == "optimizer" else f"learning rate {format_number(rate)}"
    if len(experiment.datasets) * len(experiment.models) == 1:
        return what
    return f"{what} ({model_title(model)} on {outline.datasets[dataset].title})"


def _networks(experiment: Experiment, outline: Outline) -> str:
    return " and ".join(
        f"{model_title(model)} on {outline.datasets[dataset].title}"
        for dataset in experiment.datasets
        for model in experiment.models
    )


def _some(names: Sequence[str], noun: str) -> str:
    return f"{count(len(names), noun)} ({', '.join(names)})"


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return "; ".join([*names[:_NAMED], *([f"and {more} more"] if more > 0 else [])])


def _sentences(*parts: str) -> str:
    return " ".join(part for part in parts if part)
