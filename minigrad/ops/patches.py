"""Patches: the windows of images as the rows of a matrix, P, which is never written out as a whole (im2col).

Index conventions: X is (N, H, W, C), P is (N, OH, OW, h·w·C), one row for each output pixel. A convolution is Y = P K,
and its ∂K = Pᵀ G. P is made where it is needed, a block of samples at a time: that is cheap while the block stays in a
cache, and P would take h·w times the memory of X.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad.ops.windows import BLOCK_BYTES, Windows
from minigrad.structure import (
    Columns,
    Cotangent,
    Factors,
    Rows,
    Structured,
    contract,
    contract_batches,
    dense,
    matrix,
    reshape_rows,
    row_squares,
    take_samples,
)
from minigrad.typing import Array

__all__ = ["Patches", "few_pay", "kernel_cotangent"]

FEW = 0.75
"""The share of kept pixels, up to which products with their windows alone are faster than those with all windows.

Taking single windows costs more for each than writing all out in turn, and so does adding single windows up: the times
were equal at .75 to .85 of the pixels, for 3×3 kernels of 16, 32 and 64 channels. Above, the rows are made dense.
"""


def few_pay(g: Rows) -> bool:
    """True if so few pixels were kept that the windows of these alone are worked on."""
    return len(g.indices) <= FEW * math.prod(g.shape[:-1])


class Patches(Structured):
    """The windows of images, as a matrix that is made a block at a time.

    Parameters
    ----------
    x : ndarray or Structured, shape (N, H, W, C)
        The images, or what was kept of them.
    windows : Windows
        Where the windows lie.

    Examples
    --------
    >>> p = Patches(np.arange(9.0).reshape(1, 3, 3, 1), Windows((3, 3), (2, 2), (1, 1), (0, 0)))
    >>> p.shape, p.take_rows(np.array([3])).tolist()
    ((1, 2, 2, 4), [[4.0, 5.0, 7.0, 8.0]])
    """

    __slots__ = ("windows", "x")

    def __init__(self, x: Cotangent, windows: Windows):
        self.x, self.windows = x, windows
        self.shape = (x.shape[0], *windows.out, math.prod(windows.size) * x.shape[-1])

    @property
    def parts(self) -> tuple[Array, ...]:
        return self.x.parts if isinstance(self.x, Structured) else (self.x,)

    def dense(self) -> Array:
        return np.array(self.windows.view(dense(self.x))).reshape(self.shape)

    def astype(self, dtype: DTypeLike) -> Patches:
        return Patches(self.x.astype(dtype), self.windows)

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """A few samples at a time: which samples, and their windows as rows, valid until the next block."""
        if not isinstance(self.x, Structured):
            yield from self.windows.blocks(self.x)
            return
        # X̂ is made dense for a few samples at a time, so that the memory that was saved stays saved.
        for samples in self.windows.sample_blocks(len(self), self.shape[-1] * self.dtype.itemsize):
            part = Patches(dense(take_samples(self.x, np.arange(samples.start, samples.stop))), self.windows)
            yield samples, matrix(part.dense())

    def __len__(self) -> int:
        return self.shape[0]

    def row_squares(self) -> Array:
        squares = self.windows.view(row_squares(self.x)[..., None])
        return np.asarray(squares.sum(axis=(3, 4)))[..., 0]

    def take_rows(self, indices: Array) -> Array:
        return self._take(matrix(dense(self.x)), indices)

    def _take(self, pixels: Array, indices: Array) -> Array:
        """Some rows, out of the images as a matrix of pixels."""
        places = self.windows.positions(indices, len(self)).ravel()
        if not pixels.size:
            return np.zeros((len(indices), self.shape[-1]), self.dtype)
        kept = np.take(pixels, places, axis=0, mode="clip")
        if self.windows.padding != (0, 0):
            kept[places == len(pixels)] = 0
        return kept.reshape(len(indices), self.shape[-1])

    def take_samples(self, indices: Array) -> Patches:
        return Patches(take_samples(self.x, indices), self.windows)

    def multiply(self, w: Cotangent) -> Array:
        kernel = dense(w)
        out = np.empty((*self.shape[:3], kernel.shape[1]), np.result_type(self.dtype, kernel))
        for samples, rows in self.blocks():
            np.matmul(rows, kernel, out=matrix(out[samples]))
        return out

    def contract(self, x: Cotangent) -> Any:
        if isinstance(x, Rows) and not x.whole_samples:
            return self._contract_rows(x.unfolded)
        if isinstance(x, Structured):
            out = x.contract_into(self)
            if out is not NotImplemented:
                return out
        g = dense(x)
        sums = np.zeros((self.shape[-1], g.shape[-1]), np.result_type(self.dtype, g))
        for samples, rows in self.blocks():
            sums += rows.T @ matrix(g[samples])
        return sums

    def _contract_rows(self, g: Rows) -> Array:
        """Pᵀ G of kept rows: of their windows alone, some at a time, while those are so few that this is faster."""
        if few_pay(g):
            pixels = matrix(dense(self.x))
            sums = np.zeros((self.shape[-1], g.shape[-1]), np.result_type(self.dtype, g.dtype))
            step = max(1, BLOCK_BYTES // (2 * max(1, self.shape[-1] * self.dtype.itemsize)))
            for start in range(0, len(g.indices), step):
                some = slice(start, start + step)
                sums += self._take(pixels, g.indices[some]).T @ g.values[some]
            return sums
        return np.asarray(self.contract(g.dense()))


def kernel_cotangent(g: Cotangent, x: Cotangent, windows: Windows) -> Any:
    """∂K = Pᵀ G as a matrix (h·w·C)×m, for G and X of every structure.

    Kept channels, samples, or a thin left factor of X̂ make fewer or thinner windows.
    """
    if windows.single:
        return contract(x, g)
    places = math.prod(windows.size)
    if isinstance(x, Columns):
        rows = (np.arange(places)[:, None] * x.shape[-1] + x.indices).ravel()
        few = dense(contract(Patches(x.thin, windows), g))
        return Rows(few, rows, (places * x.shape[-1], g.shape[-1]))
    if isinstance(x, Factors):
        few = contract(Patches(x.thin, windows), g)
        out = contract_batches(x.right, reshape_rows(few, (places, x.rank)))
        return reshape_rows(out, (places * x.shape[-1],))
    if isinstance(g, Columns) and isinstance(x, np.ndarray) and len(g.indices) < x.shape[-1] and windows.turned:
        return few_channels(g, x, windows.turned)
    if isinstance(x, Rows) and x.whole_samples:
        return contract(Patches(x.values, windows), take_samples(g, x.indices))
    return contract(Patches(x, windows), g)


def few_channels(g: Columns, x: Array, turned: Windows) -> Columns:
    """∂K of kept channels by the windows of these in place of those of X: fewer values are written out."""
    few = contract(Patches(g.thin, turned), x).reshape(*turned.size, len(g.indices), x.shape[-1])
    places = matrix(few[::-1, ::-1].swapaxes(2, 3))
    return Columns(places, g.indices, (len(places), g.shape[-1]))
