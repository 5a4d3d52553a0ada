"""The names that import statements bind, and what each stands for."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Imported", "imported_by", "imports_of"]


@dataclass(frozen=True)
class Imported:
    """A name that an import statement binds.

    Attributes:
        local: the name.
        module: the module it is, or is taken from, in full.
        name: what is taken from the module; None for the module itself.
    """

    local: str
    module: str
    name: str | None

    @property
    def full(self) -> str:
        """What the name stands for."""
        return self.module if self.name is None else f"{self.module}.{self.name}"


def imports_of(tree: ast.AST, package: str) -> list[Imported]:
    """Return the names that all imports in a tree bind.

    Args:
        tree: a module's, or a part of it.
        package: the full name of the package that the module is in, or is.
    """
    found: list[Imported] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found += imported_by(node, package)
    return found


def imported_by(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[Imported]:
    """Give the names that one import binds; arguments as for `imports_of`."""
    if isinstance(node, ast.Import):
        for one in node.names:
            whole = one.name if one.asname else one.name.partition(".")[0]
            yield Imported(one.asname or whole, whole, None)
            if whole != one.name:
                yield Imported(one.name, one.name, None)
        return
    source = node.module or ""
    if node.level:
        parents = package.split(".")
        source = ".".join([*parents[: len(parents) + 1 - node.level], *filter(None, [source])])
    for one in node.names:
        yield Imported(one.asname or one.name, source, one.name)
