"""SciPy's special functions, fetched when the first is called: SciPy takes longer to import than NumPy and minigrad."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("_"):  # what Python asks of every module
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    import scipy.special  # here, so that importing minigrad does not import it

    found = globals()[name] = getattr(scipy.special, name)  # the next call finds it at once
    return found
