"""The schema of the configuration: checked in one line, defaults filled in."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from noise_resistance.errors import ConfigurationError, suggest

__all__ = ["complete", "schema", "section_defaults"]

_SCHEMA = Path(__file__).parents[2] / "schemas" / "config.schema.yaml"


def complete(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a configuration against the schema and fill in the defaults.

    Raises:
        ConfigurationError: the first thing that is wrong, in one line.
    """
    config = _with_truth(config)
    validator = _Validator(schema())
    error = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if error is not None:
        raise ConfigurationError(f"configuration: {_explain(error)}")
    filled: dict[str, Any] = _with_defaults(schema(), config)
    return filled


def section_defaults(name: str) -> dict[str, Any]:
    """Return the default values of one section of the configuration, such as ``training``."""
    values: dict[str, Any] = _with_defaults(schema()["properties"][name], {})
    return values


@cache
def schema() -> dict[str, Any]:
    """Return the schema as plain values; not to be changed."""
    read: dict[str, Any] = yaml.safe_load(_SCHEMA.read_text(encoding="utf-8"))
    return read


def _match(
    validator: Any, pattern: str, value: Any, schema: Mapping[str, Any]
) -> Iterator[jsonschema.ValidationError]:
    """Refuse text that a pattern does not match whole: Python's ``$`` lets a line end pass."""
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield jsonschema.ValidationError(f"{value!r} does not match {pattern!r}")


# JSON Schema takes 1.0 for an integer, which would fail later, inside a job.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    validators={"pattern": _match},
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def _with_truth(config: Any) -> Any:
    """Take the text ``true`` for true where a top key wants that: so --config hands it over."""
    if not isinstance(config, Mapping):
        return config
    truth = {"true": True, "false": False}
    switches = [
        key for key, one in schema()["properties"].items() if "boolean" in str(one.get("type"))
    ]
    texts = {key: config[key] for key in switches if isinstance(config.get(key), str)}
    return {**config, **{key: truth.get(text, text) for key, text in texts.items()}}


def _with_defaults(schema: Mapping[str, Any], value: Any) -> Any:
    """Return a copy in which every key that is missing and has a default is there."""
    if isinstance(value, Mapping):
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties")
        filled = {
            key: one["default"] for key, one in properties.items() if "default" in one
        } | dict(value)
        return {
            key: _with_defaults(properties.get(key, others or {}), one)
            for key, one in filled.items()
        }
    if isinstance(value, list):
        items = schema.get("items") or {}
        return [_with_defaults(items, one) for one in value]
    return value


def _explain(error: jsonschema.ValidationError) -> str:
    """Say in one line which key is wrong, how, and what to write instead."""
    where = _key_of(error.absolute_path)
    value = _shorten(error.instance)
    instance: Any = error.instance
    rule: Any = error.validator_value
    violated: Any = error.schema
    match error.validator:
        case "additionalProperties":
            known = list(violated["properties"])
            unknown = next(key for key in instance if key not in known)
            return (
                f"unknown key '{_key_of([*error.absolute_path, unknown])}'; "
                f"{suggest(str(unknown), known)}"
            )
        case "enum":
            return f"{where}: {value} is not possible; {suggest(str(instance), map(str, rule))}"
        case "required":
            missing = next(key for key in rule if key not in instance)
            return f"the key '{_key_of([*error.absolute_path, missing])}' is missing; add it"
        case "type" if rule in ("number", "integer") and _is_numeric(instance):
            return (
                f"{where}: {value} is text to YAML; write a number without quotes, such as "
                "0.001 or 1.0e-3"
            )
        case "type" if rule == "integer" and isinstance(instance, float):
            return (
                f"{where}: {value} is not possible; write a whole number without a point, such "
                "as 12"
            )
        case "type":
            return f"{where}: {value} is not possible; write {_words(rule)}"
        case "pattern":
            meaning = violated.get("description", f"write text that matches {rule}")
            return f"{where}: {value} is not possible; {meaning}"
        case "minItems":
            return f"{where}: {value} is too short; write at least {rule}"
        case "not":
            return f"{where}: {value} is reserved; choose another"
        case "minimum" | "exclusiveMinimum" | "maximum":
            relation = {
                "minimum": "at least",
                "exclusiveMinimum": "more than",
                "maximum": "at most",
            }[error.validator]
            return f"{where}: {value} is not possible; write {relation} {rule}"
        case _:
            return f"{where}: {error.message.splitlines()[0]}"


def _key_of(path: Iterable[Any]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    text = text.removeprefix(".") or "the configuration"
    return text if text.isprintable() else repr(text)[1:-1]


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _words(types: Any) -> str:
    names = {
        "array": "a list in brackets",
        "object": "keys with values",
        "string": "text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "null": "null",
    }
    return " or ".join(names[one] for one in ([types] if isinstance(types, str) else types))


def _is_numeric(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return isinstance(value, str)
