"""Snakemake's dry run that leaves no trace: `python -m noise_resistance.cli.dry_run FILE OPTIONS`.

By itself it makes `.snakemake/` and keeps a cache there. A folder that has none would then look as
if its results had been made without a record. It also prints no job that need not run; here all
jobs are written to a file, as JSON: `config`, the configuration of the study, and `jobs`, each with
`rule`, `wildcards`, `outputs`, `planned`, `recorded` (whether Snakemake has a record of it) and
`reason`. Of a workflow that has this one as a module
these are the module's jobs, under the names that their rules have here.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import snakemake.cli
import snakemake.workflow
from snakemake.persistence.file import FilePersistence

from noise_resistance.study.configuration import Study

__all__ = ["main"]

_READ = ("metadata", "incomplete")
# Both together end a dry run with the statistics of jobs; of a large study the list takes minutes.
_SHORT = ("--quiet", "rules", "progress")


def main(file: str, options: list[str]) -> None:
    """Plan with the records of the working folder, whatever else Snakemake keeps elsewhere."""
    graphs: list[Any] = []
    with tempfile.TemporaryDirectory(prefix="noise-resistance-plan-") as scratch:

        class _Elsewhere(FilePersistence):  # type: ignore[misc, unused-ignore]
            def __init__(self, **settings: Any) -> None:
                # Here and not before: Snakemake has changed to the working folder.
                for name in _READ:
                    records = Path(".snakemake", name).absolute()
                    if records.is_dir():
                        Path(scratch, name).symlink_to(records)
                super().__init__(**{**settings, "path": Path(scratch)})
                graphs.append(settings["dag"])

        snakemake.workflow.FilePersistence = _Elsewhere
        try:
            snakemake.cli.main(["--dry-run", "--nolock", *_SHORT, *options])
        except SystemExit as end:
            if end.code:
                raise
        document = _document(graphs[-1])
        Path(file).write_text(json.dumps(document, default=str), encoding="utf-8")


def _document(graph: Any) -> dict[str, Any]:
    # What a Snakefile defines, `config` and common.smk's `study` among it, by the module it is in.
    namespaces = {id(one): one for one in (job.rule.module_globals for job in graph.jobs)}
    studies = [one for one in namespaces.values() if isinstance(one.get("study"), Study)]
    if len(studies) != 1:
        sys.exit(
            f"error: what is to be made belongs to {len(studies)} studies; name targets of one"
        )
    (ours,) = studies
    names = {proxy.rule: name for name, proxy in ours["rules"]._rules.items()}
    jobs = [job for job in graph.jobs if job.rule.module_globals is ours]
    return {"config": ours["config"], "jobs": [_job(graph, job, names[job.rule]) for job in jobs]}


def _job(graph: Any, job: Any, rule: str) -> dict[str, Any]:
    planned = graph.needrun(job)
    return {
        "rule": rule,
        "wildcards": job.wildcards_dict,
        "outputs": list(map(str, job.output)),
        "planned": planned,
        "recorded": graph.workflow.persistence.has_metadata(job),
        "reason": str(graph.reason(job)) if planned else "",
    }


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
