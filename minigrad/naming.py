"""Words for a name that is not known, with the nearest one that is."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["answering", "missing", "unknown"]


def unknown(what: str, value: Any, known: Iterable[str]) -> str:
    """Words for a value that is none of those known, with the nearest one.

    Examples
    --------
    >>> unknown("axis", "colunm", ["column", "row"])
    "unknown axis 'colunm'; did you mean 'column'? Known: column, row"
    """
    known = list(known)
    near = _nearest(str(value), known)
    hint = f"; did you mean {near!r}?" if near else "."
    return f"unknown {what} {value!r}{hint} Known: {', '.join(known)}"


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is nearest to a given one, whether its letters are capitals or not."""
    by_lower: dict[str, str] = {}
    for each in known:
        by_lower.setdefault(each.lower(), each)
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def missing(owner: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for an attribute that there is not: what PyTorch's name is here, where it is, or the nearest name.

    Parameters
    ----------
    owner : str
        A package, as ``minigrad.ops``, or ``Tensor``.
    name : str
    known : iterable of str
        The names that there are.

    Examples
    --------
    >>> str(missing("minigrad.ops", "sqrtt", ["exp", "sqrt"]))
    "module 'minigrad.ops' has no attribute 'sqrtt'; did you mean 'sqrt'?"
    >>> str(missing("minigrad.ops", "clamp", ["clip"]))
    "module 'minigrad.ops' has no attribute 'clamp'. Write `ops.clip(x, low, high)`"
    """
    head = f"{'a Tensor' if owner == 'Tensor' else f'module {owner!r}'} has no attribute {name!r}"
    hint = ""
    if not name.startswith("_"):  # what Python and notebooks look for
        from minigrad.elsewhere import equivalent

        other = equivalent(owner, name)
        near = None if other else _nearest(name, known)
        hint = f". {other}" if other else f"; did you mean {near!r}?" if near else ""
    return AttributeError(head + hint, name=name)  # a name and no object: Python adds no guess of its own


def answering(package: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package: it answers a name that there is not with `missing`."""

    def __getattr__(name: str) -> Any:
        raise missing(package, name, getattr(sys.modules[package], "__all__", ()))

    return __getattr__
