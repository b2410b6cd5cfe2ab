"""Determinants, inverses, and systems of linear equations.

Index conventions: A is (…, n, n); leading axes are batches. The rules are those of M. Giles, *Collected matrix
derivative results for forward and reverse mode algorithmic differentiation*, 2008, section 2. LAPACK, by way of NumPy,
computes the values; the rules read inputs and outputs only.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.node import Node
from minigrad.engine.primitive import Saved
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.ops.indexing import getitem
from minigrad.ops.matrices import cubic, inverse, solved, square, wide
from minigrad.structure import Kept, swap
from minigrad.typing import Array

__all__ = ["det", "inv", "slogdet", "solve"]


ENTIRE = "add a small multiple of the identity, a + eps * np.eye(n), or use the pseudo-inverse, minigrad.ops.pinv"


def _cofactors(saved: Saved) -> Any:
    """The derivative of the determinant, det(A) A⁻ᵀ. Of arrays also where A is singular.

    With A = U diag(s) Vᵀ it is det(U) det(V) U diag(∏_{j≠i} s_j) Vᵀ.
    """
    a = wide(saved["a"])
    if not isinstance(a, np.ndarray):
        return saved["out"][..., None, None] * swap(
            inverse(a, "the second derivatives of det are computed for matrices that have an inverse")
        )
    known = np.isfinite(a).all(axis=(-2, -1), keepdims=True)  # LAPACK gives up where it meets NaN
    u, s, vh = np.linalg.svd(np.where(known, a, a.dtype.type(0)))
    ones = np.ones((*s.shape[:-1], 1), s.dtype)
    before = np.cumprod(np.concatenate([ones, s[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([ones, s[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    others = (before * after)[..., : s.shape[-1]]
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return np.where(known, (u * others[..., None, :]) @ vh * sign[..., None, None], a.dtype.type(np.nan))


@define(
    tangents={"a": lambda t, saved: (t * _cofactors(saved)).sum(axis=(-2, -1))},
    a=lambda g, saved: g[..., None, None] * _cofactors(saved),
)
def _det(a: Array) -> tuple[Array, Saved]:
    square(a)
    out = np.asarray(np.linalg.det(a))
    return out, {"a": a, "out": out}


@stands_for(np.linalg.det)
@operation(_det)
def det(a: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The determinant.

    The gradient, the matrix of cofactors, is right for singular matrices, too. Second derivatives ask for an inverse.

    Parameters
    ----------
    a : Tensor or array_like, shape (..., n, n)

    Returns
    -------
    Tensor, shape (...)

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrices are not square.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.det([[1.0, 2.0], [3.0, 4.0]]).data.round(12).item()
    -2.0
    >>> mg.grad(mg.ops.det)([[1.0, 2.0], [2.0, 4.0]]).round(12).tolist()
    [[4.0, -2.0], [-2.0, 1.0]]
    """
    return record(_det, (a,), vjp=vjp)


def _inverse_transposed(saved: Saved) -> Any:
    return swap(inverse(saved["a"], "log|det a| is −∞ there, and its gradient does not exist"))


def _log_tangent(t: Any, saved: Saved) -> Any:
    slope = (t * _inverse_transposed(saved)).sum(axis=(-2, -1))
    return slope[..., None] * np.array([0, 1], t.dtype)


@define(tangents={"a": _log_tangent}, a=lambda g, saved: g[..., 1, None, None] * _inverse_transposed(saved))
def _slogdet(a: Array) -> tuple[Array, Saved]:
    """Sign and logarithm side by side, shape (…, 2); the sign has slope 0."""
    square(a)
    sign, log = np.linalg.slogdet(a)
    return np.stack([sign, log], axis=-1), {"a": a}


class SlogdetResult(NamedTuple):
    """The results of `slogdet`, under NumPy's names."""

    sign: Tensor
    logabsdet: Tensor


