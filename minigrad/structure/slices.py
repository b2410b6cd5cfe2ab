"""Slices: some entries of one axis of an array, the same ones for all other axes, the others zero.

Heads of attention are slices along axis −3 of (N, heads, tokens, features), tokens along axis −2. Along an axis of
batches all products shrink by k/n. Along axis −2 slices are kept rows, the same ones in every batch: G Bᵀ has these
rows alone, Aᵀ G needs the same rows of A.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad.structure.base import Cotangent, Kept, Structured
from minigrad.structure.batched import contract_batches, multiply_batches
from minigrad.structure.columns import Columns
from minigrad.structure.indices import common
from minigrad.structure.parts import column_sums, sum_to, take_columns
from minigrad.structure.products import contract, dense, matrix, multiply
from minigrad.structure.rows import Rows
from minigrad.typing import Array, Shape

__all__ = ["Slices"]


class Slices(Structured):
    """Some entries of one axis before the last; the others are zero.

    Parameters
    ----------
    values : ndarray
        Of the shape of the whole, with k entries along the axis: those that are kept, rescaled.
    indices : ndarray of int, shape (k,)
        Which entries they are, increasing.
    shape : tuple of int
        The shape of the whole cotangent.
    axis : int
        Counted from the end: −2 or before.

    Examples
    --------
    >>> kept = Slices(np.ones((2, 1, 3)), np.array([1]), (2, 2, 3), -2)
    >>> kept.dense()[0].tolist()
    [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """

    __slots__ = ("axis", "indices", "values")
    multiplies = True

    def __init__(self, values: Array, indices: Array, shape: Shape, axis: int):
        self.values, self.indices, self.shape, self.axis = values, indices, shape, axis

    @classmethod
    def gather(cls, g: Array, indices: Array, scale: Array, axis: int) -> Slices:
        """Some entries along an axis of an array, each times its scale."""
        values = np.take(g, indices, axis=axis, mode="clip")
        values *= scale.reshape(-1, *(1,) * (-axis - 1))
        return cls(values, indices, g.shape, axis)

    @classmethod
    def units(cls, kept: Kept, shape: Shape) -> int:
        return 1 if kept.axis is None else shape[kept.axis]

    @property
    def parts(self) -> tuple[Array, ...]:
        return (self.values, self.indices)

    def dense(self) -> Array:
        out = np.zeros(self.shape, self.dtype)
        np.moveaxis(out, self.axis, 0)[self.indices] = np.moveaxis(self.values, self.axis, 0)
        return out

    def astype(self, dtype: DTypeLike) -> Slices:
        return self.holding(self.values.astype(dtype, copy=False))

    def holding(self, values: Array) -> Slices:
        """The same slices of an array with other values, whose other axes may have other lengths.

        Examples
        --------
        >>> Slices(np.ones((2, 1, 3)), np.array([1]), (2, 2, 3), -2).holding(np.ones((2, 1, 5))).shape
        (2, 2, 5)
        """
        whole = list(values.shape)
        whole[self.axis] = self.shape[self.axis]
        return Slices(values, self.indices, tuple(whole), self.axis)

    def of(self, x: Cotangent) -> Any:
        """The same slices of another array of any structure; all of it where it is broadcast along the axis."""
        if not self.along(x.shape):
            return x
        if isinstance(x, Slices) and x.axis == self.axis:
            here, there = common(x.indices, self.indices)
            few = np.take(x.values, here, axis=self.axis)
            shape = list(x.shape)
            shape[self.axis] = len(self.indices)
            return Slices(few, there, tuple(shape), self.axis)
        return np.take(dense(x), self.indices, axis=self.axis)

    def along(self, shape: Shape) -> bool:
        """True if an array of this shape has the whole axis."""
        return len(shape) >= -self.axis and shape[self.axis] == self.shape[self.axis]

    def fits(self, shape: Shape) -> bool:
        """True if an array of this shape has the whole axis, or is broadcast along it.

        Examples
        --------
        >>> kept = Slices(np.ones((2, 1, 3)), np.array([1]), (2, 2, 3), -2)
        >>> kept.fits((2, 2, 5)), kept.fits((3,)), kept.fits((4, 5))
        (True, True, False)
        """
        return len(shape) < -self.axis or shape[self.axis] in (1, self.shape[self.axis])

    def permuted(self, order: tuple[int, ...]) -> Structured:
        """The axes in another order; `Columns` where the kept one comes last.

        Examples
        --------
        >>> kept = Slices(np.ones((2, 1, 3)), np.array([1]), (2, 2, 3), -2)
        >>> kept.permuted((1, 0, 2)).axis, kept.permuted((0, 2, 1))
        (-3, Columns(shape=(2, 3, 2), dtype=float64, stored 6×1, 1))
        """
        values, shape = self.values.transpose(order), tuple([self.shape[a] for a in order])
        axis = order.index(len(self.shape) + self.axis) - len(order)
        if axis == -1:
            return Columns(matrix(values), self.indices, shape)
        return Slices(values, self.indices, shape, axis)

    def refolded(self, shape: Shape) -> Cotangent:
        """The same values in another shape.

        A kept axis that is merged with all that follow leaves `Columns`, one merged with those before it `Rows`.

        Examples
        --------
        >>> kept = Slices(np.ones((2, 1, 3)), np.array([1]), (2, 2, 3), -2)
        >>> kept.refolded((2, 1, 2, 3)).axis, kept.refolded((2, 6)).indices.tolist()
        (-2, [3, 4, 5])
        >>> kept.refolded((4, 3)).indices.tolist()
        [1, 3]
        """
        at, few = len(self.shape) + self.axis, len(self.indices)
        length, before, after = self.shape[at], math.prod(self.shape[:at]), math.prod(self.shape[at + 1 :])
        for k, n in enumerate(shape[:-1]):
            if n == length and math.prod(shape[:k]) == before and len(shape) > 2:
                values = self.values.reshape(*shape[:k], few, *shape[k + 1 :])
                return Slices(values, self.indices, shape, k - len(shape))
        if shape and math.prod(shape[:-1]) == before:
            places = (self.indices[:, None] * after + np.arange(after)).ravel()
            return Columns(self.values.reshape(before, few * after), places, shape)
        if shape[-1:] == (after,):
            places = (np.arange(before)[:, None] * length + self.indices).ravel()
            return Rows(self.values.reshape(before * few, after), places, shape)
        return self.dense().reshape(shape)

    def scaled(self, factor: float) -> Slices:
        return self.holding(self.values * self.dtype.type(factor))

    def plus(self, other: Cotangent) -> Any:
        if not isinstance(other, Slices) or self.axis != other.axis or not np.array_equal(self.indices, other.indices):
            return NotImplemented
        return self.holding(self.values + other.values)

    def column_sums(self) -> Array:
        return column_sums(self.values)

    def sum_to(self, shape: Shape) -> Any:
        few = list(shape)
        if self.along(shape):
            few[self.axis] = len(self.indices)
        elif not self.fits(shape):
            return NotImplemented
        values = sum_to(self.values, tuple(few))
        if values is None:
            return NotImplemented
        if not self.along(shape):
            return values
        return self.holding(values) if len(shape) > 2 else Rows(values, self.indices, shape)

    def take_columns(self, indices: Array) -> Slices:
        return self.holding(take_columns(self.values, indices))

    def take_samples(self, indices: Array) -> Any:
        if self.axis == -len(self.shape):
            return NotImplemented
        return self.holding(np.take(self.values, indices, axis=0))

    def multiply(self, w: Cotangent) -> Slices:
        return self.holding(dense(multiply(self.values, w)))

    def contract(self, x: Cotangent) -> Any:
        return contract(self.values, self.of(x)) if x.shape[:-1] == self.shape[:-1] else NotImplemented

    def contract_into(self, g: Cotangent) -> Any:
        return contract(self.of(g), self.values) if g.shape[:-1] == self.shape[:-1] else NotImplemented

    # Along axis −2 slices are the same rows in every batch; along any other whole batches.

    def multiply_batches(self, b: Cotangent) -> Any:
        if self.axis == -2:
            return self.holding(dense(multiply_batches(self.values, b)))
        return self.holding(dense(multiply_batches(self.values, self.of(b)))) if self.fits(b.shape) else NotImplemented

    def multiply_batches_into(self, g: Cotangent) -> Any:
        if self.axis == -2:
            few = dense(multiply_batches(g, self.values))
            return Columns(matrix(few), self.indices, (*few.shape[:-1], self.shape[-2]))
        return self.holding(dense(multiply_batches(self.of(g), self.values))) if self.fits(g.shape) else NotImplemented

    def contract_batches(self, g: Cotangent) -> Any:
        if not self.fits(g.shape):
            return NotImplemented
        few = dense(contract_batches(self.values, self.of(g)))
        return few if self.axis == -2 else self.holding(few)

    def contract_batches_into(self, a: Cotangent) -> Any:
        if not self.fits(a.shape):
            return NotImplemented
        few = dense(contract_batches(self.of(a), self.values))
        return few if self.axis == -2 else self.holding(few)
