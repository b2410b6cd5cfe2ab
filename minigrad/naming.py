"""Words for a name that is not known, with the nearest one that is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = ["check_line", "unknown"]


def check_line(call: str, line: Any) -> None:
    """Raise unless the line that a ``register`` takes is text: the thing itself comes after, for it is a decorator.

    Examples
    --------
    >>> check_line("@register('coin', ", object)
    Traceback (most recent call last):
        ...
    TypeError: register is a decorator and takes one line of text on what it registers, got a type, so nothing was ...
    """
    if not isinstance(line, str):
        raise TypeError(
            f"register is a decorator and takes one line of text on what it registers, got a {type(line).__name__}, so "
            f'nothing was registered. Write {call}"what it is, in one line") above the definition, or call the result '
            "with it"
        )


def unknown(what: str, value: Any, known: Iterable[str]) -> str:
    """Words for a value that is none of those known, with the nearest one.

    Examples
    --------
    >>> unknown("axis", "colunm", ["column", "row"])
    "unknown axis 'colunm'; did you mean 'column'? Known: column, row"
    """
    known = list(known)
    near = difflib.get_close_matches(str(value).lower(), known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"unknown {what} {value!r}{hint} Known: {', '.join(known)}"
