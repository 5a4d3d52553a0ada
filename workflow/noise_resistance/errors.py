"""The errors that a user can mend: each is one line that says what is wrong and what to do."""

import difflib
from collections.abc import Iterable

__all__ = [
    "ClusterError",
    "ConfigurationError",
    "DataError",
    "DeviceError",
    "NoiseResistanceError",
    "TrainingError",
    "suggest",
]


class NoiseResistanceError(Exception):
    """Base of all errors whose message is meant for the user and needs no traceback.

    The message is one line whatever a name in it holds: characters that do not print, line ends and
    a terminal's control sequences among them, are shown as Python writes them.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_printable(message))


class ConfigurationError(NoiseResistanceError):
    """A value in the configuration, or on the command line, that cannot be used."""


class DataError(NoiseResistanceError):
    """A file that is missing, damaged, or not what it should be."""


class ClusterError(NoiseResistanceError):
    """A scheduler that cannot run what would be submitted to it."""


class DeviceError(NoiseResistanceError):
    """A device that was asked for and is not there."""


class TrainingError(NoiseResistanceError):
    """A training that cannot go on, for instance because its loss is no longer finite."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which names are known, the nearest one first.

    Returns: a sentence such as ``did you mean 'adam'? (known: adam, nadam)``.
    """
    names = sorted(known)
    nearest = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    listing = f"known: {', '.join(names)}"
    return f"did you mean '{nearest[0]}'? ({listing})" if nearest else listing


def _printable(message: str) -> str:
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in message)
