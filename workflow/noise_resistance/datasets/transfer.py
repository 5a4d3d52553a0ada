"""One file over HTTP, however bad the line: resumed, retried, and given up with a reason.

`ResumingDownloader` is a downloader for `pooch`, which by itself starts again from the first byte
after every interruption.
"""

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import pooch
import requests
import urllib3
from tqdm import tqdm

from noise_resistance.errors import DataError
from noise_resistance.storage.files import give_name

__all__ = ["Patience", "ResumingDownloader", "SourceError"]

_CHUNK = 1 << 16
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_SECONDS_BETWEEN_LINES = 10.0
_PROGRESS_THAT_COUNTS = 1 << 20


class SourceError(DataError):
    """The fault lies where the file comes from, not where it is written."""


@dataclass(frozen=True)
class Patience:
    """When a transfer is interrupted, and when it is given up.

    Attributes:
        attempts: in a row, without a mebibyte gained.
        pause: seconds before the second attempt, doubled for each further one, at most 60.
        connect: seconds to wait for a connection.
        silence: seconds to wait for the next byte.
        window: seconds over which the speed is measured.
        slowest: bytes a second below which an attempt is given up.
    """

    attempts: int = 5
    pause: float = 1.0
    connect: float = 15.0
    silence: float = 30.0
    window: float = 60.0
    slowest: float = 100.0


class ResumingDownloader:
    """Bring a file of known checksum here, keeping what has arrived when the line breaks.

    The file gets its name in one step, whole and on the disk.

    Attributes:
        partial: where the bytes gather; it stays when a download is given up or killed, and the
            next one goes on from it.
    """

    def __init__(
        self, partial: Path, checksum: str, patience: Patience, terminal: TextIO | None = None
    ) -> None:
        self.partial = partial
        self._terminal = terminal or sys.stderr
        self._algorithm, _, self._digest = checksum.partition(":")
        self._patience = patience
        self._resumed = False

    def __call__(self, url: str, output_file: str, _pooch: Any = None) -> None:
        """Download `url` to `output_file`, as `pooch` asks its downloaders to.

        Raises:
            SourceError: the server refuses, cannot be reached, or sends something else.
        """
        if self._checksum() != self._digest:
            self._download(url)
            if self._resumed and self._checksum() != self._digest:
                _say(f"{url}: the resumed file has a wrong checksum; once more, whole")
                self.partial.unlink()
                self._download(url)
            self._check(url)
        give_name(self.partial, Path(output_file))

    def _download(self, url: str) -> None:
        """Attempt until the file is complete or the attempts are used up."""
        self._resumed = False
        failures, furthest = 0, self._size()
        while True:
            try:
                return self._attempt(url)
            except _InterruptedError as error:
                reason = str(error)
            except (
                requests.ConnectionError,
                requests.Timeout,
                urllib3.exceptions.HTTPError,
            ) as error:
                reason = _explain(error)
            except (requests.RequestException, ValueError) as error:
                raise SourceError(f"{url}: cannot be downloaded ({_explain(error)})") from error
            if self._size() >= furthest + _PROGRESS_THAT_COUNTS:
                failures, furthest = 0, self._size()
            failures += 1
            if failures >= self._patience.attempts:
                raise SourceError(f"{url}: {reason}, {failures} times in a row")
            pause = min(60.0, self._patience.pause * 2 ** (failures - 1))
            _say(f"{url}: {reason}; next attempt in {pause:g} s")
            time.sleep(pause)

    def _attempt(self, url: str) -> None:
        """Ask for what is missing and receive it."""
        offset = self._size()
        # Not 'gzip': the bytes wanted are those the checksum is of.
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        timeout = (self._patience.connect, self._patience.silence)
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            status = f"HTTP {response.status_code} {response.reason or ''}".strip()
            if response.status_code in _TRANSIENT:
                raise _InterruptedError(f"the server answers {status}")
            if response.status_code == 416 or (
                response.status_code == 206 and _start(response) != offset
            ):
                self.partial.unlink(missing_ok=True)
                raise _InterruptedError("the server has no such part of the file")
            if response.status_code not in (200, 206):
                raise SourceError(f"{url}: the server answers {status}")
            self._receive(url, response, offset if response.status_code == 206 else 0)

    def _receive(self, url: str, response: requests.Response, offset: int) -> None:
        """Write the body behind the first `offset` bytes."""
        length = response.headers.get("Content-Length", "")
        total = offset + int(length) if length.isdecimal() else None
        chunk = _read(response)
        if not offset and _is_html(chunk):
            raise SourceError(f"{url}: the server sends an HTML page instead of the file")
        self._resumed = self._resumed or offset > 0
        progress = _Progress(url, offset, total, self._patience, self._terminal)
        with self._open(offset) as file, progress.bar:
            while chunk:
                file.write(chunk)
                progress.advance(len(chunk))
                chunk = _read(response)
        if total is not None and self._size() != total:
            raise _InterruptedError(f"the connection ended after {self._size()} of {total} bytes")

    def _open(self, offset: int) -> BinaryIO:
        return self.partial.open("ab" if offset else "wb")

    def _size(self) -> int:
        return self.partial.stat().st_size if self.partial.exists() else 0

    def _checksum(self) -> str:
        if not self.partial.exists():
            return ""
        digest: str = pooch.file_hash(str(self.partial), alg=self._algorithm)
        return digest

    def _check(self, url: str) -> None:
        found = self._checksum()
        if found != self._digest:
            size = self._size()
            self.partial.unlink()
            raise SourceError(
                f"{url}: wrong checksum, expected {self._algorithm}:{self._digest}, "
                f"got {self._algorithm}:{found} ({size} bytes)"
            )


