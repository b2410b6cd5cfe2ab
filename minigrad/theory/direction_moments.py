"""Moments of gradients that are estimated along random directions, ĝ = D(v) v, in closed form.

A direction v of d entries has a law that is scaled to E vvᵀ = I. All laws here have fourth moments of one form,

    E v_i v_j v_k v_l = a (δ_ij δ_kl + δ_ik δ_jl + δ_il δ_jk) + b δ_ijkl,

with a and b as `fourth_moments` gives them. The forward gradient, D(v) = ⟨g, v⟩, has the second moments
E v_i² ⟨g, v⟩² = a ‖g‖² + (2a + b) g_i², and all else follows.

A difference of values of a loss f has ⟨g, v⟩ + ½σ vᵀHv + (σ²/6) Σ T_jkl v_j v_k v_l + … in its place, with H and T the
second and third derivatives of f; the term with H is missing if it is antithetic.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from minigrad.typing import Array

__all__ = ["DIRECTION_LAWS", "DirectionLaw", "difference_bias", "directional_variances", "fourth_moments"]

DirectionLaw: TypeAlias = Literal["gaussian", "rademacher", "sphere", "coordinate"]
DIRECTION_LAWS: tuple[DirectionLaw, ...] = get_args(DirectionLaw)


def fourth_moments(law: DirectionLaw, d: int) -> tuple[float, float]:
    """The numbers a and b of a law's fourth moments.

    Parameters
    ----------
    law : {"gaussian", "rademacher", "sphere", "coordinate"}
        Independent N(0, 1); independent ±1; uniform on the sphere of radius √d; √d times a basis vector.
    d : int
        The number of entries.

    Returns
    -------
    a, b : float

    Raises
    ------
    ValueError
        If there is no such law.

    Examples
    --------
    >>> [fourth_moments(law, 2) for law in DIRECTION_LAWS]
    [(1.0, 0.0), (1.0, -2.0), (0.5, 0.0), (0.0, 2.0)]
    """
    if law == "gaussian":
        return 1.0, 0.0
    if law == "rademacher":
        return 1.0, -2.0
    if law == "sphere":  # a normal vector is its length times a direction, independent: E‖z‖⁴ = d(d + 2), ‖v‖⁴ = d²
        return d / (d + 2), 0.0
    if law == "coordinate":
        return 0.0, float(d)
    raise ValueError(f"there is no law {law!r} of directions; there are {', '.join(DIRECTION_LAWS)}")


def directional_variances(
    gradient: ArrayLike,
    law: DirectionLaw = "gaussian",
    directions: int = 1,
    orthogonal: bool = False,
    sigma: float = 0.0,
    hessian: ArrayLike | None = None,
) -> Array:
    """The variance of each entry of ĝ = (1/k) Σ_j D(v_j) v_j.

    Parameters
    ----------
    gradient : array_like
        g, of d entries in all.
    law : {"gaussian", "rademacher", "sphere", "coordinate"}, default "gaussian"
    directions : int, default 1
        k, the number of directions.
    orthogonal : bool, default False
        Whether they are at right angles to each other, uniformly so; for "sphere" and "coordinate". Else independent.
    sigma : float, default 0
        The step σ of a one-sided difference, D(v) = (f(θ + σv) − f(θ)) / σ. With 0, D(v) = ⟨g, v⟩, as in forward mode;
        an antithetic difference (f(θ + σv) − f(θ − σv)) / 2σ is the same where f is quadratic.
    hessian : array_like, shape (d, d), optional
        H of a quadratic f; needed with ``sigma``.

    Returns
    -------
    ndarray of float64, of the shape of ``gradient``
        Its sum is E‖ĝ − E ĝ‖².

    Raises
    ------
    ValueError
        If the law is unknown, or has no orthogonal directions, or there are more of them than entries; or if ``sigma``
        comes without ``hessian``.

    Notes
    -----
    E ĝ_i² = E v_i² ⟨g, v⟩² = a ‖g‖² + (2a + b) g_i² for one direction. So the sum of the variances is

    * (d + 1)‖g‖² for "gaussian" (Baydin et al. 2022, arXiv:2202.08587; Nesterov and Spokoiny 2017),
    * (d − 1)‖g‖² for the others, for there ‖v‖² = d always, so that E‖ĝ‖² = d E⟨g, v⟩² = d ‖g‖²,

    over k if the directions are independent. For k orthogonal ones it is (d/k − 1)‖g‖², and 0 where k = d: ĝ is then
    d/k times the projection of g on a random subspace.

    One-sided, for quadratic f, there comes ¼σ² E (vᵀHv)² v_i² / k; the mixed term is odd in v, so 0, but for
    "coordinate". With t = tr H and s = tr H² that is, from the sixth moments of a normal vector (Isserlis 1918),
    t² + 2s + 4t H_ii + 8(H²)_ii for "gaussian", d²/((d + 2)(d + 4)) times that for "sphere", and t² + 2(s − Σ_j H_jj²)
    for "rademacher". Of "coordinate" each entry has g_i + ½σ√d H_ii in the place of g_i.

    Examples
    --------
    >>> from minigrad import theory
    >>> g = [3.0, 4.0, 0.0]
    >>> theory.directional_variances(g).tolist(), theory.directional_variances(g, "rademacher").tolist()
    ([34.0, 41.0, 25.0], [16.0, 9.0, 25.0])
    >>> float(theory.directional_variances(g, "sphere", directions=3, orthogonal=True).sum())
    0.0
    """
    g = np.asarray(gradient, dtype=np.float64)
    d, k = g.size, directions
    a, b = fourth_moments(law, d)
    if orthogonal and (law not in ("sphere", "coordinate") or k > d):
        raise ValueError(
            f"{k} orthogonal directions of law {law!r} in {d} dimensions: there are d at most, of the laws 'sphere' "
            "and 'coordinate'"
        )
    flat = g.ravel()
    h = np.zeros((d, d)) if hessian is None else np.asarray(hessian, dtype=np.float64)
    if sigma and hessian is None:
        raise ValueError("directional_variances: the variance of a one-sided difference hangs on hessian=; pass it")
    if h.shape != (d, d):
        raise ValueError(f"directional_variances: hessian has shape {h.shape}, and the gradient {d} entries")
    if law == "coordinate":  # a single basis vector sees f as a function of one number
        flat = flat + 0.5 * sigma * math.sqrt(d) * np.diagonal(h)
    square = float(flat @ flat)
    if orthogonal and law == "sphere":
        found = _of_projection(flat, square, k)
    elif orthogonal:
        found = (d / k - 1) * flat**2
    else:
        found = (a * square + (2 * a + b - 1) * flat**2) / k
    if sigma and law != "coordinate":
        found = found + 0.25 * sigma**2 * _sixth(law, h) / k
    return np.maximum(found, 0.0).reshape(g.shape)


def _of_projection(g: Array, square: float, k: int) -> Array:
    """For (d/k) P g, with P the projection on a random subspace of k dimensions (Theory §2, orthogonal)."""
    d = g.size
    if d == 1:
        return np.zeros_like(g)
    scale = d / (k * (d - 1) * (d + 2))
    alpha, beta = scale * (d * k + k - 2), scale * (d - k)
    found: Array = (alpha + beta - 1) * g**2 + beta * square
    return found


def _sixth(law: DirectionLaw, h: Array) -> Array:
    """E (vᵀHv)² v_i² for each i."""
    d = len(h)
    h = (h + h.T) / 2
    trace, square, diagonal = float(np.trace(h)), float(np.square(h).sum()), np.diagonal(h)
    if law == "rademacher":
        return np.full(d, trace**2 + 2 * (square - float(diagonal @ diagonal)))
    found = trace**2 + 2 * square + 4 * trace * diagonal + 8 * np.square(h).sum(axis=1)
    return np.asarray(found * (d**2 / ((d + 2) * (d + 4)) if law == "sphere" else 1.0))


def difference_bias(
    hessian: ArrayLike,
    third: ArrayLike | None = None,
    *,
    sigma: float,
    law: DirectionLaw = "gaussian",
    one_sided: bool = False,
) -> Array:
    """E ĝ − g of ĝ = D(v) v where D(v) is a difference of values of f, for polynomials of degree three.

    Parameters
    ----------
    hessian : array_like, shape (d, d)
        H, the second derivatives of f at θ.
    third : array_like, shape (d, d, d), optional
        T, the third ones; default: f is quadratic.
    sigma : float
        The step σ.
    law : {"gaussian", "rademacher", "sphere", "coordinate"}, default "gaussian"
    one_sided : bool, default False
        Whether D(v) = (f(θ + σv) − f(θ)) / σ, and not the antithetic (f(θ + σv) − f(θ − σv)) / 2σ.

    Returns
    -------
    ndarray of float64, shape (d,)
        It is the same for a mean over several directions.

    Raises
    ------
    ValueError
        If the law is unknown.

    Notes
    -----
    The estimate is unbiased for the gradient of a smoothed f; for "gaussian" of f_σ(θ) = E f(θ + σv), so the bias is
    ∇f_σ − ∇f (Nesterov and Spokoiny 2017, *Foundations of Computational Mathematics* 17). As a series in σ it is

    * ½σ E (vᵀHv) v, one-sided only: ½σ√d H_ii for "coordinate", and 0 for the others, which know no sign;
    * (σ²/6) Σ_jkl T_jkl E v_i v_j v_k v_l = (σ²/6)(3a Σ_j T_ijj + b T_iii), with a and b of `fourth_moments`: ½σ² times
      the gradient of the Laplacian for "gaussian".

    So a quadratic has no bias but from one-sided steps along coordinates.

    Examples
    --------
    >>> from minigrad import theory
    >>> theory.difference_bias([[2.0]], [[[6.0]]], sigma=0.1).round(9).tolist()     # (x³)': 3x² + 3σ²
    [0.03]
    """
    h = np.asarray(hessian, dtype=np.float64)
    d = len(h)
    a, b = fourth_moments(law, d)
    bias = np.zeros(d)
    if one_sided and law == "coordinate":
        bias = bias + 0.5 * sigma * math.sqrt(d) * np.diagonal(h)
    if third is not None:
        t = np.asarray(third, dtype=np.float64)
        bias = bias + sigma**2 / 6 * (3 * a * np.einsum("ijj->i", t) + b * np.einsum("iii->i", t))
    return np.asarray(bias)
