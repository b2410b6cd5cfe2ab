"""What can be planted: one change of one node of a file's syntax tree.

Left out are changes that no behaviour shows: strings and f-strings, annotations, what is raised or warned of,
``__all__``, texts for the prompt, and the blocks that only type checkers read.
"""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

SWAPPED = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
MOVED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
EXCHANGED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
SILENT = ("__repr__", "__str__", "_repr_html_", "_repr_pretty_", "__dir__")
"""Functions whose results are texts for people."""


class Mutant(NamedTuple):
    """One fault: the file, where it stands, what kind it is, and the text before and after it."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    kind: str
    before: str
    after: str

    @property
    def key(self) -> str:
        return f"{self.file}:{self.line}:{self.column} {self.kind}: {self.before} -> {self.after}"

    def planted(self, source: str) -> str:
        """The file with the fault; lines above it stay where they are."""
        lines = source.encode().splitlines(keepends=True)  # the columns of ast count bytes
        first, last = lines[self.line - 1], lines[self.end_line - 1]
        text = first[: self.column] + self.after.encode() + last[self.end_column :]
        return b"".join([*lines[: self.line - 1], text, *lines[self.end_line :]]).decode()


def mutants(file: str, source: str) -> list[Mutant]:
    """All faults that can be planted in a file, from its top to its end."""
    found = []
    tree = ast.parse(source)
    conditions = {id(node): isinstance(owner, ast.While) for owner in ast.walk(tree) for node in _conditions(owner)}
    for node in _behaving(tree):
        changes = list(_changes(node))
        if id(node) in conditions:
            changes += _decided(node, endless=conditions[id(node)])
        for kind, new in changes:
            before, after = ast.unparse(node), ast.unparse(new)
            if before != after:
                after = f"({after})" if isinstance(node, ast.expr) else after
                place = (node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0)
                found.append(Mutant(file, *place, kind, before, after))
    return found


def sample(root: Path, packages: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """So many of the faults that can be planted in packages, each as likely; a larger sample begins with a smaller."""
    every: list[Mutant] = []
    for package in packages:
        for path in sorted((root / "minigrad" / package).rglob("*.py")):
            every += mutants(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    random.Random(seed).shuffle(every)
    return every[:count]


def _behaving(node: ast.AST, within: bool = False) -> Iterator[ast.expr | ast.stmt]:
    """The nodes that something can be planted in; operations of a module's own level may be types, and stay."""
    if isinstance(node, (ast.JoinedStr, ast.Raise, ast.Import, ast.ImportFrom, ast.arg)):
        return
    if isinstance(node, ast.FunctionDef) and (node.name in SILENT or _names(node.decorator_list, "overload")):
        return
    if isinstance(node, ast.Call) and _names([node.func], "warn"):
        return
    if isinstance(node, ast.If) and _names([node.test], "TYPE_CHECKING"):
        return
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and _names(_targets(node), "__all__", "__slots__"):
        return
    if isinstance(node, (ast.expr, ast.stmt)) and (within or isinstance(node, ast.Constant)):
        yield node
    within = within or isinstance(node, (ast.FunctionDef, ast.Lambda))
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _behaving(child, within)


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _names(nodes: Sequence[ast.expr], *names: str) -> bool:
    return any(ast.unparse(node).rpartition(".")[2] in names for node in nodes)


def _changes(node: ast.expr | ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """The kinds of change that a node can have, and what it becomes."""
    if isinstance(node, ast.Compare):
        for k, op in enumerate(node.ops):
            for kind, table in (("comparison swapped", SWAPPED), ("boundary moved", MOVED)):
                if type(op) in table:
                    yield kind, _with(node, ops=[*node.ops[:k], table[type(op)](), *node.ops[k + 1 :]])
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in EXCHANGED:
        yield "operation exchanged", _with(node, op=EXCHANGED[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        yield "and/or exchanged", _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        yield "sign or not removed", node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
        value = not node.value if isinstance(node.value, bool) else node.value * 2 or 1
        yield "constant changed", ast.Constant(value)
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        yield "result dropped", _with(node, value=ast.Constant(None))
        if isinstance(node.value, (ast.BinOp, ast.UnaryOp)):
            yield "result negated", _with(node, value=ast.UnaryOp(ast.USub(), node.value))
    elif isinstance(node, ast.Call) and len(node.args) + len(node.keywords) > 1:
        for k, keyword in enumerate(node.keywords):
            if keyword.arg is not None:
                yield "argument left out", _with(node, keywords=[*node.keywords[:k], *node.keywords[k + 1 :]])
        if len(node.args) > 1 and not isinstance(node.args[-1], ast.Starred):
            yield "argument left out", _with(node, args=node.args[:-1])


def _conditions(owner: ast.AST) -> list[ast.expr]:
    if isinstance(owner, (ast.If, ast.IfExp, ast.While)):
        return [owner.test]
    return owner.ifs if isinstance(owner, ast.comprehension) else []


def _decided(node: ast.expr, endless: bool) -> list[tuple[str, ast.AST]]:
    """A condition that holds always, never, or when it should not; a loop without an end would teach nothing."""
    found: list[tuple[str, ast.AST]] = [("condition False", ast.Constant(False))]
    if not endless:
        found.append(("condition True", ast.Constant(True)))
    if not isinstance(node, (ast.Compare, ast.UnaryOp)):  # of these, other kinds of change are the same
        found.append(("not added", ast.UnaryOp(ast.Not(), node)))
    return found


def _with(node: ast.AST, **fields: object) -> ast.AST:
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new
