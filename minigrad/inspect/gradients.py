"""Gradients as they arrive, read row by row: what an inspection computes of every draw.

A row is an entry of a tensor's first axis. Where an estimator kept some columns of a cotangent, only some rows of the
gradient of a weight are there (`Rows`), and no more than these are read. Products and squares are formed in the dtype
of the gradient, a row at a time, and summed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minigrad.structure import Cotangent, Rows, dense
from minigrad.typing import Array

__all__ = ["Directions", "inner_product", "row_products", "rows_of", "squared_distances", "squared_norm"]

SMALL = 1 << 14
"""Up to so many entries the rows of several gradients are taken together; above, nothing is gained by it."""

PIECE = 1 << 16
"""Entries whose squares are summed at once."""

LEAST, MOST = 1e-25, 1e35
"""Sums of squares outside of this range are formed again in float64: squares of float32 may have left theirs."""


def rows_of(g: Cotangent) -> tuple[Array | None, Array]:
    """The rows of a gradient that are there (None for all), and these rows as a matrix; the others are zero.

    Examples
    --------
    >>> rows_of(Rows(np.array([[3.0, 4.0]]), np.array([1]), (3, 2)))
    (array([1]), array([[3., 4.]]))
    >>> rows_of(np.ones((2, 3, 4)))[1].shape, rows_of(np.ones(5))[1].shape, rows_of(np.ones(()))[1].shape
    ((2, 12), (5, 1), (1, 1))
    """
    if isinstance(g, Rows) and len(g.trailing) == len(g.shape) - 1:
        return g.indices, g.values.reshape(len(g.indices), math.prod(g.trailing))
    whole = dense(g)
    return None, whole.reshape(whole.shape[0] if whole.ndim else 1, math.prod(whole.shape[1:]))


def row_products(a: Array, b: Array) -> Array:
    """Σ_j a_ij b_ij for each row i of a matrix and of one other, or of several.

    Examples
    --------
    >>> row_products(np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones((2, 2))).tolist()
    [3.0, 7.0]
    """
    if a.shape[1] == 1:
        return np.asarray((a * b)[..., 0])
    return np.asarray(np.matmul(a[:, None, :], b[..., None])[..., 0, 0])  # faster than einsum


def inner_product(a: Sequence[Cotangent], b: Sequence[Array]) -> float:
    """⟨a, b⟩ of two gradients, each one array (or structured cotangent) for each tensor.

    Examples
    --------
    >>> inner_product([Rows(np.array([[3.0, 5.0]]), np.array([1]), (2, 2)), np.ones(3)], [np.ones((2, 2)), np.ones(3)])
    11.0
    """
    total = 0.0
    for of, by in zip(a, b, strict=True):
        at, rows = rows_of(of)
        others = rows_of(by)[1]
        total += float(row_products(rows, others if at is None else others[at]).sum(dtype=np.float64))
    return total


def squared_norm(g: Sequence[Cotangent]) -> float:
    """‖g‖² of a gradient; the squares neither overflow nor vanish where the dtype would.

    Examples
    --------
    >>> squared_norm([np.array([[3.0, 4.0]]), np.ones(2)])
    27.0
    >>> squared_norm([np.full(4, 2.0**-100, np.float32)]) == 2.0**-198
    True
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return sum(_squares(rows_of(part)[1]) for part in g)


