# Before the first job: whether there is room to write, and whether Slurm could run what it is asked.

import os

from noise_resistance.errors import NoiseResistanceError
from noise_resistance.storage.files import check_writable


def check_submissions():
    from noise_resistance.planning.slurm import check_slurm
    from noise_resistance.planning.submissions import advice, submissions

    attempts = 1 + workflow.execution_settings.retries
    asked = study, workflow.resource_settings, workflow.group_settings, attempts
    slurm = workflow.executor_settings
    # Which partitions the executor chooses from a file is not known here.
    chosen = slurm.partition_config or os.environ.get("SNAKEMAKE_SLURM_PARTITIONS")
    check_slurm(
        [] if chosen else submissions(*asked),
        slurm.status_command or "sacct",
        slurm.init_seconds_before_status_checks or 40,
    )
    for line in advice(*asked):
        logger.warning(line)


onstart:
    try:
        for folder in ("results/datasets", paths.root, paths.logs):
            check_writable(folder)
        if workflow.executor_plugin.name == "slurm":
            check_submissions()
    except NoiseResistanceError as error:
        sys.exit(f"error: {error}")
