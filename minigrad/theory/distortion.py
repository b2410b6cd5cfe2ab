"""Distortions E‖·̂ − ·‖² of a linear node Y = X Wᵀ + b whose cotangent is replaced by an unbiased random one.

Index conventions: X is B×n, W m×n, G = ∂loss/∂Y B×m; i runs over rows (samples, tokens, pixels), j over
columns (output features), k over singular directions; G_j is a column of G, W_j a row of W, G_i and X_i rows.
Norms are Frobenius. A mean loss has its factor 1/batch in G already: every distortion is that of the arrays
given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from minigrad.theory.designs import DesignName, arc_starts, overlaps
from minigrad.theory.projections import PROJECTIONS, Projection, input_factor, own_factor
from minigrad.typing import Array

__all__ = ["cotangent_distortion", "input_distortion", "weight_distortion"]

Masked: TypeAlias = Literal["element", "column", "row", "lowrank"]
Kind: TypeAlias = Masked | Projection
_MASKS: tuple[Masked, ...] = get_args(Masked)
_KINDS = (*_MASKS, *PROJECTIONS)


class _Atoms(NamedTuple):
    """What a mask keeps or drops one by one, seen through a linear map.

    ``squares`` are the squared norms of their images. ``blocks`` are pairs (indices, Gram matrix of the
    images), one for each group of atoms whose images need not be orthogonal; images of different groups are.
    """

    squares: Array
    blocks: Iterator[tuple[Array, Array]] = iter(())


def cotangent_distortion(
    g: ArrayLike, kind: Kind, *, p: ArrayLike | None = None, r: int | None = None, design: DesignName = "poisson"
) -> float:
    """Return E‖Ĝ − G‖² for an unbiased random Ĝ.

    Parameters
    ----------
    g : array_like of shape (..., m)
        The cotangent; the last axis is columns, all axes before it are flattened to rows.
    kind : str
        What is kept with probability p and divided by p: ``"element"``, ``"column"``, ``"row"`` or
        ``"lowrank"`` (singular directions). Or the random projection Ĝ = G Ω Ωᵀ: ``"gaussian"``,
        ``"rademacher"``, ``"countsketch"`` or ``"orthogonal"``.
    p : array_like
        For masks: the probabilities, a scalar or one for each entry (shape of g), column (m,), row (B,), or
        singular direction in decreasing order (min(B, m),). 0 only where what is dropped is 0.
    r : int
        For projections: the number of columns of Ω.
    design : {"poisson", "systematic"}
        How a mask is drawn. It makes no difference to this distortion, as entries, columns, rows and singular
        directions are orthogonal to one another.

    Returns
    -------
    float
        In the squared unit of g, computed in float64.

    Raises
    ------
    ValueError
        If kind or design is unknown, p or r is missing, out of range or of a wrong shape, or where a p of 0
        would make the estimate biased.

    Notes
    -----
    A mask gives Σ (1/p_a − 1)‖part a of G‖². A projection of width r gives (m+1)/r ‖G‖² if Gaussian,
    (m−1)/r ‖G‖² if Rademacher or CountSketch, (m/r − 1) ‖G‖² if orthogonal. Bakong et al. (2026),
    arXiv:2602.14701.

    Examples
    --------
    >>> from minigrad import theory
    >>> g = [[3.0, 0.0], [4.0, 1.0]]
    >>> theory.cotangent_distortion(g, "column", p=0.5)
    26.0
    >>> theory.cotangent_distortion(g, "column", p=[0.5, 0.25])
    28.0
    >>> theory.cotangent_distortion(g, "orthogonal", r=1)
    26.0
    """
    G = _matrix(g, "g")
    _check(kind, p, r, design)
    if kind in PROJECTIONS:
        return own_factor(kind, G.shape[1], _width(r, kind, G.shape[1])) * _square(G)
    if kind == "element":
        return _masked(_Atoms(G.ravel() ** 2), p, kind, np.shape(g), design)
    if kind == "column":
        return _masked(_Atoms(_squares(G.T)), p, kind, G.shape[1:], design)
    if kind == "row":
        return _masked(_Atoms(_squares(G)), p, kind, G.shape[:1], design)
    _, sigma, _ = _svd(G)
    return _masked(_Atoms(sigma**2), p, kind, sigma.shape, design)


def input_distortion(
    g: ArrayLike,
    w: ArrayLike,
    kind: Kind,
    *,
    p: ArrayLike | None = None,
    r: int | None = None,
    design: DesignName = "poisson",
) -> float:
    """Return E‖ĜW − GW‖², the distortion of ∂loss/∂X.

    Parameters
    ----------
    g, kind, p, r, design
        As for `cotangent_distortion`. The design now matters for columns and for entries: parts that are kept
        together more, or less, often than independent ones add the cross terms of the notes. Entries are
        sampled in C order (row after row).
    w : array_like of shape (m, n)
        The weight.

    Returns
    -------
    float
        In the squared unit of g·w, computed in float64.

    Raises
    ------
    ValueError
        As `cotangent_distortion`, or if the shapes of g and w do not fit.

    Notes
    -----
    Independent keeps: Σ_ij (1/p_ij − 1) g_ij² ‖W_j‖² for entries, Σ_j (1/p_j − 1)‖G_j‖²‖W_j‖² for columns,
    Σ_i (1/p_i − 1)‖(∂X)_i‖² for rows, Σ_k (1/p_k − 1) σ_k² ‖v_kᵀW‖² for singular directions.
    Systematic keeps add 2 Σ_{j<k} (p_jk/(p_j p_k) − 1) ⟨G_j, G_k⟩⟨W_j, W_k⟩ for columns and, within each row
    i, 2 Σ_{j<k} (p_ij,ik/(p_ij p_ik) − 1) g_ij g_ik ⟨W_j, W_k⟩ for entries. They may be of either sign.

    Projections, with D = Σ_j ‖G_j‖²‖W_j‖²: (‖G‖²‖W‖² + ‖∂X‖²)/r if Gaussian, 2D/r less if Rademacher or
    CountSketch, and for the orthogonal one (α − 1)‖∂X‖² + β(‖G‖²‖W‖² + ‖∂X‖²) with
    α = m(mr + r − 2)/(r(m − 1)(m + 2)), β = m(m − r)/(r(m − 1)(m + 2)).

    Bakong et al. (2026), arXiv:2602.14701; Madow (1949), Ann. Math. Statist. 20(3).

    Examples
    --------
    Two columns that cancel in ∂X. Independent keeps tear them apart half of the time, systematic keeps
    always:

    >>> from minigrad import theory
    >>> g, w = [[1.0, 1.0]], [[1.0], [-1.0]]
    >>> theory.input_distortion(g, w, "column", p=0.5)
    2.0
    >>> theory.input_distortion(g, w, "column", p=0.5, design="systematic")
    4.0
    """
    G, W = _matrix(g, "g"), _matrix(w, "w")
    if G.shape[1] != W.shape[0]:
        raise ValueError(
            f"input_distortion: g has {G.shape[1]} columns and w {W.shape[0]} rows. Both count the output "
            "features of Y = X Wᵀ + b: g is (..., m), w is (m, n)."
        )
    _check(kind, p, r, design)
    norms = _squares(W)
    if kind in PROJECTIONS:
        own, exact, diagonal = _square(G) * _square(W), _square(G @ W), float(_squares(G.T) @ norms)
        return input_factor(kind, G.shape[1], _width(r, kind, G.shape[1]), own, exact, diagonal)
    if kind == "element":
        return _masked(_Atoms((G**2 * norms).ravel(), _entry_blocks(G, W)), p, kind, np.shape(g), design)
    if kind == "column":
        return _masked(_Atoms(_squares(G.T) * norms, _one_block(G.T, W)), p, kind, G.shape[1:], design)
    if kind == "row":
        return _masked(_Atoms(_squares(G @ W)), p, kind, G.shape[:1], design)
    _, sigma, vt = _svd(G)
    return _masked(_Atoms(sigma**2 * _squares(vt @ W)), p, kind, sigma.shape, design)


def weight_distortion(
    g: ArrayLike,
    x: ArrayLike,
    kind: Kind,
    *,
    p: ArrayLike | None = None,
    r: int | None = None,
    design: DesignName = "poisson",
) -> float:
    """Return E‖ĜᵀX − GᵀX‖², the distortion of ∂loss/∂W.

    Parameters
    ----------
    g, kind, p, r, design
        As for `cotangent_distortion`. The design now matters for rows and for entries (in C order).
    x : array_like of shape (..., n)
        The input of the node, with as many rows as g. A column of ones gives the distortion of ∂loss/∂b.

    Returns
    -------
    float
        In the squared unit of g·x, computed in float64.

    Raises
    ------
    ValueError
        As `cotangent_distortion`, or if the shapes of g and x do not fit.

    Notes
    -----
    Independent keeps: Σ_ij (1/p_ij − 1) g_ij² ‖X_i‖² for entries, Σ_j (1/p_j − 1)‖(∂W)_j‖² for columns,
    Σ_i (1/p_i − 1)‖G_i‖²‖X_i‖² for rows, Σ_k (1/p_k − 1) σ_k² ‖u_kᵀX‖² for singular directions.
    Systematic keeps add 2 Σ_{i<k} (p_ik/(p_i p_k) − 1) ⟨G_i, G_k⟩⟨X_i, X_k⟩ for rows and, within each column
    j, 2 Σ_{i<k} (p_ij,kj/(p_ij p_kj) − 1) g_ij g_kj ⟨X_i, X_k⟩ for entries. A projection gives its factor for
    G (see `cotangent_distortion`) times ‖∂W‖². Bakong et al. (2026), arXiv:2602.14701.

    Examples
    --------
    >>> from minigrad import theory
    >>> g, x = [[1.0, 2.0], [3.0, 0.0]], [[1.0], [1.0]]
    >>> theory.weight_distortion(g, x, "row", p=0.5)
    14.0
    >>> theory.weight_distortion(g, x, "column", p=0.5)
    20.0
    """
    G, X = _matrix(g, "g"), _matrix(x, "x")
    if G.shape[0] != X.shape[0]:
        raise ValueError(
            f"weight_distortion: g has {G.shape[0]} rows and x {X.shape[0]}. Both count samples (tokens, "
            "pixels): g is (..., m), x is (..., n), with the same leading axes."
        )
    _check(kind, p, r, design)
    exact, norms = G.T @ X, _squares(X)
    if kind in PROJECTIONS:
        return own_factor(kind, G.shape[1], _width(r, kind, G.shape[1])) * _square(exact)
    if kind == "element":
        # The entries of a column of G are those of a row of Gᵀ: the same blocks, numbered in the order of G.
        order = np.arange(G.size).reshape(G.shape).T
        atoms = _Atoms((G**2 * norms[:, None]).ravel(), _entry_blocks(G.T, X, order))
        return _masked(atoms, p, kind, np.shape(g), design)
    if kind == "column":
        return _masked(_Atoms(_squares(exact)), p, kind, G.shape[1:], design)
    if kind == "row":
        return _masked(_Atoms(_squares(G) * norms, _one_block(G, X)), p, kind, G.shape[:1], design)
    u, sigma, _ = _svd(G)
    return _masked(_Atoms(sigma**2 * _squares(u.T @ X)), p, kind, sigma.shape, design)


def _masked(atoms: _Atoms, p: ArrayLike | None, kind: str, shape: tuple[int, ...], design: str) -> float:
    """Σ_ab (p_ab/(p_a p_b) − 1) ⟨image of a, image of b⟩, where p_aa = p_a."""
    q = _probabilities(p, kind, shape, atoms.squares)
    seen = q > 0.0
    total = float(np.sum(atoms.squares[seen] * (1.0 - q[seen]) / q[seen]))
    if design == "systematic":
        start = arc_starts(q)
        for index, gram in atoms.blocks:
            kept = index[seen[index]]
            inner = gram[np.ix_(seen[index], seen[index])]
            excess = overlaps(start[kept], q[kept]) / np.outer(q[kept], q[kept]) - 1.0
            np.fill_diagonal(excess, 0.0)  # the diagonal is `total` already
            total += float(np.sum(excess * inner))
    return total


def _one_block(left: Array, right: Array) -> Iterator[tuple[Array, Array]]:
    """Images left_a ⊗ right_a: their inner products are ⟨left_a, left_b⟩⟨right_a, right_b⟩."""
    yield np.arange(left.shape[0]), (left @ left.T) * (right @ right.T)


def _entry_blocks(G: Array, W: Array, order: Array | None = None) -> Iterator[tuple[Array, Array]]:
    """The image of entry (i, j) is g_ij W_j in row i, so only the entries of one row meet."""
    order = np.arange(G.size).reshape(G.shape) if order is None else order
    gram = W @ W.T
    for index, row in zip(order, G, strict=True):
        yield index, np.outer(row, row) * gram


def _probabilities(p: ArrayLike | None, kind: str, shape: tuple[int, ...], squares: Array) -> Array:
    q = np.asarray(p, dtype=np.float64)
    if q.ndim and q.shape != shape:
        raise ValueError(f"kind={kind!r} takes a scalar p or one of shape {shape}, not {q.shape}.")
    q = np.broadcast_to(q, shape).ravel()
    if not (q.size == 0 or (q.min() >= 0.0 and q.max() <= 1.0)):
        raise ValueError(f"p must be in [0, 1]: probabilities; got {q.min():.3g} to {q.max():.3g}.")
    never = (q == 0.0) & (squares > 0.0)
    if never.any():
        raise ValueError(
            f"p is 0 at {kind} {int(np.flatnonzero(never)[0])}, which is not 0: what is never kept makes the "
            "estimate biased, and no probability of the others mends it. Give it a positive p."
        )
    return q


def _check(kind: str, p: ArrayLike | None, r: int | None, design: str) -> None:
    if kind not in _KINDS:
        raise ValueError(f"unknown kind {kind!r}; choose one of {', '.join(_KINDS)}.")
    if design not in ("poisson", "systematic"):
        raise ValueError(f"unknown design {design!r}; choose 'poisson' or 'systematic'.")
    if kind in _MASKS and (p is None or r is not None):
        raise ValueError(f"kind={kind!r} is a mask: it takes probabilities p=, and no width r=.")
    if kind in PROJECTIONS and (r is None or p is not None or design != "poisson"):
        raise ValueError(f"kind={kind!r} is a projection: it takes a width r=, and no p= or design=.")


def _width(r: int | None, kind: str, m: int) -> int:
    if r is None or int(r) != r or r < 1 or (kind == "orthogonal" and r > m):
        most = f" and at most the {m} columns of g" if kind == "orthogonal" else ""
        raise ValueError(f"r={r!r} must be a whole number, at least 1{most}: it counts the columns of Ω.")
    return int(r)


def _matrix(a: ArrayLike, name: str) -> Array:
    """The array in float64, all axes but the last flattened to rows."""
    array = np.asarray(a, dtype=np.float64)
    if array.ndim < 2:
        raise ValueError(f"{name} of shape {array.shape} needs rows and columns: give it at least two axes.")
    return array.reshape(-1, array.shape[-1])


def _squares(a: Array) -> Array:
    """Squared norms of the rows."""
    norms: Array = np.einsum("ij,ij->i", a, a)
    return norms


def _square(a: Array) -> float:
    return float(np.sum(a * a))


def _svd(G: Array) -> tuple[Array, Array, Array]:
    """Thin singular value decomposition; what is 0 to rounding is set to 0, so that its p may be 0."""
    u, sigma, vt = np.linalg.svd(G, full_matrices=False)
    noise = float(sigma.max(initial=0.0)) * max(G.shape) * float(np.finfo(np.float64).eps)
    return u, np.where(sigma > noise, sigma, 0.0), vt
