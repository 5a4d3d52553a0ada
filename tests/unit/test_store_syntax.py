"""What of a module decides numbers, kind by kind, on a made-up package."""

from pathlib import Path

import pytest

from noise_resistance.store.fingerprint import STEPS, Code

MODULE = '''
"""A module."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeAlias

import keras

from made_up.errors import DataError, suggest
from made_up.storage.hdf5 import Variable
from made_up.wing import other
from made_up.wing.numbers import twice as doubled

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Settings", "run"]

LIMIT = 3
"""How far."""
Numbers: TypeAlias = Mapping[str, float]
_REMEDY = "delete it"
_log = logging.getLogger("made_up")


@dataclass(frozen=True)
class Settings:
    """The settings."""

    kind: str = "clip"
    draws: int = 25
    steps: int
    """How many steps."""
    known: ClassVar[tuple[str, ...]] = ("clip",)


class Row(NamedTuple):
    unit: str
    description: str = ""


ROWS = {"loss": Row("nat", description="the loss"), "rate": Row("1", description="the rate")}


@staticmethod
def run(settings: Settings, values: Numbers, *, scale: float = 1.0) -> Numbers:
    """Run."""
    total: float = 0.0
    for name, one in values.items():
        if one < 0:
            where = f"{name}, number {one}"
            raise DataError(f"{where}: is negative; {_REMEDY}, {_hint(name)}") from None
        total += one * scale
    print(f"total {total}", flush=True)
    _log.info("done: %s", total)
    warnings.warn("slow", stacklevel=2)
    assert total >= 0, "a negative total"
    try:
        loss = keras.losses.MeanSquaredError(reduction="sum")(total)
    except KeyError as error:
        raise ValueError(f"no {error}") from error
    problem = RuntimeError("too many", LIMIT)
    if settings.kind == "clip" and total > LIMIT:
        raise problem
    table = {
        "loss": Variable(("row",), total, "the loss of all", "nat"),
        "rate": Variable(("row",), values, description="the rate of all"),
        f"{settings.kind}_loss": loss,
    }
    return {**table, "data": math.fsum([doubled(total), other.half(total)]), "file": "table.csv"}


def _hint(name: str) -> str:
    """Give a hint."""
    known = sorted({name.lower()})
    return suggest(name, known)
'''

FILES = {
    "__init__.py": "",
    "errors.py": "class DataError(Exception): pass\ndef suggest(name, known): return name\n",
    "storage/__init__.py": "",
    "storage/hdf5.py": "class Variable: pass\n",
    "wing/__init__.py": '"""A wing."""\n',
    "wing/numbers.py": "def twice(x):\n    return 2 * x\n",
    "wing/other.py": "def half(x):\n    return x / 2\n",
    "wing/third.py": "def twice(x):\n    return 2.0 * x\n",
    "wing/table.csv": "1,2\n",
    "wing/run.py": MODULE,
}


class MadeUp:
    def __init__(self, folder: Path) -> None:
        self.root = folder / "made_up"
        for name, text in FILES.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text, encoding="utf-8")

    def fingerprint(self) -> str:
        return Code(self.root).fingerprint("made_up")

    def edit(self, change: str, to: str, file: str = "wing/run.py") -> None:
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert change in text
        path.write_text(text.replace(change, to), encoding="utf-8")


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    monkeypatch.setitem(STEPS, "made_up", ("wing.run", ("history",)))
    return MadeUp(tmp_path)


