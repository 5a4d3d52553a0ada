"""Which lines of a package ran: recorded while a program runs, with the standard library alone."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any


@dataclass
class Executed:
    """What ran of a package.

    Attributes:
        lines: by file, relative to the package's folder, the lines that ran.
        lambdas: likewise where expressions in the lambdas that ran begin, as ``line:column``: the
            line of a lambda runs when it is made already.
    """

    lines: dict[str, set[int]] = field(default_factory=dict)
    lambdas: dict[str, set[str]] = field(default_factory=dict)

    def add(self, other: "Executed") -> None:
        for file, lines in other.lines.items():
            self.lines.setdefault(file, set()).update(lines)
        for file, places in other.lambdas.items():
            self.lambdas.setdefault(file, set()).update(places)

    def write(self, path: Path) -> None:
        values = {
            name: {file: sorted(lines) for file, lines in getattr(self, name).items()}
            for name in ("lines", "lambdas")
        }
        path.write_text(json.dumps(values), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Executed":
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            **{
                name: {file: set(lines) for file, lines in found.items()}
                for name, found in values.items()
            }
        )


@contextmanager
def recorded(package: Path) -> Iterator[Executed]:
    """Record what runs of a package, in all threads, while the block runs.

    Functions that `tf.function` traces run as Python while they are traced; what runs when the
    package's modules are imported is recorded if they are imported in the block.

    Args:
        package: its folder.
    """
    executed = Executed()
    prefix = f"{package.absolute()}/"
    files: dict[CodeType, str | None] = {}

    def file_of(code: CodeType) -> str | None:
        if code not in files:
            inside = code.co_filename.startswith(prefix)
            files[code] = code.co_filename.removeprefix(prefix) if inside else None
        return files[code]

    def called(frame: FrameType, event: str, argument: Any) -> Any:
        file = file_of(frame.f_code)
        if file is None:
            return None
        if frame.f_code.co_name == "<lambda>":
            places = {f"{line}:{column}" for line, _, column, _ in frame.f_code.co_positions()}
            executed.lambdas.setdefault(file, set()).update(places)
        lines = executed.lines.setdefault(file, set())

        def line(frame: FrameType, event: str, argument: Any) -> Any:
            lines.add(frame.f_lineno)
            return line

        return line

    threading.settrace(called)
    sys.settrace(called)
    try:
        yield executed
    finally:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]
