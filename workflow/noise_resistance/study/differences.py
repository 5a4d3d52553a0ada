"""Where the parameters that a file states are not those that are wanted, in words."""

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["difference"]

_LONGEST_VALUE = 80


def difference(
    found: Mapping[str, Any], wanted: Mapping[str, Any], *, whole: bool = True
) -> str | None:
    """Say where a file's parameters are not the wanted ones, or return None.

    Args:
        found: as read from JSON; it may have more keys.
        wanted: values as they are after a way through JSON.
        whole: whether the mappings among the values may have no more keys either.
    """
    for name, value in wanted.items():
        if name not in found:
            return f"{name} is not stated"
        if found[name] == value:
            continue
        if isinstance(value, Mapping) and isinstance(found[name], Mapping):
            if inner := difference(found[name], value, whole=whole):
                return f"{name}.{inner}"
            if whole:
                return f"{name}.{min(set(found[name]) - set(value))} is there"
            continue
        texts = [json.dumps(one) for one in (found[name], value)]
        if max(map(len, texts)) > _LONGEST_VALUE:
            return f"{name} differs"
        return f"{name} is {texts[0]} and must be {texts[1]}"
    return None
