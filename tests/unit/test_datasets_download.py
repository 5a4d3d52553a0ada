"""Downloads: whole and of the right checksum, or not there, with one line that says why."""

import hashlib
import io
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from noise_resistance.datasets.download import download
from noise_resistance.datasets.transfer import Patience
from noise_resistance.errors import DataError
from servers import Server

CONTENT = random.Random(1).randbytes(300_000)
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
HASTY = Patience(attempts=3, pause=0.01, connect=2, silence=0.3, window=0.3, slowest=1000)


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "results" / "datasets" / "cifar10" / "0123456789abcdef" / "archive.tar.gz"


def refusal(url: str, destination: Path, checksum: str = MD5) -> str:
    """Return the one line of a download that must fail and must leave nothing under its name."""
    with pytest.raises(DataError) as caught:
        download(url, checksum, destination, HASTY)
    message = str(caught.value)
    assert "\n" not in message
    assert not destination.exists()
    return message


def left_over(destination: Path) -> list[str]:
    return sorted(path.name for path in destination.parent.iterdir() if path != destination)


def start_download(url: str, destination: Path, before: str = "") -> "subprocess.Popen[str]":
    program = (
        f"import sys; from pathlib import Path; {before}"
        "from noise_resistance.datasets.download import download; "
        "download(sys.argv[1], sys.argv[2], Path(sys.argv[3]))"
    )
    return subprocess.Popen(
        [sys.executable, "-B", "-c", program, url, MD5, destination],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("checksum", [MD5, SHA256])
def test_a_download_is_whole_and_leaves_nothing_beside_it(
    server: Server, destination: Path, checksum: str
) -> None:
    download(server.add("a", CONTENT), checksum, destination, HASTY)
    assert destination.read_bytes() == CONTENT
    assert left_over(destination) == []


def test_a_good_file_at_the_destination_is_reused_untouched(
    server: Server, destination: Path
) -> None:
    destination.parent.mkdir(parents=True)
    destination.write_bytes(CONTENT)
    os.utime(destination, (1, 1))
    download(server.add("a", CONTENT), MD5, destination, HASTY)
    assert server.requests == []
    assert destination.stat().st_mtime == 1


def test_a_wrong_file_at_the_destination_is_replaced(server: Server, destination: Path) -> None:
    destination.parent.mkdir(parents=True)
    destination.write_bytes(CONTENT[:-1])
    download(server.add("a", CONTENT), MD5, destination, HASTY)
    assert destination.read_bytes() == CONTENT


def test_a_download_cut_in_the_middle_goes_on_from_there(server: Server, destination: Path) -> None:
    download(server.add("a", CONTENT, ["cut:100000", "cut:50000"]), MD5, destination, HASTY)
    assert destination.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]


def test_a_server_without_ranges_is_asked_again_from_the_start(
    server: Server, destination: Path
) -> None:
    download(server.add("a", CONTENT, ["cut:100000", "no-range"]), MD5, destination, HASTY)
    assert destination.read_bytes() == CONTENT


def test_a_server_that_sends_another_part_is_asked_again_from_the_start(
    server: Server, destination: Path
) -> None:
    download(server.add("a", CONTENT, ["cut:100000", "wrong-range"]), MD5, destination, HASTY)
    assert destination.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", None]


def test_what_has_arrived_before_giving_up_is_kept_for_the_next_call(
    server: Server, destination: Path
) -> None:
    url = server.add("a", CONTENT, ["cut:100000", "cut:0", "cut:0"])
    assert "the connection" in refusal(url, destination)
    download(url, MD5, destination, HASTY)
    assert destination.read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=100000-"
    assert left_over(destination) == []


