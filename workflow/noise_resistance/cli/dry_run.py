"""Snakemake's dry run that leaves no trace: `python -m noise_resistance.cli.dry_run ARGUMENTS`.

By itself it makes `.snakemake/` and keeps a cache there. A folder that has none would then look as
if its results had been made without a record.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import snakemake.cli
import snakemake.workflow
from snakemake.persistence.file import FilePersistence

__all__ = ["main"]

_READ = ("metadata", "incomplete")


def main(arguments: list[str]) -> None:
    """Plan with the records of the working folder, whatever else Snakemake keeps elsewhere."""
    with tempfile.TemporaryDirectory(prefix="noise-resistance-plan-") as scratch:
        for name in _READ:
            records = Path(".snakemake", name).absolute()
            if records.is_dir():
                Path(scratch, name).symlink_to(records)

        class _Elsewhere(FilePersistence):  # type: ignore[misc, unused-ignore]
            def __init__(self, **settings: Any) -> None:
                super().__init__(**{**settings, "path": Path(scratch)})

        snakemake.workflow.FilePersistence = _Elsewhere
        snakemake.cli.main(["--dry-run", "--nolock", *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
