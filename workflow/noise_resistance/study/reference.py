"""The reference of the configuration, written from the schema."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from noise_resistance.study.schema import schema

__all__ = ["configuration_reference"]

_OPENING = """# Configuration

Made from `workflow/schemas/config.schema.yaml` by `make reference`; edit that file, not this one.

Snakemake reads `datasets.yaml`, lays `config.yaml` over it and then the file given with
`--configfile`, which states only what it changes: keys are merged, lists are replaced. Whatever no
file states has the default below. A key that is not here is refused.

- `config.yaml` is the paper's study, and the default.
- `demo.yaml` is the study in small: `make demo`.
- `datasets.yaml` is the catalogue of datasets.

YAML reads `1e-3` as text: write `1.0e-3` or `0.001`.
"""


def configuration_reference() -> str:
    """Return the reference as Markdown."""
    whole = schema()
    rows = "\n".join(_rows(whole, whole, ""))
    header = "| key | default | values | meaning |\n|---|---|---|---|\n"
    return f"{_OPENING}\n{header}{rows}\n"


def _rows(whole: Mapping[str, Any], node: Mapping[str, Any], prefix: str) -> Iterator[str]:
    required = node.get("required", ())
    for key, one in node["properties"].items():
        name = f"{prefix}{key}"
        default = _default(one, key in required)
        meaning = " ".join(one["description"].split()).replace("|", "\\|")
        yield f"| `{name}` | {default} | {_values(whole, one)} | {meaning} |"
        inner = one.get("items") or one
        if "properties" in inner:
            yield from _rows(whole, inner, f"{name}[]." if inner is not one else f"{name}.")
        others = one.get("additionalProperties")
        if isinstance(others, Mapping):
            yield from _rows(whole, others, f"{name}.<name>.")


def _default(one: Mapping[str, Any], required: bool) -> str:
    if "default" in one and one["default"] != {}:
        return f"`{json.dumps(one['default'])}`"
    return "needed" if required else ""


def _values(whole: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    if "$ref" in one:
        return _values(whole, whole["$defs"][one["$ref"].rpartition("/")[2]])
    if "enum" in one:
        return ", ".join(f"`{value}`" for value in one["enum"])
    if one.get("type") == "array":
        items = one.get("items")
        inner = _values(whole, items) if isinstance(items, Mapping) else ""
        return f"list of {inner}" if inner else "list"
    kinds = one.get("type", "")
    words = kinds if isinstance(kinds, str) else " or ".join(kinds)
    bounds = [
        f"{sign} {one[key]}"
        for key, sign in (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="))
        if key in one
    ]
    return ", ".join([{"object": "mapping", "array": "list"}.get(words, words), *bounds])
