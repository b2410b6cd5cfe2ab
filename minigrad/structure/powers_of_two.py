"""PowersOfTwo: all entries of a matrix as powers of two with a sign, in nine bits each.

Index conventions: entry (i, j) is ± 2^(top + code − 255), or 0 for the code 0; row i of the signs takes ⌈m/8⌉ bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad.structure.blockwise import Blockwise
from minigrad.structure.products import matrix_shape
from minigrad.typing import Array, Shape

__all__ = ["LARGEST", "PowersOfTwo"]

LARGEST = 255
"""The code of the largest power."""


class PowersOfTwo(Blockwise):
    """A matrix of powers of two.

    Parameters
    ----------
    codes : ndarray of uint8, shape (rows, columns)
        0 for 0, else 255 for 2^top, 254 for half of it, and so on.
    negative : ndarray of uint8, shape (rows, ⌈columns/8⌉)
        Signs, packed by ``np.packbits``.
    top : int
        The largest exponent.
    shape : tuple of int
        The shape of the whole.
    dtype : dtype
        Of the values.

    Examples
    --------
    >>> signs = np.packbits([[False, True, False]], axis=1)
    >>> kept = PowersOfTwo(np.array([[255, 254, 0]], np.uint8), signs, 3, (1, 3), np.float32)
    >>> kept.dense().tolist(), kept.nbytes
    ([[8.0, -4.0, 0.0]], 4)
    """

    __slots__ = ("_dtype", "codes", "negative", "top")

    def __init__(self, codes: Array, negative: Array, top: int, shape: Shape, dtype: DTypeLike):
        self.codes, self.negative, self.top, self.shape = codes, negative, top, shape
        self._dtype = np.dtype(dtype)

    @property
    def parts(self) -> tuple[Array, ...]:
        return (self.codes, self.negative)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype

    def rows(self, start: int, stop: int) -> Array:
        powers = np.ldexp(self.dtype.type(1), np.arange(LARGEST + 1) - LARGEST + self.top)
        powers[0] = 0
        out = np.take(powers.astype(self.dtype), self.codes[start:stop])
        columns = matrix_shape(self.shape)[1]
        negative = np.unpackbits(self.negative[start:stop], axis=1, count=columns).view(bool)
        np.negative(out, out=out, where=negative)
        return out

    def astype(self, dtype: DTypeLike) -> PowersOfTwo:
        return PowersOfTwo(self.codes, self.negative, self.top, self.shape, dtype)

    def reshaped(self, lead: Shape) -> PowersOfTwo:
        return PowersOfTwo(self.codes, self.negative, self.top, (*lead, self.shape[-1]), self.dtype)
