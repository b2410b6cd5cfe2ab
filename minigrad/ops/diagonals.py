"""Diagonals and triangles of matrices."""

from __future__ import annotations

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.primitive import Saved
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.ops.operands import shape_of
from minigrad.ops.piecewise import where
from minigrad.ops.ranks import ravel
from minigrad.ops.reductions import sum as total
from minigrad.typing import Array

__all__ = ["diag", "diagflat", "diagonal", "trace", "tril", "triu"]


def _onto_diagonal(g: Array, saved: Saved) -> Array:
    out = np.zeros(saved["shape"], g.dtype)
    k, at = saved["offset"], np.arange(g.shape[-1])
    np.moveaxis(out, saved["axes"], (-2, -1))[..., at + max(-k, 0), at + max(k, 0)] = g
    return out


@define(kind="linear", as_is=True, x=_onto_diagonal)
def _diagonal(x: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> tuple[Array, Saved]:
    return np.diagonal(x, offset, axis1, axis2), {"shape": x.shape, "offset": offset, "axes": (axis1, axis2)}


def _last_diagonal(x: TensorLike, *, offset: int = 0) -> Tensor:
    return diagonal(x, offset, -2, -1)


@stands_for(getattr(np.linalg, "diagonal", None), by=_last_diagonal)
@stands_for(np.diagonal)
@operation(_diagonal)
def diagonal(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1, *, vjp: VJP = None) -> Tensor:
    """The diagonals of the matrices in two axes; they are the last axis of the result.

    Parameters
    ----------
    x : Tensor or array_like
        With at least two axes.
    offset : int, default 0
        Above the main diagonal, or below where it is negative.
    axis1, axis2 : int, default 0 and 1
        The axes of the rows and of the columns.

    Raises
    ------
    ValueError
        If there are fewer axes, or both are the same.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.diagonal([[1.0, 2.0], [3.0, 4.0]]).data.tolist()
    [1.0, 4.0]
    """
    return record(_diagonal, (x,), {"offset": offset, "axis1": axis1, "axis2": axis2}, vjp=vjp)


@define(kind="linear", as_is=True, x=lambda g, saved: np.diagonal(g, saved["k"]))
def _diagonal_matrix(x: Array, k: int = 0) -> tuple[Array, Saved]:
    return np.diag(x, k), {"k": k}


@stands_for(np.diag)
def diag(x: TensorLike, k: int = 0, *, vjp: VJP = None) -> Tensor:
    """The diagonal of a matrix, or for a vector the matrix with this diagonal.

    Parameters
    ----------
    x : Tensor or array_like, shape (n,) or (n, m)
    k : int, default 0
        Above the main diagonal, or below where it is negative.

    Raises
    ------
    ValueError
        If there is neither one axis nor two.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.diag([1.0, 2.0]).data.tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    >>> ops.diag([[1.0, 2.0], [3.0, 4.0]], 1).data.tolist()
    [2.0]
    """
    ndim = len(shape_of(x))
    if ndim not in (1, 2):
        raise ValueError(f"diag: takes a vector or a matrix, got shape {shape_of(x)}; use diagonal for its last axes")
    return diagonal(x, k, vjp=vjp) if ndim == 2 else record(_diagonal_matrix, (x,), {"k": k}, vjp=vjp)


@stands_for(np.diagflat)
def diagflat(x: TensorLike, k: int = 0) -> Tensor:
    """The matrix with all values, flattened, as its diagonal.

    Parameters
    ----------
    x : Tensor or array_like
    k : int, default 0
        Above the main diagonal, or below where it is negative.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.diagflat([[1.0], [2.0]], 1).data.tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 2.0], [0.0, 0.0, 0.0]]
    """
    return diag(ravel(x), k)


def _last_trace(x: TensorLike, *, offset: int = 0) -> Tensor:
    return trace(x, offset, -2, -1)


@stands_for(getattr(np.linalg, "trace", None), by=_last_trace)
@stands_for(np.trace)
def trace(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The sum of the diagonal of the matrices in two axes.

    Parameters
    ----------
    x : Tensor or array_like
        With at least two axes.
    offset : int, default 0
        Above the main diagonal, or below where it is negative.
    axis1, axis2 : int, default 0 and 1
        The axes of the rows and of the columns.

    Raises
    ------
    ValueError
        If there are fewer axes, or both are the same.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.trace([[1.0, 2.0], [3.0, 4.0]]).item()
    5.0
    """
    return total(diagonal(x, offset, axis1, axis2), axis=-1)


@stands_for(np.tril)
def tril(x: TensorLike, k: int = 0) -> Tensor:
    """The lower triangle of the matrices in the last two axes; what is above is 0.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., n, m)
        A vector is repeated as the rows of a square matrix.
    k : int, default 0
        The last diagonal that is kept, counted upwards.

    Raises
    ------
    ValueError
        If there is no axis.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.tril([[1.0, 2.0], [3.0, 4.0]]).data.tolist()
    [[1.0, 0.0], [3.0, 4.0]]
    """
    return where(_lower("tril", x, k), x, 0)


@stands_for(np.triu)
def triu(x: TensorLike, k: int = 0) -> Tensor:
    """The upper triangle of the matrices in the last two axes; what is below is 0.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., n, m)
        A vector is repeated as the rows of a square matrix.
    k : int, default 0
        The first diagonal that is kept, counted upwards.

    Raises
    ------
    ValueError
        If there is no axis.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.triu([[1.0, 2.0], [3.0, 4.0]]).data.tolist()
    [[1.0, 2.0], [0.0, 4.0]]
    """
    return where(~_lower("triu", x, k - 1), x, 0)


def _lower(name: str, x: TensorLike, k: int) -> Array:
    """Where the lower triangle is, as truth values."""
    shape = shape_of(x)
    if not shape:
        raise ValueError(f"{name}: a single value has no triangle")
    return np.tri(shape[-2:][0], shape[-1], k, dtype=bool)
