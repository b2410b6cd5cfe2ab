"""Factorizations of matrices: Cholesky, QR, and eigenvalues of symmetric matrices.

Index conventions: A is (…, m, n), k = min(m, n); leading axes are batches. An operation with several factors is one
primitive, whose output stacks them on each other as rows; the public function takes the factors out of it.

Rules: Cholesky: I. Murray, *Differentiation of the Cholesky decomposition*, 2016, arXiv:1602.07527, eqs. 8 and 10. QR:
S. Walter and L. Lehmann, *Algorithmic differentiation of linear algebra functions*, 2010, arXiv:1001.1654. Eigenvalues:
M. Giles, *Collected matrix derivative results for forward and reverse mode algorithmic differentiation*, 2008, section
3.1.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, overload

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.primitive import Saved
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.ops.indexing import getitem
from minigrad.ops.joining import concatenate
from minigrad.ops.matmul import matmul
from minigrad.ops.matrices import between, cubic, diagonal, divided, finite, lower, solved, square, symmetric
from minigrad.ops.shapes import swapaxes
from minigrad.structure import swap
from minigrad.typing import Array

__all__ = ["cholesky", "eigh", "eigvalsh", "qr"]


RANK = "its columns depend on each other, and the factors have no derivative there"


class EighResult(NamedTuple):
    """The results of `eigh`, under NumPy's names."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    """The results of `qr`, under NumPy's names."""

    Q: Tensor
    R: Tensor


def _cholesky_a(g: Any, saved: Saved) -> Any:
    out = saved["out"]
    up = swap(out)
    half = solved(up, lower(up @ np.tril(g), 0.5), RANK)
    return symmetric(swap(solved(up, swap(half), RANK)))


def _cholesky_tangent(t: Any, saved: Saved) -> Any:
    out = saved["out"]
    inner = solved(out, symmetric(t), RANK)
    return out @ lower(solved(out, swap(inner), RANK), 0.5)


@define(tangents={"a": _cholesky_tangent}, a=_cholesky_a)
def _cholesky(a: Array) -> tuple[Array, Saved]:
    square(a)
    finite(a)
    try:
        out = np.linalg.cholesky(a)
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(
            "a matrix is not positive definite; only a symmetric matrix whose eigenvalues are all above "
            "0 has this factor. If rounding made one negative, add a small multiple of the identity"
        ) from error
    return out, {"out": out}


@stands_for(np.linalg.cholesky)
@operation(_cholesky)
def cholesky(a: TensorLike, *, upper: bool = False, vjp: VJP = None) -> Tensor:
    """The Cholesky factor L, lower triangular with a positive diagonal: ``a = L @ L.T``.

    Parameters
    ----------
    a : Tensor or array_like, shape (..., n, n)
        Symmetric and positive definite. Only the lower triangle is read. The derivative is that along symmetric
        matrices: the gradient is symmetric, each half of it holding one half of what an entry pair does.
    upper : bool, default False
        Return Lᵀ.

    Returns
    -------
    Tensor, shape (..., n, n)

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrices are not square, or one is not positive definite.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.cholesky([[4.0, 2.0], [2.0, 2.0]]).data.tolist()
    [[2.0, 0.0], [1.0, 1.0]]
    >>> mg.grad(lambda a: mg.ops.cholesky(a)[1, 0])([[4.0, 2.0], [2.0, 2.0]]).tolist()
    [[-0.125, 0.25], [0.25, 0.0]]
    """
    out = record(_cholesky, (a,), vjp=vjp)
    return swapaxes(out, -2, -1) if upper else out


def _qr_parts(stacked: Any) -> tuple[Any, Any]:
    n = stacked.shape[-1]
    return stacked[..., :-n, :], stacked[..., -n:, :]


def _qr_a(g: Any, saved: Saved) -> Any:
    (q, r), (gq, gr) = _qr_parts(saved["out"]), _qr_parts(g)
    inner = r @ swap(np.triu(gr)) - swap(gq) @ q
    mirrored = lower(inner, 1) + swap(lower(inner, 0))
    return swap(solved(r, swap(gq + q @ mirrored), RANK))


def _qr_tangent(t: Any, saved: Saved) -> Any:
    q, r = _qr_parts(saved["out"])
    moved = swap(solved(swap(r), swap(t), RANK))  # dA R⁻¹
    inner = swap(q) @ moved
    turn = lower(inner, 0) - swap(lower(inner, 0))  # Qᵀ dQ
    return np.concatenate([q @ turn + moved - q @ inner, (inner - turn) @ r], axis=-2)


@define(tangents={"a": _qr_tangent}, a=_qr_a)
def _qr(a: Array) -> tuple[Array, Saved]:
    """Q on R, shape (…, m + n, n), of matrices with m ≥ n."""
    q, r = np.linalg.qr(a)
    out = np.concatenate([q, r], axis=-2)
    return out, {"out": out}


@overload
def qr(a: TensorLike, mode: Literal["reduced", "complete"] = "reduced") -> QRResult: ...


@overload
def qr(a: TensorLike, mode: Literal["r"]) -> Tensor: ...


@stands_for(np.linalg.qr)
def qr(a: TensorLike, mode: Literal["reduced", "complete", "r"] = "reduced") -> QRResult | Tensor:
    """The factors of ``a = Q @ R``: columns at right angles to each other, and an upper triangle.

    Parameters
    ----------
    a : Tensor or array_like, shape (..., m, n)
        Its first k = min(m, n) columns must not depend on each other for the derivative to exist.
    mode : {"reduced", "complete", "r"}
        "reduced": Q is (..., m, k) and R is (..., k, n). "complete": the same, for matrices with m ≤ n only, as the
        further columns of Q are an arbitrary basis. "r": R alone.

    Returns
    -------
    Q, R : Tensor
        Signs are LAPACK's: the diagonal of R may be negative.

    Raises
    ------
    ValueError
        If ``mode`` is none of these, or "complete" for m > n.
    numpy.linalg.LinAlgError
        If ``a`` has less than two axes, or is not finite. In the backward pass, if the columns depend on each other.

    Examples
    --------
    >>> from minigrad import ops
    >>> q, r = ops.qr([[3.0, 1.0], [4.0, 2.0]])
    >>> abs(r.data).round(12).tolist()
    [[5.0, 2.2], [0.0, 0.4]]
    """
    a = a if isinstance(a, Tensor) else Tensor(a)
    finite(a.data, "qr: ")  # of matrices that are wider than high only a part is factorized
    m, n = a.shape[-2:]
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr: mode={mode!r} is none of 'reduced', 'complete' and 'r'")
    if mode == "complete" and m > n:
        raise ValueError(
            f"qr: the last {m - n} columns of a complete Q are an arbitrary basis, without a derivative; "
            "use mode='reduced'"
        )
    stacked = record(_qr, (getitem(a, (..., slice(0, m))) if n > m else a,))
    q, r = getitem(stacked, (..., slice(0, m), slice(None))), getitem(stacked, (..., slice(m, None), slice(None)))
    if n > m:  # A = [X, Y] with X = Q U: R = [U, Qᵀ Y]
        r = concatenate([r, matmul(swapaxes(q, -2, -1), getitem(a, (..., slice(m, None))))], axis=-1)
    return r if mode == "r" else QRResult(q, r)


EQUAL = "two eigenvalues are equal: their vectors may be any basis of a plane, and have no derivative"


def _eigh_parts(stacked: Any) -> tuple[Any, Any]:
    return stacked[..., 0, :], stacked[..., 1:, :]


def _gaps(values: Any) -> Any:
    return values[..., None, :] - values[..., None]


def _eigh_a(g: Any, saved: Saved) -> Any:
    (w, v), (gw, gv) = _eigh_parts(saved["out"]), _eigh_parts(g)
    inner = swap(v) @ gv
    turn = divided((inner - swap(inner)) * 0.5, _gaps(w), EQUAL)
    return v @ (diagonal(gw) + turn) @ swap(v)


def _eigh_tangent(t: Any, saved: Saved) -> Any:
    w, v = _eigh_parts(saved["out"])
    inner = swap(v) @ symmetric(t) @ v
    slopes = (inner * np.eye(w.shape[-1], dtype=bool)).sum(axis=-1)
    turn = v @ divided(between(inner), _gaps(w), EQUAL)
    return np.concatenate([slopes[..., None, :], turn], axis=-2)


@define(tangents={"a": _eigh_tangent}, a=_eigh_a)
def _eigh(a: Array, UPLO: Literal["L", "U"] = "L") -> tuple[Array, Saved]:
    """Eigenvalues on eigenvectors, shape (…, 1 + n, n)."""
    square(a)
    finite(a)
    w, v = np.linalg.eigh(a, UPLO)
    out = np.concatenate([w[..., None, :], v], axis=-2)
    return out, {"out": out}


@stands_for(np.linalg.eigh)
def eigh(a: TensorLike, UPLO: Literal["L", "U"] = "L") -> EighResult:
    """Eigenvalues and eigenvectors of symmetric matrices: ``a @ v = v * w``.

    Parameters
    ----------
    a : Tensor or array_like, shape (..., n, n)
        Symmetric. Only one triangle is read. The derivative is that along symmetric matrices: the gradient is
        symmetric.
    UPLO : {"L", "U"}
        Which triangle is read, the lower or the upper.

    Returns
    -------
    eigenvalues : Tensor, shape (..., n)
        In ascending order.
    eigenvectors : Tensor, shape (..., n, n)
        One in each column. Their signs are arbitrary: use what does not depend on them. They have a derivative where
        the eigenvalues are distinct; a function of equal eigenvalues alone has one if it does not tell them apart.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrices are not square or not finite. In the backward pass and in forward mode, if a derivative is
        asked of the vectors of equal eigenvalues.

    Examples
    --------
    >>> import minigrad as mg
    >>> w, v = mg.ops.eigh([[2.0, 0.0], [0.0, 1.0]])
    >>> w.data.tolist()
    [1.0, 2.0]
    >>> mg.grad(lambda a: mg.ops.eigh(a).eigenvalues[-1])([[2.0, 0.0], [0.0, 1.0]]).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    stacked = record(_eigh, (a,), {"UPLO": UPLO})
    return EighResult(getitem(stacked, (..., 0, slice(None))), getitem(stacked, (..., slice(1, None), slice(None))))


@stands_for(np.linalg.eigvalsh)
def eigvalsh(a: TensorLike, UPLO: Literal["L", "U"] = "L") -> Tensor:
    """The eigenvalues of symmetric matrices, in ascending order: those of `eigh`, which see.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.eigvalsh([[2.0, 0.0], [0.0, 1.0]]).data.tolist()
    [1.0, 2.0]
    """
    return eigh(a, UPLO).eigenvalues


# Factors of a symmetric matrix: a third of a matrix product of order n; of the others Householder's, and QR iterations.
cubic(_cholesky, 1 / 3, 8)
cubic(_qr, 4, 8)
cubic(_eigh, 9, 6)
