"""Where TensorFlow runs: chosen, limited and logged before its first operation."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from noise_resistance.errors import DeviceError
from noise_resistance.leases import lease_gpu

__all__ = ["Device", "prepare_device"]

# Keras imports these where they are installed and does without where they are not. Nothing here
# uses what it needs them for, and they are a third of the time that importing both takes.
_UNUSED_BY_TENSORFLOW = ("matplotlib", "pandas", "sklearn")


@dataclass(frozen=True)
class Device:
    """The device of this process.

    Attributes:
        kind: ``gpu`` or ``cpu``.
        description: for logs and files, such as ``gpu: NVIDIA A100`` or ``cpu: 1 thread``.
    """

    kind: str
    description: str


def prepare_device(wanted: str, threads: int, keras: bool = True, places: int = 1) -> Device:
    """Set TensorFlow up on the device that is wanted; to be called before any other use of it.

    A GPU is shared safely: its memory is taken as needed, not at once. On a CPU no more than
    `threads` threads compute, so that jobs side by side do not slow each other down.

    Args:
        wanted: ``gpu``, ``cpu``, or ``auto`` (a GPU where there is one).
        threads: CPU threads to compute with.
        keras: whether the process uses Keras; without it, importing TensorFlow takes less time.
        places: how many processes may share a GPU.

    Raises:
        DeviceError: a GPU is wanted and none is visible.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    if wanted == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    elif (leased := lease_gpu(places)) is not None:
        print(f"device: GPU {leased} of this machine", flush=True)
    elif given := os.environ.get("CUDA_VISIBLE_DEVICES"):
        print(f"device: CUDA_VISIBLE_DEVICES is {given}", flush=True)
    if not keras:
        # TensorFlow imports Keras 3 eagerly and the legacy one, which is not installed, on demand.
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
    with _unavailable(_UNUSED_BY_TENSORFLOW), _no_garbage_collection():
        import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(min(threads, 2))
    gpus = [] if wanted == "cpu" else tf.config.list_physical_devices("GPU")
    if wanted == "gpu" and not gpus:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        hidden = "" if visible is None else f" (CUDA_VISIBLE_DEVICES is '{visible}')"
        raise DeviceError(
            f"no GPU is visible to TensorFlow{hidden}; install envs/gpu.lock on a machine "
            "with one, "
            "or set device: cpu or device: auto in the configuration"
        )
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if gpus:
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "unknown")
        return Device("gpu", f"gpu: {name}")
    return Device("cpu", f"cpu: {threads} thread{'s' if threads > 1 else ''}")


@contextmanager
def _unavailable(packages: tuple[str, ...]) -> Iterator[None]:
    """Let importing these packages fail while the block runs, unless they are imported already."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Do not look for garbage while the block runs, which makes many objects that all stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
