"""What would be submitted to Slurm, by the study's grid: all of it, also what is finished."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from noise_resistance.planning.job_options import (
    NUMBERS,
    Asked,
    UnknownError,
    asked_by,
    options_of,
)
from noise_resistance.study.configuration import Study
from noise_resistance.study.demands import demand_of, evaluations_by_rule

if TYPE_CHECKING:
    from snakemake.settings.types import GroupSettings, ResourceSettings

__all__ = ["Submission", "advice", "submissions"]

# The resource that makes the jobs of a submission run one after the other.
_IN_TURN = "in_turn"


@dataclass(frozen=True)
class Submission:
    """What a submission asks of Slurm; one that asks for the same is the same.

    Attributes:
        rules: the names of its jobs' rules; several are bundled.
        options: of ``sbatch``, such as ``--mem=4000``.
        attempt: 1, or more after failures.
    """

    rules: tuple[str, ...]
    options: tuple[str, ...]
    attempt: int = field(default=1, compare=False)

    def __str__(self) -> str:
        bundle = len(self.rules) > 1
        what = f"{'bundled ' if bundle else ''}jobs of {'rules' if bundle else 'rule'}"
        failures = self.attempt - 1
        after = f" after {failures} failure{'s' * (failures > 1)}" if failures else ""
        return f"the {what} {' and '.join(self.rules)}{after}"


@dataclass(frozen=True)
class _Bundle:
    """Jobs that are submitted together, or one job.

    Attributes:
        place: their dataset and model, None for a model of unknown depth.
        counts: how many jobs there are, by rule.
        most: how many jobs one submission takes.
    """

    place: tuple[str, str | None]
    counts: Mapping[str, int]
    most: int = 1

    @property
    def size(self) -> int:
        """How many jobs one submission has."""
        return min(self.most, sum(self.counts.values()))


def submissions(
    study: Study, user: "ResourceSettings", groups: "GroupSettings", attempts: int
) -> Iterator[Submission]:
    """Yield what the first and the last attempt of each kind of job ask for.

    Left out is what the grid does not tell: jobs that ask for more or less by their input, and
    bundles whose jobs run at once.

    Args:
        study: the configuration.
        user: what the user changes of what jobs ask for.
        groups: what the user bundles.
        attempts: that Snakemake makes.

    Raises:
        ClusterError: the executor would refuse what a job asks for.
    """
    for bundle in _bundles(study, groups):
        if bundle.size > 1 and _IN_TURN not in user.resources:
            continue
        for attempt in dict.fromkeys([1, attempts]):
            try:
                asked = {
                    rule: asked_by(rule, bundle.place, attempt, study, user)
                    for rule in bundle.counts
                }
            except UnknownError:
                continue
            yield Submission(tuple(sorted(asked)), options_of(_in_turn(asked, bundle)), attempt)


def advice(
    study: Study, user: "ResourceSettings", groups: "GroupSettings", attempts: int
) -> list[str]:
    """Return a line for each option that is missing, as it seems.

    Args:
        study: the configuration; its trainings without weights are not finished.
        user: what the user changes of what jobs ask for.
        groups: what the user bundles.
        attempts: that Snakemake makes.
    """
    lines = []
    needed = _submissions_to_train(study)
    if needed > attempts:
        lines.append(
            f"A training may take up to {needed} submissions of {study.longest_job} minutes "
            f"(longest_job) and gets {attempts}; add --retries {needed + 2}. None is lost: the "
            "same command goes on from the last epoch."
        )
    if _IN_TURN not in user.resources and any(one.size > 1 for one in _bundles(study, groups)):
        lines.append(
            "The evaluations of a model are one submission and run at once in it, each on a GPU of "
            f"its own; add {_IN_TURN}=1 to --resources, which replace those of the profile."
        )
    return lines


def _submissions_to_train(study: Study) -> int:
    """Return how many submissions the longest training takes that is not finished."""
    paths = study.paths
    places = {
        (one.dataset, one.model)
        for one in study.trainings
        if not Path(paths.fill(paths.weights, one)).exists()
    }
    demands = [demand_of(study, "train", *place, attempt=1) for place in places]
    return max((one.submissions for one in demands), default=0)


def _bundles(study: Study, groups: "GroupSettings") -> Iterator[_Bundle]:
    """Yield each kind of job, evaluations of a trained model that share a group as one."""
    for place in dict.fromkeys((one.dataset, one.model) for one in study.trainings):
        yield _Bundle(place, {"train": 1})
        if study.diagnostics.images:
            yield _Bundle(place, {"diagnose": 1})
        by_group: dict[str, dict[str, int]] = defaultdict(dict)
        for rule, count in evaluations_by_rule(study, place[1]).items():
            by_group[groups.overwrite_groups.get(rule, rule)][rule] = count
        for group, counts in by_group.items():
            yield _Bundle(place, counts, groups.group_components.get(group, 1))
    for dataset in dict.fromkeys(one.dataset for one in study.external_models.values()):
        yield _Bundle((dataset, None), {"evaluate_external": 1})


def _in_turn(asked: Mapping[str, Asked], bundle: _Bundle) -> Asked:
    """Return what jobs ask for together, by rule: the most of each, and the sum of their time."""
    whole: Asked = {}
    for one in asked.values():
        most = {name: max(one[name], whole.get(name, 0)) for name in NUMBERS if name in one}
        whole = whole | one | most
    minutes = [
        asked[rule]["runtime"] for rule, count in bundle.counts.items() for _ in range(count)
    ]
    return whole | {"runtime": sum(sorted(minutes)[-bundle.size :])}
