"""How the learning rate falls during a training."""

from collections.abc import Sequence

__all__ = ["learning_rate_at"]


def learning_rate_at(epoch: int, initial: float, schedule: Sequence[tuple[int, float]]) -> float:
    """Return the learning rate of an epoch.

    Args:
        epoch: counted from zero.
        initial: the learning rate the study varies.
        schedule: pairs (epoch, factor), rising; a factor holds from its epoch on.
    """
    factors = [factor for start, factor in schedule if start <= epoch]
    return initial * factors[-1] if factors else initial
