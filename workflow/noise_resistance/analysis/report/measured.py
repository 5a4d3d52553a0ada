"""Tables that the report makes itself: diagnostics by cell, and models trained elsewhere."""

import html

import numpy as np
import pandas as pd

from noise_resistance.analysis.flags import cell_title
from noise_resistance.analysis.labels import MISSING
from noise_resistance.analysis.report.content import Table
from noise_resistance.analysis.statistics import TRAINING_CELL, estimate, values_by
from noise_resistance.study.outline import Outline

__all__ = ["diagnostics_table", "external_table"]


def diagnostics_table(diagnostics: pd.DataFrame, outline: Outline) -> Table:
    """Return dead channels, amplification and gradient noise at the end of the trainings.

    Args:
        diagnostics: columns of `analysis.diagnostics.COLUMNS`.
        outline: the study.

    Returns: one row a cell, means over the seeds.
    """
    keys = [*TRAINING_CELL, "seed"]
    ends = diagnostics.sort_values("epochs").groupby(keys, sort=False).tail(1)
    by_cell = dict(iter(ends.groupby(TRAINING_CELL, sort=False)))
    cells = dict.fromkeys(
        (one.dataset, one.model, one.optimizer, one.learning_rate) for one in outline.trainings
    )
    rows = []
    held = 0
    for cell in [one for one in cells if one in by_cell]:
        group = by_cell[cell]
        held += int((group["bound_holds"] == 1).sum())
        numbers = group.mean(numeric_only=True)
        rows.append(
            (
                html.escape(cell_title(cell, outline)),
                f"{100 * numbers['dead_fraction']:.1f}",
                f"{numbers['amplification_max']:.3g}",
                f"{numbers['C']:.3g}",
                f"{numbers['step_noise']:.2g}",
                f"{numbers['bound']:.2g}",
                f"{int((group['bound_holds'] == 1).sum())} of {len(group)}",
            )
        )
    caption = (
        f"Diagnostics at the end of {len(ends)} trainings, means over the seeds. Dead: BatchNorm "
        "channels whose moving variance is below 1e-6. Amplification: the largest |gamma| / "
        "sqrt(variance + epsilon). C, noise and bound: equations (1) to (3), BatchNorm's moving "
        f"statistics; the bound holds, two standard errors allowed, in {held} of {len(ends)} "
        "trainings."
    )
    headings = ("Cell", "Dead, %", "Amplification", "C", "Noise of a step", "Bound", "Holds")
    return Table(
        name="diagnostics",
        section="diagnostics",
        group="Diagnostics",
        caption=html.escape(caption),
        headings=headings,
        right=(False, *[True] * (len(headings) - 1)),
        rows=tuple(rows),
        csv="diagnostics.csv",
    )


def external_table(external: pd.DataFrame, outline: Outline) -> Table:
    """Return baseline and average normalized accuracy of the models that were trained elsewhere.

    Args:
        external: columns of `analysis.external.COLUMNS`.
        outline: the study, for the titles of datasets.
    """
    rows = []
    keys = ["dataset", "model", "scope"]
    noisy = external[external["noise_level"] != 0]
    by_draw = noisy.groupby([*keys, "draw"], sort=False)["normalized_accuracy"].mean().reset_index()
    baselines = external.groupby(keys, sort=False)["baseline_accuracy"].first()
    spoiled = external.groupby(keys, sort=False)["nonfinite"].agg(lambda one: int((one > 0).sum()))
    for key, values in values_by(by_draw.assign(seed=0), keys, "normalized_accuracy").items():
        mean, low, high = estimate(values)
        dataset, model, scope = key
        title = outline.datasets[dataset].title if dataset in outline.datasets else str(dataset)
        interval = f" [{100 * low:.1f}, {100 * high:.1f}]" if np.isfinite(low) else ""
        rows.append(
            (
                html.escape(str(model)),
                html.escape(title),
                html.escape(str(scope)),
                f"{100 * baselines[key]:.2f}",
                f"{100 * mean:.2f}{interval}",
                str(spoiled[key] or MISSING),
            )
        )
    caption = (
        f"Models that were trained elsewhere ({external['model'].nunique()}): accuracy without "
        "noise and average normalized accuracy in %, with the 95 % interval over draws; draws "
        "with outputs that were not finite."
    )
    return Table(
        name="external_models",
        section="diagnostics",
        group="Models trained elsewhere",
        caption=html.escape(caption),
        headings=("Model", "Dataset", "Scope", "Baseline", "Average normalized", "Not finite"),
        right=(False, False, False, True, True, True),
        rows=tuple(rows),
        csv="external_models.csv",
    )
