"""Keras weights files: written by Keras, stamped with checksums, read without importing Keras."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from noise_resistance.errors import DataError
from noise_resistance.models.resnet import ResNet
from noise_resistance.storage.checksums import digest_of_arrays
from noise_resistance.storage.files import replace_atomically
from noise_resistance.storage.hdf5 import read_tree, stamp_tree
from noise_resistance.study.arrays import Array, roles_of_layer

__all__ = ["read_weights", "write_weights"]


def write_weights(
    network: ResNet,
    values: Mapping[str, np.ndarray],
    path: str | Path,
    attributes: Mapping[str, Any],
) -> None:
    """Save weights as ``keras.Model.load_weights`` reads them, with our attributes added.

    Args:
        network: the structure.
        values: all its arrays by name.
        path: the file to write, ``<name>.weights.h5``.
        attributes: as for `storage.hdf5.write_record`; the weights' digest is added to them.

    Raises:
        DataError: the file cannot be written.
    """
    model = network.build()
    for variable in model.variables:
        variable.assign(values[variable.path])
    with replace_atomically(path) as temporary:
        model.save_weights(temporary)
        digest = {"weights_sha256": digest_of_arrays(values)}
        stamp_tree(temporary, "weights", {**attributes, **digest})


def read_weights(path: str | Path, arrays: tuple[Array, ...]) -> dict[str, np.ndarray]:
    """Read the weights of one of our networks.

    Args:
        path: what `write_weights` wrote.
        arrays: the arrays the network has.

    Returns: float32 values by array name.

    Raises:
        DataError: the file is damaged, or holds the weights of another network.
    """
    record = read_tree(path, "weights")
    layers: dict[str, list[np.ndarray]] = {}
    for name, one in sorted(record.variables.items()):
        layers.setdefault(name.rpartition("/")[0], []).append(one)
    found: dict[str, np.ndarray] = {}
    for group, values in layers.items():
        layer = record.labels[group]
        roles = roles_of_layer(len(values))
        found.update({f"{layer}/{role}": one for role, one in zip(roles, values, strict=True)})
    expected = {array.name: array.shape for array in arrays}
    shapes = {name: values.shape for name, values in found.items()}
    if shapes != expected:
        raise DataError(
            f"{path}: weights of another network: {_first_difference(shapes, expected)}; "
            "delete the file and run snakemake again"
        )
    return found


def _first_difference(shapes: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    odd = next(
        name for name in sorted({*shapes, *expected}) if shapes.get(name) != expected.get(name)
    )
    return f"{odd} has shape {shapes.get(odd)}, expected {expected.get(odd)}"
