"""The versions of the steps whose results are kept: which code counts for which."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from noise_resistance.errors import ConfigurationError, DataError
from noise_resistance.store import versions
from noise_resistance.store.fingerprint import fingerprint
from noise_resistance.store.versions import (
    STORED_STEPS,
    Version,
    counts,
    is_listed,
    read_versions,
    version_of,
    version_of_fingerprint,
)

PRESENT = fingerprint("train")


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Version]:
    """Other versions than the package's."""
    found = {step: Version(1, ()) for step in STORED_STEPS}
    monkeypatch.setattr(versions, "_versions", lambda: found)
    return found


def test_code_that_nobody_listed_is_a_version_of_its_own(listed: dict[str, Version]) -> None:
    listed["train"] = Version(3, ("0" * 16, "1" * 16))
    assert version_of("train") == f"unlisted-{PRESENT}"
    assert counts("train") == (PRESENT,)
    assert not is_listed("train")


def test_code_that_is_listed_counts_with_all_of_its_version(listed: dict[str, Version]) -> None:
    listed["train"] = Version(3, ("0" * 16, PRESENT, "1" * 16))
    assert version_of("train") == "3"
    assert counts("train") == (PRESENT, "0" * 16, "1" * 16)
    assert is_listed("train")
    assert not is_listed("diagnose")


def test_any_code_s_version_is_known_by_its_fingerprint(listed: dict[str, Version]) -> None:
    listed["train"] = Version(2, ("0" * 16,))
    assert version_of_fingerprint("train", "0" * 16) == "2"
    assert version_of_fingerprint("train", "f" * 16) == f"unlisted-{'f' * 16}"
    assert version_of_fingerprint("diagnose", "0" * 16) == f"unlisted-{'0' * 16}"


@pytest.mark.parametrize("ask", [version_of, counts, is_listed])
def test_another_step_is_refused_in_one_line(ask: object) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'train'") as error:
        ask("trian")  # type: ignore[operator]
    assert "\n" not in str(error.value)


def test_the_file_names_each_step_once_with_a_version() -> None:
    text = versions.VERSIONS_FILE.read_text(encoding="utf-8")
    assert [*json.loads(text)] == [*STORED_STEPS]
    for version in read_versions().values():
        assert version.number >= 1
        assert len({*version.fingerprints}) == len(version.fingerprints)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"train": 1}',
        '{"train": {"version": "1", "fingerprints": []}}',
        '{"train": {"version": 0, "fingerprints": []}}',
        '{"train": {"version": true, "fingerprints": []}}',
        '{"train": {"version": 1, "fingerprints": "0"}}',
        '{"train": {"version": 1, "fingerprints": [0]}}',
        '{"train": {"version": 1, "fingerprints": []}}',
    ],
)
def test_a_damaged_list_is_one_line_that_names_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "versions.json"
    with pytest.raises(DataError, match=r"versions\.json"):
        read_versions(path)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"versions\.json") as error:
        read_versions(path)
    assert "\n" not in str(error.value)


def test_asking_for_a_version_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from noise_resistance.store.versions import STORED_STEPS, version_of\n"
        "print([version_of(one) for one in STORED_STEPS])\n"
        "sys.exit(bool({'numpy', 'h5py', 'tensorflow', 'keras', 'click'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
