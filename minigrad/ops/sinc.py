"""The sinc function, with derivatives of every order, also at 0.

Index conventions: j_n is the spherical Bessel function of the first kind, and sinc(x) = j_0(πx). With
j_n' = (n j_{n−1} − (n+1) j_{n+1}) / (2n+1) (DLMF 10.51.2) no derivative is a quotient by x. The textbook's formula,
(cos πx − sinc x) / x, loses all digits near 0, and its own derivative twice as many.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops import special
from minigrad.ops.counterparts import stands_for
from minigrad.ops.domain import inside
from minigrad.typing import Array

__all__ = ["sinc"]


def _bessel(x: Any, order: int) -> Any:
    """j_n(πx) of an array, or as an operation on a tensor."""
    if isinstance(x, Tensor):
        return record(_sinc, (x,), {"order": order})
    found = np.asarray(special.spherical_jn(order, math.pi * abs(x)))  # j_n is odd or even; older SciPy has no x < 0
    return (np.where(x < 0, -found, found) if order % 2 else found).astype(x.dtype)


def _sinc_x(g: Array, saved: dict[str, Any]) -> Array:
    x, n = inside(saved["x"], np.isinf(saved["x"])), saved["order"]  # as NumPy has the value
    above = (n + 1) * _bessel(x, n + 1)
    return g * (math.pi / (2 * n + 1)) * (n * _bessel(x, n - 1) - above if n else -above)


@define(kind="elementwise", x=_sinc_x)
def _sinc(x: Array, order: int = 0) -> tuple[Array, dict[str, Any]]:
    return _bessel(x, order) if order else np.sinc(x).astype(x.dtype), {"x": x, "order": order}


@stands_for(np.sinc)
@operation(_sinc)
def sinc(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """sin(πx) / (πx), and 1 at 0.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.sinc([0.0, 0.5, 1.0]).data.round(4).tolist()
    [1.0, 0.6366, 0.0]
    >>> f"{mg.grad(mg.ops.sinc)(1e-9).item():.6e}"  # −π²x/3
    '-3.289868e-09'
    """
    return record(_sinc, (x,), vjp=vjp)
