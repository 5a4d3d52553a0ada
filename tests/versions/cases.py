"""The tiny cases of the steps whose results are kept, which between them reach every branch.

    cases.py inputs STEP FOLDER          make what the step's cases read, as far as it is not there
    cases.py run STEP FOLDER OUTPUT      run them, and record what ran of the package

The package is the one that Python finds, whatever its age: modules move, commands stay, so only
commands are used. Whoever adds a branch behind a step adds a case that reaches it.
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
from executed import recorded

Request = dict[str, Any]

# The digits that come with scikit-learn: 1,352 images for training and 445 for testing.
ENTRY = {
    "name": "digits",
    "title": "Digits",
    "version": "1",
    "reader": "digits",
    "classes": 10,
    "train_images": None,
    "test_images": None,
    "licence": "CC BY 4.0",
    "source": "scikit-learn",
    "archives": [],
}
IDENTITY = {"name": "digits", "version": "1", "reader": "digits", "checksums": {}}

# What knows the commands.


def command(*words: str | Path) -> None:
    """Run a command of the package in this process."""
    from noise_resistance.cli import main

    sys.argv = ["noise-resistance", *map(str, words)]
    try:
        main()
    except SystemExit as done:
        if done.code:
            raise


MACHINE = ("--device", "cpu", "--threads", "1")
# Nothing is kept, so nothing is found.
ALONE = (*MACHINE, "--recompute", "--store", "none")


def prepare(description: Path, entry: Request) -> None:
    command("prepare-dataset", "--entry", json.dumps(entry), "--output", description)


def train(
    dataset: Path, request: Request, folder: Path, kept: tuple[int, ...], store: Path | None = None
) -> None:
    """Train a model; without a store, its states lie in a hidden folder below its own."""
    words = ["--dataset", dataset, "--request", json.dumps(request), "--folder", folder]
    for epoch in kept:
        words += ["--keep-epoch", str(epoch)]
    command("train", *words, *((*MACHINE, "--store", store) if store else ALONE))


def measure(name: str, dataset: Path, request: Request, training: Path, output: Path) -> None:
    words = ("--dataset", dataset, "--request", json.dumps(request))
    command(name, *words, "--training", training, "--output", output, *ALONE)


def evaluate_external(dataset: Path, request: Request, file: Path, folder: Path) -> None:
    words = ("--dataset", dataset, "--request", json.dumps(request))
    command("evaluate-external", *words, "--file", file, "--folder", folder, *ALONE)


def request_of(training: Path) -> Request:
    """Return the request of a training, as its files state it."""
    with h5py.File(training / "model.weights.h5", "r") as file:
        stated: Request = json.loads(file.attrs["parameters"])
        return stated


# Trainings.

STANDARD = {
    "epochs": 2,
    "batch_size": 300,
    "l2": 0.0001,
    "schedule": [[0, 1.0], [1, 0.1]],
    "shift": 0.1,
    "horizontal_flip": True,
    "subtract_pixel_mean": True,
}
BARE = {"epochs": 1, "batch_size": 500}
OPTIMIZERS: dict[str, Mapping[str, Any]] = {
    "sgd": {"class": "SGD", "arguments": {}},
    "sgd_momentum": {"class": "SGD", "arguments": {"momentum": 0.9}},
    "sgd_nesterov": {"class": "SGD", "arguments": {"momentum": 0.9, "nesterov": True}},
    "adam": {"class": "Adam", "arguments": {}},
    "nadam": {"class": "Nadam", "arguments": {}},
    "adamax": {"class": "Adamax", "arguments": {}},
    "adamx": {"class": "AdamX", "arguments": {}},
}


def training(optimizer: str, learning_rate: float, **recipe: Any) -> Request:
    return {
        "dataset": IDENTITY,
        "model": "resnet8",
        "optimizer": optimizer,
        "optimizer_definition": OPTIMIZERS[optimizer],
        "learning_rate": learning_rate,
        "seed": 1,
        "recipe": recipe,
    }


# By name: the request, and the epochs that are kept. Every optimizer; each precision; augmentation
# on, half on and off; a schedule; whole batches and a rest; more steps than one call takes.
TRAININGS: dict[str, tuple[Request, tuple[int, ...]]] = {
    "standard": (training("adam", 0.001, **STANDARD), (1,)),
    "many_steps": (training("sgd", 0.01, epochs=1, batch_size=4), ()),
    "shifts": (training("sgd_momentum", 0.01, **BARE, shift=0.1), ()),
    "flips": (training("sgd_nesterov", 0.01, **BARE, horizontal_flip=True), ()),
    "whole_batches": (training("adamax", 0.002, epochs=1, batch_size=676), ()),
    "bfloat16": (training("nadam", 0.001, **BARE, precision="mixed_bfloat16"), ()),
    "float16": (training("adamx", 0.001, **BARE, precision="mixed_float16"), ()),
}


class _Killed(BaseException):
    """What a training dies of that is interrupted; no code of the package catches it."""


_files_left: list[int] = []


def _count_files(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "os.rename" and _files_left and str(arguments[1]).endswith(".h5"):
        _files_left[0] -= 1
        if _files_left[0] < 0:
            _files_left.clear()
            raise _Killed


def interrupted(files: int, run: Callable[[], None]) -> None:
    """Run a training that dies when it gives a file its name, after so many that have theirs."""
    _files_left[:] = [files]
    try:
        run()
    except _Killed:
        return
    raise RuntimeError(f"the training was not interrupted: it wrote no more than {files} files")


def refused(run: Callable[[], None]) -> None:
    """Run a command that ends with an error."""
    try:
        run()
    except SystemExit:
        return
    raise RuntimeError("the command ended well")


def damage_states(folder: Path) -> None:
    states = [one for one in folder.rglob(".*/**/*.h5") if one.is_file()]
    if not states:
        raise RuntimeError(f"{folder}: no state of an interrupted training was found")
    for one in states:
        one.write_bytes(one.read_bytes()[:1000])


def inputs_of_train(folder: Path) -> None:
    # Other images under the same name, which no catalogue would have.
    prepare(folder / "other.json", {**ENTRY, "reader": "digit_pairs", "classes": 100})


def run_train(inputs: Path, output: Path) -> None:
    dataset = inputs / "digits.json"
    for name, (request, kept) in TRAININGS.items():
        train(dataset, request, output / name, kept, store=output / ".store")
    refused(lambda: train(dataset, training("sgd", 1e30, **BARE), output / "diverging", ()))
    request, kept = TRAININGS["standard"]

    def again(
        name: str,
        after: int,
        kept_before: tuple[int, ...] = kept,
        images: Path = dataset,
        **changes: Any,
    ) -> None:
        """Train once more, after a training in the same place that died after so many files."""
        folder = output / name
        interrupted(after, lambda: train(dataset, request, folder, kept_before))
        if name == "damaged":
            damage_states(folder)
        train(images, {**request, **changes}, folder, kept)

    # Of the first epoch there are two files: the state that is kept, and the last one.
    again("resumed", 2)
    again("damaged", 2)
    again("other_parameters", 2, seed=2)
    again("other_images", 2, images=inputs / "other.json")
    again("kept_later", 1, kept_before=())


# What is measured on trained models.

SETTINGS = {
    "draws": 2,
    "seed": 0,
    "sigma_of": "array",
    "variance_policy": "clip",
    "precision": "float32",
    "kind": "additive",
}

# By name: scope, noise level and other settings.
NOISE: dict[str, tuple[str, float, Request]] = {
    "kernels": ("kernels", 0.1, {}),
    "nothing": ("kernels", 0.0, {}),
    "layer": ("kernels@stem_conv", 0.2, {"sigma_of": "layer", "kind": "additive_max"}),
    "trainable": ("trainable", 0.1, {"kind": "additive_max", "precision": "bfloat16"}),
    "batchnorm": ("batchnorm", 0.5, {"sigma_of": "layer"}),
    "all_clip": ("all", 1.0, {"kind": "multiplicative"}),
    "all_propagate": ("all", 20.0, {"variance_policy": "propagate"}),
    "all_absolute": ("all", 1.0, {"variance_policy": "absolute", "sigma_of": "layer"}),
    "all_zero": ("all", 20.0, {"variance_policy": "relu_nan_to_zero", "precision": "bfloat16"}),
    "live": ("live_kernels", 0.2, {}),
    "dead": ("dead_kernels", 0.2, {}),
}


# What is measured besides the standard training. A large L2 penalty kills filters: their moving
# variances fall below 1e-6. Of batches of a thousand no two fit into a pass over the images.
MEASURED = {
    "dead": training("sgd", 0.1, epochs=5, batch_size=4, l2=0.5),
    "half": training("adamx", 0.001, epochs=1, batch_size=1000, precision="mixed_float16"),
}


def inputs_of_evaluations(folder: Path) -> None:
    dataset = folder / "digits.json"
    if (folder / "half").exists():
        return
    request, kept = TRAININGS["standard"]
    train(dataset, request, folder / "standard", kept)
    for name, one in MEASURED.items():
        train(dataset, one, folder / name, ())


def run_evaluate_baseline(inputs: Path, output: Path) -> None:
    for name in ("standard", "standard/snapshots/epoch-1", "dead"):
        for precision in ("float32", "bfloat16"):
            folder = inputs / name
            request = {"model": "resnet8", "training": request_of(folder), "precision": precision}
            file = output / name.replace("/", "-") / f"{precision}.h5"
            measure("evaluate-baseline", inputs / "digits.json", request, folder, file)


def run_evaluate_noise(inputs: Path, output: Path) -> None:
    for name, (scope, level, settings) in NOISE.items():
        for of in ("standard", "dead") if name in ("live", "dead") else ("standard",):
            request = {
                "model": "resnet8",
                "training": request_of(inputs / of),
                "scope": scope,
                "noise_level": level,
                **SETTINGS,
                **settings,
            }
            file = output / f"{of}-{name}.h5"
            measure("evaluate-noise", inputs / "digits.json", request, inputs / of, file)


def run_diagnose(inputs: Path, output: Path) -> None:
    for name, epochs, batches in (("standard", [1], 6), ("dead", [], 2), ("half", [], 4)):
        request = {
            "model": "resnet8",
            "training": request_of(inputs / name),
            "images": 16,
            "batches": batches,
            "epochs": epochs,
        }
        file = output / f"{name}.h5"
        measure("diagnose", inputs / "digits.json", request, inputs / name, file)


# Models from elsewhere.

# By the file's name, what is known of it; and the noise it is measured under.
EXTERNAL: dict[str, tuple[Request, tuple[str, ...]]] = {
    "resnet8.weights.h5": ({"architecture": "resnet8"}, ("kernels", "live", "all_propagate")),
    "depthwise.keras": (
        {"mean": [0.1, 0.2, 0.3], "deviation": [0.5, 0.5, 0.5], "input_size": [12, 12]},
        ("kernels", "live", "dead", "all_absolute", "trainable_float32"),
    ),
    "logits.h5": ({"scale": 128.0}, ("kernels", "all_clip")),
}


def inputs_of_external(folder: Path) -> None:
    inputs_of_evaluations(folder)
    shutil.copyfile(folder / "standard/model.weights.h5", folder / "resnet8.weights.h5")
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    shown = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, name="first", use_bias=False)(shown)
    x = layers.BatchNormalization(name="first_bn")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="second")(layers.ReLU()(x))
    x = layers.BatchNormalization(name="second_bn")(x)
    x = layers.Conv2DTranspose(12, 3, name="third")(layers.ReLU()(x))
    x = layers.BatchNormalization(name="third_bn")(x)
    x = layers.Dropout(0.5, name="dropout")(layers.GlobalAveragePooling2D()(layers.ReLU()(x)))
    model = keras.Model(shown, layers.Dense(10, activation="softmax", name="last")(x))
    # Some filters are dead.
    for name in ("first_bn", "second_bn", "third_bn"):
        variance = model.get_layer(name).moving_variance
        variance.assign([1e-8 if one % 3 == 0 else 1.0 for one in range(variance.shape[0])])
    model.save(folder / "depthwise.keras")
    flat = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(10, name="only")]
    )
    flat.save(folder / "logits.h5")


def run_evaluate_external(inputs: Path, output: Path) -> None:
    noise = {**NOISE, "trainable_float32": ("trainable", 0.1, {"kind": "multiplicative"})}
    defaults = {
        "dataset": "digits",
        "architecture": "",
        "scale": 255.0,
        "mean": [0.0],
        "deviation": [1.0],
        "input_size": [],
    }
    for file, (known, names) in EXTERNAL.items():
        about = {"model": "external", "external": {**defaults, **known}}
        requests = {"baseline.h5": {**about, "precision": "float32"}}
        for name in names:
            scope, level, settings = noise[name]
            requests[f"noise/{name}/eta-{level:g}.h5"] = {
                **about, "scope": scope, "noise_level": level, **SETTINGS, **settings,
            }  # fmt: skip
        folder = output / file.partition(".")[0]
        evaluate_external(inputs / "digits.json", requests, inputs / file, folder)


# By step: what makes its inputs besides the digits, and what runs its cases.
STEPS: dict[str, tuple[Callable[[Path], None], Callable[[Path, Path], None]]] = {
    "train": (inputs_of_train, run_train),
    "evaluate_baseline": (inputs_of_evaluations, run_evaluate_baseline),
    "evaluate_noise": (inputs_of_evaluations, run_evaluate_noise),
    "evaluate_external": (inputs_of_external, run_evaluate_external),
    "diagnose": (inputs_of_evaluations, run_diagnose),
}


def main(what: str, step: str, *folders: str) -> None:
    sys.addaudithook(_count_files)
    inputs, *outputs = map(Path, folders)
    make_inputs, run = STEPS[step]
    if what == "inputs":
        if not (inputs / "digits.json").exists():
            prepare(inputs / "digits.json", ENTRY)
        make_inputs(inputs)
        return
    with recorded(_package()) as executed:
        run(inputs, outputs[0])
    executed.write(outputs[0] / "executed.json")


def _package() -> Path:
    """Return the package's folder without importing it: what runs on importing is recorded."""
    found = find_spec("noise_resistance")
    if found is None or found.origin is None:
        raise RuntimeError("the package is not there")
    return Path(found.origin).parent


if __name__ == "__main__":
    main(*sys.argv[1:])
