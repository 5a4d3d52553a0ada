"""What makes a result stale: a change of the code or data that decides it, and nothing else."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from noise_resistance.storage.kinds import KINDS
from noise_resistance.study import fingerprint

PACKAGE = Path(fingerprint.__file__).parents[1]

SCRIPT = """
import json, sys
from noise_resistance.study.fingerprint import STEPS, fingerprint
print(json.dumps({step: fingerprint(step) for step in STEPS}))
print(json.dumps(sorted(sys.modules)))
"""


class Copy:
    """A copy of the package, changed and fingerprinted in a process of its own."""

    def __init__(self, folder: Path, original: "Copy | None" = None) -> None:
        self.package = folder / "noise_resistance"
        source = original.package if original else PACKAGE
        shutil.copytree(source, self.package, ignore=shutil.ignore_patterns("__pycache__"))
        self.before = original.before if original else self.fingerprints()

    def fingerprints(self) -> dict[str, str]:
        environment = {**os.environ, "PYTHONPATH": str(self.package.parent)}
        done = subprocess.run(
            [sys.executable, "-B", "-c", SCRIPT],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        fingerprints, modules = map(json.loads, done.stdout.splitlines())
        assert not {"tensorflow", "keras", "h5py", "numpy"} & set(modules)
        return dict(fingerprints)

    def stale(self) -> set[str]:
        """Return the steps whose fingerprint is another than before the change."""
        after = self.fingerprints()
        assert set(after) == set(self.before)
        return {step for step in after if after[step] != self.before[step]}

    def edit(self, module: str, change: str, to: str | None = None) -> None:
        """Append text to a module, or replace text in it."""
        path = self.package / module
        text = path.read_text(encoding="utf-8")
        assert to is None or change in text
        path.write_text(
            f"{text}\n{change}\n" if to is None else text.replace(change, to, 1), encoding="utf-8"
        )


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy that stays as it is; the fingerprint must not depend on the folder it lies in."""
    return Copy(tmp_path_factory.mktemp("or iginal"))


@pytest.fixture
def copy(tmp_path: Path, original: Copy) -> Copy:
    return Copy(tmp_path, original)


def double_quotes_to_single(text: str) -> str:
    return re.sub(r'(?<!")"([a-z_]+)"(?!")', r"'\1'", text)


