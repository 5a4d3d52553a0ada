"""Whether a file is the one that would be made now.

Snakemake makes a missing or stale input again for one job and then runs every finished job that
has it as an input. A dataset that was deleted to save disk, or prepared again by newer code, must
not retrain a study: what a training depends on is the dataset's identity, a parameter. So the
dataset is an input only of what is not current.

Snakemake knows what a file was made from by its own records. Without them it takes a finished study
for current whatever the configuration says, so then the file itself is asked.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from noise_resistance.errors import DataError
from noise_resistance.storage.hdf5 import read_attributes

__all__ = ["check_unrecorded", "difference", "is_current"]

_LONGEST_VALUE = 80


def is_current(
    path: str | Path, kind: str, fingerprint: str, parameters: Mapping[str, Any]
) -> bool:
    """Say whether a file is whole and was made by this code from these parameters.

    Args:
        path: the file; it may be missing.
        kind: the kind it must be.
        fingerprint: of the step that makes it.
        parameters: what it must have been made from, among other things.
    """
    try:
        record = read_attributes(path, kind)
        made_from = record.parameters
    except DataError:
        return False
    wanted = json.loads(json.dumps(dict(parameters)))
    same = difference(made_from, wanted) is None
    return same and record.attributes.get("fingerprint") == fingerprint


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


def check_unrecorded(
    path: str | Path,
    kind: str,
    fingerprint: str,
    parameters: Mapping[str, Any],
    beside: str | Path,
) -> None:
    """Refuse a finished file that Snakemake has no record of and that would be made otherwise now.

    Args:
        path: the file, relative to the working directory; it may be missing.
        kind: the kind it must be.
        fingerprint: of the step that makes it.
        parameters: what it must have been made from.
        beside: what is made with it. While that is there, Snakemake does not miss the file.

    Raises:
        DataError: it is there, without a record, and not current; or it alone is missing.
    """
    if _has_record(path):
        return
    if not Path(path).exists():
        if Path(beside).exists():
            raise DataError(
                f"{beside}: there without {path}, and Snakemake has no record of them in "
                ".snakemake; delete it, so that both are made again"
            )
        return
    record = read_attributes(path, kind)
    differs = difference(record.parameters, json.loads(json.dumps(dict(parameters))))
    if differs is None and record.attributes.get("fingerprint") != fingerprint:
        differs = "the code is another"
    if differs:
        raise DataError(
            f"{path}: made from other settings than the study's ({differs}), and Snakemake, which "
            "has no record of it in .snakemake, would not make it again; bring .snakemake back, or "
            f"delete this file and {beside}: then every file behind them is compared with the study"
        )


def _has_record(path: str | Path) -> bool:
    """Say whether Snakemake has written down what made a file; its name is short enough for one."""
    name = base64.urlsafe_b64encode(str(path).encode()).decode()
    return (Path(".snakemake/metadata") / name).exists()
