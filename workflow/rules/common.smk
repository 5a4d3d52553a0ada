# From the configuration to what the rules say: the study, its paths and its parameters.
# Nothing is decided here; the package decides, and is imported without TensorFlow.

import json
import os
import sys
from pathlib import Path

PACKAGE_FOLDER = Path(workflow.basedir) / "workflow"
if str(PACKAGE_FOLDER) not in sys.path:
    sys.path.insert(0, str(PACKAGE_FOLDER))

from noise_resistance.errors import ConfigurationError
from noise_resistance.study.configuration import load
from noise_resistance.study.fingerprint import fingerprint
from noise_resistance.study.optimizers import optimizer_named
from noise_resistance.study.outputs import FIGURE_FORMATS, TABLE_FORMATS, figure_stems, table_stems
from noise_resistance.study.numbers import NUMBER_PATTERN
from noise_resistance.study.paths import EVALUATION, NAME_PATTERN, TRAINING

# Jobs run this interpreter and this package, also where neither is installed or activated.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))
shell.prefix(f"export PYTHONPATH={str(PACKAGE_FOLDER)!r}; ")

try:
    study = load(config)
except ConfigurationError as error:
    sys.exit(f"error: {error}")

paths = study.paths
OUTLINE = study.outline.to_json()
GPUS = 0 if study.device == "cpu" else 1
CONDA_ENVIRONMENT = f"../../envs/{'gpu' if GPUS else 'cpu'}.yaml"


wildcard_constraints:
    dataset=NAME_PATTERN,
    model=NAME_PATTERN,
    optimizer=NAME_PATTERN,
    learning_rate=NUMBER_PATTERN,
    seed="[0-9]+",
    scope=NAME_PATTERN,
    noise_level=NUMBER_PATTERN,
    archive="[A-Za-z0-9][A-Za-z0-9._-]*",
    number="[12]?",


def to_json(values):
    return json.dumps(values, sort_keys=True)


def dataset_of(wildcards):
    return study.catalogue[wildcards.dataset]


def archive_of(wildcards):
    return next(one for one in dataset_of(wildcards).archives if one.name == wildcards.archive)


def archive_files(wildcards):
    names = [archive.name for archive in dataset_of(wildcards).archives]
    return expand(paths.archive, dataset=wildcards.dataset, archive=names)


def optimizer_definition(wildcards):
    return optimizer_named(wildcards.optimizer).definition()


def training_files(template):
    return [paths.fill(template, training) for training in study.trainings]


def evaluation_files():
    return [paths.fill(paths.noise, evaluation) for evaluation in study.evaluations]


def dataset_files():
    return {name: paths.dataset.format(dataset=name) for name in study.outline.datasets}


def table_files():
    stems = table_stems(study.outline)
    return expand(f"{paths.tables}/{{table}}.{{suffix}}", table=stems, suffix=TABLE_FORMATS)


def figure_files():
    stems = figure_stems(study.outline)
    return expand(f"{paths.figures}/{{figure}}.{{suffix}}", figure=stems, suffix=FIGURE_FORMATS)
