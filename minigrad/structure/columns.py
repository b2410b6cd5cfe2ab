"""Columns: some columns of a matrix, the others zero. The transpose is `Rows`.

G W needs the same rows of W; Gᵀ X has only r rows that are not zero: both products shrink by r/m.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad.structure.base import Cotangent, Kept, Structured
from minigrad.structure.batched import contract_batches, multiply_batches
from minigrad.structure.indices import common, spread_columns
from minigrad.structure.parts import column_sums, row_squares, take_columns, take_rows
from minigrad.structure.products import contract, dense, matrix, matrix_shape, multiply, reshape_rows
from minigrad.structure.rows import Rows
from minigrad.typing import Array, Shape

__all__ = ["Columns"]


class Columns(Structured):
    """Some columns (entries of the last axis); the others are zero.

    Parameters
    ----------
    values : ndarray, shape (rows, r)
        The kept columns, rescaled.
    indices : ndarray of int, shape (r,)
        Which columns they are, increasing.
    shape : tuple of int
        The shape of the whole cotangent.

    Examples
    --------
    >>> Columns(np.array([[5.0], [6.0]]), np.array([1]), (2, 3)).dense().tolist()
    [[0.0, 5.0, 0.0], [0.0, 6.0, 0.0]]
    """

    __slots__ = ("indices", "values")
    multiplies = True

    def __init__(self, values: Array, indices: Array, shape: Shape):
        self.values, self.indices, self.shape = values, indices, shape

    @classmethod
    def gather(cls, g: Array, indices: Array, scale: Array) -> Columns:
        """Some columns of an array, each times its scale."""
        values = matrix(g).take(indices, 1, mode="clip")
        values *= scale
        return cls(values, indices, g.shape)

    @staticmethod
    def count(shape: Shape) -> int:
        """The number of columns of an array of this shape."""
        return shape[-1] if shape else 1

    @classmethod
    def units(cls, kept: Kept, shape: Shape) -> int:
        return matrix_shape(shape)[1]

    @property
    def parts(self) -> tuple[Array, ...]:
        return (self.values, self.indices)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.values.dtype

    @property
    def thin(self) -> Any:
        """The kept columns with the leading axes of ``shape``."""
        return reshape_rows(self.values, self.shape[:-1])

    def dense(self) -> Array:
        return spread_columns(dense(self.values), self.indices, matrix_shape(self.shape)[1]).reshape(self.shape)

    def astype(self, dtype: DTypeLike) -> Columns:
        return Columns(self.values.astype(dtype, copy=False), self.indices, self.shape)

    def reshaped(self, lead: Shape) -> Columns:
        return Columns(self.values, self.indices, (*lead, self.shape[-1]))

    def transposed(self) -> Rows:
        return Rows(self.values.T, self.indices, self.shape[::-1])

    def scaled(self, factor: float) -> Columns:
        return Columns(self.values * self.dtype.type(factor), self.indices, self.shape)

    def column_sums(self) -> Array:
        return spread_columns(column_sums(self.values), self.indices, self.shape[-1])

    def row_squares(self) -> Array:
        return row_squares(self.values).reshape(self.shape[:-1])

    def sum_to(self, shape: Shape) -> Any:
        extra = len(self.shape) - len(shape)
        if extra < 0 or not shape or shape[-1] != self.shape[-1]:
            return NotImplemented
        axes = tuple([k for k, n in enumerate((1,) * extra + shape[:-1]) if n != self.shape[k]])
        if any(k >= extra and shape[k - extra] != 1 for k in axes):
            return NotImplemented
        values = self.thin.sum(axis=axes)
        return Columns(values.reshape(math.prod(shape[:-1]), len(self.indices)), self.indices, shape)

    def take_rows(self, indices: Array) -> Columns:
        return Columns(take_rows(self.values, indices), self.indices, (len(indices), self.shape[-1]))

    def take_columns(self, indices: Array) -> Columns:
        here, there = common(self.indices, indices)
        return Columns(self.values[:, here], there, (*self.shape[:-1], len(indices)))

    def take_samples(self, indices: Array) -> Columns:
        return Columns(matrix(np.take(self.thin, indices, axis=0)), self.indices, (len(indices), *self.shape[1:]))

    def multiply(self, w: Cotangent) -> Any:
        return reshape_rows(multiply(self.values, take_rows(w, self.indices)), self.shape[:-1])

    def multiply_into(self, g: Cotangent) -> Structured:
        return self._in_their_columns(multiply(g, self.values), (*g.shape[:-1], self.shape[-1]))

    def contract(self, x: Cotangent) -> Rows:
        kept = dense(contract(self.thin, x))
        return Rows(kept, self.indices, (self.shape[-1], x.shape[-1]))

    def contract_into(self, g: Cotangent) -> Structured:
        return self._in_their_columns(contract(g, self.thin), (g.shape[-1], self.shape[-1]))

    def _in_their_columns(self, few: Cotangent, shape: Shape) -> Structured:
        """A product with the kept columns alone, put into the places of these columns."""
        if isinstance(few, Rows):
            return Rows(spread_columns(few.values, self.indices, shape[-1]), few.indices, shape)
        return Columns(matrix(dense(few)), self.indices, shape)

    # The same columns in every batch, so the products stay whole and only get thinner.

    def narrow(self, w: Array) -> tuple[Array, Array]:
        return self.thin, np.take(w, self.indices, axis=-1)

    def multiply_batches(self, b: Cotangent) -> Any:
        return multiply_batches(self.thin, take_columns(b, self.indices))

    def multiply_batches_into(self, g: Cotangent) -> Any:
        return multiply_batches(take_columns(g, self.indices), self.thin)

    def contract_batches(self, g: Cotangent) -> Rows:
        few = dense(contract_batches(self.thin, g))
        lead, n = few.shape[:-2], self.shape[-1]
        indices = (np.arange(math.prod(lead))[:, None] * n + self.indices).ravel()
        return Rows(matrix(few), indices, (*lead, n, few.shape[-1]))

    def contract_batches_into(self, a: Cotangent) -> Columns:
        few = dense(contract_batches(a, self.thin))
        return Columns(matrix(few), self.indices, (*few.shape[:-1], self.shape[-1]))


Rows.transposes_to = Columns
