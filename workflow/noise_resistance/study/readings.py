"""Readings of "all the model weights": a noise scope and the noise settings that go with it.

A study evaluates its models under several readings. Each bears a name, which stands in paths and in
the column ``scope`` of tables: a scope's own name with the study's settings, or the name of a
variant that changes some of them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from noise_resistance.errors import ConfigurationError, suggest
from noise_resistance.study.choices import chosen
from noise_resistance.study.noise_settings import NoiseSettings
from noise_resistance.study.paths import LAYER_SCOPE, NAME_PATTERN
from noise_resistance.study.schema import schema

__all__ = ["Reading", "check_scopes", "known_scopes", "reading_named", "readings_of"]


@dataclass(frozen=True)
class Reading:
    """One way to put noise on a model.

    Attributes:
        name: in paths and tables.
        arrays: the noise scope, or ``<scope>@<layer>`` for one layer alone.
        settings: everything else.
    """

    name: str
    arrays: str
    settings: NoiseSettings

    def as_mapping(self) -> dict[str, Any]:
        """Return what decides numbers, as plain values; choices that are off are left out."""
        return {"arrays": self.arrays, "settings": chosen(self.settings)}


def known_scopes() -> list[str]:
    """Return the names of the noise scopes."""
    return list(schema()["$defs"]["scope"]["enum"])


def readings_of(
    entries: Sequence[str | Mapping[str, Any]], settings: NoiseSettings
) -> dict[str, Reading]:
    """Return the readings that ``noise.scopes`` names, in its order.

    Args:
        entries: names of scopes, and variants: ``name``, ``arrays`` and changed settings.
        settings: the study's.

    Raises:
        ConfigurationError: an unknown scope, or a name that cannot be used or is there twice.
    """
    readings: dict[str, Reading] = {}
    for index, entry in enumerate(entries):
        where = f"configuration: noise.scopes[{index}]"
        if isinstance(entry, str):
            if entry not in known_scopes():
                raise ConfigurationError(
                    f"{where}: '{entry}' is not possible; {suggest(entry, known_scopes())}"
                )
            reading = Reading(entry, entry, settings)
        else:
            reading = _variant(where, entry, settings)
        if reading.name in readings:
            count = sum(_name_of(one) == reading.name for one in entries)
            raise ConfigurationError(
                f"configuration: noise.scopes: {reading.name} is there {count} times; write it once"
            )
        readings[reading.name] = reading
    return readings


def reading_named(
    name: str, readings: Mapping[str, Reading], settings: NoiseSettings, layer_scope: str
) -> Reading:
    """Return the reading of a name in a path: a variant's, a scope's, or that of one layer."""
    if name in readings:
        return readings[name]
    if name.startswith(LAYER_SCOPE):
        return Reading(name, f"{layer_scope}@{name.removeprefix(LAYER_SCOPE)}", settings)
    return Reading(name, name, settings)


def check_scopes(where: str, names: Iterable[str], readings: Mapping[str, Reading]) -> None:
    """Check that names are scopes or variants.

    Raises:
        ConfigurationError: one is neither.
    """
    known = dict.fromkeys([*known_scopes(), *readings])
    for index, name in enumerate(names):
        if name not in known:
            raise ConfigurationError(
                f"configuration: {where}[{index}]: '{name}' is not possible; {suggest(name, known)}"
            )


def _variant(where: str, entry: Mapping[str, Any], settings: NoiseSettings) -> Reading:
    name = entry["name"]
    if name in known_scopes():
        raise ConfigurationError(
            f"{where}.name: '{name}' is a scope's own name; write another, such as {name}_variant"
        )
    if not re.fullmatch(NAME_PATTERN, name) or len(name) > 60:
        raise ConfigurationError(
            f"{where}.name: '{name}' is not possible; write lower-case letters, digits and '_', "
            "at most 60"
        )
    changed = {key: value for key, value in entry.items() if key not in ("name", "arrays")}
    return Reading(name, entry["arrays"], replace(settings, **changed))


def _name_of(entry: str | Mapping[str, Any]) -> str:
    return entry if isinstance(entry, str) else str(entry["name"])
