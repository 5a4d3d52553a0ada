"""What of a module's syntax tree decides numbers: the tree without the rest.

Left out are comments and layout, which no tree has, and

- docstrings, and every statement that is only a constant;
- annotations, ``if TYPE_CHECKING:``, aliases that are annotated as ``TypeAlias``, ``__all__``. A
  field of a class keeps its name, its default, and whether it is one (``ClassVar``, ``InitVar``);
- messages: ``print``, logging and ``warnings.warn`` as statements; the arguments of every exception
  that is raised or made, the cause of one that is raised, the message of an ``assert``;
- descriptions: of a `storage.hdf5.Variable`, and any argument named ``description``;
- what nothing else uses, such as what messages alone need: private functions, private names and
  those inside of functions if they are assigned without a call, and names imported from the few
  modules that annotations need. A public function or a name assigned from a call counts, even if
  it only makes a message.
"""

import ast
import re
from collections.abc import Callable, Iterator
from itertools import groupby

from noise_resistance.store.imports import imported_by

__all__ = ["leave_out_what_is_unused", "reduce_tree"]

_TYPE_CHECKING = ("TYPE_CHECKING", "typing.TYPE_CHECKING")
_FOR_TYPES = ("__future__", "collections.abc", "numpy.typing", "pathlib", "types", "typing")
_FIELD_MARKS = re.compile(r"\b(?:ClassVar|InitVar|KW_ONLY)\b")
_EXCEPTION_ENDS = ("Error", "Exception", "Exit", "Warning")
# Losses and metrics, whose arguments decide numbers.
_MEASURE_ENDS = ("AbsoluteError", "LogarithmicError", "PercentageError", "SquaredError")
_SAY = {"click.echo", "click.secho", "print", "sys.exit", "warnings.warn"}
_SAY_METHODS = {"add_note", "print"}
_LOGS = re.compile(r"(?:.*_)?log(?:ger|ging)?", re.IGNORECASE)
_LOG_METHODS = {"critical", "debug", "error", "exception", "info", "log", "warn", "warning"}
_VARIABLE = "Variable"
_DESCRIPTION, _DESCRIPTION_PLACE = "description", 2


def reduce_tree(tree: ast.Module, full_name: Callable[[ast.AST], str], package: str) -> None:
    """Take out of a module's tree what decides no number, but for what only that uses.

    Args:
        tree: it is changed.
        full_name: returns a dotted expression with what its first name was imported as.
        package: the name of the whole package.
    """
    _Reduction(full_name, package).visit(tree)


class _Reduction(ast.NodeTransformer):
    """Takes out of a tree what decides no number, but for what only that uses."""

    def __init__(self, full_name: Callable[[ast.AST], str], package: str) -> None:
        self._full_name, self._package = full_name, package
        self._in_class = False

    # Statements.

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant):
            return None
        if isinstance(node.value, ast.Call) and self._is_message(node.value.func):
            return None
        return self.generic_visit(node)

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_TypeAlias(self, node: ast.AST) -> None:
        return None

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.AST]:
        if self._full_name(node.test) not in _TYPE_CHECKING:
            return self.generic_visit(node)
        others: list[ast.AST] = []
        for one in node.orelse:
            kept = self.visit(one)
            others += kept if isinstance(kept, list) else [kept] if kept else []
        return others

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        return None if _is_all(node.targets[0]) else self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | None:
        return None if _is_all(node.target) else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        annotation = ast.unparse(node.annotation)
        if _is_all(node.target) or re.search(r"\bTypeAlias\b", annotation):
            return None
        if self._in_class:
            node.annotation = ast.Constant(" ".join(_FIELD_MARKS.findall(annotation)))
            return self.generic_visit(node)
        if node.value is None:
            return None
        plain = ast.Assign([node.target], node.value, lineno=node.lineno)
        return self.generic_visit(ast.copy_location(plain, node))

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        node.cause = None
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        node.msg = None
        return self.generic_visit(node)

    # Definitions.

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._definition(node, True)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._definition(node, False)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self._definition(node, False)

    def _definition(
        self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, is_class: bool
    ) -> ast.AST:
        if hasattr(node, "type_params"):
            node.type_params = []
        outside, self._in_class = self._in_class, is_class
        self.generic_visit(node)
        self._in_class = outside
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    # Expressions.

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if self._is_message(node.func) or self._is_exception(node.func):
            node.args, node.keywords = [], []
        node.keywords = [one for one in node.keywords if one.arg != _DESCRIPTION]
        if self._is_variable(node) and len(node.args) > _DESCRIPTION_PLACE:
            node.args.pop(_DESCRIPTION_PLACE)
        return self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        # How a string with values is cut into pieces differs between versions of Python.
        pieces: list[ast.expr] = []
        for is_text, run in groupby(node.values, lambda one: isinstance(one, ast.Constant)):
            texts = list(run)
            if is_text:
                joined = "".join(one.value for one in texts)  # type: ignore[attr-defined]
                texts = [ast.copy_location(ast.Constant(joined), texts[0])] if joined else []
            pieces += texts
        node.values = pieces
        return self.generic_visit(node)

    def _is_message(self, function: ast.expr) -> bool:
        name = self._full_name(function)
        if name in _SAY or name.startswith("logging."):
            return True
        if not isinstance(function, ast.Attribute):
            return False
        if function.attr in _SAY_METHODS:
            return True
        of = self._full_name(function.value).rpartition(".")[2]
        return function.attr in _LOG_METHODS and _LOGS.fullmatch(of) is not None

    def _is_exception(self, function: ast.expr) -> bool:
        name = self._full_name(function)
        return name.endswith(_EXCEPTION_ENDS) and not name.endswith(_MEASURE_ENDS)

    def _is_variable(self, node: ast.Call) -> bool:
        name = self._full_name(node.func).split(".")
        starred = any(isinstance(one, ast.Starred) for one in node.args)
        return (name[0], name[-1]) == (self._package, _VARIABLE) and not starred


