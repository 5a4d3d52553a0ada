# From the configuration to what the rules say: the study, its paths and its parameters.
# Nothing is decided here; the package decides, and is imported without TensorFlow.

import json
import os
import sys
from functools import cache
from pathlib import Path

PACKAGE_FOLDER = Path(workflow.basedir) / "workflow"
if str(PACKAGE_FOLDER) not in sys.path:
    sys.path.insert(0, str(PACKAGE_FOLDER))

from noise_resistance.errors import ConfigurationError, DataError
from noise_resistance.storage.files import check_writable
from noise_resistance.storage.resume import discard, resume_folder
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
    why_table_stems,
)
from noise_resistance.study.numbers import NUMBER_PATTERN, format_number
from noise_resistance.study.paths import (
    EVALUATION,
    LAYER_SCOPE,
    NAME_PATTERN,
    SCOPE_PATTERN,
    TRAINING,
)
from noise_resistance.study.settings import settings_of

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
CONFIGURATION = json.dumps(settings_of(study))
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


def configuration(wildcards):
    return CONFIGURATION


def dataset_of(wildcards):
    return study.catalogue[wildcards.dataset]


def archive_of(wildcards):
    return next(one for one in dataset_of(wildcards).archives if one.name == wildcards.archive)


def archive_files(wildcards):
    names = [archive.name for archive in dataset_of(wildcards).archives]
    return expand(paths.archive, dataset=wildcards.dataset, archive=names)


def dataset_file(wildcards):
    return paths.dataset.format(dataset=wildcards.dataset)


def training_of(wildcards):
    values = wildcards.dataset, wildcards.model, wildcards.optimizer
    return Training(*values, float(wildcards.learning_rate), int(wildcards.seed))


def request_of(wildcards):
    return study.request(training_of(wildcards))


def asks(step, quantity):
    # What a job asks of a machine: more after each attempt that failed.
    def ask(wildcards, attempt):
        if step == "evaluate_external":
            dataset, model = study.external_models[wildcards.external].dataset, None
        else:
            dataset, model = wildcards.dataset, wildcards.model
        return getattr(demand_of(study, step, dataset, model, attempt), quantity)

    return ask


def is_forced(rule, outputs):
    # By the command line: what is current runs all the same.
    asked = workflow.dag_settings
    named = {*asked.forcerun, *(asked.targets if asked.forcetargets else ())}
    return asked.forceall or not named.isdisjoint([rule, *outputs])


def dataset_unless_current(wildcards, rule, made, *checks):
    # Not `ancient`: of what depends on a job that runs through an ancient input alone, Snakemake
    # plans nothing, not even what is missing. A check is a file, its kind, step and parameters.
    files = [one.format(**wildcards) for one in made]
    current = not is_forced(rule, files) and all(map(os.path.exists, files))
    for file, kind, step, parameters in checks:
        current = current and is_current(
            file.format(**wildcards), kind, fingerprint(step), parameters
        )
    return [] if current else dataset_file(wildcards)


def dataset_to_train(wildcards):
    # What is left of the training says what it was made from; what somebody deleted and nothing is
    # missing for is not missed.
    parameters = request_of(wildcards).parameters()
    weights = paths.weights.format(**wildcards)
    checks = [(paths.history, "history", "train", parameters)]
    if os.path.exists(weights):
        checks.append((weights, "weights", "train", parameters))
    return dataset_unless_current(wildcards, "train", wanted_of(wildcards), *checks)


def wanted_of(wildcards):
    # The history is read by everything that gathers; the other files of a training only by what is
    # measured on them, once.
    training = training_of(wildcards)
    cells = evaluations_by_training().get(training)
    if cells is None:  # a file that somebody asks for by its name
        return [paths.weights, paths.history]
    wanted = [paths.history]
    if not measured(training, cells, paths.training):
        wanted.append(paths.weights)
    whole = [one for one in cells if not one.scope.startswith(LAYER_SCOPE)]
    for folder in expand(paths.snapshot, epoch=study.snapshots, allow_missing=True):
        if not measured(training, whole, folder):
            wanted += [f"{folder}/model.weights.h5", f"{folder}/history.h5"]
    if study.diagnostics.images and not os.path.exists(paths.fill(paths.diagnostics, training)):
        wanted += [*diagnosed_weights(wildcards), *diagnosed_states(wildcards)]
    return wanted


def measured(training, cells, folder):
    baseline, noise = (one.replace(paths.training, folder) for one in (paths.baseline, paths.noise))
    files = [paths.fill(baseline, training), *(paths.fill(noise, one) for one in cells)]
    return all(map(os.path.exists, files))


