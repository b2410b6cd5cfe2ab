"""Functions of matrices: powers, the exponential, systems with triangular matrices.

Index conventions: A is (…, n, n); leading axes are batches.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.node import Node
from minigrad.engine.primitive import Saved
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.ops.determinants import inv
from minigrad.ops.matmul import matmul
from minigrad.ops.matrices import cubic, finite, solved, square, wide
from minigrad.structure import Kept, swap
from minigrad.typing import Array

__all__ = ["expm", "matrix_power", "solve_triangular"]


@stands_for(np.linalg.matrix_power)
def matrix_power(a: TensorLike, n: int) -> Tensor:
    """A whole power of matrices, by squaring; a negative one is that of the inverse.

    Parameters
    ----------
    a : Tensor or array_like, shape (..., k, k)
    n : int
        For 0 the result is the identity, a constant.

    Returns
    -------
    Tensor, shape (..., k, k)

    Raises
    ------
    TypeError
        If ``n`` is no whole number.
    numpy.linalg.LinAlgError
        If the matrices are not square; if one is singular and ``n`` is negative.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.matrix_power([[1.0, 1.0], [0.0, 1.0]], 10).data.tolist()
    [[1.0, 10.0], [0.0, 1.0]]
    """
    a = a if isinstance(a, Tensor) else Tensor(a)
    try:
        n = operator.index(n)
    except TypeError:
        raise TypeError(f"matrix_power: n={n!r} must be a whole number") from None
    square(a.data)
    if n < 0:
        return matrix_power(inv(a), -n)
    if n == 0:
        dtype = a.dtype if a.dtype.kind == "f" else np.float64
        return Tensor(np.broadcast_to(np.eye(a.shape[-1], dtype=dtype), a.shape).copy())
    if n == 1:
        return a
    half = matrix_power(a, n // 2)
    whole = matmul(half, half)
    return matmul(whole, a) if n % 2 else whole


def _exponential(a: Any) -> Any:
    """The exponential of an array or a tensor."""
    if isinstance(a, Tensor):
        return expm(a)
    import scipy.linalg  # here, so that importing minigrad does not import it

    return scipy.linalg.expm(a)


def _frechet(a: Any, t: Any) -> Any:
    """The derivative of the exponential at A in the direction T: the corner of exp [[A, T], [0, A]]."""
    n = a.shape[-1]
    upper = np.concatenate([a, t], axis=-1)
    rows = np.concatenate([upper, np.concatenate([a * 0, a], axis=-1)], axis=-2)
    return _exponential(rows)[..., :n, n:]


@define(
    tangents={"a": lambda t, saved: _frechet(saved["a"], t)},
    a=lambda g, saved: _frechet(swap(saved["a"]), g),
)
def _expm(a: Array) -> tuple[Array, Saved]:
    square(a)
    finite(a)
    return np.asarray(_exponential(a)), {"a": a}


@operation(_expm)
def expm(a: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The exponential of matrices, Σ aᵏ / k!, as `scipy.linalg.expm` computes it.

    Its derivative in a direction T is a corner of the exponential of a matrix of twice the order, [[a, T], [0, a]].
    Source: R. Mathias, *A chain rule for matrix functions and applications*, SIAM J. Matrix Anal. Appl. 17, 1996.

    Parameters
    ----------
    a : Tensor or array_like, shape (..., n, n)

    Returns
    -------
    Tensor, shape (..., n, n)

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrices are not square, or not finite.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.expm([[0.0, 1.0], [0.0, 0.0]]).data.tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    return record(_expm, (a,), vjp=vjp)


TRIANGLE = "a 0 stands on its diagonal"


def _triangle(a: Any, settings: tuple[bool, bool, bool]) -> Any:
    """The part of A that is read: one triangle, with ones on its diagonal if that is said."""
    low, _, unit = settings
    part = np.tril(a, -1 if unit else 0) if low else np.triu(a, 1 if unit else 0)
    return part + np.eye(a.shape[-1], dtype=bool) if unit else part


def _substituted(a: Any, b: Any, settings: tuple[bool, bool, bool], turned: bool = False) -> Any:
    """The solution for matrices b of the system, or of that with the transpose."""
    low, flipped, unit = settings
    flipped ^= turned
    a, b = wide(a), wide(b)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.ndim == b.ndim == 2:
        import scipy.linalg  # here, so that importing minigrad does not import it

        try:
            return scipy.linalg.solve_triangular(
                a, b, trans=int(flipped), lower=low, unit_diagonal=unit, check_finite=False
            )
        except np.linalg.LinAlgError as error:
            raise np.linalg.LinAlgError(f"a matrix is singular: {TRIANGLE}") from error
    part = _triangle(a, settings)
    return solved(swap(part) if flipped else part, b, TRIANGLE)


def _triangular_b(g: Any, saved: Saved) -> Any:
    out = _substituted(saved["a"], g[..., None] if saved["vector"] else g, saved["settings"], turned=True)
    return out[..., 0] if saved["vector"] else out


def _triangular_a(g: Any, saved: Saved) -> Any:
    low, flipped, unit = saved["settings"]
    g, x = (g[..., None], saved["out"][..., None]) if saved["vector"] else (g, saved["out"])
    by_b = _substituted(saved["a"], g, saved["settings"], turned=True)
    whole = -(x @ swap(by_b) if flipped else by_b @ swap(x))
    return np.tril(whole, -1 if unit else 0) if low else np.triu(whole, 1 if unit else 0)


def _triangular_a_tangent(t: Any, saved: Saved) -> Any:
    low, flipped, unit = saved["settings"]
    x = saved["out"][..., None] if saved["vector"] else saved["out"]
    part = np.tril(t, -1 if unit else 0) if low else np.triu(t, 1 if unit else 0)
    out = -_substituted(saved["a"], (swap(part) if flipped else part) @ x, saved["settings"])
    return out[..., 0] if saved["vector"] else out


def _triangular_b_tangent(t: Any, saved: Saved) -> Any:
    out = _substituted(saved["a"], t[..., None] if saved["vector"] else t, saved["settings"])
    return out[..., 0] if saved["vector"] else out


@define(
    tangents={"a": _triangular_a_tangent, "b": _triangular_b_tangent},
    broadcasts=True,
    a=_triangular_a,
    b=_triangular_b,
)
def _solve_triangular(
    a: Array, b: Array, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False
) -> tuple[Array, Saved]:
    square(a)
    if trans not in (0, 1, "N", "T"):
        raise ValueError(f"trans={trans!r} must be 0 or 'N' (a x = b), or 1 or 'T' (aᵀ x = b)")
    vector = b.ndim == 1
    if not b.ndim or b.shape[-1 if vector else -2] != a.shape[-1]:
        raise ValueError(f"b must have shape ({a.shape[-1]},) or (..., {a.shape[-1]}, k): one row for each row of a")
    settings = (bool(lower), trans in (1, "T"), bool(unit_diagonal))
    out = np.asarray(_substituted(a, b[:, None] if vector else b, settings))
    if vector:
        out = out[..., 0]
    return out, {"a": a, "out": out, "vector": vector, "settings": settings}


@operation(_solve_triangular)
def solve_triangular(
    a: TensorLike,
    b: TensorLike,
    trans: int | str = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    *,
    vjp: VJP = None,
) -> Tensor:
    """The solution x of ``a @ x = b`` for a triangular matrix, as `scipy.linalg.solve_triangular` has it.

    Parameters
    ----------
    a : Tensor or array_like, shape (..., n, n)
        Only one triangle is read, and has a gradient.
    b : Tensor or array_like, shape (n,) or (..., n, k)
        Leading axes broadcast.
    trans : {0, 1, "N", "T"}
        1 or "T": solve ``a.T @ x = b``.
    lower : bool, default False
        Which triangle is read: the lower one, or the upper one.
    unit_diagonal : bool, default False
        Take the diagonal for ones, and do not read it.

    Returns
    -------
    Tensor, shape (..., n) or (..., n, k)

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrices of ``a`` are not square, or a 0 stands on a diagonal.
    ValueError
        If the shapes do not match, or ``trans`` is none of the above.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.solve_triangular([[2.0, 0.0], [1.0, 1.0]], [2.0, 3.0], lower=True).data.tolist()
    [1.0, 2.0]
    """
    return record(_solve_triangular, (a, b), {"trans": trans, "lower": lower, "unit_diagonal": unit_diagonal}, vjp=vjp)


def _right_sides(node: Node) -> float:
    return float(np.prod(node.shape, dtype=float)) * (node.in_shapes[0] or (1,))[-1]


def _triangular_backward(node: Node, edge: int, kept: Kept) -> float:
    return _right_sides(node) * (2 if edge == 0 else 1)


_solve_triangular.forward_flops = _right_sides
_solve_triangular.backward_flops = _triangular_backward
# Scaling and squaring takes about ten products of order n; of twice the order eight times as much.
cubic(_expm, 20, 160)
