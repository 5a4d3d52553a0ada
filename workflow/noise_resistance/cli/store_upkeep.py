"""The commands that look after the store."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noise_resistance.analysis.labels import count
from noise_resistance.cli.options import DEFAULT_STORE, FOLDER, dry_run_option, store_option
from noise_resistance.cli.terminal import print_table, with_bar
from noise_resistance.errors import ConfigurationError, DataError
from noise_resistance.study.numbers import format_bytes

if TYPE_CHECKING:
    from noise_resistance.store.entries import Store

__all__ = ["list_entries", "prune", "remove", "verify"]

_long_option = click.option("--long", "-l", "is_long", is_flag=True, help="One line an entry.")


@click.command("list")
@store_option
@_long_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: all of each entry.")
def list_entries(root: Path, is_long: bool, as_json: bool) -> None:
    """Print what the store has: by step, dataset and model, or entry by entry.

    The last column is how long the computations took whose results are kept.
    """
    from noise_resistance.store.listing import described, rows_of, table_of
    from noise_resistance.store.upkeep import unfinished

    store = opened(root)
    entries = with_bar(store.entries(), "reading")
    begun = list(unfinished(store))
    if as_json:
        states = [
            {"path": str(one.key), "bytes": one.size, "process": one.process} for one in begun
        ]
        values = {"entries": list(map(described, entries)), "unfinished": states}
        click.echo(json.dumps(values, indent=1))
        return
    print_table(rows_of(entries) if is_long else table_of(entries))
    if begun:
        size = format_bytes(sum(one.size for one in begun))
        at_work = sum(bool(one.process) for one in begun)
        click.echo(f"\n{count(len(begun), 'unfinished training')}, {size}; {at_work} running")


@click.command()
@store_option
@click.option("--remove", "removes", is_flag=True, help="Remove what is damaged or left over.")
@dry_run_option
def verify(root: Path, removes: bool, dry_run: bool) -> None:
    """Compare every file with its checksum, and name what killed processes have left.

    The exit status is 1 where an entry is damaged.
    """
    from noise_resistance.store.upkeep import clear, faults_of, leftovers

    store = opened(root)
    entries = size = damaged = left_over = 0
    for entry in with_bar(store.entries(), "verifying"):
        entries, size = entries + 1, size + entry.size
        if fault := faults_of(entry):
            damaged += 1
            click.echo(f"damaged: {entry.folder}: {fault}")
            if removes and not dry_run:
                store.drop(entry.folder)
    for left in leftovers(store):
        left_over += 1
        click.echo(f"left over: {left.path}: {left.what}, {format_bytes(left.size)}")
        if removes and not dry_run:
            clear(store, left)
    done = " and removed" if removes and not dry_run else ""
    found = [f"{damaged:,} damaged{done}" if damaged else "none damaged"]
    found += [f"{left_over:,} left over{done}"] if left_over else []
    click.echo(f"{count(entries, 'entry')}, {format_bytes(size)}: {', '.join(found)}")
    if damaged:
        sys.exit(1)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@store_option
@dry_run_option
def remove(paths: Sequence[Path], root: Path, dry_run: bool) -> None:
    """Remove entries, or all that has one key, by the folders that `list --long` prints."""
    from noise_resistance.store.upkeep import chosen, size_of
    from noise_resistance.store.upkeep import remove as run

    store = opened(root)
    folders = dict.fromkeys(chosen(store, path) for path in paths)
    for folder in folders:
        if not folder.exists():
            continue  # it lay below one that is removed
        size = format_bytes(size_of(folder))
        if not dry_run:
            run(store, folder)
        click.echo(f"{'would remove' if dry_run else 'removed'} {folder}, {size}")


@click.command()
@store_option
@click.option(
    "--results",
    type=FOLDER,
    multiple=True,
    help="Folder of studies; repeat it for all that share the store. By default results/.",
)
@click.option(
    "--older-than",
    type=click.FloatRange(0),
    default=30,
    show_default=True,
    metavar="DAYS",
    help="Unfinished trainings that have not gone on for so long go too.",
)
@click.option("--yes", is_flag=True, help="Remove it; without this it is only shown.")
@_long_option
@dry_run_option
def prune(
    root: Path,
    results: Sequence[Path],
    older_than: float,
    yes: bool,
    is_long: bool,
    dry_run: bool,
) -> None:
    """Show or remove what no study needs: what no file below results/*/ states that it is.

    Files say themselves what they were made from, so those that were copied or renamed count, and
    also those of a study whose configuration has changed since. What was made in the last hour
    stays, and what a process is at.
    """
    from noise_resistance.store import prune as pruning
    from noise_resistance.store.listing import rows_of, table_of

    store = opened(root)
    if not results and root.resolve() != DEFAULT_STORE.resolve():
        raise ConfigurationError(
            f"{root}: other working folders may use it; name the results of each that does with "
            "--results, such as --results results"
        )
    files = [
        file
        for folder in results or [DEFAULT_STORE.parent]
        for file in pruning.measured_files(store, folder)
    ]
    stated = pruning.stated_by(with_bar(files, "reading the studies"))
    what = pruning.pruning(store, stated, older_than, with_bar(store.entries(), "reading"))
    if what.entries:
        print_table(rows_of(what.entries) if is_long else table_of(what.entries))
    for one in what.states:
        click.echo(f"unfinished training: {one.key}, {format_bytes(one.size)}")
    for left in what.leftovers:
        click.echo(f"left over: {left.path}: {left.what}, {format_bytes(left.size)}")
    stay = f"; {what.in_use:,} more stay, being new or in use" if what.in_use else ""
    if not what.size and not what.states:
        click.echo(f"nothing to remove; {count(len(files), 'file')} of studies read{stay}")
        return
    if yes and not dry_run:
        pruning.prune(store, what, with_bar(what.entries, "removing"))
    done = "removed" if yes and not dry_run else "would remove"
    hint = "" if yes else "; add --yes"
    number = len(what.entries)
    click.echo(f"{done} {format_bytes(what.size)}, {count(number, 'entry')} of it{stay}{hint}")


def opened(root: Path) -> "Store":
    """Return a store that is there.

    Raises:
        DataError: it is not.
    """
    from noise_resistance.storage.files import what_is_there
    from noise_resistance.store.entries import Store

    if not root.is_dir():
        raise DataError(f"{root}: no store; name one with --store ({what_is_there(root)})")
    return Store(root)
