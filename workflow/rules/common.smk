# From the configuration to what the rules say: the study, its paths and its parameters.
# Nothing is decided here; the package decides, and is imported without TensorFlow.

import json
import os
import sys
from pathlib import Path

PACKAGE_FOLDER = Path(workflow.basedir) / "workflow"
if str(PACKAGE_FOLDER) not in sys.path:
    sys.path.insert(0, str(PACKAGE_FOLDER))

from noise_resistance.errors import ConfigurationError, DataError
from noise_resistance.study.configuration import load
from noise_resistance.study.currency import check_unrecorded, is_current
from noise_resistance.study.demands import demand_of
from noise_resistance.study.fingerprint import fingerprint
from noise_resistance.study.grid import Training
from noise_resistance.study.outputs import (
    FIGURE_FORMATS,
    TABLE_FORMATS,
    figure_stems,
    table_stems,
    why_stems,
)
from noise_resistance.study.numbers import NUMBER_PATTERN, format_number
from noise_resistance.study.paths import EVALUATION, NAME_PATTERN, SCOPE_PATTERN, TRAINING

# Jobs run this interpreter and this package, also where neither is installed or activated.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))
shell.prefix(f"export PYTHONPATH={str(PACKAGE_FOLDER)!r}; ")

try:
    study = load(config)
except ConfigurationError as error:
    sys.exit(f"error: {error}")

paths = study.paths
STATES = ("history.h5", "optimizer.h5")
OUTLINE = study.outline.to_json()
GPUS = 0 if study.device == "cpu" else 1
CONDA_ENVIRONMENT = f"../../envs/{'gpu' if GPUS else 'cpu'}.yaml"


wildcard_constraints:
    dataset=NAME_PATTERN,
    model=NAME_PATTERN,
    optimizer=NAME_PATTERN,
    learning_rate=NUMBER_PATTERN,
    seed="[0-9]+",
    scope=SCOPE_PATTERN,
    noise_level=NUMBER_PATTERN,
    epoch="[1-9][0-9]*",
    external=NAME_PATTERN,
    archive="[A-Za-z0-9][A-Za-z0-9._-]*",
    number="[12]?",


def to_json(values):
    return json.dumps(values, sort_keys=True)


def outline(wildcards):
    # A function: in a string Snakemake would take a title's braces for wildcards.
    return OUTLINE


def specification(summary):
    # A function, as the outline.
    return lambda wildcards: to_json(study.specification(summary).as_mapping())


def summarised_from():
    # The specification first: what differs there can be named.
    return {
        "specification": study.specification("summarise").as_mapping(),
        "outline": OUTLINE,
    }


def dataset_of(wildcards):
    return study.catalogue[wildcards.dataset]


def archive_of(wildcards):
    return next(one for one in dataset_of(wildcards).archives if one.name == wildcards.archive)


def archive_files(wildcards):
    names = [archive.name for archive in dataset_of(wildcards).archives]
    return expand(paths.archive, dataset=wildcards.dataset, archive=names)


def dataset_file(wildcards):
    return paths.dataset.format(dataset=wildcards.dataset)


def request_of(wildcards):
    values = wildcards.dataset, wildcards.model, wildcards.optimizer
    training = Training(*values, float(wildcards.learning_rate), int(wildcards.seed))
    return study.request(training)


def asks(step, quantity):
    # What a job asks of a machine: more after each attempt that failed.
    def ask(wildcards, attempt):
        if step == "evaluate_external":
            dataset, model = study.external_models[wildcards.external].dataset, None
        else:
            dataset, model = wildcards.dataset, wildcards.model
        return getattr(demand_of(study, step, dataset, model, attempt), quantity)

    return ask


def dataset_unless_current(wildcards, outputs, kind, step, parameters):
    # Not `ancient`: of what depends on a job that runs through an ancient input alone, Snakemake
    # plans nothing, not even what is missing.
    made = [output.format(**wildcards) for output in outputs]
    whole = all(os.path.exists(one) for one in made)
    current = whole and is_current(made[0], kind, fingerprint(step), parameters)
    return [] if current else dataset_file(wildcards)


def dataset_to_train(wildcards):
    parameters = request_of(wildcards).parameters()
    outputs = [paths.weights, paths.history, paths.optimizer]
    return dataset_unless_current(wildcards, outputs, "weights", "train", parameters)


def dataset_for_baseline(wildcards):
    parameters = {"model": wildcards.model, "precision": study.noise.precision}
    outputs = [paths.baseline]
    return dataset_unless_current(wildcards, outputs, "baseline", "evaluate_baseline", parameters)


def dataset_for_noise(wildcards):
    settings = study.reading(wildcards.scope).settings
    parameters = {"model": wildcards.model, **settings.as_mapping()}
    return dataset_unless_current(wildcards, [paths.noise], "noise", "evaluate_noise", parameters)


