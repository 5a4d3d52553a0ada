"""Whether a training's loss had settled at its end, or longer training would have changed it."""

from collections.abc import Sequence

import pandas as pd

from noise_resistance.analysis.statistics import TRAINING_CELL

__all__ = ["SETTLED_BELOW", "describe_settling", "has_settled", "loss_change"]

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


def describe_settling(table: pd.DataFrame) -> str:
    """Say for a caption in how many trainings of a summary the loss had settled."""
    settled = table.drop_duplicates([*TRAINING_CELL, "seed"])["settled"].dropna()
    if settled.empty:
        return ""
    return (
        f"The training loss had settled (it changed by less than {100 * SETTLED_BELOW:g} % over "
        f"the last tenth of the epochs) in {int(settled.sum())} of {len(settled)} trainings."
    )
