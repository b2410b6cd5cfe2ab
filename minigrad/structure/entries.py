"""Entries: some single entries of a matrix, the others zero. Products are those of sparse matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad.structure.base import Cotangent, Kept, Structured
from minigrad.structure.batched import swap
from minigrad.structure.indices import placed
from minigrad.structure.products import dense, matrix, matrix_shape, reshape_rows
from minigrad.typing import Array, Shape

__all__ = ["SPARSE", "Entries", "sparse_pays"]

SPARSE = 0.02
"""Where more entries of a batched product were kept than this fraction, the small products are faster left whole."""

SMALL = 1e6
"""Multiply-adds of a whole product, below which it takes no longer than making a sparse matrix."""

LONG = 256
"""Columns of the other operand, from which on an entry meets so many at once that `LONG_SPARSE` are still few."""

LONG_SPARSE = 0.05


def sparse_pays(kept: float, size: int, width: int) -> bool:
    """True if a product is faster sparse than whole, as measured: the rules and the cost model ask it.

    Parameters
    ----------
    kept, size : float
        How many entries were kept, and of how many.
    width : int
        Columns of the other operand: multiply-adds of each entry.

    Examples
    --------
    >>> sparse_pays(2_000, 100_000, 64), sparse_pays(5_000, 100_000, 64), sparse_pays(5_000, 100_000, 512)
    (True, False, True)
    """
    return size * width >= SMALL and kept <= size * (LONG_SPARSE if width >= LONG else SPARSE)


class Entries(Structured):
    """Some single entries; the others are zero.

    Parameters
    ----------
    values : ndarray, shape (k,)
        The kept entries, rescaled.
    indices : ndarray of int, shape (k,)
        Their positions in the flattened (C order) cotangent, increasing.
    shape : tuple of int
        The shape of the whole cotangent.

    Examples
    --------
    >>> Entries(np.array([5.0]), np.array([3]), (2, 2)).dense().tolist()
    [[0.0, 0.0], [0.0, 5.0]]
    """

    __slots__ = ("indices", "values")
    multiplies = True

    def __init__(self, values: Array, indices: Array, shape: Shape):
        self.values, self.indices, self.shape = values, indices, shape

    @classmethod
    def gather(cls, g: Array, indices: Array, scale: Array) -> Entries:
        """Some entries of an array, each times its scale."""
        values = np.take(g.reshape(-1), indices, mode="clip")
        values *= scale
        return cls(values, indices, g.shape)

    @classmethod
    def units(cls, kept: Kept, shape: Shape) -> int:
        return math.prod(shape)

    @property
    def parts(self) -> tuple[Array, ...]:
        return (self.values, self.indices)

    def sparse(self) -> Any:
        """The cotangent as a SciPy CSR matrix of shape (rows, columns)."""
        import scipy.sparse  # here, so that importing minigrad does not import SciPy

        rows, columns = matrix_shape(self.shape)
        row, column = np.divmod(self.indices, columns)
        starts = np.searchsorted(row, np.arange(rows + 1))
        return scipy.sparse.csr_matrix((self.values, column, starts), shape=(rows, columns))

    def dense(self) -> Array:
        out = np.zeros(math.prod(self.shape), self.values.dtype)
        out[self.indices] = self.values
        return out.reshape(self.shape)

    def astype(self, dtype: DTypeLike) -> Entries:
        return Entries(self.values.astype(dtype, copy=False), self.indices, self.shape)

    def reshaped(self, lead: Shape) -> Entries:
        return Entries(self.values, self.indices, (*lead, self.shape[-1]))

    def scaled(self, factor: float) -> Entries:
        return Entries(self.values * self.dtype.type(factor), self.indices, self.shape)

    def column_sums(self) -> Array:
        columns = self.shape[-1]
        return np.bincount(self.indices % columns, self.values, columns).astype(self.dtype, copy=False)

    def row_squares(self) -> Array:
        squares = np.square(self.values, dtype=np.float64)
        rows, columns = matrix_shape(self.shape)
        return np.bincount(self.indices // columns, squares, rows).reshape(self.shape[:-1])

    def take_rows(self, indices: Array) -> Entries:
        columns = self.shape[-1]
        row, column = np.divmod(self.indices, columns)
        kept, at = placed(row, indices)
        return Entries(self.values[kept], at * columns + column[kept], (len(indices), columns))

    def take_columns(self, indices: Array) -> Entries:
        row, column = np.divmod(self.indices, self.shape[-1])
        kept, at = placed(column, indices)
        return Entries(self.values[kept], row[kept] * len(indices) + at, (*self.shape[:-1], len(indices)))

    def take_samples(self, indices: Array) -> Entries:
        each = math.prod(self.shape[1:])
        shape = (len(indices), *self.shape[1:])
        if len(indices) and indices[-1] - indices[0] == len(indices) - 1:  # a block of samples
            low, high = np.searchsorted(self.indices, (indices[0] * each, (indices[-1] + 1) * each))
            return Entries(self.values[low:high], self.indices[low:high] - indices[0] * each, shape)
        sample, within = np.divmod(self.indices, each)
        kept, at = placed(sample, indices)
        return Entries(self.values[kept], at * each + within[kept], shape)

    def _pays(self, width: int) -> bool:
        return sparse_pays(len(self.indices), math.prod(self.shape), width)

    # Another structure than this reduces the product first, and meets these entries again with an array.

    def multiply(self, w: Cotangent) -> Any:
        if (isinstance(w, Structured) and not isinstance(w, Entries)) or not self._pays(w.shape[-1]):
            return NotImplemented
        return reshape_rows(np.asarray(self.sparse() @ dense(w)), self.shape[:-1])

    def multiply_into(self, g: Cotangent) -> Any:
        if isinstance(g, Structured) or not self._pays(math.prod(g.shape[:-1])):
            return NotImplemented
        return reshape_rows(np.asarray(self.sparse().T @ matrix(g).T).T, g.shape[:-1])

    def contract(self, x: Cotangent) -> Any:
        if (isinstance(x, Structured) and not isinstance(x, Entries)) or not self._pays(x.shape[-1]):
            return NotImplemented
        if isinstance(x, Entries):
            return np.asarray((self.sparse().T @ x.sparse()).toarray())
        return np.asarray(self.sparse().T @ matrix(x))

    def contract_into(self, g: Cotangent) -> Any:
        if isinstance(g, Structured) or not self._pays(g.shape[-1]):
            return NotImplemented
        return np.asarray(self.sparse().T @ matrix(g)).T

    def multiply_batches(self, b: Cotangent) -> Any:
        if isinstance(b, Structured) or (sparse := self._blocks(b)) is None:
            return NotImplemented
        return np.asarray(sparse @ matrix(swap(b))).reshape(*self.shape[:-1], b.shape[-2])

    def contract_batches_into(self, a: Cotangent) -> Any:
        if isinstance(a, Structured) or (sparse := self._blocks(a)) is None:
            return NotImplemented
        out = np.asarray(sparse.T @ matrix(a))
        return swap(out.reshape(*self.shape[:-2], self.shape[-1], a.shape[-1]))

    def _blocks(self, other: Array) -> Any:
        """A block-diagonal matrix that meets the operands of all batches at once; None where that does not pay."""
        lead, (rows, columns) = self.shape[:-2], self.shape[-2:]
        if other.shape[:-2] != lead or len(self.indices) > SPARSE * math.prod(self.shape):
            return None
        batches = math.prod(lead)
        batch, within = np.divmod(self.indices, rows * columns)
        at = (batch * rows + within // columns) * (batches * columns) + batch * columns + within % columns
        return Entries(self.values, at, (batches * rows, batches * columns)).sparse()
