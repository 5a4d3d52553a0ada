"""Checksums of values, of attributes, and of several arrays as one digest.

They depend on names, shapes, types and values alone: a file that is made again with the same values
has the same ones.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "canonical",
    "checksum_of_attributes",
    "checksum_of_values",
    "digest_of",
    "digest_of_arrays",
    "digest_of_file",
]


def canonical(values: Any) -> str:
    """Write plain values as JSON in the one way that requests and keys are made of."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)


def checksum_of_values(values: np.ndarray) -> str:
    """Return the SHA-256 of an array's type, shape and values; of texts, of the texts."""
    if values.dtype.kind in "OUT":
        return hashlib.sha256("\0".join(map(str, values.tolist())).encode()).hexdigest()
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(values.shape)
    digest = hashlib.sha256(f"{values.dtype.str}{values.shape}".encode())
    digest.update(values.data)
    return digest.hexdigest()


def checksum_of_attributes(attributes: Mapping[str, Any]) -> str:
    """Return the SHA-256 of attributes as plain values."""
    return hashlib.sha256(json.dumps(attributes, sort_keys=True).encode()).hexdigest()


def digest_of(checksums: Mapping[str, str]) -> str:
    """Return one SHA-256 for arrays whose checksums are given by name, in whatever order."""
    lines = "".join(f"{name} {one}\n" for name, one in sorted(checksums.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def digest_of_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """Return one SHA-256 for arrays by name, in whatever order."""
    return digest_of({name: checksum_of_values(values) for name, values in arrays.items()})


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
