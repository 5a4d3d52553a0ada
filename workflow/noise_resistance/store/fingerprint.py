"""Which code decides a step's numbers, as a hash.

A step's result is stale when the code that decides its numbers has changed: the module it runs and
all that this imports inside the package, directly, through others or inside functions, with the
data files those modules name. `store.reduction` says what of a module decides nothing: comments,
annotations, messages and descriptions, the names of modules and of data files. Nor do floor 0, the
store and the command line, which carry numbers and never change them. A change of file layout
raises the kind's schema version, which is in the hash.
"""

import ast
import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from noise_resistance.storage.kinds import kind_named
from noise_resistance.store.syntax import Source

__all__ = ["STEPS", "Code", "fingerprint", "modules_behind"]

_ROOT = Path(__file__).parents[1]
_CARRIERS = ("storage", "store", "cli", "devices", "leases", "errors", "__main__")

# The module that a step runs, and the kinds of files it writes.
STEPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "prepare_dataset": ("datasets.prepare", ("dataset",)),
    "train": ("training.train", ("weights", "history", "optimizer")),
    "evaluate_baseline": ("evaluation.baseline", ("baseline",)),
    "evaluate_noise": ("evaluation.noise", ("noise",)),
    "diagnose": ("evaluation.diagnostics", ("diagnostics",)),
    "summarise": ("analysis.summary", ("summary",)),
    "summarise_lengths": ("analysis.lengths", ("lengths",)),
    "evaluate_external": ("evaluation.external", ("baseline", "noise")),
    "summarise_external": ("analysis.external", ("external",)),
    "external_figure": ("analysis.figures.external", ()),
    "summarise_diagnostics": ("analysis.diagnostics", ("diagnostics_summary",)),
    "gradient_noise": ("analysis.gradient_noise", ()),
    "why_figure": ("analysis.figures.why", ()),
    "summarise_layers": ("analysis.layers", ("layers",)),
    "layers_figure": ("analysis.figures.layers", ()),
    "length_table": ("analysis.length_table", ()),
    "length_figure": ("analysis.figures.length", ()),
    "tables": ("analysis.tables", ()),
    "uncertainty": ("analysis.uncertainty", ()),
    "best_rate": ("analysis.best_rate", ()),
    "comparison": ("analysis.comparison", ()),
    "readings": ("analysis.comparison", ()),
    "claims": ("analysis.claims", ()),
    "learning_rate_figure": ("analysis.figures.learning_rate", ()),
    "optimizer_figure": ("analysis.figures.optimizer", ()),
    "report": ("analysis.report.page", ()),
    "tradeoff_figure": ("analysis.figures.tradeoff", ()),
}


@cache
def fingerprint(step: str) -> str:
    """Return the hash of the code that decides a step's numbers, 16 hexadecimal digits.

    Args:
        step: a key of `STEPS`.
    """
    return _present().fingerprint(step)


def modules_behind(entry: str) -> set[str]:
    """Return the modules inside the package that a module needs, itself among them.

    Args:
        entry: a module's name inside the package, such as ``training.train``.
    """
    return _present().behind(entry)


@cache
def _present() -> "Code":
    return Code(_ROOT)


