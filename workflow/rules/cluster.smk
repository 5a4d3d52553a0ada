# Before the first submission to Slurm: what would make it fail, or wait for ever without a word.

from snakemake.exceptions import WorkflowError

from noise_resistance.errors import ClusterError
from noise_resistance.slurm import Submission, check_slurm

SBATCH_OPTIONS = {
    "slurm_partition": "--partition",
    "slurm_account": "--account",
    "qos": "--qos",
    "constraint": "--constraint",
    "gpu": "--gpus",
    "gres": "--gres",
    "_cores": "--cpus-per-task",
    "mem_mb": "--mem",
    "runtime": "--time",
}


def check_options(job):
    # What the plugin itself refuses: of bundled jobs it would say nothing, and wait for ever.
    from snakemake_executor_plugin_slurm.utils import set_gres_string
    from snakemake_executor_plugin_slurm.validation import validate_slurm_extra

    try:
        set_gres_string(job)
        validate_slurm_extra(job)
    except WorkflowError as error:
        said = " ".join(str(error).split())
        raise ClusterError(f"the resources of {job.rule.name} cannot be submitted: {said}")


def submissions(dag):
    # Bundled jobs are asked for as one.
    for job in dag.needrun_jobs():
        if not workflow.is_local(job.rule):
            check_options(job)
            resources = (dag.get_job_group(job) or job).resources
            options = [
                f"{option}={resources[name]}"
                for name, option in SBATCH_OPTIONS.items()
                if resources.get(name)
            ]
            yield Submission(job.rule.name, tuple(options))


onstart:
    executor = workflow.executor_plugin
    if executor is not None and executor.name == "slurm":
        settings = workflow.executor_settings
        try:
            check_slurm(
                submissions(workflow.dag),
                settings.status_command or "sacct",
                settings.init_seconds_before_status_checks or 40,
            )
        except ClusterError as error:
            sys.exit(f"error: {error}")
