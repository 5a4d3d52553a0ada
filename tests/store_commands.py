"""The commands of the store, called in one process."""

from dataclasses import dataclass

from click.testing import CliRunner

from noise_resistance.cli.store import store as commands

__all__ = ["Said", "run"]


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit status."""

    text: str
    status: int


def run(*words: object) -> Said:
    """Call a command of the store."""
    done = CliRunner().invoke(commands, [str(word) for word in words], catch_exceptions=False)
    return Said(done.output, done.exit_code)
