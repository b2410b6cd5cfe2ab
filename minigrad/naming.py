"""Words for a name that is not known, with the nearest one that is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = ["unknown"]


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
