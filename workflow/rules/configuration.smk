# Where configuration files are found.

from pathlib import Path

CHECKOUT = Path(str(workflow.current_basedir)).parents[1]


def of_this_study(name):
    # A file of the working directory goes before the one that comes with the workflow. Snakemake
    # prints which files it took.
    return name if Path(name).is_file() else str(CHECKOUT / name)
