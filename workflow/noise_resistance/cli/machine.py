"""Where and how a job computes, which decides none of its numbers, and where it looks before."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noise_resistance.cli.options import DEFAULT_STORE, FOLDER

if TYPE_CHECKING:
    from noise_resistance.storage.provenance import Provenance
    from noise_resistance.store.jobs import Job

__all__ = ["Machine", "machine_options"]


@dataclass(frozen=True)
class Machine:
    """The options that jobs share.

    Attributes:
        device: ``gpu``, ``cpu`` or ``auto``.
        places: jobs that may share a GPU.
        threads: of a CPU.
        store: where results are kept.
        recompute: compute whatever is there, keep nothing, compare with the store.
    """

    device: str
    places: int
    threads: int
    store: Path
    recompute: bool

    def job(self) -> "Job":
        """Return how results are got, with the log that the command line writes to."""
        from noise_resistance.store.entries import Store
        from noise_resistance.store.jobs import Job

        log = click.get_current_context().find_root().params.get("log")
        return Job(Store(self.store), self.recompute, log)

    def start(self, step: str, sources: Mapping[str, str], *, keras: bool = False) -> "Provenance":
        """Choose the device, before TensorFlow is imported, and say what files will state of it.

        Args:
            step: one of `store.versions.STORED_STEPS`.
            sources: digests of what the step reads.
            keras: whether the step uses Keras.
        """
        from noise_resistance.devices import prepare_device
        from noise_resistance.storage.provenance import Provenance
        from noise_resistance.store.versions import counts, version_of

        started = time.monotonic()
        code, version = counts(step)[0], version_of(step)
        used = prepare_device(self.device, self.threads, keras=keras, places=self.places)
        print(f"device: {used.description}", flush=True)
        return Provenance(
            code, version, used.description, self.threads, started=started, sources=sources
        )


def machine_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `Machine`, and hand it to the command as its first argument."""

    def run(
        device: str, places: int, threads: int, store: Path, recompute: bool, **values: Any
    ) -> None:
        command(Machine(device, places, threads, store, recompute), **values)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    options = (
        click.option(
            "--device",
            type=click.Choice(["gpu", "cpu", "auto"]),
            default="auto",
            show_default=True,
        ),
        click.option(
            "--trainings-per-gpu",
            "places",
            type=click.IntRange(1),
            default=1,
            show_default=True,
            help="Jobs that may share a GPU.",
        ),
        click.option(
            "--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads."
        ),
        click.option(
            "--store",
            type=FOLDER,
            default=DEFAULT_STORE,
            show_default=True,
            help="Folder of what was computed before.",
        ),
        click.option(
            "--recompute",
            is_flag=True,
            help="Compute whatever is there; keep nothing, and compare with the store.",
        ),
    )
    for option in reversed(options):
        run = option(run)
    return run
