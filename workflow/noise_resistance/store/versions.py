"""The versions of the steps whose results are kept, and the code that gives each its numbers.

``versions.json`` lists for each step its present version and the fingerprints of code known to give
that version's numbers. Code that is not listed, such as a user's own change, is a version of its
own. ``make declare`` changes the file.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from noise_resistance.errors import ConfigurationError, DataError, suggest
from noise_resistance.store.fingerprint import fingerprint

__all__ = [
    "STORED_STEPS",
    "VERSIONS_FILE",
    "Version",
    "counts",
    "is_listed",
    "read_versions",
    "version_of",
    "version_of_fingerprint",
]

STORED_STEPS = ("train", "evaluate_baseline", "evaluate_noise", "evaluate_external", "diagnose")
VERSIONS_FILE = Path(__file__).with_name("versions.json")


@dataclass(frozen=True)
class Version:
    """A version of one step.

    Attributes:
        number: counted from 1; another one gives other numbers.
        fingerprints: of code known to give this version's numbers.
    """

    number: int
    fingerprints: tuple[str, ...]


def version_of(step: str) -> str:
    """Return the version of a step's present code.

    Args:
        step: one of `STORED_STEPS`.

    Returns: the version's number, such as ``1``, or ``unlisted-<fingerprint>``.

    Raises:
        ConfigurationError: there is no such step.
        DataError: the list of versions is damaged.
    """
    return version_of_fingerprint(step, _present(step))


def version_of_fingerprint(step: str, fingerprint: str) -> str:
    """Return the version of a step's code with this fingerprint.

    Args:
        step: one of `STORED_STEPS`.
        fingerprint: of any code.

    Returns: the present version's number where it lists the fingerprint, such as ``1``, or
    ``unlisted-<fingerprint>``.

    Raises:
        ConfigurationError: there is no such step.
        DataError: the list of versions is damaged.
    """
    version = _listed(step)
    listed = fingerprint in version.fingerprints
    return str(version.number) if listed else f"unlisted-{fingerprint}"


def is_listed(step: str) -> bool:
    """Return whether the present version of a step lists the fingerprint of its present code.

    Args:
        step: one of `STORED_STEPS`.

    Raises:
        ConfigurationError: there is no such step.
        DataError: the list of versions is damaged.
    """
    return _present(step) in _listed(step).fingerprints


def counts(step: str) -> tuple[str, ...]:
    """Return the fingerprints of the code whose results count for a step's present code.

    Args:
        step: one of `STORED_STEPS`.

    Returns: the present code's first, then, if it is listed, the others of its version.

    Raises:
        ConfigurationError: there is no such step.
        DataError: the list of versions is damaged.
    """
    present, listed = _present(step), _listed(step).fingerprints
    return (
        (present, *(one for one in listed if one != present)) if present in listed else (present,)
    )


def read_versions(path: Path = VERSIONS_FILE) -> dict[str, Version]:
    """Read a list of versions.

    Args:
        path: the file.

    Returns: the version by step, one for each of `STORED_STEPS`.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return {step: _version(values[step]) for step in STORED_STEPS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataError(
            f"{path}: not the list of the steps' versions ({reason}); take it from the repository "
            "again, or install the package again"
        ) from error


def _version(values: Any) -> Version:
    number, fingerprints = values["version"], values["fingerprints"]
    if type(number) is not int or number < 1:
        raise ValueError(f"version is {number!r}, not a number from 1 on")
    if not isinstance(fingerprints, list) or not all(isinstance(one, str) for one in fingerprints):
        raise ValueError("fingerprints are no list of strings")
    return Version(number, tuple(fingerprints))


@cache
def _versions() -> dict[str, Version]:
    return read_versions()


def _listed(step: str) -> Version:
    _check(step)
    return _versions()[step]


def _present(step: str) -> str:
    _check(step)
    return fingerprint(step)


def _check(step: str) -> None:
    if step not in STORED_STEPS:
        raise ConfigurationError(
            f"'{step}' is no step whose results are kept; {suggest(step, STORED_STEPS)}"
        )
