"""Constants of random projections Ĝ = G Ω Ωᵀ, with Ω of m rows and r columns and E ΩΩᵀ = I.

They follow from the second moments of M = ΩΩᵀ alone. With S = GᵀG and K = WWᵀ the distortion of GW is
E tr(S M K M) − tr(S K), and E M K M is a combination of K, tr(K)·I and, where the law of Ω prefers the axes,
diag(K).
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

__all__ = ["PROJECTIONS", "Projection", "input_factor", "own_factor"]

Projection: TypeAlias = Literal["gaussian", "rademacher", "countsketch", "orthogonal"]
PROJECTIONS: tuple[Projection, ...] = get_args(Projection)


def own_factor(kind: str, m: int, r: int) -> float:
    """E‖GΩΩᵀ − G‖² / ‖G‖², which holds for every G because E M² = (1 + factor)·I."""
    if kind == "gaussian":
        return (m + 1) / r
    if kind == "orthogonal":
        return m / r - 1
    return (m - 1) / r


def input_factor(kind: str, m: int, r: int, own: float, exact: float, diagonal: float) -> float:
    """E‖GΩΩᵀW − GW‖², from own = ‖G‖²‖W‖², exact = ‖GW‖² and diagonal = Σ_j ‖G_j‖²‖W_j‖²."""
    if kind == "gaussian":
        return (own + exact) / r
    if kind == "orthogonal":
        if m == 1:  # the projection is the identity; the constants below are 0/0
            return 0.0
        scale = m / (r * (m - 1) * (m + 2))
        alpha, beta = scale * (m * r + r - 2), scale * (m - r)
        return (alpha - 1) * exact + beta * (own + exact)
    # Never negative, and 0 where the sketch is exact (m = 1): rounding must not say otherwise.
    return max(0.0, own + exact - 2.0 * diagonal) / r
