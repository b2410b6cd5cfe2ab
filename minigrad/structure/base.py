"""The base of structured matrices: what is stored, and the products that it takes part in.

Index conventions: the last axis of G holds its m *columns* (features); all axes before it, flattened, are its B *rows*;
the first axis holds the *samples*. Values are stored already rescaled, so that a structured matrix simply *is* the
array that ``dense()`` writes out.

A structure needs ``parts``, ``dense`` and ``astype``. Whatever else it can do cheaply it says in the methods of
`Structured`; the others return NotImplemented, and `minigrad.structure.products` then writes it out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from minigrad.typing import Array, Shape

__all__ = ["INDEX_BYTES", "Cotangent", "Dense", "Kept", "Structured"]

SINGLE = np.dtype(np.float32).itemsize
INDEX_BYTES = 8


class Structured:
    """A matrix of which only a part is stored: ``shape``, ``dtype``, ``nbytes`` and ``dense()``, and its products.

    Products are written for two operands of any structure. The methods whose name ends in ``_into`` are those of the
    right operand. All return a new array or structure, or NotImplemented where this structure has no cheaper way.

    Examples
    --------
    >>> from minigrad.structure import Rows
    >>> kept = Rows(np.array([[1.0, 2.0]]), np.array([1]), (3, 2))
    >>> isinstance(kept, Structured), kept.shape, kept.dense().tolist()
    (True, (3, 2), [[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]])
    """

    __slots__ = ("shape",)
    shape: Shape
    multiplies: ClassVar[bool] = False
    """True if products with it take fewer operations than those of the dense matrix; the cost model reads it."""

    @property
    def parts(self) -> tuple[Array, ...]:
        """The arrays that are stored."""
        raise NotImplementedError(f"{type(self).__name__} does not say which arrays it stores")

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self.parts[0].dtype

    @property
    def nbytes(self) -> int:
        """Bytes stored, values and indices together."""
        return sum(part.nbytes for part in self.parts)

    @classmethod
    def expected_bytes(cls, kept: Kept, shape: Shape, itemsize: int) -> float:
        """Bytes that an estimator of this structure is expected to leave of an array; the cost model asks.

        Without an answer of its own a structure is taken to store its share of the values, and `INDEX_BYTES` for each
        index of those units of which it keeps some.

        Parameters
        ----------
        kept : Kept
            What is expected to be kept.
        shape : tuple of int
            The shape of the whole.
        itemsize : int
            Bytes of an entry of the whole.
        """
        units = 0 if kept.fraction >= 1 else cls.units(kept, shape)
        return min(1.0, kept.fraction) * (kept.value_bytes(math.prod(shape), itemsize) + units * INDEX_BYTES)

    @classmethod
    def units(cls, kept: Kept, shape: Shape) -> int:
        """Units of an array of this shape, each of which has an index where some are kept; 0 without indices."""
        return 0

    def dense(self) -> Array:
        """The same matrix as one array of shape ``shape``."""
        raise NotImplementedError(f"{type(self).__name__} cannot be made dense")

    def uncoded(self) -> Structured:
        """The structure as the rules of primitives know it: itself, unless its values are stored in another way."""
        return self

    def astype(self, dtype: DTypeLike) -> Structured:
        """The same matrix with values of another dtype."""
        raise NotImplementedError(f"{type(self).__name__} cannot change its dtype")

    def reshaped(self, lead: Shape) -> Any:
        """The same rows, counted along other leading axes."""
        return NotImplemented

    def transposed(self) -> Any:
        """Gᵀ, of a matrix with two axes."""
        return NotImplemented

    def scaled(self, factor: float) -> Any:
        """The matrix times a number."""
        return NotImplemented

    def plus(self, other: Cotangent) -> Any:
        """The sum with another of the same shape."""
        return NotImplemented

    def column_sums(self) -> Any:
        """Gᵀ 1, shape (m,)."""
        return NotImplemented

    def row_squares(self) -> Any:
        """‖G_i‖² of each row, in float64, of shape ``shape[:-1]``."""
        return NotImplemented

    def sum_to(self, shape: Shape) -> Any:
        """The sum over the axes along which ``shape`` was broadcast to the shape of this."""
        return NotImplemented

    def take_rows(self, indices: Array) -> Any:
        """Some rows of the matrix with all leading axes flattened, shape (k, m); ``indices`` increase."""
        return NotImplemented

    def take_columns(self, indices: Array) -> Any:
        """Some columns, shape (…, k); ``indices`` increase."""
        return NotImplemented

    def take_samples(self, indices: Array) -> Any:
        """Some samples, shape (k, …, m); ``indices`` increase."""
        return NotImplemented

    def multiply(self, w: Cotangent) -> Any:
        """G W, with W of shape (m, n)."""
        return NotImplemented

    def multiply_into(self, g: Cotangent) -> Any:
        """G W, where this is W."""
        return NotImplemented

    def contract(self, x: Cotangent) -> Any:
        """Gᵀ X over all rows, shape (m, n), with X of the leading axes of G."""
        return NotImplemented

    def contract_into(self, g: Cotangent) -> Any:
        """Gᵀ X, where this is X."""
        return NotImplemented

    def narrow(self, w: Array) -> Any:
        """L and V with G Wᵀ = L Vᵀ and fewer columns, for W of shape (…, m)."""
        return NotImplemented

    def multiply_batches(self, b: Cotangent) -> Any:
        """G Bᵀ in each batch, with B of shape (…, n, m)."""
        return NotImplemented

    def multiply_batches_into(self, g: Cotangent) -> Any:
        """G Bᵀ in each batch, where this is B."""
        return NotImplemented

    def contract_batches(self, g: Cotangent) -> Any:
        """Aᵀ G in each batch, where this is A."""
        return NotImplemented

    def contract_batches_into(self, a: Cotangent) -> Any:
        """Aᵀ G in each batch, where this is G."""
        return NotImplemented

    def __repr__(self) -> str:
        stored = ", ".join("×".join(map(str, part.shape)) for part in self.parts)
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype}, stored {stored})"


Cotangent: TypeAlias = Array | Structured
"""A cotangent, which travels backwards: a plain array, or a structured one."""


class Dense(Structured):
    """All of a cotangent, wrapped; a bare array means the same.

    Parameters
    ----------
    values : ndarray
        The whole cotangent.

    Examples
    --------
    >>> Dense(np.ones((2, 3))).dense().sum().item()
    6.0
    """

    __slots__ = ("values",)

    def __init__(self, values: Array):
        self.values = values
        self.shape = values.shape

    @property
    def parts(self) -> tuple[Array, ...]:
        return (self.values,)

    def dense(self) -> Array:
        return self.values

    def astype(self, dtype: DTypeLike) -> Dense:
        return Dense(self.values.astype(dtype, copy=False))


@dataclass(frozen=True)
class Kept:
    """The expected outcome of an estimator: the structure it keeps, and how much of it.

    Parameters
    ----------
    structure : type
        A subclass of `Structured`.
    fraction : float
        Expected kept columns, rows or entries over all of them; for `Factors` the expected rank over
        ``min(rows, columns)``. In [0, 1], or above 1 for a projection wider than the cotangent.
    samples : bool
        Whether kept rows are whole samples, which operations within a sample leave alone.
    axis : int, optional
        Of `Slices`: the axis along which they were kept, counted from the end.
    bits : float, optional
        Bits in which a value is stored, where these are fewer than its dtype has.
    scales : float, default 0
        Numbers of that dtype that belong to so stored values of the whole: the ends and steps of their grids.

    Examples
    --------
    >>> from minigrad.estimators import DiagonalSketch, RandomProjection
    >>> kept = DiagonalSketch(0.25).kept((32, 64))
    >>> kept.structure.__name__, kept.fraction
    ('Columns', 0.25)
    >>> RandomProjection(0.25).kept((32, 64)).structure.__name__
    'Factors'
    """

    structure: type[Structured] = Dense
    fraction: float = 1.0
    samples: bool = False
    axis: int | None = None
    bits: float | None = None
    scales: float = 0.0

    def value_bytes(self, size: float, itemsize: int) -> float:
        """Bytes of so many values, all kept."""
        if self.bits is None:
            return size * itemsize
        return size * self.bits / 8 + self.scales * max(itemsize, SINGLE)  # the ends of float16 are float32
