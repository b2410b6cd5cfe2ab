"""Products and sums of matrices of any structure: each operand may be a plain array or structured.

Index conventions: G is (…, m), all axes but the last are rows; i runs over rows, j over columns, batches lead.
These four products are all that the backward passes of linear maps are made of (THEORY.md §2):

    multiply(G, W)          G W             ∂X of Y = X Wᵀ
    contract(G, X)          Gᵀ X            ∂W of Y = X Wᵀ
    multiply_batches(G, B)  G Bᵀ per batch  ∂A of C = A B
    contract_batches(A, G)  Aᵀ G per batch  ∂B of C = A B

The left operand is asked first, then the right one, as Python does for its operators; where neither has a cheaper way
than writing it out, it is written out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.structure.base import Cotangent, Structured, dense, matrix_shape
from minigrad.typing import Array, Shape

__all__ = ["contract", "contract_batches", "matrix", "multiply", "multiply_batches", "narrow", "reshape_rows", "swap"]


def matrix(array: Array) -> Array:
    """An array as a matrix: all axes but the last are rows.

    Examples
    --------
    >>> matrix(np.ones((2, 3, 5))).shape
    (6, 5)
    """
    return array if array.ndim == 2 else array.reshape(matrix_shape(array.shape))


def swap(array: Array) -> Array:
    """The last two axes exchanged (a view).

    Examples
    --------
    >>> swap(np.ones((2, 3, 5))).shape
    (2, 5, 3)
    """
    return np.swapaxes(array, -1, -2)


def reshape_rows(g: Any, lead: Shape) -> Any:
    """The same rows along other leading axes; where nothing changes the same object, not a view of it.

    Examples
    --------
    >>> reshape_rows(np.ones((6, 5)), (2, 3)).shape
    (2, 3, 5)
    """
    if g.shape[:-1] == lead:
        return g
    if isinstance(g, Structured):
        out = g.reshaped(lead)
        if out is not NotImplemented:
            return out
        g = g.dense()
    return g.reshape(*lead, g.shape[-1])


def multiply(g: Cotangent, w: Cotangent) -> Any:
    """G W: the last axis of G with the first of W.

    Parameters
    ----------
    g : ndarray or Structured, shape (…, m)
    w : ndarray or Structured, shape (m, n)

    Returns
    -------
    ndarray or Structured, shape (…, n)

    Examples
    --------
    >>> from minigrad.structure import Rows
    >>> multiply(Rows(np.array([[1.0, 2.0]]), np.array([3]), (5, 2)), np.ones((2, 4)))
    Rows(shape=(5, 4), dtype=float64, stored 1×4, 1)
    """
    if isinstance(g, Structured):
        out = g.multiply(w)
        if out is not NotImplemented:
            return out
    if isinstance(w, Structured):
        out = w.multiply_into(g)
        if out is not NotImplemented:
            return out
        w = w.dense()
    if isinstance(g, Structured):
        g = g.dense()
    return reshape_rows(matrix(g) @ w, g.shape[:-1])


def contract(g: Cotangent, x: Cotangent) -> Any:
    """Gᵀ X: the sum over all rows.

    Parameters
    ----------
    g : ndarray or Structured, shape (…, m)
    x : ndarray or Structured, shape (…, n)
        Of the same leading axes.

    Returns
    -------
    ndarray or Structured, shape (m, n)

    Examples
    --------
    >>> from minigrad.structure import Columns
    >>> contract(Columns(np.ones((4, 1)), np.array([2]), (4, 3)), np.ones((4, 2)))
    Rows(shape=(3, 2), dtype=float64, stored 1×2, 1)
    """
    if isinstance(g, Structured):
        out = g.contract(x)
        if out is not NotImplemented:
            return out
    if isinstance(x, Structured):
        out = x.contract_into(g)
        if out is not NotImplemented:
            return out
        x = x.dense()
    if isinstance(g, Structured):
        g = g.dense()
    return matrix(g).T @ matrix(x)


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
