"""What made a file: versions, device, time, fingerprint. Recorded, and triggering nothing."""

import importlib.metadata
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import noise_resistance

__all__ = ["Provenance", "versions"]

_PACKAGES = ("tensorflow", "keras", "numpy", "h5py")


def versions() -> dict[str, str]:
    """Return the versions that can matter to a number, without importing anything heavy."""
    found = {"python": platform.python_version(), "noise_resistance": noise_resistance.__version__}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


@dataclass(frozen=True)
class Provenance:
    """The provenance of the file a step is about to write; the clock starts when it is made.

    Attributes:
        fingerprint: the hash of the code that decides the numbers (`study.fingerprint`).
        device: a description of the device used, such as ``CPU:0 (AMD EPYC)``.
        sources: digests of what the step reads, by the attribute's name.
    """

    fingerprint: str
    device: str = "none"
    started: float = field(default_factory=time.monotonic)
    sources: Mapping[str, str] = field(default_factory=dict)

    def attributes(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the attributes every file carries.

        Args:
            parameters: all that decided the content, as plain values.
        """
        return {
            "parameters": dict(parameters),
            "fingerprint": self.fingerprint,
            "device": self.device,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - self.started, 3),
            "versions": versions(),
            **self.sources,
        }
