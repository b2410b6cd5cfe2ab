"""Products of stacks of matrices of any structure, one in each batch, as in attention.

Index conventions: G is (…, r, m); batches lead, and broadcast.

    multiply_batches(G, B)  G Bᵀ per batch  ∂A of C = A B
    contract_batches(A, G)  Aᵀ G per batch  ∂B of C = A B

Operands are asked in turn, as in `minigrad.structure.products`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad.structure.base import Cotangent, Structured
from minigrad.structure.products import dense
from minigrad.typing import Array, Shape

__all__ = ["contract_batches", "multiply_batches", "narrow", "swap", "visits", "visits_pay"]

VISIT = 3e5
"""Operations that a visit to one batch must spare to be worth its time, as measured; less, and all is left whole."""


def swap(array: Array) -> Array:
    """The last two axes exchanged (a view).

    Examples
    --------
    >>> swap(np.ones((2, 3, 5))).shape
    (2, 5, 3)
    """
    return np.swapaxes(array, -1, -2)


def multiply_batches(g: Cotangent, b: Cotangent) -> Any:
    """G Bᵀ in each batch.

    Parameters
    ----------
    g : ndarray or Structured, shape (…, r, m)
    b : ndarray or Structured, shape (…, n, m)
        Leading axes are batches and broadcast.

    Returns
    -------
    ndarray or Structured, shape (…, r, n)

    Examples
    --------
    >>> multiply_batches(np.ones((7, 4, 3)), np.ones((7, 2, 3))).shape
    (7, 4, 2)
    """
    if isinstance(g, Structured):
        out = g.multiply_batches(b)
        if out is not NotImplemented:
            return out
    if isinstance(b, Structured):
        out = b.multiply_batches_into(g)
        if out is not NotImplemented:
            return out
    return dense(g) @ swap(dense(b))


def contract_batches(a: Cotangent, g: Cotangent) -> Any:
    """Aᵀ G in each batch.

    Parameters
    ----------
    a : ndarray or Structured, shape (…, r, n)
    g : ndarray or Structured, shape (…, r, m)
        Leading axes are batches and broadcast.

    Returns
    -------
    ndarray or Structured, shape (…, n, m)

    Examples
    --------
    >>> contract_batches(np.ones((7, 4, 2)), np.ones((7, 4, 3))).shape
    (7, 2, 3)
    """
    if isinstance(g, Structured):
        out = g.contract_batches_into(a)
        if out is not NotImplemented:
            return out
    if isinstance(a, Structured):
        out = a.contract_batches(g)
        if out is not NotImplemented:
            return out
    return swap(dense(a)) @ dense(g)


def narrow(g: Cotangent, w: Array) -> tuple[Array, Array]:
    """Arrays L and V with G Wᵀ = L Vᵀ, of as few columns as the structure of G allows.

    Parameters
    ----------
    g : ndarray or Structured, shape (…, m)
    w : ndarray, shape (…, m)

    Returns
    -------
    tuple of ndarray
        L of shape (…, r) with the leading axes of G, and V of shape (…, r) with those of W.

    Examples
    --------
    >>> from minigrad.structure import Columns
    >>> l, v = narrow(Columns(np.ones((4, 1)), np.array([2]), (4, 3)), np.ones((5, 3)))
    >>> l.shape, v.shape
    ((4, 1), (5, 1))
    """
    if isinstance(g, Structured):
        out = g.narrow(w)
        if out is not NotImplemented:
            left, right = out
            return left, right
    return dense(g), w


def visits_pay(rows: int, inner: int, columns: int, fraction: float) -> bool:
    """True if visiting batches for a fraction of their rows is faster than the product of all rows of all batches."""
    return 2.0 * rows * inner * columns * (1 - fraction) > VISIT


def visits(indices: Array, lead: Shape, each: int) -> Iterator[tuple[slice, int, tuple[int, ...]]]:
    """For each batch of ``each`` rows with something kept: which kept rows, the first row, and where the batch is.

    Examples
    --------
    >>> list(visits(np.array([1, 6, 7]), (3,), 4))
    [(slice(0, 1, None), 0, (0,)), (slice(1, 3, None), 4, (1,))]
    """
    starts = np.searchsorted(indices, np.arange(math.prod(lead) + 1) * each).tolist()
    for k, batch in enumerate(np.ndindex(*lead)):
        if starts[k] < starts[k + 1]:
            yield slice(starts[k], starts[k + 1]), k * each, batch
