"""The answer of a run in a few sentences, and what a reader must be warned of."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from noise_resistance.analysis.best_rate import rates_of
from noise_resistance.analysis.cells import Cells
from noise_resistance.analysis.flags import cell_title, missing_files, trainings_at_chance
from noise_resistance.analysis.labels import describe_run, model_title
from noise_resistance.analysis.statistics import TRAINING_CELL
from noise_resistance.study.numbers import format_number
from noise_resistance.study.outline import Outline

__all__ = ["answer", "warnings"]

_SURE = 0.95


def answer(table: pd.DataFrame, outline: Outline, claims: pd.DataFrame | None) -> list[str]:
    """Say which learning rate was the most resistant under each scope, how sure, and the paper's.

    Args:
        table: the tidy table of the summary.
        outline: the study.
        claims: the table of claims as written, if the study has one.

    Returns: one sentence a noise scope of the learning-rate experiment, and one on the paper.
    """
    experiment = outline.experiment("learning_rate")
    scopes = experiment.scopes if experiment else ()
    sentences = [
        sentence for scope in scopes if (sentence := _of_scope(Cells(table, outline, scope)))
    ]
    return [*sentences, _of_paper(claims)]


def _of_scope(cells: Cells) -> str:
    rates = rates_of(cells)
    if rates.empty:
        return ""
    rates["is_best"] = rates.groupby(TRAINING_CELL[:3], sort=False)["average"].transform("max")
    best = rates[rates["average"] == rates["is_best"]]
    counts = Counter(best["learning_rate"])
    rows = best.groupby(TRAINING_CELL[:3], sort=False).ngroups
    rate, networks = counts.most_common(1)[0]
    where = f"With noise on {cells.scope.replace('_', ' ')}"
    sure = int((best["probability_best"] >= _SURE).sum())
    example = best[best["learning_rate"] == rate].iloc[0]
    title = cells.outline.datasets[example["dataset"]].title
    low, high = example["average_low"], example["average_high"]
    interval = f" (95 % interval {100 * low:.1f} to {100 * high:.1f} %)" if np.isfinite(low) else ""
    return (
        f"{where}, the learning rate {format_number(rate)} gave the most resistant network in "
        f"{networks} of {rows} cases; the best rate is known with at least 95 % probability in "
        f"{sure} of them. For example, {model_title(example['model'])} on {title} trained at "
        f"{format_number(rate)} keeps {100 * example['average']:.1f} % of its accuracy on average "
        f"over the noise levels{interval}."
    )


def _of_paper(claims: pd.DataFrame | None) -> str:
    says = (
        "The paper reports that its lowest rates, 0.0005 and 0.000625, make the most resistant "
        "networks"
    )
    if claims is None or claims.empty:
        return f"{says}; this study has no table of claims to compare with."
    verdicts = claims["verdict"].value_counts()
    found = ", ".join(
        f"{int(verdicts.get(name, 0))} {text}"
        for name, text in (
            ("holds", "hold"),
            ("fails", "fail"),
            ("undecided", "are undecided"),
            ("not tested", "could not be tested here"),
        )
    )
    return f"{says}; of its claims, checked {len(claims)} times on this study's results, {found}."


def warnings(table: pd.DataFrame, outline: Outline) -> list[str]:
    """Say what limits this run's numbers: holes, one seed, chance, outputs not finite."""
    found = []
    if len(outline.seeds) == 1:
        found.append(
            f"One training a cell ({describe_run(outline)}): intervals cover the draws of noise "
            "only; another training of the same network can differ by more."
        )
    lost = trainings_at_chance(table, outline)
    if len(lost):
        cells = ", ".join(_cells_named(lost, outline))
        found.append(
            f"{len(lost)} trainings ended at chance accuracy; their normalized accuracies say "
            f"nothing of noise: {cells}."
        )
    draws = table[table["nonfinite"] > 0]
    if len(draws):
        scopes = ", ".join(dict.fromkeys(draws["scope"]))
        found.append(
            f"{len(draws)} of {len(table)} draws gave outputs that were not finite for some images "
            f"(scopes: {scopes}); such outputs count as wrong."
        )
    files = _missing(table, outline)
    if files:
        found.insert(
            0,
            f"This study is incomplete: {len(files)} of its files are missing, and cells that need "
            f"them are empty (–) or left out. snakemake makes them; the first is {files[0]}.",
        )
    return found


def _missing(table: pd.DataFrame, outline: Outline) -> list[str]:
    by_scope = [missing_files(table, outline, scope) for scope in dict.fromkeys(table["scope"])]
    return list(
        dict.fromkeys(file for cells in by_scope for files in cells.values() for file in files)
    )


def _cells_named(trainings: pd.DataFrame, outline: Outline, limit: int = 6) -> Sequence[str]:
    names = [
        f"{cell_title(tuple(row[name] for name in TRAINING_CELL), outline)}, seed {row['seed']}"
        for row in trainings.to_dict("records")
    ]
    return [*names[:limit], *([f"and {len(names) - limit} more"] if len(names) > limit else [])]
