"""Matrices that are written out a block of rows at a time: products with them never hold the whole.

Index conventions: G is (…, m); rows are all axes but the last, flattened; s is a block of rows.

    contract(G, X)  Σ_s G[s]ᵀ X[s]          multiply(G, W)  G[s] W, block by block

A block is small enough to stay in a cache, and large enough for its product to run at the speed of a whole one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad.structure.base import Cotangent, Structured
from minigrad.structure.batched import swap
from minigrad.structure.products import dense, matrix, matrix_shape
from minigrad.structure.squares import squared_norms
from minigrad.typing import Array, Shape

__all__ = ["BLOCK", "Blockwise"]

BLOCK = 1 << 19
"""Entries of a block."""


class Blockwise(Structured):
    """A matrix whose rows are written out by ``rows(start, stop)``; a subclass needs that, ``parts`` and ``dtype``.

    Examples
    --------
    >>> from minigrad.structure import contract
    >>> class Ones(Blockwise):
    ...     def __init__(self, shape):
    ...         self.shape = shape
    ...     dtype = np.dtype(float)
    ...     def rows(self, start, stop):
    ...         return np.ones((stop - start, self.shape[-1]))
    >>> contract(Ones((5, 2)), np.arange(5.0)[:, None]).tolist()
    [[10.0], [10.0]]
    """

    __slots__ = ()

    def rows(self, start: int, stop: int) -> Array:
        """Some rows in a row, of the matrix with all leading axes flattened: an array of its own."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its rows are written out")

    def blocks(self, each: int = 1) -> Iterator[tuple[slice, Array]]:
        """All rows, a block of a multiple of ``each`` at a time: which rows, and the rows."""
        rows, columns = matrix_shape(self.shape)
        step = each * max(1, BLOCK // max(1, each * columns))
        for start in range(0, rows, step):
            stop = min(rows, start + step)
            yield slice(start, stop), self.rows(start, stop)

    def dense(self) -> Array:
        out = np.empty(matrix_shape(self.shape), self.dtype)
        for some, block in self.blocks():
            out[some] = block
        return out.reshape(self.shape)

    def column_sums(self) -> Array:
        sums = np.zeros(self.shape[-1], self.dtype)
        for _, block in self.blocks():
            sums += np.ones(len(block), self.dtype) @ block
        return sums

    def row_squares(self) -> Array:
        out = np.empty(matrix_shape(self.shape)[0])
        for some, block in self.blocks():
            out[some] = squared_norms(block, -1)
        return out.reshape(self.shape[:-1])

    def take_rows(self, indices: Array) -> Any:
        if len(indices) and indices[-1] - indices[0] == len(indices) - 1:
            return self.rows(int(indices[0]), int(indices[-1]) + 1)
        out = np.empty((len(indices), matrix_shape(self.shape)[1]), self.dtype)
        for some, block in self.blocks():
            low, high = np.searchsorted(indices, (some.start, some.stop))
            out[low:high] = block[indices[low:high] - some.start]
        return out

    def take_samples(self, indices: Array) -> Any:
        each = math.prod(self.shape[1:-1])
        rows = (indices[:, None] * each + np.arange(each)).ravel() if each != 1 else indices
        taken = self.take_rows(rows)
        shape = (len(indices), *self.shape[1:])
        return taken.reshape(shape) if isinstance(taken, np.ndarray) else taken.reshaped(shape[:-1])

    def take_columns(self, indices: Array) -> Array:
        out = np.empty((matrix_shape(self.shape)[0], len(indices)), self.dtype)
        for some, block in self.blocks():
            out[some] = block[:, indices]
        return out.reshape(*self.shape[:-1], len(indices))

    # Another structure than this leaves out what it did not keep, and meets these rows again with an array.

    def multiply(self, w: Cotangent) -> Any:
        if isinstance(w, Structured) and not isinstance(w, Blockwise):
            return NotImplemented
        right = dense(w)
        out = np.empty((matrix_shape(self.shape)[0], right.shape[-1]), np.result_type(self.dtype, right))
        for some, block in self.blocks():
            np.matmul(block, right, out=out[some])
        return out.reshape(*self.shape[:-1], right.shape[-1])

    def multiply_into(self, g: Cotangent) -> Any:
        if isinstance(g, Structured):
            return NotImplemented
        left = matrix(g)
        out = np.zeros((len(left), self.shape[-1]), np.result_type(self.dtype, left))
        for some, block in self.blocks():
            out += left[:, some] @ block
        return out.reshape(*g.shape[:-1], self.shape[-1])

    def contract(self, x: Any) -> Any:
        if isinstance(x, Structured) and not isinstance(x, Blockwise):
            return NotImplemented
        sums = np.zeros((self.shape[-1], x.shape[-1]), np.result_type(self.dtype, x.dtype))
        for some, block in self.blocks():
            sums += block.T @ (x.rows(some.start, some.stop) if isinstance(x, Blockwise) else matrix(x)[some])
        return sums

    def contract_into(self, g: Cotangent) -> Any:
        if isinstance(g, Structured):
            return NotImplemented
        left = matrix(g)
        sums = np.zeros((g.shape[-1], self.shape[-1]), np.result_type(self.dtype, left))
        for some, block in self.blocks():
            sums += left[some].T @ block
        return sums

    # A block of whole batches at a time, where the other operand has the same batches.

    def multiply_batches(self, b: Cotangent) -> Any:
        return self._each_batch(b, (self.shape[-2], b.shape[-2]), lambda g, other: g @ swap(other))

    def multiply_batches_into(self, g: Cotangent) -> Any:
        return self._each_batch(g, (g.shape[-2], self.shape[-2]), lambda b, other: other @ swap(b))

    def contract_batches(self, g: Cotangent) -> Any:
        return self._each_batch(g, (self.shape[-1], g.shape[-1]), lambda a, other: swap(a) @ other)

    def contract_batches_into(self, a: Cotangent) -> Any:
        return self._each_batch(a, (a.shape[-1], self.shape[-1]), lambda g, other: swap(other) @ g)

    def _each_batch(self, other: Cotangent, last: Shape, product: Any) -> Any:
        lead, (rows, columns) = self.shape[:-2], self.shape[-2:]
        if isinstance(other, Structured) or other.shape[:-2] != lead or not rows:
            return NotImplemented
        batches = other.reshape(math.prod(lead), *other.shape[-2:])
        out = np.empty((len(batches), *last), np.result_type(self.dtype, other))
        for some, block in self.blocks(rows):
            here = slice(some.start // rows, some.stop // rows)
            out[here] = product(block.reshape(-1, rows, columns), batches[here])
        return out.reshape(*lead, *last)
