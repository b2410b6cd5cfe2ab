"""Singular values and what is made of them.

Index conventions: A is (…, m, n), k = min(m, n), A = U diag(s) Vᵀ; leading axes are batches.

Rules: M. Giles, *Collected matrix derivative results for forward and reverse mode algorithmic differentiation*, 2008,
section 3.2, with the thin factors of J. Townsend, *Differentiating the singular value decomposition*, 2016; the
pseudo-inverse: G. Golub and V. Pereyra, SIAM J. Numer. Anal. 10, 1973, eq. 4.12.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, overload

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.primitive import Saved
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.arithmetic import subtract
from minigrad.ops.counterparts import stands_for
from minigrad.ops.indexing import getitem
from minigrad.ops.matmul import matmul
from minigrad.ops.matrices import between, cubic, diagonal, divided, finite
from minigrad.ops.powers import square
from minigrad.ops.reductions import sum as total
from minigrad.ops.shapes import reshape, swapaxes
from minigrad.structure import swap
from minigrad.typing import Array

__all__ = ["lstsq", "pinv", "svd"]


EQUAL = "two singular values are equal: their vectors may be any basis of a plane, and have no derivative"
ZERO = "a singular value is 0: its vectors are not determined by the matrix, and have no derivative"


class SVDResult(NamedTuple):
    """The results of `svd`, under NumPy's names."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def _parts(stacked: Any, m: int) -> tuple[Any, Any, Any]:
    return stacked[..., :m, :], stacked[..., m, :], stacked[..., m + 1 :, :]


def _gaps(s: Any) -> tuple[Any, Any, Any]:
    """The singular values along columns and along rows, and s_j² − s_i²."""
    across, down = s[..., None, :], s[..., None]
    return across, down, (across - down) * (across + down)


def _svd_a(g: Any, saved: Saved) -> Any:
    (u, s, v), (gu, gs, gv) = _parts(saved["out"], saved["rows"]), _parts(g, saved["rows"])
    across, down, gaps = _gaps(s)
    by_u, by_v = swap(u) @ gu, swap(v) @ gv
    inner = divided(by_u - swap(by_u), gaps, EQUAL) * across + down * divided(by_v - swap(by_v), gaps, EQUAL)
    inner = inner + diagonal(gs)
    left = u @ inner
    if u.shape[-2] > s.shape[-1]:  # what is at right angles to all of U
        left = left + divided(gu - u @ by_u, across, ZERO)
    out = left @ swap(v)
    if v.shape[-2] > s.shape[-1]:
        out = out + u @ swap(divided(gv - v @ by_v, across, ZERO))
    return out


def _svd_tangent(t: Any, saved: Saved) -> Any:
    u, s, v = _parts(saved["out"], saved["rows"])
    across, down, gaps = _gaps(s)
    by_v, by_u = t @ v, swap(t) @ u
    inner = swap(u) @ by_v
    moved = between(abs(inner) + abs(swap(inner)))
    du = u @ divided(between(inner * across + down * swap(inner)), gaps, EQUAL, moved)
    dv = v @ divided(between(down * inner + swap(inner) * across), gaps, EQUAL, moved)
    if u.shape[-2] > s.shape[-1]:
        du = du + divided(by_v - u @ inner, across, ZERO)
    if v.shape[-2] > s.shape[-1]:
        dv = dv + divided(by_u - v @ swap(inner), across, ZERO)
    ds = (inner * np.eye(s.shape[-1], dtype=bool)).sum(axis=-1)
    return np.concatenate([du, ds[..., None, :], dv], axis=-2)


@define(tangents={"a": _svd_tangent}, a=_svd_a)
def _svd(a: Array) -> tuple[Array, Saved]:
    """U on s on V, shape (…, m + 1 + n, k)."""
    finite(a)
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    out = np.concatenate([u, s[..., None, :], swap(vh)], axis=-2)
    return out, {"out": out, "rows": a.shape[-2]}


@overload
def svd(a: TensorLike, full_matrices: bool = True, compute_uv: Literal[True] = True) -> SVDResult: ...


@overload
def svd(a: TensorLike, full_matrices: bool = True, *, compute_uv: Literal[False]) -> Tensor: ...


@stands_for(np.linalg.svd)
def svd(a: TensorLike, full_matrices: bool = True, compute_uv: bool = True) -> SVDResult | Tensor:
    """The singular value decomposition ``a = (U * S) @ Vh``.

    Parameters
    ----------
    a : Tensor or array_like, shape (..., m, n)
    full_matrices : bool, default True
        For matrices that are not square it must be False: the further columns of a full U or V are an arbitrary basis,
        which has no derivative.
    compute_uv : bool, default True
        False: the singular values alone.

    Returns
    -------
    U : Tensor, shape (..., m, k), k = min(m, n)
    S : Tensor, shape (..., k)
        In descending order.
    Vh : Tensor, shape (..., k, n)
        The signs of the vectors are arbitrary: use what does not depend on them. They have a derivative where the
        singular values are distinct, and not 0 unless the matrix is square; a function of the singular values alone has
        one if it does not tell equal ones apart.

    Raises
    ------
    ValueError
        If full matrices are asked of one that is not square.
    numpy.linalg.LinAlgError
        If ``a`` has less than two axes or is not finite. In the backward pass and in forward mode, if a derivative is
        asked where there is none.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.svd([[3.0, 0.0], [0.0, 4.0]]).S.data.tolist()
    [4.0, 3.0]
    >>> nuclear = lambda a: mg.ops.svd(a, compute_uv=False).sum()
    >>> mg.grad(nuclear)([[3.0, 0.0], [0.0, -4.0]]).tolist()
    [[1.0, 0.0], [0.0, -1.0]]
    """
    a = a if isinstance(a, Tensor) else Tensor(a)
    m, n = a.shape[-2:] if a.ndim > 1 else (0, 0)
    if compute_uv and full_matrices and m != n:
        raise ValueError(
            f"svd: of {m}×{n} matrices, {abs(m - n)} columns of the larger full factor are an arbitrary basis, without "
            "a derivative; pass full_matrices=False"
        )
    stacked = record(_svd, (a,))
    s = getitem(stacked, (..., m, slice(None)))
    if not compute_uv:
        return s
    u, v = [getitem(stacked, (..., rows, slice(None))) for rows in (slice(0, m), slice(m + 1, None))]
    return SVDResult(u, s, swapaxes(v, -2, -1))


