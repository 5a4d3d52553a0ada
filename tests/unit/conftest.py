"""Fixtures of the unit tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from noise_resistance.store.entries import Store
from servers import Server

SHARED_CIFAR10 = Path(__file__).parents[3] / "shared/data/cifar-10-lossless-split-300x66.tar.gz"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A misbehaving HTTP server on loopback, reached without any proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of a working folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return Store("results/store")


@pytest.fixture
def real_cifar10() -> Path:
    """Real CIFAR10 images in the official layout: 3,000 for training and 660 for testing."""
    if not SHARED_CIFAR10.is_file():
        pytest.skip("real CIFAR10 images are not beside the repository, in ../shared/data")
    return SHARED_CIFAR10
