"""Which code decides a step's numbers, as a hash.

A step's result is stale when the code that decides its numbers has changed: the module it runs and
all that this imports inside the package, directly, through others or inside functions, with the
data files those modules name. Comments, docstrings and formatting decide nothing, nor do floor 0
and the command line, which carry numbers and never change them. A change of file layout raises the
kind's schema version, which is in the hash.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from noise_resistance.storage.kinds import kind_named

__all__ = ["STEPS", "fingerprint", "modules_behind"]

_PACKAGE = "noise_resistance"
_ROOT = Path(__file__).parents[1]
_CARRIERS = ("storage", "cli", "devices", "leases", "errors", "__main__")

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
    entry, kinds = STEPS[step]
    digest = hashlib.sha256()
    for module in sorted(modules_behind(entry)):
        digest.update(_read(module).content)
    for kind in kinds:
        digest.update(f"{kind}={kind_named(kind).schema_version}\n".encode())
    return digest.hexdigest()[:16]


def modules_behind(entry: str) -> set[str]:
    """Return the modules inside the package that a module needs, itself among them.

    Args:
        entry: a module's name inside the package, such as ``training.train``.
    """
    found: set[str] = set()
    waiting = [entry]
    while waiting:
        module = waiting.pop()
        if module in found or module.partition(".")[0] in _CARRIERS:
            continue
        found.add(module)
        waiting += _read(module).imports
        waiting += [package for package in [module.rpartition(".")[0]] if package]
    return found


def _path_of(module: str) -> Path:
    path = _ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@dataclass(frozen=True)
class _Module:
    """What of a module decides numbers, read once for all steps that have it behind them.

    Attributes:
        imports: the package's modules that it imports.
        content: its code and its data files, as they enter a hash.
    """

    imports: tuple[str, ...]
    content: bytes


@cache
def _read(module: str) -> _Module:
    path = _path_of(module)
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    nodes = [*ast.walk(tree)]
    content = f"{module}\n{_canonical(tree)}\n".encode()
    for data in sorted(_data_files(path, nodes)):
        content += f"{data.relative_to(_ROOT).as_posix()}\n".encode() + data.read_bytes()
    return _Module(tuple(_imports(module, nodes)), content)


def _imports(module: str, nodes: Iterable[ast.AST]) -> Iterator[str]:
    # What a relative import starts from: a package itself, or the package a module is in.
    parents = [
        _PACKAGE,
        *module.split("."),
        *(["__init__"] if _path_of(module).name == "__init__.py" else []),
    ]
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = parents[: -node.level] if node.level else []
            source = ".".join([*start, *([node.module] if node.module else [])])
            names = [f"{source}.{alias.name}" for alias in node.names] + [source]
        else:
            continue
        for name in names:
            inside = name.removeprefix(f"{_PACKAGE}.")
            if inside != name and _path_of(inside).is_file():
                yield inside


def _data_files(path: Path, nodes: Iterable[ast.AST]) -> Iterator[Path]:
    """Find the files below a module's folder that its string constants name."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value[1:]:
            name = node.value
            if len(name) < 100 and "\n" not in name and not name.startswith(("/", ".")):
                candidate = path.parent / name
                if candidate.suffix != ".py" and candidate.is_file():
                    yield candidate


def _canonical(node: Any) -> str:
    """Write a syntax tree so that it is equal under every supported Python.

    `ast.dump` and `ast.unparse` differ between versions of Python; empty fields, which newer
    versions add, are left out here.
    """
    if isinstance(node, ast.AST):
        fields = [
            f"{name}={_canonical(value)}"
            for name, value in ((name, getattr(node, name, None)) for name in node._fields)
            if (name not in ("kind", "type_comment") and value not in (None, []))
            or isinstance(node, ast.Constant)
        ]
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(_canonical(one) for one in _without_docstring(node))}]"
    return f"{type(node).__name__}:{node!r}"


def _without_docstring(body: list[Any]) -> list[Any]:
    first = body[0] if body else None
    is_docstring = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return body[1:] if is_docstring else body
