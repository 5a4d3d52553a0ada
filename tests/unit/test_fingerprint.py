"""What makes a result stale: a change of the code or data that decides it, and nothing else."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from noise_resistance.storage.kinds import KINDS
from noise_resistance.store import fingerprint
from noise_resistance.store.fingerprint import STEPS, Code
from noise_resistance.store.syntax import Source
from noise_resistance.store.versions import STORED_STEPS

PACKAGE = Path(fingerprint.__file__).parents[1]
STORED = sorted(
    {module for step in STORED_STEPS for module in Code(PACKAGE).behind(STEPS[step][0])}
)
"""The modules behind the steps whose results are kept."""

SCRIPT = """
import json, sys
from noise_resistance.store.fingerprint import STEPS, fingerprint
print(json.dumps({step: fingerprint(step) for step in STEPS}))
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(autouse=True, scope="module")
def _read_once() -> Iterator[None]:
    """Reduce each text once for all copies: a source depends on its text and package alone."""
    with pytest.MonkeyPatch.context() as patch:
        once = cache(Source)
        patch.setattr(fingerprint, "Source", lambda text, package, _: once(text, package))
        yield


class Copy:
    """A copy of the package, changed and fingerprinted."""

    def __init__(self, folder: Path, original: "Copy | None" = None) -> None:
        self.package = folder / "noise_resistance"
        source = original.package if original else PACKAGE
        shutil.copytree(source, self.package, ignore=shutil.ignore_patterns("__pycache__"))
        self.before = original.before if original else self.fingerprints()

    def fingerprints(self) -> dict[str, str]:
        code = Code(self.package)
        return {step: code.fingerprint(step) for step in STEPS}

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

    def edit_each(self, change: Callable[[ast.Module], int], least: int) -> None:
        """Change the syntax tree of each module behind the stored steps, and write it anew."""
        changes = 0
        for module in STORED:
            path = Code(self.package).path(module)
            tree = ast.parse(path.read_text(encoding="utf-8"))
            changes += change(tree)
            path.write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding="utf-8")
        assert changes >= least


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


# Other words in all modules behind the steps that are kept.


def is_named(node: ast.expr, *ends: str) -> bool:
    return ast.unparse(node).split("(")[0].endswith(ends)


def change_messages(tree: ast.Module) -> int:
    """Replace every message of an error, and every print, by another."""
    other = ast.Constant("something else")
    changes = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc.args, node.cause = [other], None
            changes += 1
        elif isinstance(node, ast.Call) and is_named(node.func, "print"):
            node.args = [other]
            changes += 1
    return changes


def drop_prints(tree: ast.Module) -> int:
    changes = 0
    for node in ast.walk(tree):
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                kept = [one for one in block if "print(" not in ast.unparse(one)[:6]]
                changes += len(block) - len(kept)
                setattr(node, name, kept or ([ast.Pass()] if name == "body" else []))
    return changes


def change_descriptions(tree: ast.Module) -> int:
    """Replace the third argument of every variable of a file, and descriptions with a name."""
    other = ast.Constant("something else")
    changes = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if ast.unparse(node.func) == "Variable" and len(node.args) > 2:
                node.args[2] = other
                changes += 1
            for keyword in node.keywords:
                if keyword.arg == "description":
                    keyword.value = other
                    changes += 1
    return changes


def change_docstrings(tree: ast.Module) -> int:
    """Replace every statement that is only a string, and put one behind every assignment."""
    changes = 0
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for one in body:
            if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant):
                one.value = ast.Constant("something else")
                changes += 1
        for one in [one for one in body if isinstance(one, ast.Assign | ast.AnnAssign)]:
            body.insert(body.index(one) + 1, ast.Expr(ast.Constant("what it is")))
    return changes


def change_annotations(tree: ast.Module) -> int:
    """Replace every annotation by another, of variables, arguments and results."""
    changes = 0
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            found = getattr(node, name, None)
            if isinstance(found, ast.expr) and ast.unparse(found) != "TypeAlias":
                setattr(node, name, ast.Name("object"))
                changes += 1
    return changes


def drop_annotations(tree: ast.Module) -> int:
    """Take annotations out where no dataclass needs them, and blocks for types alone."""
    changes = 0
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if not isinstance(node, ast.AnnAssign) and isinstance(
                getattr(node, name, None), ast.expr
            ):
                setattr(node, name, None)
                changes += 1
    kept = [one for one in tree.body if "TYPE_CHECKING:" not in ast.unparse(one)]
    changes += len(tree.body) - len(kept)
    tree.body = [one for one in kept if "__all__" not in ast.unparse(one)[:7]]
    return changes


