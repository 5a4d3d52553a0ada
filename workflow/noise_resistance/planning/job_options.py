"""What one job asks Slurm for: its demand, and what a command line or a profile changes of it.

``--set-resources`` and ``--set-threads`` replace what a rule asks for, ``--default-resources`` fill
what it leaves open, ``--resources`` and ``--max-threads`` bound all.
"""

import os
import re
import shlex
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from noise_resistance.errors import ClusterError
from noise_resistance.study.configuration import Study
from noise_resistance.study.demands import demand_of

if TYPE_CHECKING:
    from snakemake.settings.types import ResourceSettings

__all__ = ["NUMBERS", "Asked", "UnknownError", "asked_by", "options_of"]

# The resources that the executor reads, and what they are for sbatch.
NUMBERS = {
    "gpu": "--gpus",
    "cpus_per_task": "--cpus-per-task",
    "mem_mb": "--mem",
    "mem_mb_per_cpu": "--mem-per-cpu",
    "runtime": "--time",
}
_NAMES = {
    "slurm_partition": "--partition",
    "slurm_account": "--account",
    "clusters": "--clusters",
    "cluster": "--clusters",
    "slurm_cluster": "--clusters",
    "qos": "--qos",
    "constraint": "--constraint",
    "gres": "--gres",
}
_GRES = re.compile(r"\w+(:[\w.]+)?(:\d+[TGM]?)?", re.ASCII)
# What the executor sets itself and refuses in slurm_extra. It refuses a bundle of jobs without a
# word, and Snakemake waits for it for ever.
_SET_BY_EXECUTOR = re.compile(
    r"--(job-name|output|error|parsable|export|comment|workdir|account|partition|mem|mem-per-cpu"
    r"|ntasks|ntasks-per-gpu|cpus-per-task|cpus-per-gpu|time|constraint|qos|nodes|clusters|gres"
    r"|gpus)(=.*)?|-[JoeDApnctCN]"
)

Asked = dict[str, Any]


class UnknownError(Exception):
    """What a job asks for depends on the job itself, such as on the size of its input."""


def asked_by(
    rule: str, place: tuple[str, str | None], attempt: int, study: Study, user: "ResourceSettings"
) -> Asked:
    """Return what a job asks for, by the names of resources.

    Args:
        rule: its name.
        place: its dataset and model, None for a model of unknown depth.
        attempt: 1, or more after a failure.
        study: the configuration.
        user: what the user changes.

    Raises:
        UnknownError: only the job itself tells.
        ClusterError: the executor would refuse it.
    """
    dataset, model = place
    step = rule if rule in ("train", "diagnose", "evaluate_external") else "evaluate"
    demand = demand_of(study, step, dataset, model, attempt)
    known: Asked = {"attempt": attempt, "wildcards": SimpleNamespace(dataset=dataset, model=model)}
    threads = study.training_threads if rule == "train" else study.evaluation_threads
    threads = _number(user.overwrite_threads.get(rule, threads), known)
    known["threads"] = threads = min(threads, user.max_threads or threads)
    written: Asked = {
        "cpus_per_task": threads,
        **(user.default_resources or {}),
        "gpu": int(study.device != "cpu"),
        "mem_mb": demand.mem_mb,
        "runtime": demand.runtime,
        **user.overwrite_resources.get(rule, {}),
    }
    numbers = {name: _number(written[name], known) for name in NUMBERS if name in written}
    limits = {name: _number(user.resources[name], {}) for name in numbers if name in user.resources}
    names = {
        name: _name(written[name], known) for name in (*_NAMES, "slurm_extra") if name in written
    }
    asked = names | numbers | {name: min(numbers[name], one) for name, one in limits.items()}
    _check(rule, asked)
    return asked


def options_of(asked: Asked) -> tuple[str, ...]:
    """Return the options that the executor gives to sbatch."""
    if asked.get("mem_mb_per_cpu"):
        asked = asked | {"mem_mb": 0}
    if accounts := asked.get("slurm_account"):
        # Of several it tries one after the other.
        asked = asked | {"slurm_account": re.split(r"[,\s]", accounts)[0]}
    names = [f"{option}={asked[name]}" for name, option in _NAMES.items() if asked.get(name)]
    numbers = [f"{one}={asked[name]}" for name, one in NUMBERS.items() if asked.get(name, 0) > 0]
    return (*names, *numbers, *_extra(asked))


def _check(rule: str, asked: Asked) -> None:
    """Refuse what the executor would."""
    gres = asked.get("gres")
    if gres and not _GRES.fullmatch(gres):
        raise ClusterError(
            f"the resources of {rule} cannot be submitted: gres is '{gres}'; write NAME, "
            "NAME:NUMBER or NAME:TYPE:NUMBER, such as gpu:1"
        )
    try:
        extra = _extra(asked)
    except ValueError as error:
        raise ClusterError(
            f"the resources of {rule} cannot be submitted: slurm_extra is "
            f"{asked['slurm_extra']}, with {str(error).lower()}"
        ) from error
    for option in filter(_SET_BY_EXECUTOR.fullmatch, extra):
        raise ClusterError(
            f"the resources of {rule} cannot be submitted: {option} in slurm_extra is the "
            "executor's; set the resource that stands for it"
        )


def _extra(asked: Asked) -> list[str]:
    return shlex.split(asked.get("slurm_extra", ""))


def _number(resource: Any, known: Mapping[str, object]) -> int:
    value = _value(resource, known)
    if not isinstance(value, int | float | None):
        raise UnknownError
    return round(value or 0)


def _name(resource: Any, known: Mapping[str, object]) -> str:
    value = _value(resource, known)
    if not isinstance(value, int | str | None):
        raise UnknownError
    return "" if value is None else str(value)


def _value(resource: Any, known: Mapping[str, object]) -> Any:
    """Return what Snakemake will find: a number, a text, or what an expression comes to.

    Raises:
        UnknownError: the expression takes more than what is known.
    """
    if hasattr(resource, "is_evaluable"):  # Snakemake's object around the value
        if not resource.is_evaluable():
            return resource.value
        resource = resource.raw
        if resource is None:
            raise UnknownError
    if not isinstance(resource, str):
        return resource
    # As Snakemake does it.
    text = os.path.expandvars(resource)
    try:
        return eval(text, dict(known))
    except (NameError, SyntaxError):
        # A name as it stands, such as that of a partition; or a function of Snakemake's.
        if "(" in text:
            raise UnknownError from None
        return text
    except Exception as error:
        raise UnknownError from error
