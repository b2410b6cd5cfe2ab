"""Sums over repeated indices: the transpose of choosing rows."""

from __future__ import annotations

import numpy as np

from minigrad.arrays import DOUBLE, SINGLE
from minigrad.typing import Array, Shape

__all__ = ["MANY", "add_entries", "add_rows"]

MANY = 4096
"""Values, from which on a sparse product pays for being made."""


def add_rows(values: Array, rows: Array, count: int) -> Array:
    """The sum of the values of each row, in the order in which they come: ``out[rows[k]] += values[k]``.

    `numpy.add.at` gives the same bits, and takes ten times as long where rows hold more than one value. The product
    with a sparse matrix of ones, one in each column, adds whole rows.

    Parameters
    ----------
    values : ndarray, shape (K, …)
    rows : ndarray of int, shape (K,)
        In [−count, count).
    count : int
        The number of rows of the result.

    Returns
    -------
    ndarray, shape (count, …)

    Examples
    --------
    >>> add_rows(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, -1]), 2).tolist()
    [[0.0, 0.0], [4.0, 6.0]]
    """
    each = values[0].size if len(values) else 0
    if each < 2 or values.size < MANY or values.dtype not in (SINGLE, DOUBLE):
        out = np.zeros((count, *values.shape[1:]), values.dtype)
        np.add.at(out, rows, values)
        return out
    import scipy.sparse  # here, so that importing minigrad does not import it

    places = np.where(rows < 0, rows + count, rows) if rows.min() < 0 else rows
    ones, columns = np.ones(len(rows), values.dtype), np.arange(len(rows) + 1)
    matrix = scipy.sparse.csc_array((ones, places, columns), shape=(count, len(rows)))
    out = matrix @ values.reshape(len(rows), each)
    return out if values.ndim == 2 else out.reshape(count, *values.shape[1:])


def add_entries(values: Array, index: tuple[Array, ...], shape: Shape) -> Array:
    """The sum of the values at each place, where arrays of indices stand for the first axes of ``shape``.

    Parameters
    ----------
    values : ndarray
        Of the shape to which the indices broadcast, and that of the other axes.
    index : tuple of ndarray of int
    shape : tuple of int
        Of the result.

    Returns
    -------
    ndarray of this shape

    Examples
    --------
    >>> add_entries(np.ones(3), (np.array([0, 1, -1]), np.array([2, 0, 0])), (2, 3)).tolist()
    [[0.0, 0.0, 1.0], [2.0, 0.0, 0.0]]
    """
    lead, trailing = shape[: len(index)], shape[len(index) :]
    if values.size < MANY or 0 in shape:
        out = np.zeros(shape, values.dtype)
        np.add.at(out, index, values)
        return out
    positive = [np.where(part < 0, part + n, part) for part, n in zip(index, lead, strict=True)]
    rows = np.ravel_multi_index(tuple(np.broadcast_arrays(*positive)), lead).ravel()
    return add_rows(values.reshape(rows.size, *trailing), rows, int(np.prod(lead))).reshape(shape)