@pytest.mark.parametrize(
    ("change", "least"),
    [
        (change_messages, 35),
        (drop_prints, 5),
        (change_descriptions, 40),
        (change_docstrings, 150),
        (change_annotations, 400),
        (drop_annotations, 300),
    ],
)
def test_other_words_in_every_module_make_nothing_stale(
    copy: Copy, change: Callable[[ast.Module], int], least: int
) -> None:
    copy.edit_each(change, least)
    assert not copy.stale() & set(STORED_STEPS)


def test_the_word_that_once_made_every_training_stale_makes_none(copy: Copy) -> None:
    copy.edit("training/train.py", "min left", "minutes left")
    copy.edit("training/train.py", "left / 60", "left / 3600")
    assert copy.stale() == set()


def moved(copy: Copy, module: str, to: str) -> None:
    """Move a module and change what imports it, as a tool would."""
    old, new = (copy.package / f"{one.replace('.', '/')}.py" for one in (module, to))
    new.parent.mkdir(exist_ok=True)
    old.rename(new)
    if not (new.parent / "__init__.py").exists():
        (new.parent / "__init__.py").write_text('"""A new room."""\n', encoding="utf-8")
    for path in copy.package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        names = rf"\bnoise_resistance\.{re.escape(module)}\b"
        path.write_text(re.sub(names, f"noise_resistance.{to}", text), encoding="utf-8")


def test_modules_that_move_make_nothing_stale(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    # Into a new room, the last of its names first: imports stand in another order too.
    names = {one: f"room.m{99 - number}" for number, one in enumerate(STORED) if "." in one}
    assert len(names) > 25
    for module, to in names.items():
        moved(copy, module, to)
    for step in STORED_STEPS:
        entry, kinds = STEPS[step]
        monkeypatch.setitem(STEPS, step, (names[entry], kinds))
    code = Code(copy.package)
    after = {step: code.fingerprint(step) for step in STORED_STEPS}
    assert after == {step: copy.before[step] for step in STORED_STEPS}


def test_imports_in_another_order_make_nothing_stale(copy: Copy) -> None:
    first = "from noise_resistance.datasets.prepared import Split, read_split\n"
    copy.edit("training/train.py", first, "")
    copy.edit(
        "training/train.py",
        "from noise_resistance.training.history",
        "from noise_resistance.datasets.prepared import read_split, Split\n"
        "from noise_resistance.training.history",
    )
    assert copy.stale() == set()


# What counts, one change of each kind in a module that exists.


@pytest.mark.parametrize(
    ("module", "change", "to", "steps"),
    [
        # A number, a string that selects, an operator, the order of arguments.
        ("training/engine.py", "_TEST_BATCH_SIZE = 500", "_TEST_BATCH_SIZE = 250", {"train"}),
        ("noise/draws.py", "_PHILOX = 1", "_PHILOX = 2", {"evaluate_noise"}),
        ("noise/variances.py", '"clip": V', '"cut": V', {"evaluate_noise"}),
        ("noise/additive.py", "== \"layer\"", "== \"layers\"", {"evaluate_noise"}),
        ("training/schedules.py", "start <= epoch", "start < epoch", {"train"}),
        ("evaluation/gradients.py", "parts - whole", "parts + whole", {"diagnose"}),
        # Defaults: of an argument, of a dataclass's field, and a field's place.
        ("noise/additive.py", 'kind: str = "additive"', 'kind: str = "additive_max"', set()),
        ("models/optimizers.py", "beta_2: float = 0.999", "beta_2: float = 0.99", {"train"}),
        ("study/noise_settings.py", 'kind: str = "additive"', 'kind: str = "x"', set()),
        ("study/recipe.py", "    epochs: int\n    batch_size: int\n",
         "    batch_size: int\n    epochs: int\n", {"train"}),
        # Decorators, f-strings that reach values, imported names, external modules.
        ("models/resnet.py", "    @property\n    def stem", "    def stem", {"train"}),
        ("noise/additive.py", "raise ConfigurationError(", "raise KeyError(", set()),
        ("models/resnet.py", 'f"{name}_conv1"', 'f"{name}_first"', {"train", "evaluate_noise"}),
        ("training/engine.py", "from noise_resistance.models.resnet import BATCHNORM_MOMENTUM,",
         "from noise_resistance.models.resnet import BATCHNORM_EPSILON as BATCHNORM_MOMENTUM,",
         {"train"}),
        ("training/train.py", "import time\n", "import timeit as time\n", {"train"}),
        ("study/seeds.py", "import hashlib", "import numpy as hashlib", {"train", "diagnose"}),
        # What a variable holds, its unit and its name.
        ("training/history.py", 'Quantity("nat"', 'Quantity("bit"', {"train"}),
        ("evaluation/noise.py", '"sigma_w": Var', '"sigma": Var', {"evaluate_noise"}),
        # The condition under which an error is raised.
        ("datasets/prepared.py", "classes < 2", "classes < 1", {"train", "evaluate_noise"}),
    ],
)  # fmt: skip
def test_code_that_decides_something_makes_its_steps_stale(
    copy: Copy, module: str, change: str, to: str, steps: set[str]
) -> None:
    copy.edit(module, change, to)
    stale = copy.stale()
    assert stale >= (steps or {"evaluate_noise"})


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
        "store/fingerprint",
        "store/versions",
    ):
        copy.edit(f"{module}.py", "CHANGED = 1")
    copy.edit("storage/provenance.py", "CHANGED = 1")
    copy.edit("store/versions.json", "1", "2")
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
    copy: Copy, kind: str, writers: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = replace(KINDS[kind], schema_version=KINDS[kind].schema_version + 1)
    monkeypatch.setitem(KINDS, kind, changed)
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
    found = copy.stale()
    assert found >= stale
    assert not found & {"train", "evaluate_baseline", "evaluate_noise", "summarise"}


