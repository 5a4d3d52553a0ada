"""A module's source as the text that its fingerprint is made of.

`store.reduction` says what of it decides no number and is left out. So are the package's own
imports: each name that they bind is written where it is used, as the name in the module that
defines it, and that module is known by what it holds, not by its name. Nor have data files names: a
string that names one stands for its content.
"""

import ast
from collections.abc import Callable, Iterator

from noise_resistance.store.imports import imported_by, imports_of
from noise_resistance.store.reduction import leave_out_what_is_unused, reduce_tree

__all__ = ["Source"]

# Fields that decide nothing: whether a name is read or set follows from where it stands.
_UNWRITTEN = {"ctx", "kind", "type_comment"}


class Source:
    """A module's source, reduced to what decides numbers.

    Attributes:
        tree: its syntax tree without what is left out; nodes keep their lines.
        imports: what it imports, inside functions too, but not for the types of annotations.
    """

    def __init__(self, text: str, package: str, file: str = "<unknown>") -> None:
        """Read and reduce a module.

        Args:
            text: the source.
            package: the full name of the package that the module is in, or is.
            file: where it is, for errors.

        Raises:
            SyntaxError: it is no Python.
        """
        self.package = package
        self.tree = ast.parse(text, file)
        self.names = {one.local: one.full for one in imports_of(self.tree, package)}
        reduce_tree(self.tree, self.full_name, package.partition(".")[0])
        self.imports = imports_of(self.tree, package)
        leave_out_what_is_unused(self.tree, package)

    def full_name(self, node: ast.AST) -> str:
        """Return a dotted expression with what its first name was imported as; "" for others."""
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.names.get(node.id, node.id), *reversed(attributes)])

    def text(
        self,
        node: ast.AST | list[ast.AST],
        own: Callable[[str], str | None],
        data: Callable[[str], str | None],
    ) -> str:
        """Write a part of the tree so that it is equal under every supported Python.

        `ast.dump` and `ast.unparse` differ between versions of Python; empty fields, which newer
        versions add, are left out here.

        Args:
            node: `tree`, a node of it or several.
            own: what stands for a module of the package or a name in one, by its full name; None
                for others.
            data: what stands for a string that names a data file; None for others.
        """
        return _Writer(self, own, data).write(node)


class _Writer:
    def __init__(
        self,
        source: Source,
        own: Callable[[str], str | None],
        data: Callable[[str], str | None],
    ) -> None:
        self._source, self._own, self._data = source, own, data

    def write(self, node: object) -> str:
        if isinstance(node, list):
            return f"[{','.join(self._each(node))}]"
        if isinstance(node, ast.Constant):
            content = self._data(node.value) if isinstance(node.value, str) else None
            return content or f"Constant:{node.value!a}"
        if not isinstance(node, ast.AST):
            return f"{type(node).__name__}:{node!a}"
        if isinstance(node, ast.Name | ast.Attribute):
            own = self._own(self._source.full_name(node))
            if own:
                return own
        fields = [
            f"{name}={self.write(value)}"
            for name, value in ast.iter_fields(node)
            if name not in _UNWRITTEN and value not in (None, [])
        ]
        return f"{type(node).__name__}({','.join(fields)})"

    def _each(self, nodes: list[object]) -> Iterator[str]:
        """Write a list; imports that stand together in one order, however they are laid out."""
        together: set[str] = set()
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                together |= {*self._imports(node)}
                continue
            yield from sorted(together)
            together = set()
            yield self.write(node)
        yield from sorted(together)

    def _imports(self, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        for one in imported_by(node, self._source.package):
            source = self._own(one.module) or one.module
            yield f"from {source} import {one.name} as {one.local}"
