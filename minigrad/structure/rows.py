"""Rows: some rows or samples of a matrix, the others zero.

G W has the same rows alone; Gᵀ X needs the same rows of X: both products shrink by r/B.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from minigrad.structure.base import Cotangent, Kept, Structured
from minigrad.structure.batched import contract_batches, multiply_batches, visits, visits_pay
from minigrad.structure.indices import common
from minigrad.structure.parts import column_sums, row_squares, take_columns, take_rows, take_samples
from minigrad.structure.products import contract, dense, matrix, matrix_shape, multiply
from minigrad.typing import Array, Shape

__all__ = ["Rows"]


class Rows(Structured):
    """Some rows, or some samples; the others are zero.

    The shape of ``values`` tells how many leading axes the indices run over: ``(k, m)`` are k rows of
    the matrix with all leading axes flattened, ``(k,) + shape[1:]`` are k samples.

    Parameters
    ----------
    values : ndarray, shape (k, ...)
        The kept rows, rescaled; the trailing axes are the last axes of ``shape``.
    indices : ndarray of int, shape (k,)
        Which rows they are, increasing.
    shape : tuple of int
        The shape of the whole cotangent.

    Examples
    --------
    >>> Rows(np.array([[5.0, 6.0]]), np.array([2]), (3, 2)).dense().tolist()
    [[0.0, 0.0], [0.0, 0.0], [5.0, 6.0]]
    """

    __slots__ = ("indices", "values")
    multiplies = True
    transposes_to: ClassVar[Callable[..., Structured]]
    """`Columns`, which is defined above this file, and says so there."""

    def __init__(self, values: Array, indices: Array, shape: Shape):
        self.values, self.indices, self.shape = values, indices, shape

    @classmethod
    def gather(cls, g: Array, indices: Array, scale: Array) -> Rows:
        """Some rows of an array, each times its scale."""
        values = np.take(matrix(g), indices, axis=0, mode="clip")
        values *= scale[:, None]
        return cls(values, indices, g.shape)

    @classmethod
    def gather_samples(cls, g: Array, indices: Array, scale: Array) -> Rows:
        """Some samples of an array with two axes at least, each times its scale."""
        values = np.take(g, indices, axis=0, mode="clip")
        values *= scale.reshape(-1, *(1,) * (values.ndim - 1))
        return cls(values, indices, g.shape)

    @staticmethod
    def count(shape: Shape) -> int:
        """The number of rows of an array of this shape."""
        return math.prod(shape[:-1])

    @classmethod
    def units(cls, kept: Kept, shape: Shape) -> int:
        return matrix_shape(shape)[0]

    @property
    def parts(self) -> tuple[Array, ...]:
        return (self.values, self.indices)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.values.dtype

    @property
    def trailing(self) -> Shape:
        """The shape of one kept row (or sample)."""
        return self.values.shape[1:]

    @property
    def whole_samples(self) -> bool:
        """True if what was kept are samples: entries of the first axis.

        Examples
        --------
        >>> Rows(np.ones((1, 3, 2)), np.array([4]), (5, 3, 2)).whole_samples
        True
        >>> Rows(np.ones((1, 2)), np.array([4]), (5, 3, 2)).whole_samples
        False
        """
        return self.values.ndim == len(self.shape)

    @property
    def unfolded(self) -> Rows:
        """Kept samples as kept rows."""
        if self.values.ndim == 2:
            return self
        each = math.prod(self.trailing[:-1])
        indices = (self.indices[:, None] * each + np.arange(each)).ravel()
        return Rows(matrix(self.values), indices, self.shape)

    def take(self, array: Array) -> Array:
        """The same rows of another array with the same leading axes."""
        lead = len(self.shape) - len(self.trailing)
        if lead == 1:
            return np.take(array, self.indices, axis=0)
        return np.take(array.reshape(math.prod(array.shape[:lead]), *array.shape[lead:]), self.indices, axis=0)

    def pick(self, x: Cotangent) -> Any:
        """The same rows of another matrix of any structure."""
        if not isinstance(x, Structured):
            return self.take(x)
        if self.whole_samples and len(self.shape) == len(x.shape):
            return take_samples(x, self.indices)
        return take_rows(x, self.unfolded.indices)

    def dense(self) -> Array:
        lead = self.shape[: len(self.shape) - len(self.trailing)]
        out = np.zeros((math.prod(lead), *self.trailing), self.dtype)
        out[self.indices] = self.values
        return out.reshape(self.shape)

    def astype(self, dtype: DTypeLike) -> Rows:
        return Rows(self.values.astype(dtype, copy=False), self.indices, self.shape)

    def reshaped(self, lead: Shape) -> Rows:
        rows = self.unfolded
        return Rows(rows.values, rows.indices, (*lead, self.shape[-1]))

    def transposed(self) -> Structured:
        return Rows.transposes_to(self.values.T, self.indices, self.shape[::-1])

    def scaled(self, factor: float) -> Rows:
        return Rows(self.values * self.dtype.type(factor), self.indices, self.shape)

    def plus(self, other: Cotangent) -> Any:
        if not isinstance(other, Rows) or self.values.shape != other.values.shape:
            return NotImplemented
        if not np.array_equal(self.indices, other.indices):
            return NotImplemented
        return Rows(self.values + other.values, self.indices, self.shape)

    def column_sums(self) -> Array:
        return column_sums(self.values)

    def row_squares(self) -> Array:
        return Rows(row_squares(self.values), self.indices, self.shape[:-1]).dense()

    def sum_to(self, shape: Shape) -> Any:
        """Summed over its rows it is an array; where every row has an input of its own, it stays Rows.

        Examples
        --------
        >>> g = Rows(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0, 2]), (3, 2))
        >>> g.sum_to((2,)).tolist(), g.sum_to((3, 1))
        ([4.0, 6.0], Rows(shape=(3, 1), dtype=float64, stored 2×1, 2))
        """
        if len(shape) > len(self.shape):
            return NotImplemented
        lead = len(self.shape) - len(self.trailing)
        full = (1,) * (len(self.shape) - len(shape)) + shape
        inner = [1 + k for k, n in enumerate(full[lead:]) if n != self.trailing[k]]
        if any(full[lead - 1 + k] != 1 for k in inner):
            return NotImplemented
        if full[:lead] == self.shape[:lead] and len(shape) == len(self.shape):
            return Rows(self.values.sum(axis=tuple(inner), keepdims=True), self.indices, shape)
        if any(n != 1 for n in full[:lead]):
            return NotImplemented
        return np.asarray(self.values.sum(axis=(0, *inner))).reshape(shape)

    def take_rows(self, indices: Array) -> Rows:
        rows = self.unfolded
        here, there = common(rows.indices, indices)
        return Rows(rows.values[here], there, (len(indices), self.shape[-1]))

    def take_columns(self, indices: Array) -> Rows:
        return Rows(take_columns(self.values, indices), self.indices, (*self.shape[:-1], len(indices)))

    def take_samples(self, indices: Array) -> Any:
        shape = (len(indices), *self.shape[1:])
        if self.whole_samples:
            here, there = common(self.indices, indices)
            return Rows(self.values[here], there, shape)
        each = math.prod(shape[1:-1])
        part = self.take_rows((indices[:, None] * each + np.arange(each)).ravel())
        return Rows(part.values, part.indices, shape)

    def multiply(self, w: Cotangent) -> Rows:
        return Rows(dense(multiply(self.values, w)), self.indices, (*self.shape[:-1], w.shape[-1]))

    def multiply_into(self, g: Cotangent) -> Any:
        return multiply(take_columns(g, self.indices), self.values)

    def contract(self, x: Cotangent) -> Any:
        return contract(self.values, self.pick(x))

    def contract_into(self, g: Cotangent) -> Any:
        return contract(self.pick(g), self.values)

    # Rows differ from batch to batch. Kept samples are whole batches; else batches are visited one by one.

    def own_samples(self, other: Cotangent) -> bool:
        """True if whole samples were kept, and every sample has an operand of its own, as in attention."""
        return self.whole_samples and len(self.shape) > 2 and other.shape[:-2] == self.shape[:-2]

    def multiply_batches(self, b: Cotangent) -> Any:
        shape = (*self.shape[:-1], b.shape[-2])
        if self.own_samples(b):
            return Rows(dense(multiply_batches(self.values, take_samples(b, self.indices))), self.indices, shape)
        if not self._few(b.shape[-2]) or b.shape[:-2] not in (self.shape[:-2], ()):
            return NotImplemented
        whole, rows = dense(b), self.unfolded
        out = np.zeros(shape, self.dtype)
        for kept, first, at in visits(rows.indices, self.shape[:-2], self.shape[-2]):
            out[at][rows.indices[kept] - first] = rows.values[kept] @ whole[at if whole.ndim > 2 else ()].T
        return out

    def multiply_batches_into(self, g: Cotangent) -> Any:
        if not self.own_samples(g):
            return NotImplemented
        out = dense(multiply_batches(take_samples(g, self.indices), self.values))
        return Rows(out, self.indices, (*g.shape[:-1], self.shape[-2]))

    def contract_batches(self, g: Cotangent) -> Any:
        if not self.own_samples(g):
            return NotImplemented
        out = dense(contract_batches(self.values, take_samples(g, self.indices)))
        return Rows(out, self.indices, (*g.shape[:-2], self.shape[-1], g.shape[-1]))

    def contract_batches_into(self, a: Cotangent) -> Any:
        shape = (*self.shape[:-2], a.shape[-1], self.shape[-1])
        if self.own_samples(a):
            return Rows(dense(contract_batches(take_samples(a, self.indices), self.values)), self.indices, shape)
        if not self._few(a.shape[-1]) or a.shape[:-2] not in (self.shape[:-2], ()):
            return NotImplemented
        whole, rows = dense(a), self.unfolded
        out = np.zeros(shape, self.dtype)
        for kept, first, at in visits(rows.indices, self.shape[:-2], self.shape[-2]):
            out[at] = whole[at if whole.ndim > 2 else ()][rows.indices[kept] - first].T @ rows.values[kept]
        return out

    def _few(self, inner: int) -> bool:
        """True if so little was kept that batches are visited one by one; without batches there is one visit."""
        lead = self.shape[:-1]
        fraction = len(self.indices) * math.prod(self.trailing[:-1]) / max(math.prod(lead), 1)
        return math.prod(lead[:-1]) == 1 or visits_pay(lead[-1], inner, self.shape[-1], fraction)
