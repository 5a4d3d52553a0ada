"""How requests state choices: those that are off are left out.

Files and keys of the store are made of requests. So a choice that a later version adds, and that is
off by default, changes none of them.
"""

from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["chosen"]


def chosen(choices: "DataclassInstance") -> dict[str, Any]:
    """Return a dataclass's values by name, ready for JSON, without those that are off.

    Off is a default that is zero, false or empty: a dataclass that is made of the values has it
    again. A zero that is not the default stays, and so does any other default.
    """
    found = {}
    for one in fields(choices):
        value = getattr(choices, one.name)
        if value or one.default or value != one.default:
            found[one.name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
