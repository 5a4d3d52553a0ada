"""Whether a training's loss had settled, or longer training would have changed it.

A schedule that ends at a small fraction of the learning rate makes any loss settle at the end: the
steps are too short to change it. So the same is asked of the epochs before the first decay.
"""

from collections.abc import Sequence

import pandas as pd

from noise_resistance.analysis.statistics import TRAINING_CELL
from noise_resistance.study.numbers import format_number
from noise_resistance.study.outline import Outline

__all__ = [
    "SETTLED_BELOW",
    "before_decay",
    "describe_schedule",
    "describe_settling",
    "has_settled",
    "loss_change",
]

SETTLED_BELOW = 0.01


def loss_change(losses: Sequence[float]) -> float:
    """Return by which fraction the loss fell over the last tenth of the epochs, at least one.

    Args:
        losses: one an epoch.

    Returns: NaN for a single epoch; a negative number where the loss rose.
    """
    span = max(1, round(len(losses) / 10))
    if len(losses) <= span:
        return float("nan")
    before, after = float(losses[-1 - span]), float(losses[-1])
    return (before - after) / before


def has_settled(losses: Sequence[float]) -> bool:
    """Say whether the loss changed by less than `SETTLED_BELOW` over the last tenth."""
    return abs(loss_change(losses)) < SETTLED_BELOW


def before_decay(losses: Sequence[float], rates: Sequence[float]) -> list[float]:
    """Return the losses of the epochs before the learning rate fell for the first time.

    Args:
        losses: one an epoch.
        rates: the learning rate of each.
    """
    epochs = range(1, len(rates))
    first = next((one for one in epochs if rates[one] < rates[one - 1]), len(rates))
    return [float(one) for one in losses[:first]]


def describe_schedule(outline: Outline) -> str:
    """Say what the schedule multiplies the learning rate with, and after how many epochs."""
    steps = [
        f"× {format_number(factor)} after {epoch}"
        for epoch, factor in outline.schedule
        if epoch < outline.epochs
    ]
    return f"learning rate {', '.join(steps)} epochs" if steps else "constant learning rate"


def describe_settling(table: pd.DataFrame, outline: Outline) -> str:
    """Say for a caption in how many trainings of a summary the loss had settled.

    Args:
        table: rows of a summary; their trainings are counted.
        outline: the study; its schedule says whether the end tells anything.
    """
    trainings = table.drop_duplicates([*TRAINING_CELL, "seed"])
    settled = trainings["settled"].dropna()
    if settled.empty:
        return ""
    said = (
        f"The training loss had settled (it changed by less than {100 * SETTLED_BELOW:g} % over "
        f"the last tenth of the epochs) in {int(settled.sum())} of {len(settled)} trainings"
    )
    in_force = [factor for epoch, factor in outline.schedule if epoch < outline.epochs]
    if not in_force or in_force[-1] >= 1:
        return f"{said}."
    earlier = trainings["settled_before_decay"].dropna()
    return (
        f"{said}, to which the schedule leads whatever the length: it ends at "
        f"{format_number(in_force[-1])} times the learning rate. Over the last tenth before the "
        f"first decay it had in {int(earlier.sum())} of {len(earlier)}."
    )
