"""Inclusion probabilities of the least cost that hold a distortion: the dual of `minigrad.theory.probabilities`.

Index conventions: j runs over what may be kept (columns, rows, samples, entries, singular directions); w_j weight,
c_j cost, l_j lower bound, p_j inclusion probability, τ the water level, ω the relative distortion.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from minigrad.theory.sampling_problem import check_bounds, checked_costs, checked_lower, checked_weights, seen_at_all
from minigrad.theory.water_filling import drain, drain_box, drain_floor
from minigrad.typing import Array

__all__ = ["least_probabilities", "minimal_cost"]

WHO = "least_probabilities"


def least_probabilities(
    weights: ArrayLike,
    distortion: float,
    costs: ArrayLike | None = None,
    *,
    lower: ArrayLike | None = None,
) -> Array:
    r"""Return the p that minimises Σ c_j p_j subject to Σ w_j / p_j ≤ (1 + distortion) Σ w_j and 0 < p_j ≤ 1.

    `optimal_probabilities` spends a given cost so that the variance is smallest; this spends the least for which the
    variance Σ (1/p_j − 1) w_j is at most ω Σ w_j. The solution is of the same family,

    .. math:: p_j = \min\left(1, \sqrt{w_j / c_j} / \tau\right)

    with τ the number that makes the bound tight. It is found exactly: the variance is piecewise linear in τ, so one
    sort of its breakpoints tells which items are saturated (p_j = 1), and τ follows by one division.

    Parameters
    ----------
    weights : array_like, any shape
        w_j ≥ 0, finite; float32 is computed in float64.
    distortion : float
        ω ≥ 0, finite. 0 keeps everything.
    costs : array_like, optional
        c_j > 0, a scalar or of the shape of ``weights``. Default: all 1.
    lower : array_like, optional
        Lower bounds on p_j, in [0, 1]; then p_j = clip(√(w_j/c_j)/τ, lower_j, 1), which is again exact. A scalar
        bounds the items of positive weight. An array, of the shape of ``weights``, bounds every item, also those of
        weight 0, which then get just their bound.

    Returns
    -------
    ndarray of float64, of the shape of ``weights``
        The probabilities: 0 where the weight is 0 (and no array ``lower`` says otherwise), in (0, 1] elsewhere, with
        Σ (1/p_j − 1) w_j = ω Σ w_j to rounding, or less where the lower bounds alone hold it.

    Raises
    ------
    ValueError
        If a weight is negative, infinite or NaN; a cost is not positive and finite; the distortion is negative,
        infinite or NaN; a bound is outside [0, 1]; or shapes do not match.

    Notes
    -----
    With unit costs no more is kept than by the uniform p = 1/(1 + ω), and as much only where all weights are alike.
    Theory §6; for the samples of a batch it is the rule of Wang, Chen, Zhu (2024), *VCAS*, ICLR, arXiv:2402.17227.

    Examples
    --------
    A tenth of the weight may be lost on average: the heavy column is kept, of the light ones a few.

    >>> from minigrad import theory
    >>> p = theory.least_probabilities([100.0, 4.0, 1.0, 0.0], distortion=0.1)
    >>> p.round(4).tolist()
    [1.0, 0.3871, 0.1935, 0.0]
    >>> float(4 * (1 / p[1] - 1) + 1 * (1 / p[2] - 1))  # 0.1 · 105
    10.5
    >>> theory.least_probabilities([1.0, 1.0, 1.0], distortion=1.0).tolist()
    [0.5, 0.5, 0.5]
    """
    w, shape = checked_weights(WHO, weights)
    omega = float(distortion)
    if not 0.0 <= omega < math.inf:
        raise ValueError(
            f"{WHO}: distortion={omega:g} must be ≥ 0 and finite. It is the variance that is allowed, over Σ w_j: "
            "0.1 allows a tenth, 0 keeps everything."
        )
    if not w.size:
        return np.zeros(shape)
    top = float(w.max())
    if omega == 0.0 and (lower is None or np.ndim(lower) == 0):
        return np.sign(w).reshape(shape)
    if costs is None and (lower is None or np.ndim(lower) == 0):
        bound = 0.0 if lower is None else float(np.asarray(lower, np.float64))
        check_bounds(WHO, bound, bound)
        q = np.sqrt(w / top) if top else w  # scaled: squares of the roots are added up
        p = drain_floor(q, omega, bound) if bound else drain(q, omega)
    else:
        c, floor = checked_costs(WHO, costs, shape), checked_lower(WHO, lower, w, shape)
        p = drain_box(w / (top or 1.0), c, floor, omega)
    return seen_at_all(p, w).reshape(shape)


def minimal_cost(weights: ArrayLike, distortion: float, costs: ArrayLike | None = None) -> float:
    r"""Return the smallest Σ c_j p_j with which a relative distortion can be held.

    Parameters
    ----------
    weights, distortion, costs
        As for `least_probabilities`.

    Returns
    -------
    float
        In the unit of the costs; with unit costs the expected number kept.

    Raises
    ------
    ValueError
        As `least_probabilities`.

    Examples
    --------
    Four flat columns or one that carries nearly all, both at a distortion of a half:

    >>> from minigrad import theory
    >>> flat, steep = [1.0, 1.0, 1.0, 1.0], [97.0, 1.0, 1.0, 1.0]
    >>> [round(theory.minimal_cost(weights, 0.5), 4) for weights in (flat, steep)]
    [2.6667, 1.1006]
    """
    p = least_probabilities(weights, distortion, costs).ravel()
    c = np.broadcast_to(np.ones(()) if costs is None else np.asarray(costs, np.float64), np.shape(weights)).ravel()
    return float(c @ p)
