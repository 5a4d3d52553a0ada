"""What a job asks of a machine, for schedulers that want to know before: memory, time, disk.

Too little costs an attempt, too much a longer wait in the queue. A training that meets its time
limit is no loss: it goes on from its last epoch in the next attempt. So a training may need many
attempts, each of which would ask for more: memory stops growing where no training can need it.
"""

import math
from dataclasses import dataclass

from noise_resistance.study.architectures import depth_of
from noise_resistance.study.configuration import Study
from noise_resistance.study.layers import layers_of

__all__ = ["Demand", "demand_of", "evaluations_by_rule", "seconds_of"]

# Seconds of one epoch of ResNet20 on 50,000 images of CIFAR10: what Keras's example states for a
# GTX 1080 Ti, and what one thread of a server's CPU takes (docs/performance.md).
_EPOCH_ON_GPU, _EPOCH_ON_CPU = 35.0, 145.0
# A forward pass is a third of a training step.
_FORWARD = 1 / 3
_IMAGES, _DEPTH = 50_000, 20
# The largest CIFAR ResNet in use, for models of other makers.
_UNKNOWN_DEPTH = 110
_MARGIN = 2.0
# Evaluations are bundled, so their minutes add up.
_START_MINUTES = {"train": 5, "evaluate": 2, "diagnose": 5}
_MEMORY_MB = {"train": 4000, "evaluate": 3000, "diagnose": 4000}
# CUDA's libraries in the memory of the host.
_CUDA_MB = 4000
_LARGEST_GROWTH = 3
_DISK_MB = {"train": 1000, "evaluate": 200, "diagnose": 200}


@dataclass(frozen=True)
class Demand:
    """What one job asks for.

    Attributes:
        mem_mb: memory in MB.
        runtime: minutes.
        disk_mb: MB that it writes, temporary files included.
        submissions: how many of `longest_job` minutes it takes at the most: that limit ends a
            training again and again.
    """

    mem_mb: int
    runtime: int
    disk_mb: int
    submissions: int


def demand_of(study: Study, step: str, dataset: str, model: str | None, attempt: int) -> Demand:
    """Return what a job asks for; memory (up to three times) and time grow with each attempt.

    Args:
        study: the configuration; `longest_job` bounds the time.
        step: ``train``, ``evaluate`` (one noise level, or a baseline), ``evaluate_external`` (all
            levels and scopes of a model) or ``diagnose``.
        dataset: its name in the catalogue.
        model: its name, None where its depth is not known.
        attempt: 1, or more after a failure.
    """
    seconds = seconds_of(study, step, dataset, model)
    kind = "evaluate" if step == "evaluate_external" else step
    minutes = math.ceil(_START_MINUTES[kind] + _MARGIN * seconds / 60)
    longest = study.longest_job
    if step == "evaluate":
        # The first attempt of a bundle asks for what it takes, and no later one for too much.
        longest = max(minutes, longest // sum(evaluations_by_rule(study, model).values()))
    memory = _MEMORY_MB[kind] + (0 if study.device == "cpu" else _CUDA_MB)
    return Demand(
        mem_mb=memory * min(attempt, _LARGEST_GROWTH),
        runtime=min(minutes * attempt, longest),
        disk_mb=_DISK_MB[kind],
        submissions=math.ceil(minutes / study.longest_job),
    )


def seconds_of(study: Study, step: str, dataset: str, model: str | None) -> float:
    """Return how long a job computes by arithmetic, without margin or start.

    Args:
        study: the configuration.
        step: as for `demand_of`, or ``baseline``.
        dataset: its name in the catalogue.
        model: its name, None where its depth is not known.
    """
    depth = _UNKNOWN_DEPTH if model is None else depth_of(model)
    return _images(study, step, dataset) / _IMAGES * depth / _DEPTH * _seconds_of_epoch(study)


def evaluations_by_rule(study: Study, model: str | None) -> dict[str, int]:
    """Return how many evaluations one trained model has, which profiles/slurm submits as one.

    Args:
        study: the configuration.
        model: its name, None where its layers are not known.
    """
    noisy = len(study.readings) * len(study.noise_levels)
    sweep, snapshots = study.layer_sweep, len(study.snapshots)
    layers = len(layers_of(model, sweep.scope)) if model and sweep.levels else 0
    counts = {
        "evaluate_baseline": 1,
        "evaluate_noise": noisy + layers * len(sweep.levels),
        "evaluate_snapshot_baseline": snapshots,
        "evaluate_snapshot_noise": snapshots * noisy,
    }
    return {rule: count for rule, count in counts.items() if count}


def _seconds_of_epoch(study: Study) -> float:
    return _EPOCH_ON_CPU if study.device == "cpu" else _EPOCH_ON_GPU


def _images(study: Study, step: str, dataset: str) -> float:
    """Return the images of a job, each passed forward and back once."""
    entry = study.catalogue[dataset]
    train, test = entry.train_images or _IMAGES, entry.test_images or _IMAGES
    if step == "train":
        return study.recipe.epochs * (train + _FORWARD * test)
    if step == "diagnose":
        models = 1 + len(study.kept_epochs) + 1  # its start and its end
        sampled = study.diagnostics.batches * study.recipe.batch_size
        # C needs single gradients, which use a machine badly; the rest is one pass over the set.
        return models * (10 * study.diagnostics.images + sampled + train)
    if step == "baseline":
        return _FORWARD * test
    evaluations = 1
    if step == "evaluate_external":
        evaluations = len(study.readings) * len(study.noise_levels)
    return _FORWARD * test * study.noise.draws * evaluations
