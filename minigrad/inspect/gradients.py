"""Gradients as they arrive, read row by row: what an inspection computes of every draw.

A row is an entry of a tensor's first axis. Where an estimator kept some columns of a cotangent, only some rows of the
gradient of a weight are there (`Rows`), and no more than these are read. Products and squares are formed in the dtype
of the gradient, a row at a time, and summed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.cotangents import Cotangent, Rows, dense
from minigrad.typing import Array

__all__ = ["Directions", "row_products", "rows_of", "squared_distance", "squared_norm"]


def rows_of(g: Cotangent) -> tuple[Any, Array]:
    """Which rows of a gradient are there (an index), and these rows as a matrix; all others are zero.

    Examples
    --------
    >>> rows_of(Rows(np.array([[3.0, 4.0]]), np.array([1]), (3, 2)))
    (array([1]), array([[3., 4.]]))
    >>> rows_of(np.ones((2, 3, 4)))[1].shape, rows_of(np.ones(5))[1].shape, rows_of(np.ones(()))[1].shape
    ((2, 12), (5, 1), (1, 1))
    """
    if isinstance(g, Rows) and len(g.trailing) == len(g.shape) - 1:
        return g.indices, g.values.reshape(len(g.indices), math.prod(g.trailing))
    whole = dense(g)
    return slice(None), whole.reshape(whole.shape[0] if whole.ndim else 1, math.prod(whole.shape[1:]))


def row_products(a: Array, b: Array) -> Array:
    """Σ_j a_ij b_ij for each row i of a matrix and of one other, or of several.

    Examples
    --------
    >>> row_products(np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones((2, 2))).tolist()
    [3.0, 7.0]
    """
    if a.shape[1] == 1:
        return np.asarray((a * b)[..., 0])
    return np.asarray(np.matmul(a[:, None, :], b[..., None])[..., 0, 0])  # faster than einsum


def squared_norm(g: Cotangent) -> float:
    """Σ g² over all entries, neither overflowing nor vanishing where the dtype would.

    Examples
    --------
    >>> squared_norm(np.array([[3.0, 4.0]])), squared_norm(np.full(4, 2.0**-100, np.float32)) == 2.0**-198
    (25.0, True)
    """
    return _squares(rows_of(g)[1])


def squared_distance(a: Cotangent, b: Cotangent) -> float:
    """Σ (a − b)² of two gradients of one tensor.

    Examples
    --------
    >>> squared_distance(Rows(np.array([[3.0, 5.0]]), np.array([1]), (2, 2)), np.ones((2, 2)))
    22.0
    """
    if a is b:
        return 0.0
    at_a, rows_a = rows_of(a)
    at_b, rows_b = rows_of(b)
    if at_a is not at_b and isinstance(at_a, slice):  # the one that may have fewer rows first
        at_a, rows_a, at_b, rows_b = at_b, rows_b, at_a, rows_a
    if not isinstance(at_b, slice):
        if not np.array_equal(at_a, at_b):
            return _squares(rows_of(dense(a))[1] - rows_of(dense(b))[1])
    elif not isinstance(at_a, slice):
        alone = np.ones(len(rows_b), dtype=bool)
        alone[at_a] = False
        return _squares(rows_a - rows_b[at_a]) + _squares(rows_b[alone])
    return _squares(rows_a - rows_b)


def _squares(rows: Array) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(row_products(rows, rows).sum(dtype=np.float64))
    if 1e-25 < total < 1e35 or rows.dtype == np.float64:
        return total
    return float(np.square(rows, dtype=np.float64).sum())


class Directions:
    """Directions in the space of a whole gradient, along which gradients are measured row by row.

    Parameters
    ----------
    parts : sequence of ndarray
        One for each tensor: the directions along the first axis, then the shape of the tensor.
    dtypes : sequence of dtype
        Of the gradients that will be measured. Each row is scaled to a largest entry of 1 before it is rounded to that.

    Attributes
    ----------
    starts : list of int
        For each tensor its first row, in the order of `along`.
    size : int
        The number of all rows.
    """

    def __init__(self, parts: Sequence[Array], dtypes: Sequence[np.dtype[Any]]):
        self._rows: list[Array] = []
        self.starts: list[int] = []
        self.size = 0
        scales = []
        for part, dtype in zip(parts, dtypes, strict=True):
            rows = np.stack([rows_of(direction)[1] for direction in part])
            largest = np.abs(rows).max(axis=2, initial=0.0)
            scale = np.where(largest > 0, largest, 1.0)
            self._rows.append((rows / scale[:, :, None]).astype(np.result_type(dtype, np.float32)))
            self.starts.append(self.size)
            self.size += rows.shape[1]
            scales.append(scale)
        self._scale = np.concatenate(scales, axis=1)

    def along(self, gradient: Sequence[Cotangent]) -> Array:
        """The inner product of each row with that of each direction, the tensors one after the other.

        Returns
        -------
        ndarray, shape (directions, size)

        Examples
        --------
        >>> directions = Directions([np.ones((1, 2, 2)), np.array([[1.0, 2.0]])], [np.dtype(float)] * 2)
        >>> directions.along([Rows(np.array([[3.0, 4.0]]), np.array([1]), (2, 2)), np.array([5.0, 6.0])]).tolist()
        [[0.0, 7.0, 5.0, 12.0]]
        """
        out = np.zeros(self._scale.shape)
        for start, directions, g in zip(self.starts, self._rows, gradient, strict=True):
            at, rows = rows_of(g)
            out[:, start : start + directions.shape[1]][:, at] = row_products(rows, directions[:, at])
        out *= self._scale
        return out