class _InterruptedError(Exception):
    """An attempt failed in a way that the next one may not."""


class _Progress:
    """A bar on the terminal, a line every ten seconds in the log, and an eye on the speed."""

    def __init__(
        self, url: str, done: int, total: int | None, patience: Patience, terminal: TextIO
    ) -> None:
        self._url, self._done, self._total, self._patience = url, done, total, patience
        self._window = (time.monotonic(), done)
        self._line = time.monotonic()
        self.bar = tqdm(
            desc=url.rpartition("/")[2],
            total=total,
            initial=done,
            unit="B",
            unit_scale=True,
            file=terminal,
            disable=not terminal.isatty(),
        )
        size = f" {total / 1e6:.1f} MB" if total else ""
        _say(f"{url}: downloading{size}, from byte {done}")

    def advance(self, count: int) -> None:
        """Count bytes received; interrupt what is hopelessly slow."""
        self._done += count
        self.bar.update(count)
        now = time.monotonic()
        if now - self._line >= _SECONDS_BETWEEN_LINES:
            self._line = now
            of = f" of {self._total / 1e6:.1f}" if self._total else ""
            _say(f"{self._url}: {self._done / 1e6:.1f}{of} MB")
        start, before = self._window
        if now - start >= self._patience.window:
            speed = (self._done - before) / (now - start)
            if speed < self._patience.slowest:
                raise _InterruptedError(f"the server sends only {speed:.0f} bytes a second")
            self._window = (now, self._done)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _read(response: requests.Response) -> bytes:
    """Return the next bytes as soon as there are any, so that a trickle is seen as one."""
    chunk: bytes = response.raw.read1(_CHUNK, decode_content=False)
    return chunk


def _start(response: requests.Response) -> int:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else -1


def _is_html(head: bytes) -> bool:
    return head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html", b"<head"))


def _explain(error: Exception) -> str:
    """Say in a few words what `requests` or `urllib3` means."""
    if isinstance(error, requests.ConnectTimeout):
        return "the server cannot be reached (time-out)"
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "the server has fallen silent (time-out)"
    if isinstance(error, requests.exceptions.SSLError):
        return f"no secure connection ({_innermost(error)})"
    if isinstance(error, requests.ConnectionError):
        return f"the server cannot be reached ({_innermost(error)})"
    if isinstance(error, urllib3.exceptions.HTTPError):
        return f"the connection broke ({_innermost(error)})"
    return _innermost(error)


def _innermost(error: BaseException) -> str:
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _innermost(reason)
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    # urllib3 begins some messages with the address of an object.
    return " ".join(re.sub(r"^<?[\w.]+\(.*?\)>?: ", "", str(text)).split())
