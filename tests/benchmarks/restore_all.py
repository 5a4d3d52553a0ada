"""Restore a whole study from its store, without the plan of Snakemake's that comes before.

python tests/benchmarks/restore_all.py CONFIG
"""

import json
import sys
from collections import Counter
from pathlib import Path

from made_up_store import jobs_of

from noise_resistance.store.entries import Store
from noise_resistance.store.jobs import Job
from noise_resistance.store.restoring import RESTORE, Restoring
from noise_resistance.study.configuration import load
from noise_resistance.study.products import Products


def main() -> None:
    study = load(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    restoring = Restoring(Products(study), Job(Store(study.store_folder)))
    done = Counter(restoring.bring(job).action for job in jobs_of(study))
    if set(done) != {RESTORE}:
        sys.exit(f"not all was restored: {done}")


if __name__ == "__main__":
    main()
