"""Reading what is expected from an archive, and nothing else, whatever the archive holds.

Nothing is ever written: members are read into memory, up to a limit, by their exact names.
"""

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from noise_resistance.errors import DataError

__all__ = ["LARGEST", "open_gzip", "read_members", "the_archive", "verify"]

LARGEST = 512 * 2**20
"""Bytes an archive may unpack to; the largest of the catalogue, CIFAR10, has 184 million."""

_REMEDY = "delete it and run snakemake again"
_DAMAGED = (
    tarfile.TarError,
    EOFError,
    zlib.error,
    OSError,
    ValueError,
    ArithmeticError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    MemoryError,
)
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE)


def verify(archive: Path, checksum: str) -> None:
    """Check that an archive is there and is what the catalogue says.

    Args:
        archive: the file.
        checksum: algorithm, colon, hexadecimal digest.

    Raises:
        DataError: the file is missing, unreadable, or another.
    """
    algorithm, _, digest = checksum.partition(":")
    if not archive.is_file():
        raise DataError(f"{archive}: no such file; run snakemake to download it")
    try:
        with archive.open("rb") as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise DataError(f"{archive}: cannot be read ({error.strerror}); {_REMEDY}") from error
    if found != digest:
        raise DataError(
            f"{archive}: wrong checksum, expected {checksum}, got {algorithm}:{found}; {_REMEDY}"
        )


def the_archive(reader: str, archives: Sequence[Path]) -> Path:
    """Return the only archive of a reader that reads one.

    Raises:
        DataError: there are none or several.
    """
    if len(archives) != 1:
        raise DataError(
            f"the reader '{reader}' reads one archive, {len(archives)} given; "
            "name one under files in the catalogue"
        )
    return archives[0]


def read_members(
    archive: Path, wanted: Collection[str], optional: Collection[str] = ()
) -> dict[str, bytes]:
    """Read members of a gzipped tar file.

    Args:
        archive: the file.
        wanted: names of regular files that must be there, with ``/`` between their parts.
        optional: names of regular files that may be there.

    Returns: the content of each member found, by name.

    Raises:
        DataError: the archive is damaged, lacks a wanted member, holds one twice or as something
            else than a regular file, or unpacks to more than `LARGEST` bytes.
    """
    names = {*wanted, *optional}
    found: dict[str, bytes] = {}
    with (
        open_gzip(archive) as stream,
        # 'r|' only ever goes forward: no header can send it back.
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        for member in tar:
            name = member.name.removeprefix("./")
            if name in names:
                found[name] = _content(archive, tar, member, again=name in found)
            elif _is_disguised(name, names):
                raise DataError(f"{archive}: has a member outside its folder, {name!r}; {_REMEDY}")
        while stream.read(2**20):  # to the checksum at the very end
            pass
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise DataError(
            f"{archive}: wrong layout, has no {', '.join(missing)}; is it the binary version?"
        )
    return found


@contextmanager
def open_gzip(archive: Path) -> Iterator[BinaryIO]:
    """Open a gzipped or plain file to be read once, forward, up to `LARGEST` bytes.

    Errors of whatever reads it inside the block become a `DataError`.

    Raises:
        DataError: the file is missing, damaged, or unpacks to more than `LARGEST` bytes.
    """
    try:
        with archive.open("rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            plain = gzip.GzipFile(fileobj=file) if is_gzip else file
            yield _Limited(archive, plain)  # type: ignore[misc]
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{archive}: no such file; run snakemake to download it") from error
    except _DAMAGED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{archive}: damaged or truncated ({reason}); {_REMEDY}") from error


class _Limited:
    """A file that ends with an error after `LARGEST` bytes."""

    def __init__(self, archive: Path, file: BinaryIO | gzip.GzipFile) -> None:
        self._archive, self._file, self._left = archive, file, LARGEST

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes, fewer at the end only."""
        data = self._file.read(min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise DataError(
                f"{self._archive}: unpacks to more than {LARGEST} bytes and is not read further; "
                f"{_REMEDY}"
            )
        return data


def _content(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, *, again: bool) -> bytes:
    if member.type not in _REGULAR or member.issparse():
        raise DataError(f"{archive}: its member {member.name} is no regular file; {_REMEDY}")
    if again:
        raise DataError(f"{archive}: has the member {member.name} twice; {_REMEDY}")
    if not 0 <= member.size <= LARGEST:
        raise DataError(
            f"{archive}: its member {member.name} claims {member.size} bytes; {_REMEDY}"
        )
    file = tar.extractfile(member)
    content = file.read() if file else b""
    if len(content) != member.size:
        raise DataError(f"{archive}: damaged or truncated in {member.name}; {_REMEDY}")
    return content


def _is_disguised(name: str, names: Collection[str]) -> bool:
    """Whether an absolute or upward name would become one that is looked for."""
    path = PurePosixPath(name)
    return (path.is_absolute() or ".." in path.parts) and path.name in {
        PurePosixPath(one).name for one in names
    }
