"""The values that the paper prints: Tables II and III, Figure 3, and Section III's text.

`values.csv` is tidy, one row a value, in percent as printed. The learning rate that the tables head
0.000725 and the text writes 0.00075 is 0.00075; the paper's "AdamX" is ``adamax``; the series that
Section III-2 gives for CIFAR100 first is CIFAR10's, whose mean in Table III it has
(`docs/readings.md`).
"""

from pathlib import Path

import pandas as pd

__all__ = ["KEYS", "noise_levels", "published"]

KEYS = ["dataset", "model", "optimizer", "learning_rate"]


def published(quantity: str | None = None, source: str | None = None) -> pd.DataFrame:
    """Return the paper's values: ``source``, ``quantity``, `KEYS`, ``noise_level``, ``value``.

    Args:
        quantity: ``baseline_accuracy``, ``normalized_accuracy`` (at one noise level) or
            ``average_normalized_accuracy``; all by default.
        source: such as ``Table III``; all by default.

    Returns:
        one row a value, a fraction; the noise level is NaN where the value has none.
    """
    table = pd.read_csv(Path(__file__).with_name("values.csv"))
    table = table.assign(value=table["percent"] / 100).drop(columns="percent")
    if quantity is not None:
        table = table[table["quantity"] == quantity]
    return table if source is None else table[table["source"] == source]


def noise_levels() -> tuple[float, ...]:
    """Return the noise levels over which the paper averages, rising: those of Section III-2."""
    levels = published("normalized_accuracy", "Section III-2")["noise_level"]
    return tuple(sorted({float(level) for level in levels}))
