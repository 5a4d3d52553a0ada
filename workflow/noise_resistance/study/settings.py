"""The configuration that decides a study's numbers, as plain values."""

from dataclasses import asdict
from typing import Any

from noise_resistance.study.configuration import Study
from noise_resistance.study.readings import Reading

__all__ = ["settings_of"]


def settings_of(study: Study) -> dict[str, Any]:
    """Return what a configuration would have to say to make this study.

    Keys that say where and how fast it is computed (device, threads, sharing of GPUs, longest job,
    whether holes are allowed, where archives come from) decide no number and are left out.
    """
    return {
        "study": study.name,
        "experiments": [asdict(one) for one in study.experiments],
        "seeds": list(study.seeds),
        "training": {**study.recipe.as_mapping(), "snapshots": list(study.snapshots)},
        "noise": {
            **_without_precision(study.noise.as_mapping()),
            "levels": list(study.noise_levels),
            "scopes": [_scope(one, study) for one in study.readings.values()],
            "layer_sweep": {
                "levels": list(study.layer_sweep.levels),
                "scope": study.layer_sweep.scope,
            },
        },
        "evaluation": {"precision": study.noise.precision},
        "diagnostics": asdict(study.diagnostics),
        "external_models": {name: one.as_mapping() for name, one in study.external_models.items()},
        "datasets": {
            name: study.catalogue[name].identity()
            for name in dict.fromkeys(
                [
                    *(name for one in study.experiments for name in one.datasets),
                    *(one.dataset for one in study.external_models.values()),
                ]
            )
        },
    }


def _without_precision(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "precision"}


def _scope(reading: Reading, study: Study) -> str | dict[str, Any]:
    """Return a scope as `noise.scopes` writes it: its name, or a variant with what it changes."""
    usual = study.noise.as_mapping()
    changed = {
        name: value for name, value in reading.settings.as_mapping().items() if value != usual[name]
    }
    if reading.name == reading.arrays and not changed:
        return reading.name
    return {"name": reading.name, "arrays": reading.arrays, **changed}
