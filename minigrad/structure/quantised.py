"""Quantised: all entries of a matrix, each in a few bits, on grids that the entries of a tile share.

Index conventions: entry (i, j) is low + step·code, with the low and step of its tile. Tiles are r×c, and cover the B×m
matrix, all leading axes flattened, from its first entry on: one a row (r = 1, c = m), a column, a block, or one tile
for all. With *subtractive dither* it is low + step·(code + v − ½), with the threshold v by which the code was rounded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad.structure.blockwise import Blockwise
from minigrad.structure.dither import round_up, thresholds, words
from minigrad.structure.packing import pack, packed_width, unpack
from minigrad.structure.products import matrix, matrix_shape
from minigrad.typing import Array, Shape

__all__ = ["Quantised", "Tile"]

PIECE = 1 << 17
"""Entries that are rounded at a time: all that is in between stays in a cache."""

Tile = tuple[int, int]
"""Rows and columns of a tile."""


class Quantised(Blockwise):
    """A matrix in a few bits an entry.

    Parameters
    ----------
    codes : ndarray of uint8, shape (rows, bytes)
        Packed by `minigrad.structure.packing`.
    step, low : ndarray, shape (rows of tiles, columns of tiles)
        The grid of each tile; a step of 0 says that all its entries are ``low``.
    bits : int
        Of a code, from 1 to 8.
    shape : tuple of int
        The shape of the whole.
    tile : tuple of int
        Rows and columns of a tile.
    key : int, optional
        The key of the dither, where it is subtracted.
    first : int, default 0
        The row of the dither with which this matrix begins.

    Examples
    --------
    >>> x = np.array([[0.0, 1.0, 3.0], [-2.0, -2.0, 1.0]])
    >>> q = Quantised.rounded(x, x.min(axis=1, keepdims=True), np.ones((2, 1)), 2, (1, 3), key=0)
    >>> q.dense().tolist(), q.nbytes
    ([[0.0, 1.0, 3.0], [-2.0, -2.0, 1.0]], 34)
    """

    __slots__ = ("bits", "codes", "first", "key", "low", "step", "tile")

    def __init__(
        self,
        codes: Array,
        step: Array,
        low: Array,
        bits: int,
        shape: Shape,
        tile: Tile,
        key: int | None = None,
        first: int = 0,
    ):
        self.codes, self.step, self.low, self.bits, self.shape = codes, step, low, bits, shape
        self.tile, self.key, self.first = tile, key, first

    @classmethod
    def rounded(
        cls, g: Array, low: Array, step: Array, bits: int, tile: Tile, key: int, subtractive: bool = False
    ) -> Quantised:
        """An array, rounded at random to the grids of its tiles (THEORY.md §9).

        Parameters
        ----------
        g : ndarray
            From ``low`` to ``low + step·(2^bits − 1)``, tile by tile, to rounding.
        key : int
            Of the dither.
        subtractive : bool, default False
            Whether the dither is to be subtracted again.
        """
        whole = matrix(g)
        rows, columns = whole.shape
        codes = np.empty((rows, packed_width(columns, bits)), np.uint8)
        made = cls(codes, step, low, bits, g.shape, tile, key if subtractive else None)
        most = whole.dtype.type(2**bits - 1)
        each = max(1, PIECE // max(1, columns))
        for start in range(0, rows, each):
            stop = min(rows, start + each)
            y = whole[start:stop] - made.spread(low, start, stop)
            wide = made.spread(step, start, stop)
            y /= np.where(wide == 0, y.dtype.type(1), wide)
            np.minimum(y, most, out=y)
            v = thresholds(words(key, start, stop - start, columns), y.dtype)
            codes[start:stop] = pack(round_up(y, v), bits)
        return made

    def spread(self, scale: Array, start: int, stop: int) -> Array:
        """A number of each tile, for some rows: an array that broadcasts to them."""
        (r, c), columns = self.tile, self.shape[-1] if self.shape else 1
        if len(scale) > 1:
            scale = scale[start // r : -(-stop // r)]
            if r > 1:
                scale = np.repeat(scale, r, axis=0)[start % r :][: stop - start]
        return np.repeat(scale, c, axis=1)[:, :columns] if scale.shape[1] > 1 and c > 1 else scale

    @property
    def parts(self) -> tuple[Array, ...]:
        return (self.codes, self.step, self.low)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.low.dtype

    def rows(self, start: int, stop: int) -> Array:
        columns = matrix_shape(self.shape)[1]
        out = np.empty((stop - start, columns), self.dtype)
        unpack(self.codes[start:stop], columns, self.bits, out)
        if self.key is not None:
            out += thresholds(words(self.key, self.first + start, stop - start, columns), out.dtype)
            out -= out.dtype.type(0.5)
        out *= self.spread(self.step, start, stop)
        out += self.spread(self.low, start, stop)
        return out

    def holding(self, shape: Shape, **changed: Any) -> Quantised:
        """The same in another shape, with some arguments changed."""
        names = ("codes", "step", "low", "bits", "tile", "key", "first")
        arguments = {name: getattr(self, name) for name in names}
        return Quantised(shape=shape, **{**arguments, **changed})

    def astype(self, dtype: DTypeLike) -> Quantised:
        return self.holding(self.shape, step=self.step.astype(dtype), low=self.low.astype(dtype))

    def reshaped(self, lead: Shape) -> Quantised:
        return self.holding((*lead, self.shape[-1]))

    def scaled(self, factor: float) -> Quantised:
        by = self.dtype.type(factor)
        return self.holding(self.shape, step=self.step * by, low=self.low * by)

    def take_rows(self, indices: Array) -> Any:
        shape = (len(indices), self.shape[-1])
        run = bool(len(indices)) and indices[-1] - indices[0] == len(indices) - 1
        if self.key is not None and not run:
            return super().take_rows(indices)  # a dither that is scattered over the rows of a stream
        r, c = self.tile
        some = slice(int(indices[0]), int(indices[-1]) + 1) if run else indices
        scales = {"step": self.step, "low": self.low}
        if len(self.low) > 1:
            scales = {name: scale[some if r == 1 else indices // r] for name, scale in scales.items()}
        first = self.first + int(indices[0]) if run else 0
        tile = (1 if len(self.low) > 1 else max(1, len(indices)), c)
        return self.holding(shape, codes=self.codes[some], tile=tile, first=first, **scales)
