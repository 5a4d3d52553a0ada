# From the configuration to what the rules say. Nothing is decided here: the package decides, and is
# imported without TensorFlow.

import json
import shlex
import sys
from pathlib import Path

from snakemake.logging import logger

PACKAGE_FOLDER = str(Path(str(workflow.current_basedir)).parent)
if PACKAGE_FOLDER not in sys.path:
    sys.path.insert(0, PACKAGE_FOLDER)

from noise_resistance.errors import ConfigurationError
from noise_resistance.store.fingerprint import fingerprint
from noise_resistance.store.versions import version_of
from noise_resistance.study.configuration import load
from noise_resistance.study.demands import demand_of
from noise_resistance.study.numbers import NUMBER_PATTERN
from noise_resistance.study.paths import EVALUATION, NAME_PATTERN, SCOPE_PATTERN, TRAINING
from noise_resistance.study.products import Products
from noise_resistance.study.settings import lost_records, settings_of

try:
    study = load(config)
except ConfigurationError as error:
    sys.exit(f"error: {error}")

paths = study.paths
products = Products(study)
SUMMARY = f"{paths.summary}.h5"
GPUS = 0 if study.device == "cpu" else 1
CONDA_ENVIRONMENT = f"../../envs/{'gpu' if GPUS else 'cpu'}.yaml"
OUTLINE = study.outline.to_json()
SETTINGS = json.dumps(settings_of(study))

if workflow.is_main_process and (warning := lost_records(study)):
    logger.warning(warning)


wildcard_constraints:
    dataset=NAME_PATTERN,
    digest="[0-9a-f]{16}",
    checksum="[0-9a-f]+",
    model=NAME_PATTERN,
    recipe=NAME_PATTERN,
    optimizer=NAME_PATTERN,
    learning_rate=NUMBER_PATTERN,
    seed="[0-9]+",
    scope=SCOPE_PATTERN,
    noise_level=NUMBER_PATTERN,
    epoch="[1-9][0-9]*",
    external=NAME_PATTERN,
    archive="[A-Za-z0-9][A-Za-z0-9._-]*",
    number="[12]?",


# What each command begins with, and where and how its job computes. Both decide no number: Snakemake
# keeps no record of a parameter that is a function of threads, so neither makes anything stale.


def program(wildcards, threads):
    from snakemake_interface_executor_plugins.settings import DeploymentMethod

    deployed = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    python = "python" if deployed else sys.executable
    return shlex.join(["env", f"PYTHONPATH={PACKAGE_FOLDER}", python, "-m", "noise_resistance"])


def machine(wildcards, threads):
    options = ["--device", study.device, "--trainings-per-gpu", str(study.trainings_per_gpu)]
    options += ["--threads", str(threads), "--store", study.store_folder]
    return shlex.join(options + ([] if study.store else ["--recompute"]))


# Functions: in a string Snakemake would take braces for wildcards.


def outline(wildcards):
    return OUTLINE


def settings(wildcards):
    return SETTINGS


def specification(summary):
    return lambda wildcards: json.dumps(study.specification(summary).as_mapping(), sort_keys=True)


def request_of(step):
    return lambda wildcards: products.request(step, wildcards)


def dataset_file(wildcards):
    return products.dataset(wildcards)


def catalogue_entry(wildcards):
    return study.catalogue[wildcards.dataset]


def asks(step, quantity):
    # What a job asks of a machine: more after each attempt that failed.
    def ask(wildcards, attempt):
        dataset, model = products.place(wildcards)
        return getattr(demand_of(study, step, dataset, model, attempt), quantity)

    return ask