@cache
def evaluations_by_training():
    found = {one: [] for one in study.trainings}
    for one in [*study.evaluations, *study.layer_evaluations]:
        found[one.training].append(one)
    return found


def dataset_for_baseline(wildcards):
    return _for_baseline(wildcards, "evaluate_baseline", paths.baseline)


def dataset_for_noise(wildcards):
    return _for_noise(wildcards, "evaluate_noise", paths.noise)


def _for_baseline(wildcards, rule, file):
    parameters = {"model": wildcards.model, "precision": study.noise.precision}
    check = file, "baseline", "evaluate_baseline", parameters
    return dataset_unless_current(wildcards, rule, [file], check)


def _for_noise(wildcards, rule, file):
    reading = study.reading(wildcards.scope)
    parameters = {
        "model": wildcards.model,
        "scope": reading.arrays,
        "noise_level": float(wildcards.noise_level),
        **reading.settings.as_mapping(),
    }
    check = file, "noise", "evaluate_noise", parameters
    return dataset_unless_current(wildcards, rule, [file], check)


def snapshot_outputs(*names):
    folders = expand(paths.snapshot, epoch=study.kept_epochs, allow_missing=True)
    return [f"{folder}/{name}" for name in names for folder in folders]


def of_snapshot(template):
    return template.replace(paths.training, paths.snapshot)


def dataset_for_snapshot_baseline(wildcards):
    return _for_baseline(wildcards, "evaluate_snapshot_baseline", of_snapshot(paths.baseline))


def dataset_for_snapshot_noise(wildcards):
    return _for_noise(wildcards, "evaluate_snapshot_noise", of_snapshot(paths.noise))


def diagnosed_weights(wildcards):
    folders = [*expand(paths.snapshot, epoch=study.kept_epochs, allow_missing=True)]
    return [f"{folder}/model.weights.h5" for folder in [*folders, paths.training]]


def diagnosed_states(wildcards):
    files = diagnosed_weights(wildcards)
    return [one.replace("model.weights.h5", name) for one in files for name in STATES]


def dataset_for_diagnostics(wildcards):
    request = request_of(wildcards)
    values = {
        "model": request.model,
        "optimizer_definition": request.optimizer_definition,
        "learning_rate": request.learning_rate,
        "seed": request.seed,
        "recipe": study.recipe.as_mapping(),
        "images": study.diagnostics.images,
        "batches": study.diagnostics.batches,
    }
    check = paths.diagnostics, "diagnostics", "diagnose", values
    return dataset_unless_current(wildcards, "diagnose", [paths.diagnostics], check)


def check_folders():
    # Snakemake makes folders itself, and shows a traceback where it cannot.
    try:
        for folder in ("results/datasets", paths.root, paths.logs):
            check_writable(folder)
    except DataError as error:
        sys.exit(f"error: {error}")


def discard_states():
    # A training keeps its last state until it is in Snakemake's books: a Snakemake that dies before
    # leaves a marker, and the next one starts the finished training again.
    for job in workflow.dag.jobs:
        if job.rule.name == "train" and resume_folder(job.output.weights).exists():
            done = workflow.dag.noneedrun_finished(job) and os.path.exists(job.output.weights)
            if done and not workflow.async_run(workflow.persistence.incomplete(job)):
                discard(job.output.weights)


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


def all_tables():
    return table_stems(study.outline) + ([] if study.incomplete else why_table_stems(study))


def dataset_files():
    return {name: paths.dataset.format(dataset=name) for name in study.outline.datasets}


def table_files():
    stems = all_tables()
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


def measured_files():
    # Of an incomplete study these summaries are not made.
    measured = {
        "diagnostics": (paths.diagnostics_summary, study.diagnostics.images),
        "lengths": (paths.lengths, study.snapshots),
        "layers": (paths.layers, study.layer_sweep.levels),
        "external_models": (paths.external_summary, study.external_models),
    }
    there = {name: f"{stem}.h5" for name, (stem, wanted) in measured.items() if wanted}
    return {} if study.incomplete else there


def why_files():
    # They need all of the study: to ask for them would begin what is missing.
    if study.incomplete:
        return []
    diagnostics = [f"{paths.diagnostics_summary}.csv"] if study.diagnostics.images else []
    external = [f"{paths.external_summary}.csv"] if study.external_models else []
    layers = [f"{paths.layers}.csv"] if study.layer_sweep.levels else []
    return [f"{paths.lengths}.csv", *diagnostics, *external, *layers, *why_figures()]
