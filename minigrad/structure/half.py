"""Half: a matrix in half precision, rounded to nearest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad.structure.blockwise import Blockwise
from minigrad.structure.products import matrix
from minigrad.typing import Array, Shape

__all__ = ["Half"]


class Half(Blockwise):
    """All entries as float16, which stand for values of another dtype.

    Parameters
    ----------
    values : ndarray of float16
    dtype : dtype
        Of the values that they stand for.

    Examples
    --------
    >>> kept = Half(np.array([[0.1]], np.float16), np.float32)
    >>> kept.nbytes, kept.dense().item()
    (2, 0.0999755859375)
    """

    __slots__ = ("_dtype", "values")

    def __init__(self, values: Array, dtype: DTypeLike):
        self.values, self.shape, self._dtype = values, values.shape, np.dtype(dtype)

    @property
    def parts(self) -> tuple[Array, ...]:
        return (self.values,)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype

    def rows(self, start: int, stop: int) -> Array:
        return matrix(self.values)[start:stop].astype(self.dtype)

    def astype(self, dtype: DTypeLike) -> Half:
        return Half(self.values, dtype)

    def reshaped(self, lead: Shape) -> Half:
        return Half(self.values.reshape(*lead, self.shape[-1]), self.dtype)