def test_comments_docstrings_blank_lines_quotes_and_layout_make_nothing_stale(copy: Copy) -> None:
    changed = 0
    for path in sorted(copy.package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        docstring = ast.get_docstring(tree, clean=False)
        assert docstring is not None
        # Every module's docstring, quotes, comments and line breaks, and a function's docstring.
        text = double_quotes_to_single(text.replace(docstring, "Something else.", 1))
        text = text.replace("\n    return ", "\n\n    # Why not.\n    return ")
        text = text.replace('    """Return', '    """Give back')
        text = f"# A comment.\n{text}\n\n\n# The end.\n"
        assert ast.unparse(ast.parse(text)) != ""
        path.write_text(text, encoding="utf-8")
        changed += 1
    assert changed > 30
    assert copy.stale() == set()


def test_a_call_laid_out_over_several_lines_makes_nothing_stale(copy: Copy) -> None:
    copy.edit("noise/additive.py", "VALUE = max(1, 2)")
    copy.before = copy.fingerprints()
    copy.edit(
        "noise/additive.py", "VALUE = max(1, 2)", "VALUE = max(\n    1,  # the first\n    2,\n)"
    )
    assert copy.stale() == set()


def test_a_constant_in_the_module_that_a_step_runs_makes_the_step_stale(copy: Copy) -> None:
    copy.edit("evaluation/noise.py", "VALUE = 1")
    copy.before = copy.fingerprints()
    copy.edit("evaluation/noise.py", "VALUE = 1", "VALUE = 2")
    assert copy.stale() == {"evaluate_noise", "evaluate_external"}


def test_a_constant_in_a_module_reached_through_another_makes_the_step_stale(copy: Copy) -> None:
    copy.edit("noise/draws.py", "VALUE = 1")
    copy.before = copy.fingerprints()
    copy.edit("noise/draws.py", "VALUE = 1", "VALUE = 2")
    stale = copy.stale()
    assert "evaluate_noise" in stale
    assert "train" not in stale


def test_an_import_inside_a_function_counts(copy: Copy) -> None:
    copy.edit("study/seeds.py", "def later():\n    from noise_resistance.study import extra")
    (copy.package / "study/extra.py").write_text("VALUE = 1\n", encoding="utf-8")
    copy.before = copy.fingerprints()
    copy.edit("study/extra.py", "VALUE = 1", "VALUE = 2")
    stale = copy.stale()
    assert {"train", "evaluate_noise"} <= stale
    assert "tables" not in stale


@pytest.mark.parametrize("statement", ["from . import extra", "from .extra import VALUE"])
def test_a_relative_import_counts(copy: Copy, statement: str) -> None:
    copy.edit("training/schedules.py", statement)
    (copy.package / "training/extra.py").write_text("VALUE = 1\n", encoding="utf-8")
    copy.before = copy.fingerprints()
    copy.edit("training/extra.py", "VALUE = 1", "VALUE = 2")
    assert copy.stale() == {"train"}


def test_the_code_of_a_wing_s_init_counts(copy: Copy) -> None:
    copy.edit("training/__init__.py", "VALUE = 1")
    assert copy.stale() == {"train"}


def test_what_carries_numbers_makes_nothing_stale(copy: Copy) -> None:
    for module in (
        "cli/__init__",
        "devices",
        "errors",
        "__main__",
        "storage/files",
        "storage/hdf5",
    ):
        copy.edit(f"{module}.py", "CHANGED = 1")
    copy.edit("storage/provenance.py", "CHANGED = 1")
    assert copy.stale() == set()


@pytest.mark.parametrize(
    ("kind", "writers"),
    [
        ("dataset", {"prepare_dataset"}),
        ("weights", {"train"}),
        ("history", {"train"}),
        ("optimizer", {"train"}),
        ("baseline", {"evaluate_baseline", "evaluate_external"}),
        ("noise", {"evaluate_noise", "evaluate_external"}),
        ("diagnostics", {"diagnose"}),
        ("lengths", {"summarise_lengths"}),
        ("summary", {"summarise"}),
    ],
)
def test_another_layout_of_a_file_makes_the_step_that_writes_it_stale_and_no_other(
    copy: Copy, kind: str, writers: set[str]
) -> None:
    text = (copy.package / "storage/kinds.py").read_text(encoding="utf-8")
    changed, count = re.subn(
        rf'(Kind\(\s*"{kind}",.*?)(\d+)(,?\s*\))',
        lambda match: f"{match[1]}{int(match[2]) + 1}{match[3]}",
        text,
        count=1,
        flags=re.DOTALL,
    )
    assert count == 1
    (copy.package / "storage/kinds.py").write_text(changed, encoding="utf-8")
    assert copy.stale() == writers


COMPARED = {"comparison", "readings", "claims", "learning_rate_figure", "report"}


@pytest.mark.parametrize(
    ("file", "stale"),
    [
        ("published/values.csv", COMPARED),
        ("report/templates/page.html.j2", {"report"}),
        ("report/templates/page.css", {"report"}),
        ("report/templates/explorer.js", {"report"}),
    ],
)
def test_each_data_file_of_the_package_counts(copy: Copy, file: str, stale: set[str]) -> None:
    with (copy.package / "analysis" / file).open("a", encoding="utf-8") as data:
        data.write("\n")
    assert copy.stale() >= stale
    assert not copy.stale() & {"train", "evaluate_baseline", "evaluate_noise", "summarise"}


def test_a_data_file_that_a_module_names_counts(copy: Copy) -> None:
    copy.edit("analysis/tables.py", 'PUBLISHED = "published.csv"')
    data = copy.package / "analysis/published.csv"
    data.write_text("1\n", encoding="utf-8")
    copy.before = copy.fingerprints()
    data.write_text("2\n", encoding="utf-8")
    assert copy.stale() == {"tables"}


@pytest.mark.parametrize(
    ("module", "stale"),
    [
        ("training/engine.py", {"train"}),
        ("training/augmentation.py", {"train"}),
        ("evaluation/engine.py", {"evaluate_baseline", "evaluate_noise", "evaluate_external"}),
        ("evaluation/noise.py", {"evaluate_noise", "evaluate_external"}),
        ("evaluation/gradients.py", {"diagnose"}),
        ("analysis/lengths.py", {"summarise_lengths", "length_table", "length_figure", "report"}),
        ("datasets/cifar.py", {"prepare_dataset"}),
        ("datasets/download.py", set()),
        ("analysis/tables.py", {"tables"}),
        ("analysis/figures/learning_rate.py", {"learning_rate_figure"}),
        (
            "analysis/figures/style.py",
            {
                "learning_rate_figure",
                "optimizer_figure",
                "tradeoff_figure",
                "length_figure",
                "layers_figure",
                "external_figure",
                "why_figure",
                "report",
            },
        ),
        ("study/optimizers.py", None),
        ("study/configuration.py", None),
    ],
)
def test_a_change_of_code_concerns_the_steps_it_decides_and_no_other(
    copy: Copy, module: str, stale: set[str] | None
) -> None:
    copy.edit(module, "CHANGED = 1")
    found = copy.stale()
    if stale is None:  # parameters carry what these decide: no training and no evaluation
        assert not found & {"train", "evaluate_baseline", "evaluate_noise"}
    else:
        assert found == stale


def test_a_touch_or_another_folder_makes_nothing_stale(copy: Copy) -> None:
    for path in copy.package.rglob("*.py"):
        path.touch()
    assert copy.stale() == set()


def test_fingerprinting_every_step_imports_no_tensorflow(copy: Copy) -> None:
    # `fingerprints` looks at the modules that its process has imported; here one too many.
    copy.edit("study/paths.py", "import numpy")
    copy.edit("study/fingerprint.py", "import noise_resistance.study.paths")
    with pytest.raises(AssertionError):
        copy.fingerprints()


@pytest.mark.parametrize("step", fingerprint.STEPS)
def test_every_step_names_a_module_and_has_a_fingerprint(step: str) -> None:
    entry, kinds = fingerprint.STEPS[step]
    assert (PACKAGE / f"{entry.replace('.', '/')}.py").is_file()
    assert set(kinds) <= set(KINDS)
    assert entry in fingerprint.modules_behind(entry)
    assert re.fullmatch("[0-9a-f]{16}", fingerprint.fingerprint(step))


def test_every_fingerprint_in_the_rules_is_a_step_and_every_step_is_used() -> None:
    rules = "".join(path.read_text("utf-8") for path in (PACKAGE.parent / "rules").glob("*.smk"))
    assert set(re.findall(r'fingerprint\("(\w+)"\)', rules)) == set(fingerprint.STEPS)


def test_a_step_reaches_the_modules_that_decide_its_numbers() -> None:
    behind = fingerprint.modules_behind("evaluation.noise")
    assert {"noise.draws", "noise.additive", "noise.variances", "models.folding"} <= behind
    assert not {module for module in behind if module.startswith(("training", "storage", "cli"))}
