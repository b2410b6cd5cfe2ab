"""RowGroups: all rows of a matrix, some of them stored in one way, others in another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad.structure.base import INDEX_BYTES, Cotangent, Kept
from minigrad.structure.blockwise import Blockwise
from minigrad.structure.parts import scale
from minigrad.structure.products import matrix_shape
from minigrad.typing import Array, Shape

__all__ = ["RowGroups"]


class RowGroups(Blockwise):
    """Groups of rows that together are all rows, such as those of 2 bits an entry and those of 5.

    Parameters
    ----------
    groups : sequence of (ndarray of int, ndarray or Blockwise)
        The rows of each group, increasing, and what they hold, a matrix.
    shape : tuple of int
        The shape of the whole.
    dtype : dtype
        Of the values.

    Examples
    --------
    >>> a, b = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]])
    >>> RowGroups([(np.array([1]), a), (np.array([0, 2]), b)], (3, 2), a.dtype).dense().tolist()
    [[3.0, 4.0], [1.0, 2.0], [5.0, 6.0]]
    """

    __slots__ = ("_dtype", "groups")

    def __init__(self, groups: Sequence[tuple[Array, Array | Blockwise]], shape: Shape, dtype: DTypeLike):
        self.groups, self.shape, self._dtype = list(groups), shape, np.dtype(dtype)

    @property
    def parts(self) -> tuple[Array, ...]:
        found: list[Array] = []
        for indices, held in self.groups:
            found += [indices, *([held] if isinstance(held, np.ndarray) else held.parts)]
        return tuple(found)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype

    @classmethod
    def expected_bytes(cls, kept: Kept, shape: Shape, itemsize: int) -> float:
        whole = super().expected_bytes(kept, shape, itemsize)
        if kept.bits is None:  # bits follow the array: all of it at most, and a share that is measured has the indices
            return whole
        return whole + matrix_shape(shape)[0] * INDEX_BYTES

    def rows(self, start: int, stop: int) -> Array:
        out = np.empty((stop - start, self.shape[-1] if self.shape else 1), self.dtype)
        for indices, held in self.groups:
            low, high = np.searchsorted(indices, (start, stop)).tolist()
            if low < high:
                some = held[low:high] if isinstance(held, np.ndarray) else held.rows(low, high)
                out[indices[low:high] - start] = some
        return out

    def _each(self, change: Callable[[Cotangent], Any], dtype: DTypeLike) -> RowGroups:
        return RowGroups([(indices, change(held)) for indices, held in self.groups], self.shape, dtype)

    def astype(self, dtype: DTypeLike) -> RowGroups:
        return self._each(lambda held: held.astype(dtype), dtype)

    def reshaped(self, lead: Shape) -> RowGroups:
        return RowGroups(self.groups, (*lead, self.shape[-1]), self.dtype)

    def scaled(self, factor: float) -> RowGroups:
        return self._each(lambda held: scale(held, factor), self.dtype)
