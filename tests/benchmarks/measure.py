"""One side-by-side measurement in a process of its own: prints a JSON list of rows.

TensorFlow's threads are set once a process, so `bench.py` starts this once for each number of
threads. Both sides run in turn (A B A B ...), after one uncounted run each, so that a change of the
machine's speed falls on both.
"""

import json
import os
import sys
import time
from collections.abc import Callable

import numpy as np

IMAGES = 2000
MODEL, SHAPE, CLASSES = "resnet20", (32, 32, 3), 10


def alternate(sides: dict[str, Callable[[], float]], repeats: int) -> list[dict[str, object]]:
    """Run every side in turn; a side returns how much it did, and the row is that per second."""
    for run in sides.values():
        run()
    rows = []
    for repeat in range(repeats):
        for name, run in sides.items():
            started = time.perf_counter()
            amount = run()
            rows.append(
                {"side": name, "repeat": repeat, "value": amount / (time.perf_counter() - started)}
            )
    return rows


def dataset(count: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    return images, generator.integers(0, CLASSES, count).astype(np.uint8)


def evaluation(repeats: int) -> list[dict[str, object]]:
    """Images a second of one noisy draw: ours, and `set_weights` with `evaluate`.

    Keras's `evaluate` takes 32 images at a time unless told otherwise; both are measured.
    """
    import keras

    from noise_resistance.evaluation.engine import Evaluator
    from noise_resistance.evaluation.measure import ImageSet
    from noise_resistance.evaluation.trained_model import TrainedModel
    from noise_resistance.models.resnet import ResNet
    from noise_resistance.study.noise_settings import NoiseSettings

    network = ResNet.named(MODEL, SHAPE, CLASSES)
    images, labels = dataset(IMAGES)
    mean = np.zeros(SHAPE, np.float32)
    weights = {one.path: one.numpy() for one in network.build().variables}
    trained = TrainedModel(network, weights, ImageSet(images, labels, CLASSES, mean, 500))
    sides: dict[str, Callable[[], float]] = {}
    shown = images.astype(np.float32) / 255

    def keras_loop(policy: str, batch_size: int) -> Callable[[], float]:
        keras.config.set_dtype_policy(policy)
        model = network.build()
        keras.config.set_dtype_policy("float32")
        model.compile(
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
        )
        clean, generator = model.get_weights(), np.random.default_rng(1)

        def run() -> float:
            model.set_weights([w + 0.1 * w.std() * generator.normal(size=w.shape) for w in clean])
            model.evaluate(shown, labels, batch_size=batch_size, verbose=0)
            return IMAGES

        return run

    def ours(precision: str) -> Callable[[], float]:
        evaluator = Evaluator(trained, "kernels", NoiseSettings(1, 0, "array", "clip", precision))
        draws = iter(range(10**6))

        def run() -> float:
            evaluator.evaluate(0.1, next(draws))
            return IMAGES

        return run

    for precision, policy in (("float32", "float32"), ("bfloat16", "mixed_bfloat16")):
        sides[f"Keras {precision}"] = keras_loop(policy, 32)
        sides[f"Keras {precision}, batch 500"] = keras_loop(policy, 500)
        sides[f"ours {precision}"] = ours(precision)
    return alternate(sides, repeats)


def training(repeats: int, batch_size: int) -> list[dict[str, object]]:
    """Images a second of training: ours, and `fit` with Keras's own augmentation layers."""
    import keras

    from noise_resistance.datasets.prepared import Split
    from noise_resistance.models.resnet import ResNet
    from noise_resistance.study.optimizers import OPTIMIZERS
    from noise_resistance.study.recipe import Recipe
    from noise_resistance.training.engine import Engine

    network = ResNet.named(MODEL, SHAPE, CLASSES)
    count = 40 * 32
    images, labels = dataset(count)
    split = Split(images, labels, CLASSES)

    def stock(policy: str) -> Callable[[], float]:
        keras.config.set_dtype_policy(policy)
        model = network.build()
        augmented = keras.Sequential(
            [
                keras.Input(SHAPE),
                keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
                keras.layers.RandomFlip("horizontal"),
                model,
            ]
        )
        keras.config.set_dtype_policy("float32")
        for layer in model.layers:
            if isinstance(layer, keras.layers.Conv2D):
                layer.kernel_regularizer = keras.regularizers.L2(1e-4)
        augmented.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        shown = images.astype(np.float32) / 255

        def run() -> float:
            augmented.fit(shown, labels, batch_size=batch_size, epochs=1, verbose=0)
            return count

        return run

    def ours(precision: str) -> Callable[[], float]:
        recipe = Recipe(10**6, batch_size, 1e-4, (), 0.1, True, False, precision)
        engine = Engine(network, split, split, OPTIMIZERS["adam"].definition(), 0.001, recipe, 1)
        epochs = iter(range(10**6))

        def run() -> float:
            engine.train_epoch(next(epochs))
            return count

        return run

    sides = {
        "Keras float32": stock("float32"),
        "ours float32": ours("float32"),
        "Keras bfloat16": stock("mixed_bfloat16"),
        "ours bfloat16": ours("mixed_bfloat16"),
    }
    return alternate(sides, repeats)


def growth(repeats: int) -> list[dict[str, object]]:
    """Seconds of an evaluation by number of draws and of images, and the peak memory so far."""
    import resource

    from noise_resistance.evaluation.engine import Evaluator
    from noise_resistance.evaluation.measure import ImageSet
    from noise_resistance.evaluation.trained_model import TrainedModel
    from noise_resistance.models.resnet import ResNet
    from noise_resistance.study.noise_settings import NoiseSettings

    network = ResNet.named("resnet8", SHAPE, CLASSES)
    weights = {one.path: one.numpy() for one in network.build().variables}
    mean = np.zeros(SHAPE, np.float32)
    settings = NoiseSettings(1, 0, "array", "clip", "float32")
    rows: list[dict[str, object]] = []
    for count in (250, 500, 1000, 2000):
        data = ImageSet(*dataset(count), CLASSES, mean, 250)
        evaluator = Evaluator(TrainedModel(network, weights, data), "all", settings)
        evaluator.evaluate(0.1, 0)
        for repeat in range(repeats):
            started = time.perf_counter()
            evaluator.evaluate(0.1, repeat)
            seconds = time.perf_counter() - started
            rows.append({"side": f"{count} images", "repeat": repeat, "value": seconds})
    small = ImageSet(*dataset(50), CLASSES, mean, 50)
    evaluator = Evaluator(TrainedModel(network, weights, small), "all", settings)
    for draws in (10, 100, 1000):
        started = time.perf_counter()
        for draw in range(draws):
            evaluator.evaluate(0.1, draw)
        seconds = time.perf_counter() - started
        rows.append({"side": f"{draws} draws", "repeat": 0, "value": seconds})
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows.append({"side": f"peak MiB after {draws} draws", "repeat": 0, "value": peak})
    return rows


def main() -> None:
    what, threads, repeats, *rest = sys.argv[1:]
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from noise_resistance.devices import prepare_device

    prepare_device("cpu", int(threads))
    measurements = {"evaluation": evaluation, "training": training, "growth": growth}
    print(json.dumps(measurements[what](int(repeats), *map(int, rest))))


if __name__ == "__main__":
    main()
