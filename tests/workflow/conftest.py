"""Fixtures of the workflow tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from workspace import ROOT, Workspace  # noqa: E402

from servers import Server  # noqa: E402

SHARED_CIFAR10 = ROOT.parent / "shared/data/cifar-10-lossless-split-300x66.tar.gz"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A fresh working folder."""
    return Workspace.make(tmp_path / "work")


@pytest.fixture
def server() -> Iterator[Server]:
    """An HTTP server on loopback."""
    with Server() as running:
        yield running


@pytest.fixture
def real_cifar10() -> bytes:
    """Real CIFAR10 images in the official layout: 3,000 for training and 660 for testing."""
    if not SHARED_CIFAR10.is_file():
        pytest.skip("real CIFAR10 images are not beside the repository, in ../shared/data")
    return SHARED_CIFAR10.read_bytes()
