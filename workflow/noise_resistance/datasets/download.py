"""Archives from where they are published to the results folder: checksum verified, or not there."""

import re
import shutil
from pathlib import Path
from typing import TextIO
from urllib.parse import unquote, urlsplit

import pooch

from noise_resistance.datasets.transfer import Patience, ResumingDownloader, SourceError
from noise_resistance.errors import DataError
from noise_resistance.storage.files import replace_atomically

__all__ = ["download"]

_CHECKSUM = re.compile(r"md5:[0-9a-f]{32}|sha1:[0-9a-f]{40}|sha256:[0-9a-f]{64}")


def download(
    url: str,
    checksum: str,
    destination: Path,
    patience: Patience | None = None,
    terminal: TextIO | None = None,
) -> None:
    """Bring a file of this checksum to `destination`, or leave what is there if it has it already.

    A download that breaks off is resumed where the server can do that, also by a later call: what
    has arrived waits in a hidden folder beside `destination`, named after the checksum.

    Args:
        url: http(s) or file URL, or the path of a local file.
        checksum: ``md5:``, ``sha1:`` or ``sha256:`` and the hexadecimal digest.
        destination: the final name; only a whole file with this checksum ever bears it.
        patience: time-outs and number of attempts.
        terminal: where a progress bar is drawn if it is a terminal; standard error by default,
            which gets a line now and then in any case.

    Raises:
        DataError: one line that names the URL or file, what is wrong with it, and what to do.
    """
    try:
        if not _CHECKSUM.fullmatch(checksum):
            raise SourceError(
                f"checksum '{checksum}': neither md5:, sha1: nor sha256: and its digits"
            )
        if destination.is_file() and _checksum_of(destination, checksum) == checksum:
            shutil.rmtree(_folder_of(destination, checksum), ignore_errors=True)
            return
        local = _local_path(url)
        if local is None:
            _fetch(url, checksum, destination, patience or Patience(), terminal)
        else:
            _copy(local, checksum, destination)
    except SourceError as error:
        key = f"datasets.{destination.parents[1].name}.files.{destination.name}"
        raise DataError(
            _one_line(
                f"{error}; run again, or name a mirror or a local file and its checksum "
                f"under {key} in the configuration"
            )
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            _one_line(
                f"{destination}: cannot be written ({reason}); free disk space or make the folder "
                "writable, then run again: what has arrived is kept"
            )
        ) from error


def _local_path(url: str) -> Path | None:
    """Return the local file that a URL or path names; nothing for http and https."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SourceError(f"{url}: no URL ({error})") from error
    if parts.scheme in ("http", "https"):
        return None
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise SourceError(f"{url}: names another machine; write file:///path/to/the/file")
        return Path(unquote(parts.path))
    if "://" in url:
        raise SourceError(f"{url}: only http, https and file URLs and local paths are understood")
    return Path(url).expanduser()


def _fetch(
    url: str, checksum: str, destination: Path, patience: Patience, terminal: TextIO | None
) -> None:
    """Download in a folder of its own; there the file waits until it is whole and named."""
    folder = _folder_of(destination, checksum)
    folder.mkdir(parents=True, exist_ok=True)
    downloader = ResumingDownloader(folder / "partial", checksum, patience, terminal)
    # Not through `pooch.retrieve`, which renames on the way: a kill between two renames would leave
    # a whole archive under a name that no later call knows.
    downloader(url, str(destination))
    shutil.rmtree(folder, ignore_errors=True)


def _folder_of(destination: Path, checksum: str) -> Path:
    return destination.parent / f".download-{checksum.replace(':', '-')}"


def _copy(source: Path, checksum: str, destination: Path) -> None:
    try:
        is_file = source.is_file()
    except ValueError:  # a NUL character
        is_file = False
    if not is_file:
        raise SourceError(f"{source}: no such file")
    try:
        found = _checksum_of(source, checksum)
    except OSError as error:
        raise SourceError(f"{source}: cannot be read ({error.strerror})") from error
    if found == checksum:
        with replace_atomically(destination) as temporary:
            shutil.copyfile(source, temporary)
            # Of the copy: the source may change while it is read.
            found = _checksum_of(temporary, checksum)
            if found != checksum:
                raise SourceError(_wrong(source, checksum, found))
    else:
        raise SourceError(_wrong(source, checksum, found))


def _wrong(source: Path, expected: str, found: str) -> str:
    return f"{source}: wrong checksum, expected {expected}, got {found}"


def _checksum_of(path: Path, checksum: str) -> str:
    """Return the file's checksum by the algorithm of another."""
    algorithm = checksum.partition(":")[0]
    return f"{algorithm}:{pooch.file_hash(str(path), alg=algorithm)}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
