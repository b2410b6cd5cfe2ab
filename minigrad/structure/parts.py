"""Parts and sums of matrices of any structure: some rows, columns or samples; sums over rows or broadcast axes.

Index conventions: G is (…, m); rows are all leading axes flattened, samples run over the first axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arrays import wide
from minigrad.structure.base import Cotangent, Structured
from minigrad.structure.products import dense, matrix
from minigrad.structure.squares import squared_norms
from minigrad.typing import Array, Shape

__all__ = [
    "add", "column_sums", "row_squares", "scale", "sum_to", "take_columns",
    "take_rows", "take_samples", "transpose",
]  # fmt: skip


def column_sums(g: Cotangent) -> Array:
    """Gᵀ 1, shape (m,): a product with ones, which is faster than a sum over rows and no less accurate.

    Examples
    --------
    >>> column_sums(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [4.0, 6.0]
    """
    if isinstance(g, Structured):
        out = g.column_sums()
        if out is not NotImplemented:
            return np.asarray(out)
        g = g.dense()
    rows = matrix(g)
    with np.errstate(invalid="ignore"):  # was once raised by BLAS for finite numbers
        return np.asarray(np.ones(len(rows), rows.dtype) @ rows)


def row_squares(x: Cotangent) -> Array:
    """‖X_i‖² of each row, in float64, shape ``x.shape[:-1]``, for the scores of estimators.

    Examples
    --------
    >>> from minigrad.structure import Rows
    >>> row_squares(Rows(np.array([[3.0, 4.0]]), np.array([1]), (3, 2))).tolist()
    [0.0, 25.0, 0.0]
    """
    if isinstance(x, Structured):
        out = x.row_squares()
        if out is not NotImplemented:
            return np.asarray(out)
        x = x.dense()
    return squared_norms(x, -1)


def transpose(g: Cotangent) -> Any:
    """Gᵀ of a matrix with two axes.

    Examples
    --------
    >>> from minigrad.structure import Columns
    >>> transpose(Columns(np.ones((4, 1)), np.array([2]), (4, 3)))
    Rows(shape=(3, 4), dtype=float64, stored 1×4, 1)
    """
    if isinstance(g, Structured):
        out = g.transposed()
        if out is not NotImplemented:
            return out
        g = g.dense()
    return g.T


def scale(g: Cotangent, factor: float) -> Any:
    """The matrix times a number, in its dtype.

    Examples
    --------
    >>> scale(np.ones((1, 2)), 3.0).tolist()
    [[3.0, 3.0]]
    """
    if isinstance(g, Structured):
        out = g.scaled(factor)
        if out is not NotImplemented:
            return out
        g = g.dense()
    return g * g.dtype.type(factor)


def take_rows(g: Cotangent, indices: Array) -> Any:
    """Some rows of the matrix with all leading axes flattened, shape (k, m); ``indices`` increase.

    Examples
    --------
    >>> from minigrad.structure import Rows
    >>> g = Rows(np.array([[1.0], [2.0]]), np.array([0, 3]), (4, 1))
    >>> take_rows(g, np.array([2, 3])).dense().tolist()
    [[0.0], [2.0]]
    """
    if isinstance(g, Structured):
        out = g.take_rows(indices)
        if out is not NotImplemented:
            return out
        g = g.dense()
    return np.take(matrix(g), indices, axis=0)


def take_columns(g: Cotangent, indices: Array) -> Any:
    """Some columns, shape (…, k); ``indices`` increase.

    Examples
    --------
    >>> take_columns(np.array([[1.0, 2.0, 3.0]]), np.array([0, 2])).tolist()
    [[1.0, 3.0]]
    """
    if isinstance(g, Structured):
        out = g.take_columns(indices)
        if out is not NotImplemented:
            return out
        g = g.dense()
    return np.take(g, indices, axis=-1)


def take_samples(g: Cotangent, indices: Array) -> Any:
    """Some samples, shape (k, …, m); ``indices`` increase.

    Examples
    --------
    >>> take_samples(np.array([[1.0], [2.0], [3.0]]), np.array([0, 2])).tolist()
    [[1.0], [3.0]]
    """
    if isinstance(g, Structured):
        out = g.take_samples(indices)
        if out is not NotImplemented:
            return out
        g = g.dense()
    return np.take(g, indices, axis=0)


def sum_to(g: Cotangent, shape: Shape) -> Any:
    """Sum down to the shape of an input that was broadcast to that of G; None where it does not broadcast to it.

    Examples
    --------
    >>> sum_to(np.ones((4, 3)), (3,)).tolist(), sum_to(np.ones((4, 3)), (2,))
    ([4.0, 4.0, 4.0], None)
    """
    if g.shape == shape:
        return g
    if isinstance(g, Structured):
        out = g.sum_to(shape)
        if out is not NotImplemented:
            return out
        g = g.dense()
    extra = g.ndim - len(shape)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, g.shape[extra:], strict=True)):
        return None
    axes = tuple(range(extra)) + tuple(extra + k for k, n in enumerate(shape) if n == 1 and g.shape[extra + k] != 1)
    # Tensors, whose derivative is under way as well, see to their own dtype.
    sums = g.sum(axis=axes, dtype=wide(g.dtype)) if isinstance(g, np.ndarray) else g.sum(axis=axes)
    return sums.reshape(shape)


def add(a: Cotangent, b: Cotangent) -> Cotangent:
    """The sum of two cotangents of one shape; never changes its arguments.

    Equal sets of rows stay rows; every other mixture becomes dense.

    Examples
    --------
    >>> from minigrad.structure import Rows
    >>> one = Rows(np.array([[1.0]]), np.array([0]), (2, 1))
    >>> add(one, one)
    Rows(shape=(2, 1), dtype=float64, stored 1×1, 1)
    """
    if type(a) is np.ndarray and type(b) is np.ndarray:
        return a + b
    if isinstance(a, Structured):
        out: Cotangent = a.plus(b)
        if out is not NotImplemented:
            return out
    return dense(a) + dense(b)
