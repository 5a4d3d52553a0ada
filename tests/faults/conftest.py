"""Fixtures of the fault tests, and the counts they print at the end."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "workflow"), str(HERE.parent)]

from workspace import Workspace  # noqa: E402

from servers import Server  # noqa: E402

COUNTS: Counter[str] = Counter()


@pytest.fixture
def counts() -> Counter[str]:
    """What was tried so far; a test adds what it has seen survive."""
    return COUNTS


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A fresh working folder."""
    return Workspace.make(tmp_path / "work")


@pytest.fixture
def server() -> Iterator[Server]:
    """An HTTP server on loopback that misbehaves on demand."""
    with Server() as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first: begun last, it would leave the other worker without work."""
    items.sort(key=lambda item: item.path.name != "test_kills.py")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands its counts over."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["counts"] = dict(COUNTS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    COUNTS.update(getattr(node, "workeroutput", {}).get("counts", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("faults")
    for name, count in COUNTS.items():
        terminalreporter.line(f"{count:6d} {name}")
    failed, errors, skipped = (
        len(terminalreporter.stats.get(one, [])) for one in ("failed", "error", "skipped")
    )
    terminalreporter.line(f"{skipped:6d} tests skipped: what they try was not tried")
    if COUNTS and not failed and not errors:
        untried = f", in what was tried: {skipped} tests were skipped" if skipped else ""
        terminalreporter.line(f"nothing was lost{untried}")
