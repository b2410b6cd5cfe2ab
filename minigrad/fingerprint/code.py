"""Functions as a checksum of their code."""

from __future__ import annotations

import dis
import json
import sys
import types
from collections.abc import Iterator
from typing import Any

from minigrad.fingerprint.digest import digest

__all__ = ["attributes_of", "cell_content", "code_digest", "globals_of", "imports_of"]

_PYTHON = ".".join(map(str, sys.version_info[:2]))


def cell_content(cell: Any) -> Any:
    """The value of an enclosed variable."""
    try:
        return cell.cell_contents
    except ValueError:  # nothing yet
        return None


def globals_of(code: types.CodeType) -> list[str]:
    """The names of the global variables that code uses, also in functions inside it, sorted."""
    return _arguments(code, "LOAD_GLOBAL", "LOAD_NAME")


def attributes_of(code: types.CodeType) -> list[str]:
    """The names of the attributes that code reads, of whatever, also in functions inside it, sorted."""
    return _arguments(code, "LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM")


def imports_of(code: types.CodeType) -> list[str]:
    """The modules that code imports by their full names, also in functions inside it, sorted."""
    names, level = set(), None
    for i in _instructions(code):
        if i.opname == "IMPORT_NAME" and level == 0:
            names.add(str(i.argval))
        if i.opname in ("LOAD_CONST", "LOAD_SMALL_INT") and isinstance(i.argval, int):
            level = i.argval  # stands before each import
    return sorted(names)


def _arguments(code: types.CodeType, *operations: str) -> list[str]:
    return sorted({str(i.argval) for i in _instructions(code) if i.opname in operations})


def _instructions(code: types.CodeType) -> Iterator[dis.Instruction]:
    """Those of the code, and of the functions inside it."""
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _instructions(constant)


def code_digest(code: types.CodeType, doc: str | None = None) -> str:
    """A checksum of what code does, without its lines, its comments and its documentation."""
    return f"{digest(json.dumps(_code(code, doc)).encode())} (Python {_PYTHON})"


def _code(code: types.CodeType, doc: str | None) -> Any:
    arguments = code.co_argcount + code.co_kwonlyargcount
    return [
        code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags, code.co_code.hex(),
        code.co_names, code.co_varnames[:arguments], code.co_freevars, code.co_cellvars,
        getattr(code, "co_exceptiontable", b"").hex(),
        [None if k == 0 and doc is not None and constant == doc else _constant(constant)
         for k, constant in enumerate(code.co_consts)],
    ]  # fmt: skip


def _constant(value: Any) -> Any:
    if isinstance(value, types.CodeType):
        return _code(value, value.co_consts[0] if value.co_consts and isinstance(value.co_consts[0], str) else None)
    if isinstance(value, tuple):
        return [_constant(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(repr(item) for item in value)
    return f"{type(value).__name__} {value!r}"
