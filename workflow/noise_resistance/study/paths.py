"""Every path of a study.

Templates hold Snakemake wildcards in braces; `fill` puts values in their place.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from noise_resistance.study.grid import Evaluation, Training
from noise_resistance.study.numbers import format_number

__all__ = [
    "EVALUATION",
    "LAYER_SCOPE",
    "NAME_PATTERN",
    "SCOPE_PATTERN",
    "STANDARD_RECIPE",
    "TRAINING",
    "Paths",
    "evaluation_of",
    "training_of",
    "wildcards",
]

NAME_PATTERN = r"[a-z][a-z0-9_]*"
# The name of the training choices that the section `training` itself states.
STANDARD_RECIPE = "standard"
# What the name of a scope begins with that is one layer alone.
LAYER_SCOPE = "layer-"
SCOPE_PATTERN = rf"(?:{LAYER_SCOPE})?{NAME_PATTERN}"
TRAINING = "{dataset}/{model}/{recipe}/{optimizer}/lr-{learning_rate}/seed-{seed}"
EVALUATION = f"{TRAINING}/{{scope}}/eta-{{noise_level}}"


@dataclass(frozen=True)
class Paths:
    """The paths of one study, relative to the working directory."""

    study: str

    @property
    def root(self) -> str:
        """The study's folder."""
        return f"results/{self.study}"

    @property
    def training(self) -> str:
        """A training's folder."""
        return f"{self.root}/trainings/{TRAINING}"

    store = "results/store"
    archive = "results/datasets/{dataset}/{checksum}/{archive}"
    # What consumers depend on: small, and never deleted. The images lie beside it.
    dataset = "results/datasets/{dataset}/{digest}.json"
    images = "results/datasets/{dataset}/{digest}.h5"

    @property
    def weights(self) -> str:
        """Keras weights of the last epoch."""
        return self.training + "/model.weights.h5"

    @property
    def history(self) -> str:
        """Loss and accuracy by epoch."""
        return self.training + "/history.h5"

    @property
    def optimizer(self) -> str:
        """The optimizer's state after the last epoch."""
        return self.training + "/optimizer.h5"

    @property
    def snapshot(self) -> str:
        """The folder of a training as it was after some epochs."""
        return self.training + "/snapshots/epoch-{epoch}"

    @property
    def baseline(self) -> str:
        """Accuracy without noise."""
        return self.training + "/baseline.h5"

    @property
    def noise(self) -> str:
        """Accuracy of the draws at one noise level."""
        return self.training + "/noise/{scope}/eta-{noise_level}.h5"

    @property
    def summary(self) -> str:
        """All accuracies of the study, tidy; `.csv` and `.h5`."""
        return self.root + "/summary"

    @property
    def lengths(self) -> str:
        """Loss and accuracies of trainings and their snapshots; `.csv` and `.h5`."""
        return self.root + "/lengths"

    @property
    def layers(self) -> str:
        """Accuracies with noise on one layer alone; `.csv` and `.h5`."""
        return self.root + "/layers"

    @property
    def diagnostics(self) -> str:
        """Dead channels, amplification and gradient noise of a training."""
        return self.training + "/diagnostics.h5"

    @property
    def diagnostics_summary(self) -> str:
        """Diagnostics of all trainings; `.csv` and `.h5`."""
        return self.root + "/diagnostics"

    @property
    def external(self) -> str:
        """The folder of a model that was trained elsewhere."""
        return self.root + "/external/{external}"

    @property
    def external_summary(self) -> str:
        """All accuracies of models that were trained elsewhere; `.csv` and `.h5`."""
        return self.root + "/external_models"

    @property
    def report(self) -> str:
        """The study on one page."""
        return self.root + "/report.html"

    @property
    def tables(self) -> str:
        """The folder of the tables."""
        return self.root + "/tables"

    @property
    def figures(self) -> str:
        """The folder of the figures."""
        return self.root + "/figures"

    @property
    def settings(self) -> str:
        """What the study was when it was last summarised."""
        return self.root + "/study.json"

    @property
    def restored(self) -> str:
        """What the study was when results of it were last restored before a run."""
        return self.root + "/restored.json"

    @property
    def logs(self) -> str:
        """The folder of the logs; below it the paths are those of the results."""
        return f"logs/{self.study}"

    def log(self, rule: str, values: Mapping[str, str]) -> str:
        """Return the log of a job that trains or measures.

        Args:
            rule: its rule.
            values: its wildcards.
        """
        if "external" in values:
            return f"{self.logs}/{rule}/{values['external']}.log"
        place = (EVALUATION if "noise_level" in values else TRAINING).format(**values)
        epoch = f"/epoch-{values['epoch']}" if "epoch" in values else ""
        return f"{self.logs}/{rule}/{place}{epoch}.log"

    def fill(self, template: str, one: Training | Evaluation) -> str:
        """Put a training's or an evaluation's values in the place of the wildcards."""
        return template.format(**wildcards(one))


def wildcards(one: Training | Evaluation) -> dict[str, str]:
    """Return the wildcard values of a training or an evaluation."""
    if isinstance(one, Evaluation):
        return {
            **wildcards(one.training),
            "scope": one.scope,
            "noise_level": format_number(one.noise_level),
        }
    return {
        "dataset": one.dataset,
        "model": one.model,
        "recipe": STANDARD_RECIPE,
        "optimizer": one.optimizer,
        "learning_rate": format_number(one.learning_rate),
        "seed": str(one.seed),
    }


def training_of(values: Mapping[str, str]) -> Training:
    """Return the training that wildcard values stand for."""
    place = values["dataset"], values["model"], values["optimizer"]
    return Training(*place, float(values["learning_rate"]), int(values["seed"]))


def evaluation_of(values: Mapping[str, str]) -> Evaluation:
    """Return the evaluation that wildcard values stand for."""
    return Evaluation(training_of(values), values["scope"], float(values["noise_level"]))
