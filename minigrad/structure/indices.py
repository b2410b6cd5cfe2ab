"""Meetings of kept numbers: what the products of index sets are made of."""

from __future__ import annotations

import numpy as np

from minigrad.typing import Array

__all__ = ["common", "placed", "spread_columns"]


def common(ours: Array, theirs: Array) -> tuple[Array, Array]:
    """Where the numbers that are in both stand in each; both increase.

    Examples
    --------
    >>> [a.tolist() for a in common(np.array([0, 3, 5]), np.array([3, 4, 5]))]
    [[1, 2], [0, 2]]
    """
    if len(theirs) and theirs[-1] - theirs[0] == len(theirs) - 1:  # a range: a block of samples
        low, high = np.searchsorted(ours, (theirs[0], theirs[-1] + 1))
        return np.arange(low, high), ours[low:high] - theirs[0]
    _, here, there = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
    return here, there


def placed(numbers: Array, indices: Array) -> tuple[Array, Array]:
    """Find which numbers are among increasing indices, and where they stand there.

    Examples
    --------
    >>> [a.tolist() for a in placed(np.array([5, 1, 5]), np.array([2, 5]))]
    [[0, 2], [1, 1]]
    """
    if not len(indices):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    at = np.minimum(np.searchsorted(indices, numbers), len(indices) - 1)
    kept = np.flatnonzero(indices[at] == numbers)
    return kept, at[kept]


def spread_columns(values: Array, indices: Array, columns: int) -> Array:
    """Columns in their places, in rows that are otherwise zero.

    Examples
    --------
    >>> spread_columns(np.array([[5.0]]), np.array([1]), 3).tolist()
    [[0.0, 5.0, 0.0]]
    """
    out = np.zeros((*values.shape[:-1], columns), values.dtype)
    out[..., indices] = values
    return out
