"""What differs between the code behind a step then and now, statement by statement.

Statements are compared as they enter the fingerprint, so a changed message is no change, and a
function that moves to another module neither.
"""

import ast
import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from executed import Executed

from noise_resistance.store.fingerprint import Code

_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# What makes no number when it runs, or has no line of its own.
_SILENT = (ast.Raise, ast.Try, ast.Global, ast.Nonlocal)


@dataclass(frozen=True)
class Statement:
    """One statement without the blocks in it.

    Attributes:
        module: its name inside the package.
        scope: the function or class that it is in, such as ``Engine.state``.
        text: as it enters the fingerprint, after the blocks that it is in.
        file: relative to the package's folder.
        lines: from the first to the last.
        lambdas: where what the lambdas in it return begins, as ``line:column``.
        makes_numbers: whether it must have run to be known as equal: one that raises need not.
    """

    module: str
    scope: str
    text: str
    file: str
    lines: range
    lambdas: tuple[str, ...]
    makes_numbers: bool

    def ran(self, executed: Executed) -> bool:
        lines = executed.lines.get(self.file, set())
        return not lines.isdisjoint(self.lines) and executed.lambdas.get(self.file, set()) >= {
            *self.lambdas
        }


def not_run(
    old: Code, old_entry: str, new: Code, new_entry: str, executed: tuple[Executed, Executed]
) -> tuple[list[Statement], list[Statement]]:
    """Return the changed statements behind a step that did not run, of the old code and the new.

    Args:
        old: the package as it was.
        old_entry: the module that ran the step, inside the package.
        new: the package as it is.
        new_entry: likewise.
        executed: what ran of the old code and of the new.
    """
    sides = changed(_scopes(old, old_entry), _scopes(new, new_entry))
    gone, come = (
        [one for one in side if one.makes_numbers and not one.ran(ran)]
        for side, ran in zip(sides, executed, strict=True)
    )
    return gone, come


Scopes = dict[tuple[str, str], list[Statement]]


def changed(old: Scopes, new: Scopes) -> tuple[list[Statement], list[Statement]]:
    """Return the statements that only one of two sides has, function by function.

    A function's like is the one of its name in its module, or else in another one.
    """
    same = Counter(map(_content, old.items())) & Counter(map(_content, new.items()))
    old, new = _without(old, same), _without(new, same)
    gone, come = [], []
    for (module, scope), statements in new.items():
        elsewhere = [key for key in old if key[1] == scope and scope]
        like = (module, scope) if (module, scope) in old else next(iter(elsewhere), None)
        before = old.pop(like) if like else []
        texts = [[one.text for one in side] for side in (before, statements)]
        for kind, *at in SequenceMatcher(None, *texts, autojunk=False).get_opcodes():
            if kind != "equal":
                gone += before[at[0] : at[1]]
                come += statements[at[2] : at[3]]
    gone += [one for statements in old.values() for one in statements]
    return gone, come


def _content(scope: tuple[tuple[str, str], Sequence[Statement]]) -> tuple[str, ...]:
    (_, name), statements = scope
    return (name, *(one.text for one in statements))


def _without(scopes: Scopes, same: Counter[tuple[str, ...]]) -> Scopes:
    left = Counter(same)
    kept: Scopes = {}
    for scope in scopes.items():
        if left[_content(scope)] > 0:
            left[_content(scope)] -= 1
        else:
            kept[scope[0]] = scope[1]
    return kept


def _scopes(code: Code, entry: str) -> Scopes:
    """Return the statements behind a step by module and scope, in the order they stand there."""
    found: Scopes = {}
    for module in sorted(code.behind(entry)):
        for one in _statements(code, module, code.source(module).tree, "", ""):
            found.setdefault((one.module, one.scope), []).append(one)
    return found


def _statements(
    code: Code, module: str, node: ast.AST, scope: str, place: str
) -> Iterator[Statement]:
    for name in _BLOCKS:
        block = getattr(node, name, None)
        for one in block if isinstance(block, list) else []:
            yield _statement(code, module, one, scope, f"{place}{name}:")
            if isinstance(one, _DEFINITIONS):
                yield from _statements(code, module, one, f"{scope}.{one.name}".lstrip("."), "")
            else:
                kind = type(one).__name__
                yield from _statements(code, module, one, scope, f"{place}{name}.{kind}.")


def _statement(code: Code, module: str, node: ast.AST, scope: str, place: str) -> Statement:
    header = copy.copy(node)
    inner: list[ast.AST] = []
    for name in _BLOCKS:
        block = getattr(node, name, None)
        if isinstance(block, list):
            inner += block
            setattr(header, name, [])
    first, last = _lines(node)
    if inner:
        last = max(first, min(_lines(one)[0] for one in inner) - 1)
    returned = [one.body for one in ast.walk(header) if isinstance(one, ast.Lambda)]
    return Statement(
        module,
        scope,
        f"{place} {code.text(module, [header])}",
        code.path(module).relative_to(code.root).as_posix(),
        range(first, last + 1),
        tuple(f"{one.lineno}:{one.col_offset}" for one in returned),
        _makes_numbers(node),
    )


def _lines(node: ast.AST) -> tuple[int, int]:
    starts = [one.lineno for one in getattr(node, "decorator_list", [])]
    if isinstance(node, ast.match_case):
        return node.pattern.lineno, node.pattern.end_lineno or node.pattern.lineno
    return min([node.lineno, *starts]), node.end_lineno or node.lineno  # type: ignore[attr-defined]


def _makes_numbers(node: ast.AST) -> bool:
    if isinstance(node, ast.ExceptHandler | ast.match_case):
        return any(map(_makes_numbers, node.body))
    return not isinstance(node, _SILENT)
