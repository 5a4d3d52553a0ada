"""The noise settings: all that decides an evaluation's numbers besides its place in the grid."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

__all__ = ["NoiseSettings"]


@dataclass(frozen=True)
class NoiseSettings:
    """How noise is drawn and applied (paper, equations 4-7), the same for every evaluation.

    Attributes:
        draws: N of equation (7), the noisy copies of a model at each noise level.
        seed: the noise seed; with a draw's index, an array's name and shape it decides z.
        sigma_of: what sigma_w of equation (6) is the standard deviation of: ``array`` or ``layer``.
        variance_policy: what a moving variance pushed below zero becomes.
        precision: ``float32`` or ``bfloat16``, of the noisy forward pass.
        kind: what the noise is relative to: ``additive`` (the weights' standard deviation),
            ``additive_max`` (the largest absolute weight) or ``multiplicative`` (each weight).
    """

    draws: int
    seed: int
    sigma_of: str
    variance_policy: str
    precision: str
    kind: str = "additive"

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "NoiseSettings":
        """Make the settings from plain values, as `as_mapping` gives them."""
        return cls(**values)

    @classmethod
    def from_request(cls, request: Mapping[str, Any]) -> "NoiseSettings":
        """Take the settings out of a noisy evaluation's request."""
        return cls(**{one.name: request[one.name] for one in fields(cls) if one.name in request})

    def as_mapping(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)
