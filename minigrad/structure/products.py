"""Products of matrices of any structure: each operand may be a plain array or structured.

Index conventions: G is (…, m), all axes but the last are rows; i runs over rows, j over columns.
With those of `minigrad.structure.batched` these are all that the backward passes of linear maps are made of
(Theory §2):

    multiply(G, W)          G W             ∂X of Y = X Wᵀ
    contract(G, X)          Gᵀ X            ∂W of Y = X Wᵀ

The left operand is asked first, then the right one, as Python does for its operators; where neither has a cheaper way
than writing it out, it is written out.
"""

from __future__ import annotations

import math
from typing import Any

from minigrad.structure.base import Cotangent, Structured
from minigrad.typing import Array, Shape

__all__ = ["contract", "dense", "matrix", "matrix_shape", "multiply", "reshape_rows"]


def dense(g: Cotangent) -> Array:
    """The cotangent as a plain array.

    Examples
    --------
    >>> from minigrad.structure import Rows
    >>> import numpy as np
    >>> dense(Rows(np.array([[1.0]]), np.array([0]), (2, 1))).tolist()
    [[1.0], [0.0]]
    """
    return g.dense() if isinstance(g, Structured) else g


def matrix_shape(shape: Shape) -> tuple[int, int]:
    """``(rows, columns)`` of a cotangent of this shape: all axes but the last are flattened.

    Examples
    --------
    >>> matrix_shape((2, 3, 5)), matrix_shape((5,)), matrix_shape(())
    ((6, 5), (1, 5), (1, 1))
    """
    if not shape:
        return 1, 1
    return math.prod(shape[:-1]), shape[-1]


def matrix(array: Array) -> Array:
    """An array as a matrix: all axes but the last are rows.

    Examples
    --------
    >>> import numpy as np
    >>> matrix(np.ones((2, 3, 5))).shape
    (6, 5)
    """
    return array if array.ndim == 2 else array.reshape(matrix_shape(array.shape))


def reshape_rows(g: Any, lead: Shape) -> Any:
    """The same rows along other leading axes; where nothing changes the same object, not a view of it.

    Examples
    --------
    >>> import numpy as np
    >>> reshape_rows(np.ones((6, 5)), (2, 3)).shape
    (2, 3, 5)
    """
    if g.shape[:-1] == lead:
        return g
    if isinstance(g, Structured):
        out = g.reshaped(lead)
        if out is not NotImplemented:
            return out
        g = g.dense()
    return g.reshape(*lead, g.shape[-1])


def multiply(g: Cotangent, w: Cotangent) -> Any:
    """G W: the last axis of G with the first of W.

    Parameters
    ----------
    g : ndarray or Structured, shape (…, m)
    w : ndarray or Structured, shape (m, n)

    Returns
    -------
    ndarray or Structured, shape (…, n)

    Examples
    --------
    >>> from minigrad.structure import Rows
    >>> import numpy as np
    >>> multiply(Rows(np.array([[1.0, 2.0]]), np.array([3]), (5, 2)), np.ones((2, 4)))
    Rows(shape=(5, 4), dtype=float64, stored 1×4, 1)
    """
    if isinstance(g, Structured):
        out = g.multiply(w)
        if out is not NotImplemented:
            return out
    if isinstance(w, Structured):
        out = w.multiply_into(g)
        if out is not NotImplemented:
            return out
        w = w.dense()
    if isinstance(g, Structured):
        g = g.dense()
    rows = matrix(g)
    # NumPy's matmul with a single term in each sum takes three times as long: one kept column, or rank 1.
    return reshape_rows(rows * w if len(w) == 1 else rows @ w, g.shape[:-1])


def contract(g: Cotangent, x: Cotangent) -> Any:
    """Gᵀ X: the sum over all rows.

    Parameters
    ----------
    g : ndarray or Structured, shape (…, m)
    x : ndarray or Structured, shape (…, n)
        Of the same leading axes.

    Returns
    -------
    ndarray or Structured, shape (m, n)

    Examples
    --------
    >>> from minigrad.structure import Columns
    >>> import numpy as np
    >>> contract(Columns(np.ones((4, 1)), np.array([2]), (4, 3)), np.ones((4, 2)))
    Rows(shape=(3, 2), dtype=float64, stored 1×2, 1)
    """
    if isinstance(g, Structured):
        out = g.contract(x)
        if out is not NotImplemented:
            return out
    if isinstance(x, Structured):
        out = x.contract_into(g)
        if out is not NotImplemented:
            return out
        x = x.dense()
    if isinstance(g, Structured):
        g = g.dense()
    return matrix(g).T @ matrix(x)