class Code:
    """The package's code below a folder.

    What is read is read once: after a change, make another.

    Attributes:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        """Read nothing yet.

        Args:
            root: the package's folder.
        """
        self.root = root
        self._package = root.name
        self._sources: dict[str, Source] = {}
        self._contents: dict[tuple[str, bool], str] = {}

    def fingerprint(self, step: str) -> str:
        """Return the hash of the code that decides a step's numbers, 16 hexadecimal digits.

        Args:
            step: a key of `STEPS`.
        """
        entry, kinds = STEPS[step]
        contents = {self._content(module) for module in self.behind(entry)}
        # Sorted, so that names decide no order; packages whose __init__ says nothing add nothing.
        lines = [*sorted(contents), *(f"{one}={kind_named(one).schema_version}" for one in kinds)]
        return _hash("".join(f"{line}\n" for line in lines if line))[:16]

    def behind(self, entry: str) -> set[str]:
        """Return the modules inside the package that a module needs, itself among them.

        Args:
            entry: a module's name inside the package, such as ``training.train``.
        """
        found: set[str] = set()
        waiting = [entry]
        while waiting:
            module = waiting.pop()
            if module in found or _is_carrier(module):
                continue
            found.add(module)
            waiting.append(self._inside(f"{self._package}.{module.rpartition('.')[0]}"))
            for one in self.source(module).imports:
                waiting += [self._inside(one.module), self._inside(one.full)]
        return found

    def path(self, module: str) -> Path:
        """Return a module's file, whether or not there is one.

        Args:
            module: its name inside the package.
        """
        path = self.root.joinpath(*module.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    def source(self, module: str) -> Source:
        """Return what of a module decides numbers.

        Args:
            module: its name inside the package.
        """
        if module not in self._sources:
            path = self.path(module)
            parts = path.relative_to(self.root.parent).parent.parts
            text = path.read_text(encoding="utf-8")
            self._sources[module] = Source(text, ".".join(parts), str(path))
        return self._sources[module]

    def text(self, module: str, node: ast.AST | list[ast.AST]) -> str:
        """Write a part of a module as it enters the hash.

        Args:
            module: its name inside the package.
            node: a part of its source's tree, or several.
        """
        return self._text(module, node, self._known_by_content)

    def _text(
        self, module: str, node: ast.AST | list[ast.AST], own: Callable[[str], str | None]
    ) -> str:
        folder = self.path(module).parent
        return self.source(module).text(node, own, lambda name: _data(folder, name))

    def _content(self, module: str, imports: bool = True) -> str:
        """Return the hash of a module's content; without what its imports hold, if so wanted."""
        key = module, imports
        if key not in self._contents:
            own = self._known_by_content if imports else self._known_by_name
            tree = self.source(module).tree
            self._contents[key] = _hash(self._text(module, tree, own)) if tree.body else ""
        return self._contents[key]

    def _known_by_content(self, name: str) -> str | None:
        """Return what stands for a module of the package or a name in one; None for others."""
        module, rest = self._defined_in(name)
        if not module:
            return None
        return f"Module:{'' if _is_carrier(module) else self._content(module, False)}:{rest}"

    def _known_by_name(self, name: str) -> str | None:
        module, rest = self._defined_in(name)
        return f"Module:{rest}" if module else None

    def _defined_in(self, name: str) -> tuple[str, str]:
        """Split a full name into the module that defines it and the rest.

        A name that a module takes from another is followed to where it comes from.

        Returns: the module's name inside the package; "" for a name of other packages, or that is
        more than a name in a module, such as a method.
        """
        seen: set[str] = set()
        while True:
            if inside := self._inside(name):
                return inside, ""
            module, _, last = name.rpartition(".")
            inside = self._inside(module)
            if not inside:
                return "", ""
            further = "" if _is_carrier(inside) else self.source(inside).names.get(last, "")
            if name in seen or not further.startswith(f"{self._package}."):
                return inside, last
            seen.add(name)
            name = further

    def _inside(self, name: str) -> str:
        """Return a module's name inside the package from its full one; "" if it is no such."""
        inside = name.removeprefix(f"{self._package}.")
        return inside if inside != name and self.path(inside).is_file() else ""


def _is_carrier(module: str) -> bool:
    # The package itself holds its version alone.
    return module.partition(".")[0] in ("", *_CARRIERS)


def _data(folder: Path, name: str) -> str | None:
    """Return what stands for a file below a module's folder; None for a string that names none."""
    if "." not in name[1:] or len(name) >= 100 or "\n" in name or name.startswith(("/", ".")):
        return None
    path = folder / name
    if path.suffix == ".py" or not path.is_file():
        return None
    return f"Data:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
