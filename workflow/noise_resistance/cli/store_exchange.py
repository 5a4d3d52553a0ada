"""The commands that take results out of the store and into it: a file, or a study's folder."""

import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noise_resistance.analysis.labels import count
from noise_resistance.cli.options import (
    DEFAULT_STORE,
    FILE,
    FOLDER,
    configfile_option,
    directory_option,
    dry_run_option,
    snakefile_option,
    store_option,
)
from noise_resistance.cli.planning import arguments_of, dry_run_of
from noise_resistance.cli.store_upkeep import opened
from noise_resistance.cli.terminal import print_table, with_bar
from noise_resistance.errors import ConfigurationError
from noise_resistance.storage.files import write_text
from noise_resistance.study.numbers import format_bytes

if TYPE_CHECKING:
    from noise_resistance.store.entries import Store
    from noise_resistance.store.manifest import Entry
    from noise_resistance.store.restoring import Outcome, Wanted

__all__ = ["export_entries", "import_entries", "restore"]

# Files on one command line of Snakemake's, well below what systems allow.
_FILES_AT_ONCE = 2000
_MOST_REASONS = 5


@click.command("export")
@click.argument("file", type=FILE)
@store_option
@click.option("--study", help="Only what the files of results/STUDY/ state that they are.")
@configfile_option
@snakefile_option
@dry_run_option
def export_entries(
    file: Path,
    root: Path,
    study: str | None,
    files: Sequence[Path],
    snakefile: Path | None,
    dry_run: bool,
) -> None:
    """Write entries to FILE, a tar archive: all of them, or those of one study."""
    from noise_resistance.store.exchange import export_entry, writing

    if study and files:
        raise click.UsageError("--study and --configfile: give one of them")
    store = opened(root)
    entries = store.entries()
    if study:
        entries = _entries_of_files(store, study)
    if files:
        entries = _entries_of_jobs(store, dry_run_of(snakefile, Path(), files, ()))
    number = size = left_out = 0
    with contextlib.nullcontext() if dry_run else writing(file) as archive:
        for entry in with_bar(entries, "exporting"):
            if archive and (fault := export_entry(store, entry, archive)):
                click.echo(f"left out: {entry.folder}: {fault}")
                left_out += 1
                continue
            number, size = number + 1, size + entry.size
    done = "would write" if dry_run else "wrote"
    click.echo(f"{done} {count(number, 'entry')}, {format_bytes(size)}, to {file}")
    if left_out:
        sys.exit(1)


def _entries_of_files(store: "Store", study: str) -> "Iterator[Entry]":
    from noise_resistance.store.prune import identity_of_entry, measured_files, stated_by

    stated = stated_by(measured_files(store, DEFAULT_STORE.parent, study))
    return (one for one in store.entries() if identity_of_entry(one) in stated)


def _entries_of_jobs(store: "Store", document: Mapping[str, Any]) -> "Iterator[Entry]":
    from noise_resistance.store.restoring import entries_of
    from noise_resistance.study.configuration import load
    from noise_resistance.study.products import Products

    return entries_of(Products(load(document["config"])), store, _wanted(document))


def _wanted(document: Mapping[str, Any]) -> "list[Wanted]":
    """Return the jobs of a dry run that look before they compute, trainings first."""
    from noise_resistance.store.restoring import Wanted, in_order
    from noise_resistance.store.study_results import STEPS

    return in_order(
        Wanted(
            one["rule"],
            one["wildcards"],
            tuple(one["outputs"]),
            one["planned"],
            one["recorded"],
        )
        for one in document["jobs"]
        if one["rule"] in STEPS
    )


@click.command("import")
@click.argument("file", type=FILE)
@store_option
@dry_run_option
def import_entries(file: Path, root: Path, dry_run: bool) -> None:
    """Take entries out of FILE, which `export` wrote: what the store has already stays.

    Each is verified before. The exit status is 1 where one is not whole, and is left out.
    """
    from noise_resistance.store.entries import Store
    from noise_resistance.store.exchange import ADDED, THERE, open_archive

    store, done = Store(root), Counter[str]()
    size = 0
    with open_archive(file) as archive:
        for packed in with_bar(archive.entries, "importing"):
            if dry_run:
                result = THERE if archive.is_there(store, packed) else ADDED
            else:
                result = archive.take(store, packed)
            done[result] += 1
            size += packed.size if result == ADDED else 0
            if result not in (ADDED, THERE):
                click.echo(f"left out: {packed.place}: {result}")
    said = "would add" if dry_run else "added"
    there = f"; {done[THERE]:,} are there already" if done[THERE] else ""
    click.echo(f"{said} {count(done[ADDED], 'entry')}, {format_bytes(size)}, to {root}{there}")
    if set(done) - {ADDED, THERE}:
        sys.exit(1)


