"""The files a report is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from noise_resistance.analysis.diagnostics import read_diagnostics
from noise_resistance.analysis.external import COLUMNS as EXTERNAL_COLUMNS
from noise_resistance.analysis.layers import read_layers
from noise_resistance.analysis.lengths import read_lengths
from noise_resistance.analysis.summary import read_summary
from noise_resistance.storage.hdf5 import read_record

__all__ = ["MEASURED", "Sources"]

# What a study may have measured besides its summary, by the stem of the file.
MEASURED = ("diagnostics", "lengths", "layers", "external_models")


@dataclass(frozen=True)
class Sources:
    """A study's summary, its prepared datasets by name, and what else it measured.

    Attributes:
        summary_file: its ``summary.h5``.
        dataset_files: the prepared files by the dataset's name.
        measured: files by their name in `MEASURED`; those that the study does not have are left
            out.
    """

    summary_file: Path
    dataset_files: Mapping[str, Path] = field(default_factory=dict)
    measured: Mapping[str, Path] = field(default_factory=dict)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The tidy table of all accuracies."""
        return read_summary(self.summary_file)

    @cached_property
    def diagnostics(self) -> pd.DataFrame | None:
        """Dead channels, amplification and gradient noise."""
        path = self.measured.get("diagnostics")
        return None if path is None else read_diagnostics(path)

    @cached_property
    def lengths(self) -> pd.DataFrame | None:
        """Accuracies of snapshots and ends."""
        path = self.measured.get("lengths")
        return None if path is None else read_lengths(path)

    @cached_property
    def layers(self) -> pd.DataFrame | None:
        """Accuracies with noise on one layer alone."""
        path = self.measured.get("layers")
        return None if path is None else read_layers(path)

    @cached_property
    def external_models(self) -> pd.DataFrame | None:
        """Accuracies of models that were trained elsewhere."""
        path = self.measured.get("external_models")
        if path is None:
            return None
        record = read_record(path, "external", list(EXTERNAL_COLUMNS))
        return pd.DataFrame({name: record[name] for name in EXTERNAL_COLUMNS})