EQUAL = {
    "module's docstring": ('"""A module."""', '"""A room."""'),
    "no docstring": ('    """Run."""\n', ""),
    "attribute's docstring": ('"""How far."""', '"""How far it may be."""'),
    "field's docstring": ('    """How many steps."""\n', ""),
    "comment": ("LIMIT = 3", "LIMIT = 3  # three"),
    "pass": ("    total: float = 0.0\n", "    pass\n    total: float = 0.0\n"),
    "variable's annotation": ("total: float = 0.0", "total = 0.0"),
    "another annotation": ("total: float = 0.0", "total: int | float = 0.0"),
    "annotation without value": ("    total: float = 0.0", "    one: float\n    total = 0.0"),
    "argument's annotation": ("scale: float = 1.0", "scale=1.0"),
    "result's annotation": (") -> Numbers:", ") -> dict[str, float]:"),
    "field's annotation": ('kind: str = "clip"', 'kind: "str | None" = "clip"'),
    "field's annotation without default": ("    steps: int\n", "    steps: float\n"),
    "NamedTuple's annotation": ("    unit: str\n", "    unit: object\n"),
    "type alias": ("TypeAlias = Mapping[str, float]", "TypeAlias = dict[str, float]"),
    "import for types": (
        "import TYPE_CHECKING, ClassVar,",
        "import TYPE_CHECKING, Any, ClassVar,",
    ),
    "no import for types": ("from collections.abc import Mapping\n", ""),
    "future": ("from __future__ import annotations\n", ""),
    "block for types": ("    from pathlib import Path\n", "    from pathlib import PurePath\n"),
    "no block for types": ("if TYPE_CHECKING:\n    from pathlib import Path\n", ""),
    "__all__": ('["Settings", "run"]', '["run"]'),
    "no __all__": ('__all__ = ["Settings", "run"]\n', ""),
    "print": ("total {total}", "the total is {total}"),
    "no print": ('    print(f"total {total}", flush=True)\n', ""),
    "another print": ("    problem = ", "    print()\n    problem = "),
    "log": ("done: %s", "finished: %s"),
    "log's level": ("_log.info", "_log.debug"),
    "log's name": ('getLogger("made_up")', 'getLogger("other")'),
    "warning": ('warn("slow", stacklevel=2)', 'warn("really slow", UserWarning)'),
    "no warning": ('    warnings.warn("slow", stacklevel=2)\n', ""),
    "error's message": ("is negative", "is below zero"),
    "error's arguments": ('ValueError(f"no {error}")', "ValueError"),
    "error's cause": ("    raise ValueError(f\"no {error}\") from error", "    raise ValueError"),
    "name of an error in a message": (
        'KeyError as error:\n        raise ValueError(f"no {error}") from error',
        'KeyError as missing:\n        raise ValueError(f"no {missing}") from missing',
    ),
    "error that is made": ('RuntimeError("too many", LIMIT)', 'RuntimeError("more", total, 1)'),
    "assert's message": (', "a negative total"', ""),
    "constant of messages": ('"delete it"', '"delete the file"'),
    "local name of messages": ('f"{name}, number {one}"', 'f"{name}"'),
    "function of messages": ("sorted({name.lower()})", "sorted({name.upper()})"),
    "name of a function of messages": ("_hint(", "_better_hint("),
    "light import of messages": (", suggest\n", ", suggest as propose\n"),
    "import of a message": (
        "from made_up.wing.numbers import twice as doubled\n",
        "from made_up.wing.numbers import thrice, twice as doubled\n",
    ),
    "import of an annotation": (
        "    total: float = 0.0\n",
        "    from made_up.wing.numbers import Number\n    total: Number = 0.0\n",
    ),
    "variable's description": ('"the loss of all"', '"the loss"'),
    "variable's named description": ('"the rate of all"', '"the rate"'),
    "description given by place": ('description="the rate of all"', '"the rate of all"'),
    "table's description": ('description="the loss"', 'description="the mean loss"'),
    "order of imports": ("import logging\nimport math\n", "import math\nimport logging\n"),
    "relative import": ("from made_up.wing import other", "from . import other"),
    "imports on one line": ("import logging\nimport math\n", "import logging, math\n"),
}  # fmt: skip