def test_a_stale_part_of_another_file_is_noticed_and_fetched_whole(
    server: Server, destination: Path
) -> None:
    url = server.add("a", CONTENT, ["cut:100000", "status:404"])
    refusal(url, destination)
    (partial,) = destination.parent.glob(".download-*/partial")
    partial.write_bytes(b"x" * 100_000)
    download(url, MD5, destination, HASTY)
    assert destination.read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_noticed_and_fetched_whole(
    server: Server, destination: Path
) -> None:
    url = server.add("a", CONTENT, ["cut:100000", "status:404"])
    refusal(url, destination)
    (partial,) = destination.parent.glob(".download-*/partial")
    partial.write_bytes(b"x" * 400_000)
    download(url, MD5, destination, HASTY)
    assert destination.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_asked_again(server: Server, destination: Path, status: int) -> None:
    download(server.add("a", CONTENT, [f"status:{status}"] * 2), MD5, destination, HASTY)
    assert destination.read_bytes() == CONTENT


def test_a_server_that_stays_in_trouble_is_given_up(server: Server, destination: Path) -> None:
    message = refusal(server.add("a", CONTENT, ["status:500!"]), destination)
    assert "HTTP 500" in message
    assert len(server.requests) == HASTY.attempts


def test_the_pauses_between_attempts_double(server: Server, destination: Path) -> None:
    url = server.add("a", CONTENT, ["status:500"] * 3)
    start = time.monotonic()
    download(url, MD5, destination, Patience(attempts=4, pause=0.1))
    assert 0.7 <= time.monotonic() - start < 5  # 0.1 + 0.2 + 0.4


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_final_and_says_what_to_do(
    server: Server, destination: Path, status: int
) -> None:
    url = server.add("a", CONTENT, [f"status:{status}!"])
    message = refusal(url, destination)
    assert url in message
    assert f"HTTP {status}" in message
    assert "datasets.cifar10.files.archive.tar.gz" in message
    assert len(server.requests) == 1


def test_an_html_page_is_called_one_and_costs_no_bytes_already_here(
    server: Server, destination: Path
) -> None:
    url = server.add("a", CONTENT, ["cut:100000", "html"])
    assert "HTML page" in refusal(url, destination)
    download(url, MD5, destination, HASTY)
    assert destination.read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=100000-"


def test_a_wrong_file_is_refused_with_both_checksums(server: Server, destination: Path) -> None:
    message = refusal(server.add("a", CONTENT, ["other:5000!"]), destination)
    assert MD5 in message
    assert hashlib.md5(bytes([255]) * 5000).hexdigest() in message
    assert "5000 bytes" in message
    assert list(destination.parent.glob(".download-*/partial")) == []


def test_a_wrong_length_is_refused_with_both_lengths(server: Server, destination: Path) -> None:
    message = refusal(server.add("a", b"", ["long!"]), destination)
    assert "1000" in message


@pytest.mark.parametrize("fault", ["stall:1000!", "trickle!"])
def test_a_server_too_slow_is_given_up_in_time(
    server: Server, destination: Path, fault: str
) -> None:
    start = time.monotonic()
    message = refusal(server.add("a", CONTENT, [fault]), destination)
    assert time.monotonic() - start < 10
    assert ("silent" in message) or ("bytes a second" in message)