@click.command(context_settings={"ignore_unknown_options": True})
@configfile_option
@snakefile_option
@directory_option
@click.option("--store", "root", type=FOLDER, help="Another store than the configuration's.")
@dry_run_option
@click.argument("options", metavar="[SNAKEMAKE OPTIONS]", nargs=-1, type=click.UNPROCESSED)
def restore(
    files: Sequence[Path],
    snakefile: Path | None,
    directory: Path,
    root: Path | None,
    dry_run: bool,
    options: Sequence[str],
) -> None:
    """Bring back what a study needs and the store has, before snakemake starts.

    Snakemake then plans only the rest. What is there and right stays; logs are restored as well.
    To be called where snakemake is, whose other options are taken too, and its targets: with these,
    only what they need is restored.
    """
    from noise_resistance.store.entries import Store
    from noise_resistance.store.jobs import Job
    from noise_resistance.store.restoring import RESTORE, Restoring
    from noise_resistance.study.configuration import load
    from noise_resistance.study.products import Products
    from noise_resistance.study.settings import settings_of

    document = dry_run_of(snakefile, directory, files, options)
    study = load(document["config"])
    if root is None and not study.store:
        raise ConfigurationError("store: false: this study takes nothing from a store")
    store = Store(root or study.store_folder)
    with contextlib.chdir(directory):
        restoring = Restoring(Products(study), Job(store), dry_run=dry_run)
        wanted = _wanted(document)
        outcomes = [(one, restoring.bring(one)) for one in with_bar(wanted, "restoring")]
    _report(outcomes, store, dry_run)
    if dry_run:
        return
    brought = [one for one, outcome in outcomes if outcome.action == RESTORE]
    forgotten = _forget(brought, snakefile, directory, files, options)
    restored = directory / study.paths.restored
    if forgotten or not all(one.recorded for one in brought):
        write_text(restored, json.dumps(settings_of(study), indent=1) + "\n")
    elif all(one.recorded for one in wanted):
        restored.unlink(missing_ok=True)


def _forget(
    brought: "Sequence[Wanted]",
    snakefile: Path | None,
    directory: Path,
    files: Sequence[Path],
    options: Sequence[str],
) -> int:
    """Let Snakemake forget what it has recorded of files that were other ones then.

    By these records it would make them again, although they are what the study asks for.

    Returns: how many files.
    """
    before = {file for one in brought if one.recorded for file in one.outputs}
    if not before:
        return 0
    now = _wanted(dry_run_of(snakefile, directory, files, options))
    others = [file for one in now if one.planned for file in one.outputs if file in before]
    for first in range(0, len(others), _FILES_AT_ONCE):
        some = others[first : first + _FILES_AT_ONCE]
        words = arguments_of(snakefile, directory, files, ["--cleanup-metadata", *some])
        subprocess.run(
            [sys.executable, "-m", "snakemake", *words],
            capture_output=True,
            check=False,
        )
    return len(others)


def _report(outcomes: "Sequence[tuple[Wanted, Outcome]]", store: "Store", dry_run: bool) -> None:
    from noise_resistance.store.restoring import COMPUTE, RESTORE

    by_rule: dict[str, Counter[str]] = {}
    for one, outcome in outcomes:
        by_rule.setdefault(one.rule, Counter())[outcome.action] += 1
    rows: list[tuple[str, ...]] = [
        ("rule", "there", "to restore" if dry_run else "restored", "left")
    ]
    for rule, counts in by_rule.items():
        there = counts.total() - counts[RESTORE] - counts[COMPUTE]
        rows.append((rule, *(f"{one:,}" for one in (there, counts[RESTORE], counts[COMPUTE]))))
    print_table(rows)
    size = format_bytes(sum(outcome.size for _, outcome in outcomes))
    click.echo(f"{size} {'to copy' if dry_run else 'copied'} from {store.root}")
    reasons = Counter(outcome.reason for _, outcome in outcomes if outcome.reason)
    for reason, number in reasons.most_common(_MOST_REASONS):
        click.echo(f"not looked for, {count(number, 'job')}: {reason}")
