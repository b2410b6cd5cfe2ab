"""The argument ``indices=``: whole numbers, and what is done with those that are out of range."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from minigrad.arrays import plain
from minigrad.engine.tensor import Tensor
from minigrad.typing import Array, Mode

__all__ = ["as_indices"]


def as_indices(indices: ArrayLike | Tensor, length: int, mode: Mode = "raise") -> Array:
    """Indices as an array of their own: the caller may reuse the memory.

    Parameters
    ----------
    indices : array_like of int
    length : int
        Of the axis they are for.
    mode : {"raise", "wrap", "clip"}
        What is out of range is left for NumPy to refuse, counted around, or moved to the nearest end.

    Raises
    ------
    ValueError
        If they are not integers, or the mode is none of these.

    Examples
    --------
    >>> as_indices([-1, 3], 3, "wrap").tolist(), as_indices([-1, 3], 3, "clip").tolist()
    ([2, 0], [0, 2])
    """
    chosen = np.array(indices.data if isinstance(indices, Tensor) else plain(indices, "indices"))
    if chosen.dtype.kind not in "iu":
        if chosen.size:
            raise ValueError(f"indices must be integers, got dtype {chosen.dtype}")
        chosen = chosen.astype(np.intp)
    if mode == "raise":
        return chosen
    if mode not in ("wrap", "clip"):
        raise ValueError(f"mode={mode!r} is none of 'raise', 'wrap', 'clip'")
    if not length:
        raise IndexError("an axis of length 0 holds nothing to take")
    return np.asarray(chosen % length if mode == "wrap" else np.clip(chosen, 0, length - 1))