@stands_for(np.linalg.slogdet)
def slogdet(a: TensorLike) -> SlogdetResult:
    """The sign of the determinant, and the logarithm of its absolute value, which neither overflows nor vanishes.

    Parameters
    ----------
    a : Tensor or array_like, shape (..., n, n)

    Returns
    -------
    sign : Tensor, shape (...)
        −1, 0 or 1. Its slope is 0: it is a constant.
    logabsdet : Tensor, shape (...)
        −∞ where the matrix is singular.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrices are not square. In the backward pass, if one is singular.

    Examples
    --------
    >>> import minigrad as mg
    >>> sign, log = mg.ops.slogdet([[1.0, 2.0], [3.0, 4.0]])
    >>> sign.item(), round(log.item(), 6)
    (-1.0, 0.693147)
    >>> mg.grad(lambda a: mg.ops.slogdet(a).logabsdet)([[2.0, 0.0], [0.0, 4.0]]).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    both = record(_slogdet, (a,))
    return SlogdetResult(Tensor(both.data[..., 0]), getitem(both, (..., 1)))


def _inv_a(g: Any, saved: Saved) -> Any:
    turned = swap(saved["out"])
    return -(turned @ g @ turned)


@define(tangents={"a": lambda t, saved: -(saved["out"] @ t @ saved["out"])}, a=_inv_a)
def _inv(a: Array) -> tuple[Array, Saved]:
    square(a)
    out = inverse(a, ENTIRE)
    return out, {"out": out}


@stands_for(np.linalg.inv)
@operation(_inv)
def inv(a: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The inverse matrix.

    To multiply by it, `solve` is faster and loses fewer digits.

    Parameters
    ----------
    a : Tensor or array_like, shape (..., n, n)

    Returns
    -------
    Tensor, shape (..., n, n)

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrices are not square, or one is singular.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.inv([[2.0, 0.0], [0.0, 4.0]]).data.tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    return record(_inv, (a,), vjp=vjp)


def _columns(saved: Saved, *arrays: Any) -> list[Any]:
    """Vectors as columns, where the right-hand side was a vector."""
    return [each[..., None] if saved["vector"] else each for each in arrays]


def _solve_b(g: Any, saved: Saved) -> Any:
    (g,) = _columns(saved, g)
    out = solved(swap(saved["a"]), g, ENTIRE)
    return out[..., 0] if saved["vector"] else out


def _solve_a(g: Any, saved: Saved) -> Any:
    g, x = _columns(saved, g, saved["out"])
    return -(solved(swap(saved["a"]), g, ENTIRE) @ swap(x))


def _solve_a_tangent(t: Any, saved: Saved) -> Any:
    (x,) = _columns(saved, saved["out"])
    out = -solved(saved["a"], t @ x, ENTIRE)
    return out[..., 0] if saved["vector"] else out


def _solve_b_tangent(t: Any, saved: Saved) -> Any:
    (t,) = _columns(saved, t)
    out = solved(saved["a"], t, ENTIRE)
    return out[..., 0] if saved["vector"] else out


@define(tangents={"a": _solve_a_tangent, "b": _solve_b_tangent}, broadcasts=True, a=_solve_a, b=_solve_b)
def _solve(a: Array, b: Array) -> tuple[Array, Saved]:
    square(a)
    vector = b.ndim == 1
    if not b.ndim or b.shape[-1 if vector else -2] != a.shape[-1]:
        raise ValueError(f"b must have shape ({a.shape[-1]},) or (..., {a.shape[-1]}, k): one row for each row of a")
    out = np.asarray(solved(a, b[:, None] if vector else b, ENTIRE))
    if vector:
        out = out[..., 0]
    return out, {"a": a, "out": out, "vector": vector}


@stands_for(np.linalg.solve)
@operation(_solve)
def solve(a: TensorLike, b: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The solution x of ``a @ x = b``.

    Parameters
    ----------
    a : Tensor or array_like, shape (..., n, n)
    b : Tensor or array_like, shape (n,) or (..., n, k)
        One axis: a vector, for every matrix of ``a``. More: matrices, as in NumPy 2 (NumPy 1 took ``b`` for a stack of
        vectors where it had one axis less than ``a``). Leading axes broadcast.

    Returns
    -------
    Tensor, shape (..., n) or (..., n, k)

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrices of ``a`` are not square, or one is singular.
    ValueError
        If the shapes do not match.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.solve([[2.0, 0.0], [0.0, 4.0]], [1.0, 2.0]).data.tolist()
    [0.5, 0.5]
    """
    return record(_solve, (a, b), vjp=vjp)


def _right_sides(node: Node) -> float:
    """The cost of a factorization by LU and its use on all right-hand sides."""
    n = (node.in_shapes[0] or (1,))[-1]
    k = 1 if node.saved["vector"] else node.shape[-1]
    return math.prod(node.shape) / max(1, n * k) * (2 / 3 * n**3 + 2.0 * n**2 * k)


def _solve_backward(node: Node, edge: int, kept: Kept) -> float:
    n = (node.in_shapes[0] or (1,))[-1]
    return _right_sides(node) + (2.0 * math.prod(node.shape) * n if edge == 0 else 0)


_solve.forward_flops = _right_sides
_solve.backward_flops = _solve_backward
# A determinant is the product of the pivots; its cofactors are those of the singular values.
cubic(_det, 2 / 3, 24)
cubic(_slogdet, 2 / 3, 2)
cubic(_inv, 2, 4)
