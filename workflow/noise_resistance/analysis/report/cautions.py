"""What limits a run's numbers: holes, one seed, trainings at chance, outputs not finite."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from noise_resistance.analysis.flags import cell_title, missing_files, trainings_at_chance
from noise_resistance.analysis.labels import count, describe_run
from noise_resistance.analysis.statistics import TRAINING_CELL
from noise_resistance.study.outline import Outline

__all__ = ["Caution", "cautions"]


@dataclass(frozen=True)
class Caution:
    """One limit: a few words for the head of the page, and the whole of it."""

    brief: str
    text: str


def cautions(table: pd.DataFrame, outline: Outline) -> list[Caution]:
    """Return what a reader must know before reading any number of this run.

    Args:
        table: the tidy table of the summary.
        outline: the study.
    """
    found = []
    files = _missing(table, outline)
    if files:
        found.append(
            Caution(
                f"{count(len(files), 'file')} missing",
                f"This study is incomplete: {count(len(files), 'file')} missing, and cells that "
                "need them are empty (–) or left out. snakemake makes them; the first is "
                f"{files[0]}.",
            )
        )
    if len(outline.seeds) == 1:
        found.append(
            Caution(
                "one training a cell",
                f"One training a cell ({describe_run(outline)}): intervals cover the draws of "
                "noise only; another training of the same network can differ by more.",
            )
        )
    lost = trainings_at_chance(table, outline)
    if len(lost):
        trainings = count(len(lost), "training")
        found.append(
            Caution(
                f"{trainings} at chance",
                f"{trainings} ended at chance accuracy; what they keep under noise says nothing "
                f"of noise: {', '.join(_cells_named(lost, outline))}.",
            )
        )
    if mixture := table.attrs.get("mixture", ""):
        found.append(Caution("mixed versions or devices", mixture))
    draws = table[table["nonfinite"] > 0]
    if len(draws):
        scopes = ", ".join(dict.fromkeys(draws["scope"]))
        found.append(
            Caution(
                f"{count(len(draws), 'draw')} with outputs that were not finite",
                f"{len(draws)} of {len(table)} draws gave outputs that were not finite for some "
                f"images (scopes: {scopes}); such outputs count as wrong.",
            )
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