@stands_for(getattr(np.linalg, "svdvals", None))
def _svdvals(x: TensorLike) -> Tensor:
    return svd(x, compute_uv=False)


def _pinv_a(g: Any, saved: Saved) -> Any:
    a, out = saved["a"], saved["out"]
    up, turned = swap(out), swap(g)
    first, last = turned @ out, out @ turned  # gᵀ P and P gᵀ
    return (first - a @ (out @ first)) @ up + up @ (last - (last @ out) @ a) - up @ g @ up


def _pinv_tangent(t: Any, saved: Saved) -> Any:
    a, out = saved["a"], saved["out"]
    up, turned = swap(out), swap(t)
    first, last = up @ turned, turned @ up  # Pᵀ dAᵀ and dAᵀ Pᵀ
    return out @ (first - (first @ a) @ out) + (last - out @ (a @ last)) @ out - out @ t @ out


@define(tangents={"a": _pinv_tangent}, a=_pinv_a)
def _pinv(a: Array, rcond: float | None = None) -> tuple[Array, Saved]:
    finite(a)
    out = np.linalg.pinv(a, 1e-15 if rcond is None else rcond)
    return out, {"a": a, "out": out}


@stands_for(np.linalg.pinv)
@operation(_pinv)
def pinv(a: TensorLike, rcond: float | None = None, *, vjp: VJP = None) -> Tensor:
    """The pseudo-inverse of Moore and Penrose.

    The derivative is that along matrices of the same rank. The rank jumps for most others, and the pseudo-inverse with
    it, unless it is min(m, n).

    Parameters
    ----------
    a : Tensor or array_like, shape (..., m, n)
    rcond : float, optional
        Singular values below this part of the largest count as 0; default: 1e-15.

    Returns
    -------
    Tensor, shape (..., n, m)

    Raises
    ------
    numpy.linalg.LinAlgError
        If ``a`` has less than two axes, or is not finite.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.pinv([[2.0], [0.0]]).data.tolist()
    [[0.5, 0.0]]
    """
    return record(_pinv, (a,), {"rcond": rcond}, vjp=vjp)


@stands_for(np.linalg.lstsq)
def lstsq(a: TensorLike, b: TensorLike, rcond: float | None = None) -> tuple[Tensor, Tensor, int, Tensor]:
    """The x that makes ``‖b − a @ x‖`` smallest; of several, the shortest: ``pinv(a) @ b``.

    Parameters
    ----------
    a : Tensor or array_like, shape (m, n)
    b : Tensor or array_like, shape (m,) or (m, k)
    rcond : float, optional
        Singular values of ``a`` below this part of the largest count as 0; default: the machine epsilon times
        max(m, n).

    Returns
    -------
    x : Tensor, shape (n,) or (n, k)
    residuals : Tensor, shape (1,) or (k,)
        The smallest sums of squares, by column of ``b``; empty if m ≤ n or the rank is below n.
    rank : int
    s : Tensor, shape (min(m, n),)
        The singular values of ``a``.

    Raises
    ------
    numpy.linalg.LinAlgError
        If ``a`` is no matrix or not finite.
    ValueError
        If ``b`` has not as many rows as ``a``.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> a = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])  # a line through three points
    >>> x, residuals, rank, s = ops.lstsq(a, [1.0, 3.0, 5.0])
    >>> x.data.round(12).tolist(), rank
    ([2.0, 1.0], 2)
    """
    a, b = [each if isinstance(each, Tensor) else Tensor(each) for each in (a, b)]
    if a.ndim != 2:
        raise np.linalg.LinAlgError(f"lstsq: a must have shape (m, n), one matrix, but it has shape {a.shape}")
    m, n = a.shape
    if b.ndim not in (1, 2) or b.shape[0] != m:
        raise ValueError(f"lstsq: b must have shape ({m},) or ({m}, k), one row for each row of a, not {b.shape}")
    if a.dtype.kind != "f" and b.dtype.kind == "f":  # integers beside floats take their dtype, in every step
        a = Tensor(a.data.astype(b.dtype))
    s = svd(a, compute_uv=False)
    cut = float(np.finfo(s.dtype).eps) * max(m, n) if rcond is None else rcond
    rank = int((s.data > cut * s.data.max(initial=0)).sum())
    x = matmul(pinv(a, cut), b)
    left = square(subtract(b, matmul(a, x)))
    if m <= n or rank < n:
        return x, Tensor(np.zeros(0, left.dtype)), rank, s
    return x, reshape(total(left, axis=0), (-1,)), rank, s


# Golub and Van Loan, Figure 8.6.1, about: 14 m n² + 8 n³ with thin factors.
cubic(_svd, 22, 14)
cubic(_pinv, 24, 16)
