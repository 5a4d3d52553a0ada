"""The names of the tables and figures a study makes, without their endings."""

from noise_resistance.study.configuration import Study
from noise_resistance.study.outline import Outline

__all__ = [
    "FIGURE_FORMATS",
    "SCOPE_TABLES",
    "STUDY_TABLES",
    "TABLE_FORMATS",
    "figure_stems",
    "table_stems",
    "why_stems",
    "why_table_stems",
]

TABLE_FORMATS = ("csv", "md", "tex")
SCOPE_TABLES = ("uncertainty", "best_rate", "comparison")
STUDY_TABLES = ("readings", "claims")
FIGURE_FORMATS = ("png", "svg", "pdf")


def table_stems(outline: Outline) -> list[str]:
    """Return ``table1``, ``table2`` and ``table3-<scope>``, where the study has what they show.

    After them come those the paper does not have: `SCOPE_TABLES` by scope and `STUDY_TABLES`.
    """
    experiment = outline.experiment("learning_rate")
    if not experiment:
        return []
    stems = ["table1", "table2", *(f"table3-{scope}" for scope in experiment.scopes)]
    stems += [f"{table}-{scope}" for table in SCOPE_TABLES for scope in experiment.scopes]
    return [*stems, *STUDY_TABLES]


def why_table_stems(study: Study) -> list[str]:
    """Return the tables of why.

    ``gradient_noise`` where the study has diagnostics, ``length-<scope>`` where it has snapshots.
    """
    lengths = [f"length-{scope}" for scope in _scopes(study)] if study.snapshots else []
    return [*(["gradient_noise"] if study.diagnostics.images else []), *lengths]


def figure_stems(outline: Outline) -> list[str]:
    """Return ``figure<n>-<dataset>-<scope>`` (Figures 1, 2) and ``figure<n>-<scope>`` (3, 4).

    The paper has a Figure 1 for the first dataset and a Figure 2 for the second; those of further
    datasets bear no number.
    """
    stems = []
    if experiment := outline.experiment("learning_rate"):
        for position, dataset in enumerate(experiment.datasets, start=1):
            number = str(position) if position <= 2 else ""
            stems += [f"figure{number}-{dataset}-{scope}" for scope in experiment.scopes]
    for number, name in (("3", "optimizer"), ("4", "tradeoff")):
        if experiment := outline.experiment(name):
            stems += [f"figure{number}-{scope}" for scope in experiment.scopes]
    return stems


def why_stems(study: Study) -> list[str]:
    """Return the figures of why.

    ``length-<scope>`` where the study keeps snapshots, ``why-<scope>`` where it has diagnostics,
    ``layers-<model>`` where it sweeps layers, ``external`` where it has models trained elsewhere.
    """
    scopes = _scopes(study)
    lengths = [f"length-{scope}" for scope in scopes] if study.snapshots else []
    reasons = [f"why-{scope}" for scope in scopes] if study.diagnostics.images else []
    models = list(dict.fromkeys(model for one in study.experiments for model in one.models))
    layers = [f"layers-{model}" for model in models] if study.layer_sweep.levels else []
    external = ["external"] if study.external_models else []
    return lengths + reasons + layers + external


def _scopes(study: Study) -> list[str]:
    return list(dict.fromkeys(scope for one in study.experiments for scope in one.scopes))
