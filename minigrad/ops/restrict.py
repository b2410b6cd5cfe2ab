"""Parts of a cotangent of any structure: some rows, some columns, some samples, or its product with a thin matrix.

Index conventions: G has shape (…, m); rows are all leading axes flattened, samples run over the first axis.
"""

from __future__ import annotations

import math

import numpy as np

from minigrad.cotangents import Columns, Cotangent, Entries, Factors, Rows, Structured, dense, matrix_shape
from minigrad.ops.linear import rows_of
from minigrad.ops.matmul import unfolded
from minigrad.typing import Array

__all__ = ["project", "sample_block", "take_columns", "take_rows", "take_samples"]


def common(ours: Array, theirs: Array) -> tuple[Array, Array]:
    """Where the numbers that are in both stand in each; both increase."""
    _, here, there = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
    return here, there


def take_rows(g: Cotangent, indices: Array) -> Cotangent:
    """Some rows, shape (k, m); ``indices`` increase.

    Examples
    --------
    >>> g = Rows(np.array([[1.0], [2.0]]), np.array([0, 3]), (4, 1))
    >>> take_rows(g, np.array([2, 3])).dense().tolist()
    [[0.0], [2.0]]
    """
    shape = (len(indices), g.shape[-1])
    if isinstance(g, Columns):
        return Columns(np.take(g.values, indices, axis=0), g.indices, shape)
    if isinstance(g, Rows):
        g = unfolded(g)
        here, there = common(g.indices, indices)
        return Rows(g.values[here], there, shape)
    if isinstance(g, Factors):
        return Factors(np.take(g.left, indices, axis=0), g.right, shape)
    if isinstance(g, Entries):
        row, column = np.divmod(g.indices, g.shape[-1])
        kept, at = placed(row, indices)
        return Entries(g.values[kept], at * g.shape[-1] + column[kept], shape)
    return np.take(rows_of(dense(g)), indices, axis=0)


def take_columns(g: Cotangent, indices: Array) -> Cotangent:
    """Some columns, shape (…, k); ``indices`` increase.

    Examples
    --------
    >>> take_columns(np.array([[1.0, 2.0, 3.0]]), np.array([0, 2])).tolist()
    [[1.0, 3.0]]
    """
    shape = (*g.shape[:-1], len(indices))
    if isinstance(g, Columns):
        here, there = common(g.indices, indices)
        return Columns(g.values[:, here], there, shape)
    if isinstance(g, Rows):
        return Rows(np.take(g.values, indices, axis=-1), g.indices, shape)
    if isinstance(g, Factors):
        return Factors(g.left, np.take(g.right, indices, axis=1), shape)
    if isinstance(g, Entries):
        row, column = np.divmod(g.indices, g.shape[-1])
        kept, at = placed(column, indices)
        return Entries(g.values[kept], row[kept] * len(indices) + at, shape)
    return np.take(dense(g), indices, axis=-1)


def placed(numbers: Array, indices: Array) -> tuple[Array, Array]:
    """Which numbers are among increasing indices, and where they stand there."""
    if not len(indices):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    at = np.minimum(np.searchsorted(indices, numbers), len(indices) - 1)
    kept = np.flatnonzero(indices[at] == numbers)
    return kept, at[kept]


def take_samples(g: Cotangent, indices: Array) -> Cotangent:
    """Some samples, shape (k,) + ``g.shape[1:]``; ``indices`` increase."""
    shape = (len(indices), *g.shape[1:])
    if not isinstance(g, Structured):
        return np.take(g, indices, axis=0)
    if isinstance(g, Rows) and g.values.ndim == len(g.shape):
        here, there = common(g.indices, indices)
        return Rows(g.values[here], there, shape)
    per_sample = math.prod(g.shape[1:-1])
    part = take_rows(g, (indices[:, None] * per_sample + np.arange(per_sample)).ravel())
    if isinstance(part, Structured):
        part.shape = shape
        return part
    return part.reshape(shape)


def project(g: Cotangent, right: Array) -> Cotangent:
    """G Rᵀ for R of shape (r, m); shape (…, r)."""
    shape = (*g.shape[:-1], len(right))
    if isinstance(g, Columns):
        return (g.values @ np.take(right, g.indices, axis=1).T).reshape(shape)
    if isinstance(g, Rows):
        return Rows(g.values @ right.T, g.indices, shape)
    if isinstance(g, Factors):
        return Factors(g.left, g.right @ right.T, shape)
    if isinstance(g, Entries):
        return np.asarray(g.sparse() @ right.T).reshape(shape)
    return np.asarray(dense(g) @ right.T)


def sample_block(x: Structured, samples: slice) -> Array:
    """A range of samples, dense; kept rows and entries outside of it are not touched."""
    start, stop = samples.start, samples.stop
    shape = (stop - start, *x.shape[1:])
    if isinstance(x, Entries) or (isinstance(x, Rows) and x.values.ndim == 2):
        unit = math.prod(x.shape[1:]) // (1 if isinstance(x, Entries) else matrix_shape(x.shape)[1])
        low, high = np.searchsorted(x.indices, [start * unit, stop * unit])
        return type(x)(x.values[low:high], x.indices[low:high] - start * unit, shape).dense()
    return x.dense()[samples]
