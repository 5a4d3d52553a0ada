"""What results/README.md says of the files, beside what the files hold."""

import re
from pathlib import Path

import h5py
from workspace import ROOT

OF_CIFAR100 = {"train_coarse_labels", "test_coarse_labels", "coarse_class_name"}


def assert_readme_describes(results: Path) -> set[str]:
    """Compare the arrays and attributes of a study's files, and return the kinds it met."""
    text = (ROOT / "results/README.md").read_text(encoding="utf-8")
    sections = {
        title.split()[0]: body
        for title, body in re.findall(r"(?ms)^### (.*?)\n(.*?)(?=^###? |\Z)", text)
    }
    common = described_names(sections["Attributes"])
    arrays: dict[str, set[str]] = {}
    for path in [*results.rglob("*.h5"), *results.parent.glob("datasets/*/*.h5")]:
        with h5py.File(path) as file:
            kind = file.attrs["kind"]
            assert common <= {*file.attrs}, path
            further = {*file.attrs} - common - {"Conventions"}
            assert further <= set(re.findall(r"`(\w+)`", sections[kind])), (path, further)
            if kind != "weights":
                arrays.setdefault(kind, set()).update(
                    name for name in file if "units" in file[name].attrs
                )
    for kind, found in arrays.items():
        assert found == described_names(sections[kind]) - (OF_CIFAR100 - found), kind
    return set(arrays)


def described_names(section: str) -> set[str]:
    """The names in the first column of a section's Markdown table."""
    firsts = (line.split("|")[1] for line in section.splitlines() if line.startswith("|"))
    return {name for first in firsts for name in re.findall(r"`(\w+)`", first)}
