"""SciPy's special functions, fetched when the first is called: SciPy takes longer to import than NumPy and minigrad."""

from __future__ import annotations

from typing import Any

__all__ = ["NAMES"]

NAMES = ("erf", "erfc", "expit", "ndtr", "spherical_jn")


def __getattr__(name: str) -> Any:
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    import scipy.special  # here, so that importing minigrad does not import it

    globals().update({each: getattr(scipy.special, each) for each in NAMES})  # the next call finds them at once
    return globals()[name]
