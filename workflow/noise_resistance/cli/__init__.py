"""The command line: one subcommand a rule. It parses, calls, and reports errors in one line."""

import os
import sys
import traceback
from pathlib import Path
from typing import TextIO

import click

from noise_resistance.cli import (
    analysis,
    datasets,
    evaluation,
    external,
    inspection,
    planning,
    reference,
    store,
    training,
    why,
)
from noise_resistance.cli.options import FILE
from noise_resistance.errors import NoiseResistanceError

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--log",
    type=FILE,
    help="File for all output, TensorFlow's too; errors also go to the terminal.",
)
@click.option(
    "--debug",
    is_flag=True,
    help="Show the traceback of an error, which a log has anyway; also after the command.",
)
@click.version_option(package_name="noise-resistance")
def _commands(log: Path | None, debug: bool) -> None:
    """Train networks at several learning rates and measure their resistance to weight noise."""


for _module in (
    datasets,
    training,
    evaluation,
    external,
    analysis,
    why,
    inspection,
    planning,
    store,
    reference,
):
    for _name in _module.__all__:
        _commands.add_command(getattr(_module, _name))


def main() -> None:
    """Run the command line; errors are one line and a non-zero exit status."""
    arguments, debug = _without_debug(sys.argv[1:])
    log = _value_of("--log", arguments)
    terminal: TextIO = sys.stderr
    if log:
        try:
            terminal = _redirect_output(Path(log))
        except OSError as error:
            sys.exit(
                f"error: {log}: the log cannot be written ({error.strerror}); name another "
                "file after --log"
            )
    try:
        _commands(args=arguments, standalone_mode=False, prog_name="noise-resistance")
    except click.exceptions.NoArgsIsHelpError as error:
        error.show(terminal)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _report(f"error: {' '.join(error.format_message().split())}", terminal, log)
        sys.exit(error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _report("error: interrupted", terminal, log)
        sys.exit(130)
    except NoiseResistanceError as error:
        _show_traceback(terminal, log, debug)
        _report(f"error: {error}", terminal, log)
        sys.exit(1)
    except Exception as error:
        _show_traceback(terminal, log, debug)
        where = f"traceback in {log}" if log else "run again with --debug for the traceback"
        first_line = (str(error).strip().splitlines() or [""])[0]
        _report(f"error: unexpected {type(error).__name__}: {first_line} ({where})", terminal, log)
        sys.exit(1)


def _without_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """Take --debug out, wherever it stands: a command alone would not know it."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [one for one in arguments[:end] if one != "--debug"]
    return [*options, *arguments[end:]], len(options) < end


def _value_of(option: str, arguments: list[str]) -> str | None:
    """Find an option's value before click parses, so that even a usage error reaches the log."""
    for index, argument in enumerate(arguments):
        if argument == option and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
    return None


def _redirect_output(log: Path) -> TextIO:
    """Send both output streams, those of C libraries included, to a file; return the terminal."""
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal = os.fdopen(os.dup(2), "w", encoding="utf-8")
    # To be read as well: an entry of the store keeps it.
    descriptor = os.open(log, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    return terminal


def _show_traceback(terminal: TextIO, log: str | None, debug: bool) -> None:
    if log:
        traceback.print_exc()
    if debug:
        traceback.print_exc(file=terminal)


def _report(line: str, terminal: TextIO, log: str | None) -> None:
    print(line, file=sys.stderr, flush=True)
    if log:
        print(f"{line} [log: {log}]", file=terminal, flush=True)