DIFFERS = {
    "constant": ("LIMIT = 3", "LIMIT = 4"),
    "type of a constant": ("LIMIT = 3", "LIMIT = 3.0"),
    "operator": ("one * scale", "one / scale"),
    "comparison": ("one < 0", "one <= 0"),
    "default": ("scale: float = 1.0", "scale: float = 2.0"),
    "no default": ("scale: float = 1.0", "scale: float"),
    "decorator": ("@staticmethod", "@classmethod"),
    "no decorator": ("@staticmethod\n", ""),
    "decorator's argument": ("frozen=True", "frozen=False"),
    "string that selects": ('settings.kind == "clip"', 'settings.kind == "cut"'),
    "f-string that is a value": ('_loss": loss', '_error": loss'),
    "field's default": ("draws: int = 25", "draws: int = 24"),
    "field's default taken away": ("draws: int = 25", "draws: int"),
    "field's name": ("draws: int = 25", "copies: int = 25"),
    "fields' order": (
        '    kind: str = "clip"\n    draws: int = 25\n',
        '    draws: int = 25\n    kind: str = "clip"\n',
    ),
    "whether it is a field": ("ClassVar[tuple[str, ...]]", "tuple[str, ...]"),
    "assignment that is no field": ("draws: int = 25", "draws = 25"),
    "NamedTuple's default": ('description: str = ""', 'description: str = "x"'),
    "unit": ('all", "nat")', 'all", "bit")'),
    "table's unit": ('Row("nat"', 'Row("bit"'),
    "variable's name": ('"rate": Variable', '"learning_rate": Variable'),
    "loss's argument": ('reduction="sum"', 'reduction="mean"'),
    "error that is raised": ("raise ValueError", "raise KeyError"),
    "error that is caught": ("except KeyError", "except LookupError"),
    "assertion": ("assert total >= 0", "assert total > 0"),
    "imported name": ("import twice as doubled", "import thrice as doubled"),
    "module a name is from": ("made_up.wing.numbers import", "made_up.wing.third import"),
    "module that is used": ("made_up.wing import other", "made_up.wing import third as other"),
    "external module": ("import keras\n", "import tensorflow.keras as keras\n"),
    "external module that nothing uses": ("import keras\n", "import keras\nimport numpy\n"),
    "external name": ("import math\n", "import cmath as math\n"),
    "name of a file that is not there": ('"table.csv"', '"no_table.csv"'),
    "statement": ("    problem = ", "    total += 1\n    problem = "),
    "statements' order": ("import keras\n", "keras = 1\nimport keras\n"),
    "assignment from a call": ("    problem = ", "    unused = next(values)\n    problem = "),
}  # fmt: skip


@pytest.mark.parametrize("name", EQUAL)
def test_what_decides_nothing_is_left_out(made_up: MadeUp, name: str) -> None:
    before = made_up.fingerprint()
    made_up.edit(*EQUAL[name])
    assert made_up.fingerprint() == before


@pytest.mark.parametrize("name", DIFFERS)
def test_what_decides_something_counts(made_up: MadeUp, name: str) -> None:
    before = made_up.fingerprint()
    made_up.edit(*DIFFERS[name])
    assert made_up.fingerprint() != before


def test_a_new_module_behind_another_counts_once_it_is_imported(made_up: MadeUp) -> None:
    before = made_up.fingerprint()
    (made_up.root / "wing/new.py").write_text("VALUE = 1\n", encoding="utf-8")
    assert made_up.fingerprint() == before
    made_up.edit(
        "return 2 * x", "from made_up.wing import new\n    return 2 * x", "wing/numbers.py"
    )
    imported = made_up.fingerprint()
    assert imported != before
    made_up.edit("VALUE = 1", "VALUE = 2", "wing/new.py")
    assert made_up.fingerprint() not in (before, imported)


def test_an_import_for_types_alone_puts_no_module_behind_another(made_up: MadeUp) -> None:
    made_up.edit("    from pathlib import Path\n", "    from made_up.wing.third import twice\n")
    before = made_up.fingerprint()
    made_up.edit("2.0 * x", "3.0 * x", "wing/third.py")
    assert made_up.fingerprint() == before


@pytest.mark.parametrize(
    "imports",
    [
        "from made_up.wing import NAME\nVALUE = NAME.twice(1)",
        "from . import NAME\nVALUE = NAME.twice(1)",
        "import made_up.wing.NAME\nVALUE = made_up.wing.NAME.twice(1)",
        "import made_up.wing.NAME as module\nVALUE = module.twice(1)",
        "from made_up.wing.NAME import twice\nVALUE = twice(1)",
        "def later():\n    from .NAME import twice\n    return twice(1)",
    ],
)
def test_a_renamed_module_is_the_same_however_it_is_imported(made_up: MadeUp, imports: str) -> None:
    run = made_up.root / "wing/run.py"
    run.write_text(imports.replace("NAME", "third"), encoding="utf-8")
    before = made_up.fingerprint()
    (made_up.root / "wing/third.py").rename(made_up.root / "wing/aaa.py")
    run.write_text(imports.replace("NAME", "aaa"), encoding="utf-8")
    assert made_up.fingerprint() == before
    made_up.edit("2.0 * x", "3.0 * x", "wing/aaa.py")
    assert made_up.fingerprint() != before


