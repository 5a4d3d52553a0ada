"""The device a job asks for is the one it gets, or one clear line; each in its own process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import noise_resistance

# No GPU is visible, whatever this machine has.
HIDDEN = {"CUDA_VISIBLE_DEVICES": ""}

SCRIPT = """
import gc, sys
from noise_resistance.devices import prepare_device
from noise_resistance.errors import DeviceError
try:
    device = prepare_device(sys.argv[1], int(sys.argv[2]), keras=sys.argv[3] == "keras")
except DeviceError as error:
    sys.exit(str(error))
import tensorflow as tf
print(device.kind, device.description, sep="|")
print(len(tf.config.list_logical_devices("GPU")))
print(tf.config.threading.get_intra_op_parallelism_threads())
print(float(tf.reduce_sum(tf.ones(3))))
if sys.argv[3] == "keras":
    import keras
    print(keras.layers.Dense(1).count_params.__name__)
import matplotlib, pandas, sklearn
print(matplotlib.__name__, pandas.__name__, sklearn.__name__, gc.isenabled())
"""

# What TensorFlow was imported without is there for everybody else: packages, garbage collection.
OTHERS = "matplotlib pandas sklearn True"


def prepare(
    wanted: str, threads: int = 1, use: str = "no", **environment: str
) -> tuple[int, str, str]:
    """Prepare a device in a process of its own; return its status, output and last error line."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, wanted, str(threads), use],
        env={
            **{key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"},
            "PYTHONPATH": str(Path(noise_resistance.__file__).parents[1]),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, (done.stderr.splitlines() or [""])[-1]


def test_a_gpu_that_is_wanted_and_not_there_is_one_line_with_the_remedy() -> None:
    status, output, line = prepare("gpu", **HIDDEN)
    assert (status, output) == (1, "")
    assert line == (
        "no GPU is visible to TensorFlow (CUDA_VISIBLE_DEVICES is ''); install envs/gpu.lock on a "
        "machine with one, or set device: cpu or device: auto in the configuration"
    )


@pytest.mark.parametrize(("threads", "description"), [(1, "cpu: 1 thread"), (2, "cpu: 2 threads")])
def test_on_a_cpu_no_more_threads_compute_than_asked_for(threads: int, description: str) -> None:
    status, output, _ = prepare("cpu", threads)
    assert status == 0
    assert output.splitlines() == [f"cpu|{description}", "0", str(threads), "3.0", OTHERS]


def test_auto_takes_the_cpu_where_there_is_no_gpu() -> None:
    status, output, _ = prepare("auto", use="keras", **HIDDEN)
    assert status == 0
    assert output.splitlines()[:2] == ["cpu|cpu: 1 thread", "0"]
    assert output.splitlines()[-2:] == ["count_params", OTHERS]


def test_asking_for_a_device_imports_tensorflow_and_importing_the_module_does_not() -> None:
    script = "import sys, noise_resistance.devices; sys.exit('tensorflow' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(noise_resistance.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, timeout=60, check=False)
    assert done.returncode == 0
