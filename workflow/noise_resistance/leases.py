"""Which GPU of a machine a job takes: Snakemake counts them and hands out no numbers."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from noise_resistance.storage.locks import holder, try_hold

__all__ = ["lease_gpu"]

# Held until the process ends, however it ends: the system frees the locks of the dead.
_HELD: list[object] = []


def lease_gpu(places: int) -> str | None:
    """Take a place on one of this machine's GPUs and hide the others from this process.

    Places on different GPUs are taken before a second one on the same. Where all are taken, wait
    for one. A ``CUDA_VISIBLE_DEVICES`` that is set already, as under Slurm, is respected. To be
    called before TensorFlow is imported.

    Args:
        places: how many processes may share a GPU.

    Returns: the number of the GPU, or None where nothing was leased.
    """
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return None
    count = _count_gpus()
    if not count:
        return None
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"noise-resistance-gpus-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    said = False
    while True:
        for place in range(places):
            for gpu in range(count):
                lock = try_hold(folder / f"gpu-{gpu}-place-{place}.lock")
                if lock is not None:
                    _HELD.append(lock)
                    os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu)
                    return str(gpu)
        if not said:
            places_taken = {one.stem: holder(one) for one in sorted(folder.glob("*.lock"))}
            owners = [f"{who} ({place})" for place, who in places_taken.items() if who]
            print(f"waiting for a free GPU; taken by {', '.join(owners)}", flush=True)
            said = True
        time.sleep(1)


def _count_gpus() -> int:
    """Count NVIDIA's GPUs without TensorFlow, which would take memory on each."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return 0
    listed = subprocess.run([command, "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