def test_modules_that_exchange_their_code_exchange_it_for_those_who_import_them(
    made_up: MadeUp,
) -> None:
    # Each name is there before and after, and so is each text; what is called is another.
    made_up.edit("from made_up.wing import other\n", "from made_up.wing import other, third\n")
    made_up.edit('"data": ', '"third": third.twice(total), "data": ')
    before = made_up.fingerprint()
    made_up.edit("2 * x", "2.0 * x", "wing/numbers.py")
    made_up.edit("2.0 * x", "2 * x", "wing/third.py")
    assert made_up.fingerprint() != before


def test_of_a_data_file_the_content_counts(made_up: MadeUp) -> None:
    before = made_up.fingerprint()
    table = made_up.root / "wing/table.csv"
    table.rename(table.with_name("renamed.csv"))
    made_up.edit('"table.csv"', '"renamed.csv"')
    assert made_up.fingerprint() == before
    table.with_name("renamed.csv").write_text("1,3\n", encoding="utf-8")
    assert made_up.fingerprint() != before


def test_an_array_that_is_changed_through_another_name_counts(made_up: MadeUp) -> None:
    made_up.edit(
        "    problem = ", "    view = values\n    view += 1\n    print(view)\n    problem = "
    )
    before = made_up.fingerprint()
    made_up.edit("view = values", "view = table")
    assert made_up.fingerprint() != before


def test_a_name_that_a_class_gives_its_instances_counts(made_up: MadeUp) -> None:
    made_up.edit("    unit: str\n", '    unit: str\n    where = "here"\n')
    before = made_up.fingerprint()
    made_up.edit('where = "here"', 'where = "there"')
    assert made_up.fingerprint() != before


def test_a_name_that_a_module_passes_on_is_known_by_where_it_is_from(made_up: MadeUp) -> None:
    # The module in between has the same name before and after, and both others are behind it.
    made_up.edit("    return x / 2", "    return x / 2 if twice else third", "wing/other.py")
    passing_on = "from made_up.wing.numbers import twice\nfrom made_up.wing import third\n"
    (made_up.root / "wing/__init__.py").write_text(passing_on, encoding="utf-8")
    made_up.edit("from made_up.wing.numbers import twice", "from made_up.wing import twice")
    before = made_up.fingerprint()
    other = "from made_up.wing import numbers\nfrom made_up.wing.third import twice\n"
    (made_up.root / "wing/__init__.py").write_text(other, encoding="utf-8")
    assert made_up.fingerprint() != before


def test_passing_on_a_name_through_a_module_changes_nothing(made_up: MadeUp) -> None:
    before = made_up.fingerprint()
    (made_up.root / "wing/__init__.py").write_text(
        "from made_up.wing.numbers import twice\n", encoding="utf-8"
    )
    made_up.edit("from made_up.wing.numbers import twice", "from made_up.wing import twice")
    assert made_up.fingerprint() == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("try:\n    import fast\n    FAST = True\nexcept ImportError:\n    FAST = False", "True"),
        ("if LIMIT > 2:\n    CHOSEN = True\nelse:\n    CHOSEN = False", "True"),
        ("for _NUMBER in range(3):\n    LAST = True", "True"),
        ("async def later():\n    one = True\n    return one", "True"),
        ("def later():\n    global CHOSEN\n    CHOSEN = True", "True"),
        (
            "def later():\n    one = 1\n    def inner():\n        nonlocal one\n        one = True",
            "True",
        ),
        ("def __getattr__(name):\n    return True", "True"),
        ("__version__ = True", "True"),
    ],
)
def test_names_that_others_may_use_count(made_up: MadeUp, before: str, after: str) -> None:
    made_up.edit("LIMIT = 3\n", f"LIMIT = 3\n{before}\n")
    counted = made_up.fingerprint()
    made_up.edit(before, before.replace(after, "None"))
    assert made_up.fingerprint() != counted


@pytest.mark.parametrize(
    "unused",
    ["def _later():\n    return 1", "_UNUSED = 1", "def later(x):\n    unused = x.y\n    return x"],
)
def test_what_nothing_can_use_is_left_out(made_up: MadeUp, unused: str) -> None:
    made_up.edit("LIMIT = 3\n", "LIMIT = 3\ndef later(x):\n    return x\n")
    before = made_up.fingerprint()
    there = "def later(x):\n    return x\n"
    made_up.edit(there, f"{unused}\n" if unused.startswith("def later") else f"{there}{unused}\n")
    assert made_up.fingerprint() == before