def test_a_slow_server_that_heals_serves_the_rest(server: Server, destination: Path) -> None:
    download(server.add("a", CONTENT, ["stall:70000"]), MD5, destination, HASTY)
    assert destination.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=70000-"]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/archive", "http://no-such-host.invalid/archive"]
)
def test_an_unreachable_server_is_named(
    url: str, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    message = refusal(url, destination)
    assert url in message
    assert "cannot be reached" in message


def test_a_local_path_and_a_file_url_are_copied(tmp_path: Path, destination: Path) -> None:
    source = tmp_path / "mirror of data.bin"
    source.write_bytes(CONTENT)
    download(str(source), SHA256, destination)
    assert destination.read_bytes() == CONTENT
    destination.unlink()
    download(source.as_uri(), SHA256, destination)
    assert "%20" in source.as_uri()
    assert destination.read_bytes() == CONTENT
    assert left_over(destination) == []


def test_a_local_file_with_another_content_is_refused_with_both_checksums(
    tmp_path: Path, destination: Path
) -> None:
    source = tmp_path / "mirror"
    source.write_bytes(b"other")
    message = refusal(str(source), destination)
    assert str(source) in message
    assert MD5 in message
    assert hashlib.md5(b"other").hexdigest() in message


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("missing/file", "no such file"),
        (".", "no such file"),
        (os.devnull, "no such file"),
        ("nul\0character", "no such file"),
        ("two\nlines", "no such file"),
        ("file://elsewhere/data", "another machine"),
        ("ftp://server/data", "only http"),
        ("http://[::1", "no URL"),
        ("http://", "cannot be downloaded"),
        ("$(touch pwned)", "no such file"),
    ],
)
def test_a_source_that_is_none_is_refused(
    url: str, reason: str, destination: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert reason in refusal(url, destination)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("checksum", ["", "md5:", "md5:XYZ", "crc32:00000000", "d" * 32])
def test_a_checksum_that_is_none_is_refused(checksum: str, destination: Path) -> None:
    assert "checksum" in refusal(os.devnull, destination, checksum)


def test_a_full_disk_is_one_line_and_no_file(server: Server, destination: Path) -> None:
    url = server.add("a", CONTENT)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000)); "
    child = start_download(url, destination, before=limit)
    _, errors = child.communicate(timeout=60)
    assert child.returncode != 0
    assert errors.splitlines()[-1].startswith("noise_resistance.errors.DataError")
    assert f"{destination}: cannot be written" in errors.splitlines()[-1]
    assert not destination.exists()
    download(url, MD5, destination, HASTY)
    assert destination.read_bytes() == CONTENT


def test_a_folder_that_cannot_be_made_is_one_line(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        download(server.add("a", CONTENT), MD5, tmp_path / "file" / "a", HASTY)


def test_a_killed_download_goes_on_where_it_was(server: Server, destination: Path) -> None:
    url = server.add("a", CONTENT, ["stall:200000"])
    child = start_download(url, destination)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.poll() is None:
        arrived = [path.stat().st_size for path in destination.parent.glob(".download-*/partial")]
        if arrived and arrived[0] >= 190_000:
            break
        time.sleep(0.02)
    child.kill()
    child.communicate()
    assert not destination.exists()
    download(url, MD5, destination, HASTY)
    assert destination.read_bytes() == CONTENT
    assert server.ranges[1] is not None
    assert int(server.ranges[1].removeprefix("bytes=").removesuffix("-")) >= 190_000
    assert left_over(destination) == []


@pytest.mark.parametrize("renamed", [False, True], ids=["before", "after"])
def test_a_download_killed_around_its_renaming_is_not_made_again(
    server: Server, destination: Path, monkeypatch: pytest.MonkeyPatch, renamed: bool
) -> None:
    """What has arrived is under the final name or where the next call finds it, never elsewhere."""
    url, real = server.add("a", CONTENT), Path.replace

    def killed(source: Path, target: Path) -> None:
        if renamed:
            real(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        download(url, MD5, destination, HASTY)
    monkeypatch.undo()
    assert destination.exists() == renamed
    download(url, MD5, destination, HASTY)
    assert destination.read_bytes() == CONTENT
    assert len(server.requests) == 1
    assert left_over(destination) == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_a_log_gets_lines(
    server: Server, destination: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, terminal = server.add("a", CONTENT, ["cut:100000"]), Terminal()
    download(url, MD5, destination, HASTY, terminal)
    assert "100%" in terminal.getvalue()
    assert "300k/300k" in terminal.getvalue()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"{url}: downloading 0.3 MB, from byte 0"
    assert "next attempt in 0.01 s" in lines[1]
    assert lines[2] == f"{url}: downloading 0.3 MB, from byte 100000"
    assert len(lines) == 3


def test_the_real_archive_comes_over_http_despite_two_cuts(
    server: Server, destination: Path, real_cifar10: Path
) -> None:
    url = server.add(real_cifar10.name, real_cifar10.read_bytes(), ["cut:4000000", "cut:3000000"])
    download(url, "md5:d590b337dc69e9067653f6d7ccbaa0d1", destination, HASTY)
    assert destination.stat().st_size == 10_387_705
    assert server.ranges == [None, "bytes=4000000-", "bytes=7000000-"]