def test_of_a_data_file_that_a_module_names_the_content_counts_and_not_the_name(
    copy: Copy,
) -> None:
    copy.edit("analysis/tables.py", 'PUBLISHED = "published.csv"')
    data = copy.package / "analysis/published.csv"
    data.write_text("1\n", encoding="utf-8")
    copy.before = copy.fingerprints()
    data.rename(data.with_name("renamed.csv"))
    copy.edit("analysis/tables.py", '"published.csv"', '"renamed.csv"')
    assert copy.stale() == set()
    data.with_name("renamed.csv").write_text("2\n", encoding="utf-8")
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


def interpreters() -> list[str]:
    """Return each supported Python that is on this machine, this one among them."""
    found = [sys.executable]
    for minor in (11, 12, 13):
        found += map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3.{minor}"))
        found += filter(None, [shutil.which(f"python3.{minor}")])
    return found


def test_every_supported_python_gives_the_same_and_imports_nothing_heavy(original: Copy) -> None:
    environment = {**os.environ, "PYTHONPATH": str(original.package.parent)}
    seen = 0
    for interpreter in interpreters():
        done = subprocess.run(
            [interpreter, "-B", "-c", SCRIPT],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode and "pyenv" in done.stderr and interpreter != sys.executable:
            continue  # a name that no Python stands behind
        assert done.returncode == 0, done.stderr
        fingerprints, modules = map(json.loads, done.stdout.splitlines())
        assert fingerprints == original.before
        assert not {"tensorflow", "keras", "h5py", "numpy"} & set(modules)
        seen += 1
    assert seen


@pytest.mark.parametrize("step", STEPS)
def test_every_step_names_a_module_and_has_a_fingerprint(step: str) -> None:
    entry, kinds = STEPS[step]
    assert (PACKAGE / f"{entry.replace('.', '/')}.py").is_file()
    assert set(kinds) <= set(KINDS)
    assert entry in Code(PACKAGE).behind(entry)
    assert re.fullmatch("[0-9a-f]{16}", fingerprint.fingerprint(step))


def test_every_fingerprint_in_the_rules_is_a_step_and_every_step_is_used() -> None:
    rules = "".join(path.read_text("utf-8") for path in (PACKAGE.parent / "rules").glob("*.smk"))
    assert set(re.findall(r'(?:fingerprint|version_of)\("(\w+)"\)', rules)) == set(STEPS)


@pytest.mark.parametrize("step", STORED_STEPS)
def test_no_step_whose_results_are_kept_depends_on_what_only_asks_for_results(step: str) -> None:
    behind = Code(PACKAGE).behind(STEPS[step][0])
    asks = ("configuration", "grid", "outline", "paths", "products", "readings", "schema")
    assert not behind & {f"study.{one}" for one in asks}


def test_a_step_reaches_the_modules_that_decide_its_numbers() -> None:
    behind = Code(PACKAGE).behind("evaluation.noise")
    assert {"noise.draws", "noise.additive", "noise.variances", "models.folding"} <= behind
    carriers = ("training", "storage", "store", "cli")
    assert not {module for module in behind if module.startswith(carriers)}