def squared_distances(a: Sequence[Cotangent], b: Sequence[Cotangent]) -> list[float]:
    """‖a − b‖² of two gradients, for each tensor.

    Examples
    --------
    >>> squared_distances([Rows(np.array([[3.0, 5.0]]), np.array([1]), (2, 2))], [np.ones((2, 2))])
    [22.0]
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return [0.0 if p is q else _squared_distance(p, q) for p, q in zip(a, b, strict=True)]


def _squared_distance(a: Cotangent, b: Cotangent) -> float:
    at_a, rows_a = rows_of(a)
    at_b, rows_b = rows_of(b)
    if at_a is None and at_b is None:
        return _squares(rows_a, rows_b)
    if at_a is None:
        at_a, rows_a, rows_b = at_b, rows_b, rows_a
    elif at_b is not None:
        rows_b = rows_of(dense(b))[1]
    # ‖a_i − b_i‖² for the rows of a, ‖b_i‖² for all others.
    alone = row_products(rows_b, rows_b)
    alone[at_a] = 0.0
    total = float(alone.sum(dtype=np.float64)) + _squares(rows_a, rows_b[at_a])
    return total if LEAST < total < MOST else _squares(rows_of(dense(a))[1], rows_of(dense(b))[1])


def _squares(a: Array, b: Array | None = None) -> float:
    """Σ a², or Σ (a − b)²; in pieces, so that no second copy of a large gradient is made."""
    flat, other = a.reshape(-1), None if b is None else b.reshape(-1)
    total = 0.0
    for start in range(0, flat.size, PIECE):
        piece = flat[start : start + PIECE]
        if other is not None:
            piece = piece - other[start : start + PIECE]
        part = float(np.dot(piece, piece))
        total += part if LEAST < part < MOST else float(np.square(piece, dtype=np.float64).sum())
    return total


def _pieces_of(g: Cotangent, count: int) -> tuple[Array | None, Array]:
    """As `rows_of`, with each row cut into ``count`` rows."""
    at, rows = rows_of(g)
    if count == 1:
        return at, rows
    if at is not None:
        at = (at[:, None] * count + np.arange(count)).ravel()
    return at, rows.reshape(len(rows) * count, rows.shape[1] // max(count, 1))


class Directions:
    """Directions in the space of a whole gradient, along which gradients are measured row by row.

    Parameters
    ----------
    directions : sequence of sequences of ndarray
        Each one array for each tensor. Rows are scaled to a largest entry of 1 before they are rounded to the dtype of
        the tensor.
    dtypes : sequence of dtype
        Of the tensors.
    pieces : sequence of int, optional
        Into how many equal parts each row of a tensor is cut, each then a row of its own; default: 1.

    Attributes
    ----------
    starts : list of int
        For each tensor its first row, in the order of `along`.
    """

    def __init__(
        self,
        directions: Sequence[Sequence[Array]],
        dtypes: Sequence[np.dtype[Any]],
        pieces: Sequence[int] | None = None,
    ):
        self._pieces = [1] * len(dtypes) if pieces is None else list(pieces)
        self.starts: list[int] = []
        self._every: list[Array] = []
        self._rows: list[Array] = []
        scales = []
        for parts, dtype, count in zip(zip(*directions, strict=True), dtypes, self._pieces, strict=True):
            rows = np.stack([_pieces_of(part, count)[1] for part in parts])
            largest = np.maximum(rows.max(axis=2, initial=0), -rows.min(axis=2, initial=0)).astype(np.float64)
            scale = np.where(largest > 0, largest, 1.0)
            rows /= scale[:, :, None]
            self.starts.append(sum(map(len, self._every)))
            self._every.append(np.arange(rows.shape[1]))
            self._rows.append(rows.astype(np.result_type(dtype, np.float32), copy=False))
            scales.append(scale)
        self._scale = np.concatenate(scales, axis=1)

    def along(self, gradients: Iterable[Sequence[Cotangent]], count: int) -> Array:
        """The inner product of each row with that of each direction, the tensors one after the other.

        Parameters
        ----------
        gradients : iterable
            Of ``count`` gradients, each one array or structured cotangent for each tensor.

        Returns
        -------
        ndarray, shape (count, directions, rows)

        Examples
        --------
        >>> directions = Directions([[np.ones((2, 2)), np.array([1.0, 2.0])]], [np.dtype(float)] * 2)
        >>> gradient = [Rows(np.array([[3.0, 4.0]]), np.array([1]), (2, 2)), np.array([5.0, 6.0])]
        >>> directions.along([gradient], 1).tolist()
        [[[0.0, 7.0, 5.0, 12.0]]]
        """
        out = np.zeros((count, *self._scale.shape))
        waiting: list[list[tuple[int, Array, Array]]] = [[] for _ in self._rows]
        for number, gradient in enumerate(gradients):
            for t, g in enumerate(gradient):
                at, rows = _pieces_of(g, self._pieces[t])
                if rows.size <= SMALL:
                    waiting[t].append((number, self._every[t] if at is None else at, rows))
                elif at is None:
                    out[number, :, self.starts[t] : self.starts[t] + len(rows)] = row_products(rows, self._rows[t])
                else:
                    out[number, :, self.starts[t] + at] = row_products(rows, self._rows[t].take(at, axis=1)).T
        for t, found in enumerate(waiting):
            if found:
                at = np.concatenate([at for _, at, _ in found])
                products = row_products(np.concatenate([rows for *_, rows in found]), self._rows[t].take(at, axis=1))
                numbers = np.repeat([number for number, *_ in found], [len(at) for _, at, _ in found])
                out[numbers, :, self.starts[t] + at] = products.T
        out *= self._scale
        return out

    def along_sizes(self, sizes: Sequence[Array]) -> Array:
        """Σ|u|·size for each row of each direction, for errors of any sign; shape (directions, rows)."""
        each = zip(self._rows, sizes, self._pieces, strict=True)
        parts = [np.abs(u) * _pieces_of(size, count)[1] for u, size, count in each]
        return np.concatenate([part.sum(axis=2, dtype=np.float64) for part in parts], axis=1) * self._scale

    def along_accurately(self, error: Sequence[Array]) -> Array:
        """As `along` for one gradient, with products and sums in float64."""
        each = zip(self._rows, error, self._pieces, strict=True)
        parts = [u * _pieces_of(e, count)[1].astype(np.float64) for u, e, count in each]
        return np.concatenate([part.sum(axis=2) for part in parts], axis=1) * self._scale
