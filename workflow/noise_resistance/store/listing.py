"""What the store holds, in the words of the field: one row an entry, or a table of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from noise_resistance.store.manifest import Entry
from noise_resistance.store.versions import STORED_STEPS
from noise_resistance.study.numbers import format_bytes

__all__ = ["COLUMNS", "described", "rows_of", "table_of"]

# Of an entry in `--long`, in this order.
COLUMNS = (
    "step",
    "dataset",
    "model",
    "optimizer",
    "learning_rate",
    "seed",
    "epochs",
    "scope",
    "noise_level",
    "fingerprint",
    "size",
    "path",
)


def described(entry: Entry) -> dict[str, Any]:
    """Return what an entry is, as plain values; what does not concern its step is left out.

    They are `COLUMNS`, with ``bytes`` for the size, and ``created``, ``seconds``, ``device``.
    """
    request, made = entry.manifest["request"], entry.manifest["made"]
    training = request if entry.manifest["step"] == "train" else _mapping(request, "training")
    external = _mapping(request, "external")
    dataset = external.get("dataset") or _mapping(training, "dataset").get("name")
    part = entry.folder.name.removeprefix("epoch-")
    values = {
        "step": entry.manifest["step"],
        "dataset": dataset,
        "model": external.get("architecture") or request.get("model"),
        **{name: training.get(name) for name in ("optimizer", "learning_rate", "seed")},
        "epochs": int(part) if entry.manifest["step"] == "train" and part.isdecimal() else None,
        "scope": request.get("scope"),
        "noise_level": request.get("noise_level"),
        "fingerprint": entry.manifest["fingerprint"],
        "created": made["created"],
        "seconds": made["seconds"],
        "device": made["device"],
        "bytes": entry.size,
        "path": str(entry.folder),
    }
    return {name: value for name, value in values.items() if value is not None}


def rows_of(entries: Iterable[Entry]) -> list[tuple[str, ...]]:
    """Return the columns' names and one row an entry, as text."""
    rows: list[tuple[str, ...]] = [COLUMNS]
    for entry in entries:
        values = described(entry)
        values["size"] = format_bytes(values["bytes"])
        rows.append(tuple(_text(values.get(name, "")) for name in COLUMNS))
    return rows


@dataclass
class _Group:
    entries: int = 0
    bytes: int = 0
    created: list[str] = field(default_factory=list)
    # The states of one training took its seconds together.
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        made = entry.manifest["made"]
        self.entries += 1
        self.bytes += entry.size
        # No more than is shown: there may be 100,000 entries.
        self.created = sorted([*self.created, str(made["created"])])
        self.created = [self.created[0], self.created[-1]]
        computation = entry.folder.parent if entry.manifest["step"] == "train" else entry.folder
        self.seconds[str(computation)] = float(made["seconds"])

    def cells(self) -> tuple[str, ...]:
        first, last = (one[:10] for one in self.created)
        computing = _duration(sum(self.seconds.values()))
        return (f"{self.entries:,}", format_bytes(self.bytes), first, last, computing)


def table_of(entries: Iterable[Entry]) -> list[tuple[str, ...]]:
    """Return the columns' names and one row a step, dataset and model, as text; the sum is last.

    The last column is how long they were computed, which taking them from the store saves.
    """
    groups: dict[tuple[str, str, str], _Group] = defaultdict(_Group)
    for entry in entries:
        values = described(entry)
        place = (values["step"], _text(values.get("dataset")), _text(values.get("model")))
        groups[place].add(entry)
        groups["all", "", ""].add(entry)
    order = [*STORED_STEPS, "all"]
    head = ("step", "dataset", "model", "entries", "size", "oldest", "newest", "computing")
    rows: list[tuple[str, ...]] = [head]
    for place in sorted(groups, key=lambda one: (order.index(one[0]), *one)):
        rows.append((*place, *groups[place].cells()))
    return rows


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def _mapping(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}


def _text(value: Any) -> str:
    return "".join(one if one.isprintable() else "?" for one in str(value))
