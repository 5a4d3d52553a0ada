"""results/README.md against a study that was made: each file and column is described, and is there.

RESULTS names the study's folder, results/demo where nothing else is said.
"""

import os
import re
from pathlib import Path

import h5py
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
STUDY = Path(os.environ.get("RESULTS", ROOT / "results/demo"))
TEXT = (ROOT / "results/README.md").read_text(encoding="utf-8")
# A key of the configuration in a file's description, or what it stands for: it need not be there.
OPTIONAL = re.compile(
    r"`(?:training|noise|diagnostics|external_models)\b|with (?:diagnostics|snapshots)"
    r"|of further datasets|after `make test-report`|after `noise-resistance store restore`"
)
# Datasets that come with the installation have no archive.
WITHOUT_ARCHIVE = "datasets/<dataset>/<checksum>/<archive>"


def files() -> list[str]:
    """All files of the study, of the datasets and of the store, as paths below results/."""
    if not STUDY.is_dir():
        pytest.fail(f"{STUDY}: no such study; make demo makes results/demo")
    folders = [STUDY, STUDY.parent / "datasets", STUDY.parent / "store"]
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path.relative_to(STUDY.parent).as_posix() for path in found]


def described() -> list[tuple[str, str]]:
    """The patterns of the first table, with what is said of each."""
    found = []
    folder = ""
    for line in TEXT.partition("## HDF5 files")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| `"):
            continue
        for name in re.findall(r"`([^`]+)`", cells[0]):
            if name.startswith(".../"):
                pattern = f"{folder}/{name[4:]}"
            elif "/" in name:
                pattern = name
            else:
                pattern = f"{found[-1][0].rpartition('/')[0]}/{name}"
            if pattern.endswith("model.weights.h5"):
                folder = pattern.rpartition("/")[0]
            found.append((pattern, cells[2]))
    return found


def expression(pattern: str) -> re.Pattern[str]:
    """Turn a path with <names>, asterisks and a slash for all below into a regular expression."""
    text = re.escape(pattern).replace(r"<study>", re.escape(STUDY.name))
    text = re.sub(r"<\w+>", "[^/]+", text).replace(r"\*", "[^/]+")
    return re.compile(text + (".+" if pattern.endswith("/") else ""))


def names(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def sections() -> dict[str, str]:
    return dict(re.findall(r"(?ms)^### (\w+)\n(.*?)(?=^##+ |\Z)", TEXT))


def table_rows() -> dict[str, set[str]]:
    """The columns that are described, by table; several tables may share a row."""
    rows: dict[str, set[str]] = {}
    for line in TEXT.partition("## Tables for programs")[2].splitlines():
        cells = line.strip("|").split("|", 1)
        if line.startswith("| ") and len(cells) == 2:
            tables = names(cells[0]) or {cells[0].strip()}
            for table in tables:
                rows.setdefault(table, set()).update(names(cells[1]))
    return rows


def columns(path: Path) -> set[str]:
    return set(pd.read_csv(path, nrows=1).columns)


def base(column: str) -> str:
    return re.sub(r"_(?:low|high)$", "", column)


def test_every_file_that_was_made_is_described() -> None:
    patterns = [expression(pattern) for pattern, _ in described()]
    unknown = [one for one in files() if not any(each.fullmatch(one) for each in patterns)]
    assert not unknown


def test_every_file_that_is_described_was_made_or_says_what_asks_for_it() -> None:
    made = files()
    missing = [
        pattern
        for pattern, said in described()
        if not any(expression(pattern).fullmatch(one) for one in made)
        and not OPTIONAL.search(said)
        and pattern != WITHOUT_ARCHIVE
    ]
    assert not missing


def test_every_file_is_of_the_kind_that_is_said() -> None:
    kinds = re.findall(r"^\| (`.*?`[^|]*) \| (\w+) \|", TEXT, re.MULTILINE)
    by_name = {name.rpartition("/")[2]: kind for cell, kind in kinds for name in
               re.findall(r"`([^`]+\.h5)`", cell)}  # fmt: skip
    assert len(by_name) > 8
    for name, kind in by_name.items():
        pattern = expression(name)
        folder = STUDY.parent / "datasets" if kind == "dataset" else STUDY
        for path in folder.rglob("*.h5"):
            at_root = path.parent == STUDY
            if pattern.fullmatch(path.name) and (kind == "diagnostics") != at_root:
                with h5py.File(path) as file:
                    assert file.attrs["kind"] == kind, path


def test_every_column_of_the_study_s_own_tables_is_described_and_no_other() -> None:
    about = sections()
    for path in STUDY.glob("*.csv"):
        with h5py.File(path.with_suffix(".h5")) as file:
            section = about[str(file.attrs["kind"])]
        arrays = {
            name
            for line in section.splitlines()
            if line.startswith("| `") and "not in the CSV" not in line
            for name in names(line.split("|")[1])
        }
        assert arrays <= columns(path), path
        assert columns(path) <= names(section), path


def test_every_column_of_a_table_is_described_and_no_other() -> None:
    rows = table_rows()
    common = rows["all"] | names(
        TEXT.partition("## Tables for programs")[2].partition("| table")[0]
    )
    seen: dict[str, set[str]] = {}
    for path in (STUDY / "tables").glob("*.csv"):
        table = path.stem.partition("-")[0]
        found = columns(path)
        seen.setdefault(table, set()).update(found | {base(one) for one in found})
        own = rows.get(table, set())
        unknown = {one for one in found if one not in own | common and base(one) not in own}
        assert not unknown, path
    for table, own in rows.items():
        if table in seen:
            words = {one for one in own if not one.startswith("_")}
            assert words <= seen[table], table
