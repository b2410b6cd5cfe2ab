"""Quantised: all entries of a matrix, each in a few bits, on grids that the entries of a tile share.

Index conventions: entry (i, j) is low + step·code, with the low and step of its tile. Tiles are r×c, and cover the B×m
matrix, all leading axes flattened, from its first entry on: one a row (r = 1, c = m), a column, a block, or one tile
for all. With *subtractive dither* it is low + step·(code + v − ½), with the threshold v by which the code was rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad.structure.blockwise import Blockwise
from minigrad.structure.dither import WORD, round_up, thresholds, words
from minigrad.structure.packing import pack, packed_width, unpack
from minigrad.structure.products import matrix, matrix_shape
from minigrad.typing import Array, Shape

__all__ = ["Quantised", "Tile", "fold_of", "folded", "is_run"]

PIECE = 1 << 17
"""Entries that are rounded at a time: all that is in between stays in a cache."""

DRAWN = 1 << 20
"""Entries whose dither is drawn at a time."""

Tile = tuple[int, int]
"""Rows and columns of a tile."""


class Quantised(Blockwise):
    """A matrix in a few bits an entry.

    Parameters
    ----------
    codes : ndarray of uint8, shape (rows, bytes)
        Packed by `minigrad.structure.packing`. Tiles of several whole rows are stored as one row each; what lacks in
        the last is filled up.
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

    @property
    def fold(self) -> int:
        """Rows that are stored as one: those of a tile of several whole rows, which are runs of entries."""
        return fold_of(matrix_shape(self.shape), self.tile)

    @classmethod
    def rounded(
        cls, g: Array, low: Array, step: Array, bits: int, tile: Tile, key: int, subtractive: bool = False
    ) -> Quantised:
        """An array, rounded at random to the grids of its tiles (Theory §9).

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
        made = cls(whole, step, low, bits, g.shape, tile, key if subtractive else None)
        fold = made.fold
        rows, columns = -(-len(whole) // fold), fold * whole.shape[1]
        made.codes = np.empty((rows, packed_width(columns, bits)), np.uint8)
        each = max(1, PIECE // max(1, columns))
        scale, finite = per_word(step)
        for start, stop, dither in dithered(key, rows, columns, each):
            y = folded(whole[start * fold : stop * fold], fold) - made.spread(low, start, stop)
            if finite:
                y *= made.spread(scale, start, stop)
            else:
                y /= made.spread(scale, start, stop)
                y *= y.dtype.type(WORD)
            codes = round_up(y, dither)
            np.minimum(codes, np.uint8(2**bits - 1), out=codes)
            made.codes[start:stop] = pack(codes, bits)
        return made

    def spread(self, scale: Array, start: int, stop: int) -> Array:
        """A number of each tile, for some rows as they are stored: an array that broadcasts to them."""
        r, c = (1, self.fold * self.tile[1]) if self.fold > 1 else self.tile
        columns = self.fold * matrix_shape(self.shape)[1]
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
        fold, columns = self.fold, matrix_shape(self.shape)[1]
        first, last = start // fold, -(-stop // fold)
        out = np.empty((last - first, fold * columns), self.dtype)
        unpack(self.codes[first:last], fold * columns, self.bits, out)
        if self.key is not None:
            out += thresholds(words(self.key, self.first + first, last - first, fold * columns), out.dtype)
            out -= out.dtype.type(0.5)
        out *= self.spread(self.step, first, last)
        out += self.spread(self.low, first, last)
        return out if fold == 1 else out.reshape(-1, columns)[start - first * fold : stop - first * fold]

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
        if self.fold > 1 or (self.key is not None and not run):
            return super().take_rows(indices)  # parts of what is stored as one, or a dither scattered over a stream
        some = slice(int(indices[0]), int(indices[-1]) + 1) if run else indices
        scales = {"step": self.step, "low": self.low}
        by_row = len(self.low) > 1
        if not len(indices):
            scales = {name: scale[:0] for name, scale in scales.items()}
        elif by_row:
            r = self.tile[0]
            scales = {name: scale[some if r == 1 else indices // r] for name, scale in scales.items()}
        first = self.first + int(indices[0]) if run else 0
        tile = (1 if by_row else max(1, len(indices)), self.tile[1])
        return self.holding(shape, codes=self.codes[some], tile=tile, first=first, **scales)


def dithered(key: int, rows: int, columns: int, each: int) -> Iterator[tuple[int, int, Array]]:
    """All rows, so many at a time, and their words, which are drawn for more of them at once."""
    most = each * max(1, DRAWN // max(1, each * columns))
    for first in range(0, rows, most):
        found = words(key, first, min(most, rows - first), columns)
        for start in range(0, len(found), each):
            some = found[start : start + each]
            yield first + start, first + start + len(some), some


def fold_of(shape: Shape, tile: Tile) -> int:
    """Rows that are stored as one.

    Examples
    --------
    >>> fold_of((64, 16), (4, 16)), fold_of((64, 16), (64, 16))
    (4, 1)
    """
    return tile[0] if is_run(shape, tile) else 1


def is_run(shape: Shape, tile: Tile) -> bool:
    """True if tiles are several whole rows of a matrix, and not all of them.

    Examples
    --------
    >>> is_run((64, 16), (4, 16)), is_run((64, 16), (1, 16)), is_run((64, 16), (64, 16))
    (True, False, False)
    """
    return 1 < tile[0] < shape[0] and tile[1] >= shape[1]


def folded(part: Array, fold: int) -> Array:
    """Rows of a matrix, so many side by side; what lacks in the last is its last row again.

    Examples
    --------
    >>> folded(np.arange(3)[:, None], 2).tolist()
    [[0, 1], [2, 2]]
    """
    missing = -len(part) % fold
    if missing:
        part = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
    return part.reshape(len(part) // fold, fold * part.shape[1])


def per_word(step: Array) -> tuple[Array, bool]:
    """2¹⁶ over each step, by which distances are multiplied; the steps, to divide by, where that is beyond all floats.

    Examples
    --------
    >>> per_word(np.array([0.5, 0.0]))
    (array([131072.,  65536.]), True)
    """
    step = np.where(step == 0, step.dtype.type(1), step)  # all distances are 0
    with np.errstate(over="ignore"):
        inverse = step.dtype.type(WORD) / step
    finite = bool(np.isfinite(inverse).all())
    return (inverse if finite else step), finite
