# Before the first submission to Slurm: what would make it fail, or wait for ever without a word.

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from noise_resistance.errors import ClusterError
from noise_resistance.slurm import Submission, advice, check_slurm

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


def submissions(dag, attempts):
    # Bundled jobs are asked for as one; what a last attempt would ask for must be there as well.
    submitted = {}
    for job in dag.needrun_jobs():
        if not workflow.is_local(job.rule):
            check_options(job)
            one = dag.get_job_group(job) or job
            submitted[id(one)] = one
    for one in submitted.values():
        for attempt in dict.fromkeys([1, attempts]):
            one.attempt = attempt
            options = [
                f"{option}={one.resources[name]}"
                for name, option in SBATCH_OPTIONS.items()
                if one.resources.get(name)
            ]
            yield Submission(tuple(sorted(one.rules)), tuple(options), attempt)
        one.attempt = 1


def attempts_to_train(dag):
    # Of the longest training that is to run.
    wanted = {
        (job.wildcards.dataset, job.wildcards.model)
        for job in dag.needrun_jobs()
        if job.rule.name == "train"
    }
    demands = [demand_of(study, "train", *one, attempt=1) for one in wanted]
    return max((one.submissions for one in demands), default=0)


onstart:
    check_folders()
    executor = workflow.executor_plugin
    if executor is not None and executor.name == "slurm":
        settings = workflow.executor_settings
        attempts = 1 + workflow.execution_settings.retries
        try:
            check_slurm(
                submissions(workflow.dag, attempts),
                settings.status_command or "sacct",
                settings.init_seconds_before_status_checks or 40,
            )
        except ClusterError as error:
            sys.exit(f"error: {error}")
        for line in advice(attempts_to_train(workflow.dag), attempts, study.longest_job):
            logger.warning(line)
