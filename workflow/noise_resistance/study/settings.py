"""The configuration that decides a study's numbers, and whether results are of another one."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from noise_resistance.study.configuration import Study
from noise_resistance.study.readings import Reading

__all__ = ["differing_keys", "lost_records", "settings_of"]

_RECORDS = Path(".snakemake/metadata")


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


def lost_records(study: Study) -> str | None:
    """Return a warning where Snakemake cannot know that the configuration has changed.

    Snakemake keeps its records of parameters in ``.snakemake/``. Without them it takes results for
    current whatever the configuration says; a study states what it was in ``study.json``. Nor has
    it a record of what `noise-resistance store restore` brought back.
    """
    settings, restored = Path(study.paths.settings), Path(study.paths.restored)
    has_records = _RECORDS.is_dir() and any(_RECORDS.iterdir())
    if has_records and not restored.exists():
        return None
    try:
        last = max((one for one in (settings, restored) if one.exists()), key=_time_of)
        was = json.loads(last.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    wanted = json.loads(json.dumps(settings_of(study)))
    keys = list(differing_keys(was, wanted)) if isinstance(was, dict) else []
    if not keys:
        return None
    lost = (
        "has no records of what was restored from the store, so it may plan too little"
        if has_records
        else "has lost its records of it in .snakemake, so it plans too little"
    )
    return (
        f"{study.paths.root} was made with another configuration ({', '.join(keys)}), and "
        f"Snakemake {lost}; add --forceall: each job looks at what there is before it computes, "
        "and nothing is computed twice"
    )


def _time_of(path: Path) -> float:
    return path.stat().st_mtime


def differing_keys(was: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Give the keys whose values differ, nested ones with points between."""
    for key in dict.fromkeys([*was, *wanted]):
        one, other = was.get(key), wanted.get(key)
        if one == other:
            continue
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from (f"{key}.{inner}" for inner in differing_keys(one, other))
        else:
            yield key
