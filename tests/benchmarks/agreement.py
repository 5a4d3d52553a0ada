"""What bfloat16 changes: accuracies of noisy draws, and the accuracy a training ends with.

    python tests/benchmarks/agreement.py evaluation --dataset results/datasets/cifar10.h5 \
        --training results/cpu/trainings/cifar10/resnet20/standard/adam/lr-0.001/seed-1
    python tests/benchmarks/agreement.py training --dataset results/datasets/digit_pairs.h5

`evaluation` measures every noise level and scope of the paper's study on one trained model, in both
precisions with the same draws, and prints the difference of the means in points. `training` trains
with three seeds in each precision and prints the final accuracies.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

LEVELS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4)
SCOPES = ("kernels", "trainable", "all")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["evaluation", "training"])
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--training", type=Path, help="a training's folder (evaluation)")
    parser.add_argument("--model", help="default: resnet20 for evaluation, resnet8 for training")
    parser.add_argument("--draws", type=int, default=25)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    from noise_resistance.devices import prepare_device

    prepare_device("cpu", arguments.threads)
    if arguments.what == "evaluation":
        compare_evaluations(arguments)
    else:
        compare_trainings(arguments)


def compare_evaluations(arguments: argparse.Namespace) -> None:
    from noise_resistance.evaluation.engine import Evaluator
    from noise_resistance.evaluation.trained_model import read_trained_model
    from noise_resistance.study.configuration import default_noise_settings

    folder: Path = arguments.training
    trained = read_trained_model(
        arguments.dataset,
        arguments.model or "resnet20",
        folder / "model.weights.h5",
        folder / "history.h5",
    )
    settings = default_noise_settings()
    largest = 0.0
    print("scope      eta    float32 %  bfloat16 %  difference, points (standard error)")
    for scope in SCOPES:
        sides = [
            Evaluator(trained, scope, dataclasses.replace(settings, precision=precision))
            for precision in ("float32", "bfloat16")
        ]
        for level in LEVELS:
            draws = range(arguments.draws if level else 1)
            right = np.array(
                [[side.evaluate(level, draw).correct.sum() for draw in draws] for side in sides]
            )
            percent = 100 * right / trained.test_set.count
            difference = percent[1] - percent[0]
            error = difference.std() / np.sqrt(len(difference))
            largest = max(largest, abs(difference.mean()))
            print(
                f"{scope:10} {level:4.2f}  {percent[0].mean():9.2f}  {percent[1].mean():10.2f}  "
                f"{difference.mean():+.3f} ({error:.3f})",
                flush=True,
            )
    print(f"largest difference of the means: {largest:.3f} points")


def compare_trainings(arguments: argparse.Namespace) -> None:
    from noise_resistance.datasets.prepared import read_split
    from noise_resistance.models.resnet import ResNet
    from noise_resistance.study.configuration import default_recipe
    from noise_resistance.study.optimizers import OPTIMIZERS
    from noise_resistance.training.engine import Engine

    train, test = (read_split(arguments.dataset, split) for split in ("train", "test"))
    height, width, channels = train.images.shape[1:]
    network = ResNet.named(arguments.model or "resnet8", (height, width, channels), train.classes)
    steps = [0.4, 0.6, 0.8, 0.9]
    schedule = tuple(
        (round(step * arguments.epochs), factor)
        for step, factor in zip(steps, (0.1, 0.01, 0.001, 0.0005), strict=True)
    )
    for precision in ("float32", "mixed_bfloat16"):
        recipe = dataclasses.replace(
            default_recipe(),
            epochs=arguments.epochs,
            schedule=schedule,
            horizontal_flip=False,
            precision=precision,
        )
        accuracies = []
        for seed in (1, 2, 3):
            definition = OPTIMIZERS["adam"].definition()
            engine = Engine(network, train, test, definition, 0.001, recipe, seed)
            for epoch in range(arguments.epochs):
                engine.train_epoch(epoch)
            accuracies.append(100 * engine.test_accuracy())
        shown = ", ".join(f"{one:.2f}" for one in accuracies)
        mean, spread = np.mean(accuracies), np.std(accuracies, ddof=1)
        print(f"{precision:15} {shown} %; mean {mean:.2f}, spread {spread:.2f} points", flush=True)


if __name__ == "__main__":
    main()
