"""Factors: a matrix of low rank as the product of two thin ones, G = L R, multiplied from the thin side."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad.structure.base import Cotangent, Kept, Structured
from minigrad.structure.batched import contract_batches, multiply_batches, swap
from minigrad.structure.parts import column_sums, take_columns, take_rows, take_samples
from minigrad.structure.products import contract, dense, matrix, matrix_shape, multiply, reshape_rows
from minigrad.typing import Array, Shape

__all__ = ["Factors"]


class Factors(Structured):
    """A cotangent of low rank, as the product of two thin matrices.

    Parameters
    ----------
    left : ndarray, shape (rows, r)
    right : ndarray, shape (r, columns)
        The cotangent, as a matrix, is ``left @ right``.
    shape : tuple of int
        The shape of the whole cotangent.

    Examples
    --------
    >>> Factors(np.array([[1.0], [2.0]]), np.array([[3.0, 4.0]]), (2, 2)).dense().tolist()
    [[3.0, 4.0], [6.0, 8.0]]
    """

    __slots__ = ("left", "right")
    multiplies = True

    def __init__(self, left: Array, right: Array, shape: Shape):
        self.left, self.right, self.shape = left, right, shape

    @classmethod
    def expected_bytes(cls, kept: Kept, shape: Shape, itemsize: int) -> float:
        rows, columns = matrix_shape(shape)
        return kept.value_bytes(kept.fraction * min(rows, columns) * (rows + columns), itemsize)

    @property
    def parts(self) -> tuple[Array, ...]:
        return (self.left, self.right)

    @property
    def rank(self) -> int:
        """The number of columns of ``left``, an upper bound on the rank."""
        return int(self.left.shape[1])

    @property
    def thin(self) -> Any:
        """``left`` with the leading axes of ``shape``."""
        return reshape_rows(self.left, self.shape[:-1])

    def dense(self) -> Array:
        return np.asarray(dense(self.left) @ self.right).reshape(self.shape)

    def astype(self, dtype: DTypeLike) -> Factors:
        return Factors(self.left.astype(dtype, copy=False), self.right.astype(dtype, copy=False), self.shape)

    def reshaped(self, lead: Shape) -> Factors:
        return Factors(self.left, self.right, (*lead, self.shape[-1]))

    def transposed(self) -> Factors:
        return Factors(self.right.T, self.left.T, self.shape[::-1])

    def scaled(self, factor: float) -> Factors:
        return Factors(self.left, self.right * self.dtype.type(factor), self.shape)

    def column_sums(self) -> Array:
        return np.asarray(column_sums(self.left) @ self.right)

    def row_squares(self) -> Array:
        gram = self.right.astype(np.float64) @ self.right.T
        squares = np.einsum("ik,ik->i", self.left @ gram, self.left)
        return np.maximum(squares, 0).reshape(self.shape[:-1])

    def take_rows(self, indices: Array) -> Factors:
        return Factors(take_rows(self.left, indices), self.right, (len(indices), self.shape[-1]))

    def take_columns(self, indices: Array) -> Factors:
        return Factors(self.left, take_columns(self.right, indices), (*self.shape[:-1], len(indices)))

    def take_samples(self, indices: Array) -> Factors:
        left = take_samples(self.thin, indices)
        return Factors(matrix(left), self.right, (len(indices), *self.shape[1:]))

    def multiply(self, w: Cotangent) -> Any:
        return reshape_rows(multiply(self.left, multiply(self.right, w)), self.shape[:-1])

    def multiply_into(self, g: Cotangent) -> Any:
        return multiply(multiply(g, self.left), self.right)

    def contract(self, x: Cotangent) -> Any:
        return multiply(self.right.T, contract(self.thin, x))

    def contract_into(self, g: Cotangent) -> Any:
        return multiply(contract(g, self.thin), self.right)

    # One R for all batches; L stays thin in each.

    def narrow(self, w: Array) -> tuple[Array, Array]:
        return self.thin, w @ self.right.T

    def multiply_batches(self, b: Cotangent) -> Any:
        if isinstance(b, Structured):
            return multiply_batches(self.thin, multiply(b, self.right.T))
        return self.thin @ (self.right @ swap(b))

    def multiply_batches_into(self, g: Cotangent) -> Any:
        return multiply_batches(multiply(g, self.right.T), self.thin)

    def contract_batches(self, g: Cotangent) -> Any:
        return contract_batches(self.right, contract_batches(self.thin, g))

    def contract_batches_into(self, a: Cotangent) -> Any:
        return multiply(contract_batches(a, self.thin), self.right)