def snapshot_outputs(*names):
    folders = expand(paths.snapshot, epoch=study.snapshots, allow_missing=True)
    return [f"{folder}/{name}" for name in names for folder in folders]


def of_snapshot(template):
    return template.replace(paths.training, paths.snapshot)


def dataset_for_snapshot_baseline(wildcards):
    parameters = {"model": wildcards.model, "precision": study.noise.precision}
    made = of_snapshot(paths.baseline)
    return dataset_unless_current(wildcards, [made], "baseline", "evaluate_baseline", parameters)


def dataset_for_snapshot_noise(wildcards):
    settings = study.reading(wildcards.scope).settings
    parameters = {"model": wildcards.model, **settings.as_mapping()}
    made = of_snapshot(paths.noise)
    return dataset_unless_current(wildcards, [made], "noise", "evaluate_noise", parameters)


def diagnosed_weights(wildcards):
    folders = [*expand(paths.snapshot, epoch=sorted(study.snapshots), allow_missing=True)]
    return [f"{folder}/model.weights.h5" for folder in [*folders, paths.training]]


def diagnosed_states(wildcards):
    files = diagnosed_weights(wildcards)
    return [one.replace("model.weights.h5", name) for one in files for name in STATES]


def dataset_for_diagnostics(wildcards):
    values = {
        "model": wildcards.model,
        "recipe": study.recipe.as_mapping(),
        "images": study.diagnostics.images,
        "batches": study.diagnostics.batches,
    }
    made = [paths.diagnostics]
    return dataset_unless_current(wildcards, made, "diagnostics", "diagnose", values)


# Every job on a cluster starts Snakemake anew and reads the rules. So what grows with the study is a
# function: only the process that plans all jobs, or one that runs this rule's, makes the list.


def training_files(template):
    return lambda wildcards: [paths.fill(template, one) for one in study.trainings]


def evaluation_files():
    return lambda wildcards: [paths.fill(paths.noise, one) for one in study.evaluations]


def layer_files():
    return lambda wildcards: [paths.fill(paths.noise, one) for one in study.layer_evaluations]


def snapshot_training_files(template):
    return lambda wildcards: _of_snapshots(template, study.trainings)


def snapshot_evaluation_files():
    return lambda wildcards: _of_snapshots(paths.noise, study.evaluations)


def _of_snapshots(template, cells):
    if not study.snapshots:
        return []
    filled = [
        paths.fill(of_snapshot(template).replace("{epoch}", "{{epoch}}"), one) for one in cells
    ]
    return expand(filled, epoch=study.snapshots)


def there(files):
    # Of an incomplete study, what a failed job left out is a hole that summary and tables name.
    return lambda wildcards: [
        one for one in files(wildcards) if not study.incomplete or os.path.exists(one)
    ]


def whys():
    return [] if study.incomplete else why_stems(study)


def dataset_files():
    return {name: paths.dataset.format(dataset=name) for name in study.outline.datasets}


def table_files():
    stems = table_stems(study.outline)
    return expand(f"{paths.tables}/{{table}}.{{suffix}}", table=stems, suffix=TABLE_FORMATS)


def figure_files():
    stems = figure_stems(study.outline)
    return expand(f"{paths.figures}/{{figure}}.{{suffix}}", figure=stems, suffix=FIGURE_FORMATS)


def why_figures():
    return expand(f"{paths.figures}/{{figure}}.{{suffix}}", figure=whys(), suffix=FIGURE_FORMATS)


def external_dataset(wildcards):
    return paths.dataset.format(dataset=study.external_models[wildcards.external].dataset)


def external_noise_files():
    levels = [format_number(level) for level in study.noise_levels]
    file = f"{paths.external}/noise/{{scope}}/eta-{{noise_level}}.h5"
    return expand(file, scope=study.readings, noise_level=levels, allow_missing=True)


def external_readings():
    readings = {
        name: {"arrays": one.arrays, "settings": one.settings.as_mapping()}
        for name, one in study.readings.items()
    }
    return to_json(readings)


def external_files():
    templates = [f"{paths.external}/baseline.h5", *external_noise_files()]
    return expand(templates, external=study.external_models)


def external_folders():
    folders = {
        name: {"dataset": one.dataset, "folder": paths.external.format(external=name)}
        for name, one in study.external_models.items()
    }
    return to_json(folders)


def why_files():
    diagnostics = [f"{paths.diagnostics_summary}.csv"] if study.diagnostics.images else []
    external = [f"{paths.external_summary}.csv"] if study.external_models else []
    layers = [f"{paths.layers}.csv"] if study.layer_sweep.levels else []
    return [f"{paths.lengths}.csv", *diagnostics, *external, *layers, *why_figures()]
