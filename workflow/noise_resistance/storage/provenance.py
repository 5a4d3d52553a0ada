"""What made a file: versions, device, time, fingerprint. Recorded, and triggering nothing."""

import importlib.metadata
import platform
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
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
        fingerprint: the hash of the code that decides the numbers (`store.fingerprint`).
        version: of the step, where it has one (`store.versions`).
        device: a description of the device used, such as ``cpu: 1 thread``.
        threads: of a CPU.
        sources: digests of what the step reads, by the attribute's name.
    """

    fingerprint: str
    version: str = ""
    device: str = "none"
    threads: int = 1
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
            **({"version": self.version} if self.version else {}),
            "device": self.device,
            "processor": _processor(),
            "threads": self.threads,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - self.started, 3),
            "peak_memory_mb": _peak_memory_mb(),
            "versions": versions(),
            **self.sources,
        }


@cache
def _processor() -> str:
    """Return the processor's name, as the system gives it."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _peak_memory_mb() -> int:
    """Return the largest memory that this process has taken so far, in units of 10^6 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6)
