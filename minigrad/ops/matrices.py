"""Checks and parts that the operations of linear algebra share: what they ask of matrices, and say of bad ones.

All that is done to values here runs on tensors as on arrays, as the VJP rules do that call it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine.node import Node
from minigrad.engine.primitive import Primitive
from minigrad.structure import swap
from minigrad.typing import Array

__all__ = [
    "between",
    "cubic",
    "diagonal",
    "divided",
    "finite",
    "inverse",
    "lower",
    "solved",
    "square",
    "symmetric",
    "wide",
]


def square(a: Array) -> None:
    """Raise unless the last two axes are those of square matrices."""
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError("a must have shape (..., n, n): square matrices, in the last two axes")


def finite(a: Array, who: str = "") -> None:
    """Raise unless all values are finite: factorizations end in errors or in nonsense where they are not."""
    if a.ndim < 2:
        raise np.linalg.LinAlgError(f"{who}a must have shape (..., m, n): matrices, in the last two axes")
    if not np.isfinite(a).all():
        raise np.linalg.LinAlgError(f"{who}a holds NaN or ∞, and has no factors; find out where they come from")


def inverse(a: Any, remedy: str) -> Any:
    """The inverse, or an error that says which matrix has none, and what to do instead."""
    a = wide(a)
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError as error:
        raise singular(a, remedy) from error


def solved(a: Any, b: Any, remedy: str) -> Any:
    """a⁻¹ b for matrices b, by the rules of broadcasting; a vector is to be made a column first."""
    a, b = wide(a), wide(b)
    try:
        # NumPy before 2 takes b for a stack of vectors if it has one axis less than a.
        return np.linalg.solve(a, b[None] if b.ndim == a.ndim - 1 else b)
    except np.linalg.LinAlgError as error:
        raise singular(a, remedy) from error


def singular(a: Any, remedy: str) -> Exception:
    """The error for matrices one of which has no inverse."""
    values = a if isinstance(a, np.ndarray) else a.data
    at = np.argwhere(np.linalg.slogdet(values)[0] == 0)
    where = f" (the first is at {tuple(at[0].tolist())} of the batch)" if len(at) and at.shape[1] else ""
    return np.linalg.LinAlgError(f"a matrix is singular{where}: it has no inverse; {remedy}")


def wide(a: Any) -> Any:
    """The same values in a dtype that LAPACK knows: an input of float16 is saved as it is."""
    return a.astype(np.float32) if a.dtype == np.float16 else a


def symmetric(a: Any) -> Any:
    """The symmetric part, (a + aᵀ) / 2."""
    return (a + swap(a)) * 0.5


def lower(a: Any, diagonal: float) -> Any:
    """The part below the diagonal, and the diagonal times a number."""
    weights = np.tri(a.shape[-1], k=-1, dtype=a.dtype)
    np.fill_diagonal(weights, diagonal)
    return a * weights


def between(a: Any) -> Any:
    """All but the diagonal."""
    return a * ~np.eye(a.shape[-1], dtype=bool)


def diagonal(values: Any) -> Any:
    """Vectors as diagonal matrices."""
    return values[..., None] * np.eye(values.shape[-1], dtype=bool)


def divided(top: Any, bottom: Any, what: str, moved: Any = None) -> Any:
    """``top / bottom``, and 0 where nothing is asked: where both are 0.

    Parameters
    ----------
    top, bottom : ndarray or Tensor
    what : str
        What has no derivative where the divisor alone is 0.
    moved : ndarray or Tensor, optional
        What must be 0 where ``bottom`` is; default: ``top``.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the divisor alone is 0.
    """
    zero = bottom == 0
    if np.any(zero & ((top if moved is None else moved) != 0)):
        raise np.linalg.LinAlgError(
            f"{what}; use a function of the values that are distinct alone, or add a small matrix that tells them apart"
        )
    return top / (bottom + zero)


def cubic(of: Primitive, forward: float, backward: float) -> None:
    """Say what a factorization costs: so many times m·n·min(m, n) operations, the leading term.

    Source: Golub and Van Loan, *Matrix Computations*, 4th ed., 2013.
    """

    def operations(node: Node) -> float:
        shape = node.in_shapes[0] or (1, 1)
        return float(math.prod(shape) * min(shape[-2:]))

    of.forward_flops = lambda node: forward * operations(node)
    of.backward_flops = lambda node, edge, kept: backward * operations(node)
