"""Sums of squares that neither overflow nor vanish: what every sampling score is made of."""

from __future__ import annotations

import numpy as np

from minigrad.arrays import wide
from minigrad.typing import Array

__all__ = ["squared_norms"]

FEW = 8192
"""Values."""


def squared_norms(array: Array, axis: int) -> Array:
    """Σ a² along the last axis or the last but one, in float64.

    The sums of few values are formed in float64. Those of many are formed in the dtype of the array, which is fast, and
    again in float64 where they overflowed or came near underflow.

    Parameters
    ----------
    array : ndarray, shape (..., rows, columns) or (..., columns)
    axis : {-1, -2}
        −1 sums over columns, giving shape (..., rows); −2 sums over rows, giving shape (..., columns).

    Returns
    -------
    ndarray of float64

    Examples
    --------
    >>> print(*squared_norms(np.array([[3.0, 4.0], [0.0, 1e-30]], np.float32), -1))  # doctest: +ELLIPSIS
    25.0 1.0000000...e-60
    """
    text = "...ij,...ij->...j" if axis == -2 else "...i,...i->..."
    if array.size <= FEW and array.dtype == np.float32:
        array = array.astype(np.float64)
        return np.asarray(np.einsum(text, array, array))  # squares of float32 are numbers of float64
    array = array.astype(np.float64 if array.size <= FEW else wide(array.dtype), copy=False)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        sums = np.einsum(text, array, array)
        if sums.dtype == np.float64:
            return np.asarray(sums)
        doubtful = ~((sums > 1e-25) & (sums < 1e35))
        sums = np.asarray(sums, dtype=np.float64)
        if doubtful.any():
            if axis == -1:
                part = array[doubtful].astype(np.float64)
                sums[doubtful] = np.einsum("...i,...i->...", part, part)
            elif array.ndim == 2:
                part = array[:, doubtful].astype(np.float64)
                sums[doubtful] = np.einsum("ij,ij->j", part, part)
            else:
                whole = array.astype(np.float64)
                sums = np.asarray(np.einsum(text, whole, whole))
    return sums
