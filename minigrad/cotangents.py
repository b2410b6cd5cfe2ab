"""Structured cotangents: how the kept part of a sketched cotangent is stored.

An estimator decides *what* to keep of a cotangent G. What it kept is stored here, and a primitive may
have a cheaper VJP rule for some of these structures; where it has none, ``dense()`` is always there.

Index conventions: the last axis of G holds its m *columns* (features); all axes before it, flattened,
are its B *rows*; the first axis holds the *samples*. Values are stored already rescaled, so that a
structured cotangent simply *is* the matrix that ``dense()`` writes out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import DTypeLike

from minigrad.typing import Array, Shape

__all__ = ["Columns", "Dense", "Entries", "Factors", "Kept", "Rows", "Structured", "add", "dense"]


class Structured:
    """What every structured cotangent offers: ``shape``, ``dtype``, ``nbytes`` and ``dense()``.

    Examples
    --------
    >>> kept = Rows(np.array([[1.0, 2.0]]), np.array([1]), (3, 2))
    >>> isinstance(kept, Structured), kept.shape, kept.dense().tolist()
    (True, (3, 2), [[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]])
    """

    __slots__ = ("shape",)
    shape: Shape

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

    def dense(self) -> Array:
        """The same cotangent as one array of shape ``shape``."""
        raise NotImplementedError(f"{type(self).__name__} cannot be made dense")

    def astype(self, dtype: DTypeLike) -> Structured:
        """The same cotangent with values of another dtype."""
        raise NotImplementedError(f"{type(self).__name__} cannot change its dtype")

    def __repr__(self) -> str:
        stored = ", ".join("×".join(map(str, part.shape)) for part in self.parts)
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype}, stored {stored})"


Cotangent: TypeAlias = Array | Structured
"""What travels backwards: a plain array, or one of the structures of this module."""


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

    def __init__(self, values: Array, indices: Array, shape: Shape):
        self.values, self.indices, self.shape = values, indices, shape

    @property
    def parts(self) -> tuple[Array, ...]:
        return (self.values, self.indices)

    def dense(self) -> Array:
        out = np.zeros(matrix_shape(self.shape), self.values.dtype)
        out[:, self.indices] = self.values
        return out.reshape(self.shape)

    def astype(self, dtype: DTypeLike) -> Columns:
        return Columns(self.values.astype(dtype, copy=False), self.indices, self.shape)


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

    def __init__(self, values: Array, indices: Array, shape: Shape):
        self.values, self.indices, self.shape = values, indices, shape

    @property
    def parts(self) -> tuple[Array, ...]:
        return (self.values, self.indices)

    @property
    def trailing(self) -> Shape:
        """The shape of one kept row (or sample)."""
        return self.values.shape[1:]

    def take(self, array: Array) -> Array:
        """The same rows of another array with the same leading axes."""
        lead = len(self.shape) - len(self.trailing)
        if lead == 1:
            return np.take(array, self.indices, axis=0)
        return np.take(array.reshape(math.prod(array.shape[:lead]), *array.shape[lead:]), self.indices, axis=0)

    def dense(self) -> Array:
        lead = self.shape[: len(self.shape) - len(self.trailing)]
        out = np.zeros((math.prod(lead), *self.trailing), self.dtype)
        out[self.indices] = self.values
        return out.reshape(self.shape)

    def astype(self, dtype: DTypeLike) -> Rows:
        return Rows(self.values.astype(dtype, copy=False), self.indices, self.shape)


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

    def __init__(self, values: Array, indices: Array, shape: Shape):
        self.values, self.indices, self.shape = values, indices, shape

    @property
    def parts(self) -> tuple[Array, ...]:
        return (self.values, self.indices)

    def sparse(self) -> Any:
        """The cotangent as a SciPy CSR matrix of shape (rows, columns)."""
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

    def __init__(self, left: Array, right: Array, shape: Shape):
        self.left, self.right, self.shape = left, right, shape

    @property
    def parts(self) -> tuple[Array, ...]:
        return (self.left, self.right)

    @property
    def rank(self) -> int:
        """The number of columns of ``left``, an upper bound on the rank."""
        return int(self.left.shape[1])

    def dense(self) -> Array:
        return np.asarray(self.left @ self.right).reshape(self.shape)

    def astype(self, dtype: DTypeLike) -> Factors:
        return Factors(self.left.astype(dtype, copy=False), self.right.astype(dtype, copy=False), self.shape)


@dataclass(frozen=True)
class Kept:
    """What an estimator is expected to keep: the structure, and how much of it.

    Parameters
    ----------
    structure : type
        One of the classes of this module.
    fraction : float
        Expected kept columns, rows or entries over all of them; for `Factors` the expected rank over
        ``min(rows, columns)``. In [0, 1], or above 1 for a projection wider than the cotangent.
    samples : bool
        Whether kept rows are whole samples, which operations within a sample leave alone.

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


def matrix_shape(shape: Shape) -> tuple[int, int]:
    """``(rows, columns)`` of a cotangent of this shape: all axes but the last are flattened.

    Examples
    --------
    >>> matrix_shape((2, 3, 5)), matrix_shape((5,)), matrix_shape(())
    ((6, 5), (1, 5), (1, 1))
    """
    if not shape:
        return 1, 1
    return math.prod(shape[:-1]), shape[-1]


def dense(g: Cotangent) -> Array:
    """The cotangent as a plain array.

    Examples
    --------
    >>> dense(Rows(np.array([[1.0]]), np.array([0]), (2, 1))).tolist()
    [[1.0], [0.0]]
    """
    return g.dense() if isinstance(g, Structured) else g


def add(a: Cotangent, b: Cotangent) -> Cotangent:
    """The sum of two cotangents of one shape; never changes its arguments.

    Equal sets of rows stay rows; every other mixture becomes dense.

    Examples
    --------
    >>> one = Rows(np.array([[1.0]]), np.array([0]), (2, 1))
    >>> add(one, one)
    Rows(shape=(2, 1), dtype=float64, stored 1×1, 1)
    """
    if isinstance(a, Rows) and isinstance(b, Rows):
        same = a.values.shape == b.values.shape and np.array_equal(a.indices, b.indices)
        if same:
            return Rows(a.values + b.values, a.indices, a.shape)
    return dense(a) + dense(b)