def _is_all(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and target.id == "__all__"


def _names_read(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load):
            yield one.id
        elif isinstance(one, ast.AugAssign) and isinstance(one.target, ast.Name):
            # It may change an array in place.
            yield one.target.id
        elif isinstance(one, ast.Global | ast.Nonlocal):
            yield from one.names


def leave_out_what_is_unused(tree: ast.Module, package: str) -> None:
    """Take out what nothing uses any more, until all that is there is used.

    Args:
        tree: it is changed.
        package: the full name of the package that the module is in, or is.
    """
    before: set[str] | None = None
    while (used := {*_names_read(tree)}) != before:
        before = used
        _UnusedNames(tree, used).visit(tree)
    _UnusedImports(package, used).visit(tree)


class _UnusedNames(ast.NodeTransformer):
    """Takes out private functions, and names assigned without a call, that nothing uses."""

    def __init__(self, tree: ast.Module, used: set[str]) -> None:
        self._used = used
        self._outermost = {id(one) for one in tree.body}
        self._in_function = False

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        # Names in a class are read as attributes.
        for one in node.body:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self.visit(one)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        if id(node) in self._outermost and self._is_unused(node.name) and not node.decorator_list:
            return None
        return self._inside(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._inside(node)

    def _inside(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        outside, self._in_function = self._in_function, True
        self.generic_visit(node)
        self._in_function = outside
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Name) or _calls(node.value):
            return node
        return None if self._is_unused(target.id) else node

    def _is_unused(self, name: str) -> bool:
        """Whether nothing uses a name, nor can: other modules, or Python itself ``__names__``."""
        if name in self._used:
            return False
        return self._in_function or (name.startswith("_") and not name.endswith("__"))


def _calls(node: ast.AST) -> bool:
    """Whether an expression calls anything, but to make a string."""
    if isinstance(node, ast.JoinedStr):
        return False
    if isinstance(node, ast.Call | ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr):
        return True
    return any(map(_calls, ast.iter_child_nodes(node)))


class _UnusedImports(ast.NodeTransformer):
    """Takes out imported names that nothing uses, where they may be, and those of exceptions."""

    def __init__(self, package: str, used: set[str]) -> None:
        self._package, self._used = package, used

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        self.generic_visit(node)
        if node.name not in {name for one in node.body for name in _names_read(one)}:
            node.name = None
        return node

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        return self._kept(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return self._kept(node)

    def _kept(self, node: ast.Import | ast.ImportFrom) -> ast.AST | None:
        """Return an import without what is left out; of the package's own, ``*`` alone is kept."""
        root = self._package.partition(".")[0]
        left_out = {
            one.local
            for one in imported_by(node, self._package)
            if (one.module.partition(".")[0] == root and one.name != "*")
            or (one.module in _FOR_TYPES and one.local.partition(".")[0] not in self._used)
        }
        node.names = [one for one in node.names if (one.asname or one.name) not in left_out]
        return node if node.names else None
