"""Inclusion probabilities that minimise a variance under a sparsity constraint (water-filling).

Index conventions: j runs over what may be kept (columns, rows, entries, singular directions, layers);
w_j weight, c_j cost, l_j lower bound, p_j inclusion probability, τ the water level.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from minigrad.theory.sampling_problem import check_bounds, checked_costs, checked_lower, checked_weights, seen_at_all
from minigrad.theory.water_filling import fill, fill_box, fill_floor
from minigrad.typing import Array

__all__ = ["minimal_distortion", "optimal_probabilities"]

WHO = "optimal_probabilities"


def optimal_probabilities(
    weights: ArrayLike,
    total: float,
    costs: ArrayLike | None = None,
    *,
    lower: ArrayLike | None = None,
) -> Array:
    r"""Return the p that minimises Σ w_j / p_j subject to Σ c_j p_j ≤ total and 0 < p_j ≤ 1.

    Keeping item j with probability p_j and dividing it by p_j is unbiased and adds the variance
    (1/p_j − 1) w_j; these are the probabilities that make the sum of those variances smallest at a given
    expected cost. The solution is

    .. math:: p_j = \min\left(1, \sqrt{w_j / c_j} / \tau\right)

    with τ the number that makes Σ c_j p_j = total. It is found exactly: Σ c_j p_j is piecewise linear in 1/τ,
    so one sort of its breakpoints tells which items are saturated (p_j = 1), and τ follows by one division.

    Parameters
    ----------
    weights : array_like, any shape
        w_j ≥ 0, finite; float32 is computed in float64. Only square roots are ever added up, so 1e-300 may
        stand next to 1e300.
    total : float
        The expected cost to spend, > 0. With unit costs it is the expected number kept.
    costs : array_like, optional
        c_j > 0, a scalar or of the shape of ``weights``. Default: all 1.
    lower : array_like, optional
        Lower bounds on p_j, in [0, 1]; then p_j = clip(√(w_j/c_j)/τ, lower_j, 1), which is again exact. A
        scalar bounds the items of positive weight. An array, of the shape of ``weights``, bounds every item,
        also those of weight 0, which then get just their bound.

    Returns
    -------
    ndarray of float64, of the shape of ``weights``
        The probabilities: 0 where the weight is 0 (and no array ``lower`` says otherwise), in (0, 1]
        elsewhere, with Σ c_j p_j = total to rounding; where ``total`` is more than the items of positive
        weight can use, they all get 1. Where the weight is positive p_j is at least 2.2e-308, so 1/p_j is
        finite.

    Raises
    ------
    ValueError
        If a weight is negative, infinite or NaN; a cost is not positive and finite; ``total`` is not
        positive; a bound is outside [0, 1]; shapes do not match; or the lower bounds alone cost more than
        ``total``.

    Notes
    -----
    A convex problem, so the KKT conditions suffice: with the multiplier λ = τ² of the constraint,
    w_j / p_j² = λ c_j where p_j lies between its bounds, ≥ λ c_j where it is at 1, ≤ λ c_j where it rests on
    its lower bound. Sources: Wangni et al. (2018), *Gradient Sparsification*, NeurIPS; Barnes et al. (2024),
    arXiv:2402.14925; Bakong et al. (2026), arXiv:2602.14701.

    Examples
    --------
    One heavy column is always kept, the rest share what is left in proportion to the root of their weights:

    >>> from minigrad import theory
    >>> p = theory.optimal_probabilities([100.0, 4.0, 1.0, 0.0], total=2)
    >>> p.round(4).tolist()
    [1.0, 0.6667, 0.3333, 0.0]
    >>> theory.optimal_probabilities([100.0, 4.0, 1.0, 0.0], total=2, lower=0.4).round(4).tolist()
    [1.0, 0.6, 0.4, 0.0]
    >>> theory.optimal_probabilities([1.0, 1.0], total=2, costs=[1.0, 4.0]).round(4).tolist()
    [0.6667, 0.3333]
    """
    w, shape = checked_weights(WHO, weights)
    total = _positive_total(total)
    if w.size == 0:
        return np.zeros(shape)
    if costs is None and lower is None:
        p = fill(np.sqrt(w), total)
    elif costs is None and lower is not None and np.ndim(lower) == 0:
        bound = float(np.asarray(lower, np.float64))
        check_bounds(WHO, bound, bound)
        p = fill_floor(np.sqrt(w), total, bound)
    else:
        p = fill_box(w, checked_costs(WHO, costs, shape), checked_lower(WHO, lower, w, shape), total)
    return seen_at_all(p, w).reshape(shape)


def minimal_distortion(weights: ArrayLike, total: float, costs: ArrayLike | None = None) -> float:
    r"""Return the smallest Σ (1/p_j − 1) w_j that probabilities of expected cost ``total`` can reach.

    With s = Σ √w_j over the tail (items with p_j < 1) and t saturated items it is, for unit costs,

    .. math:: \frac{s^2}{total - t} - \sum_{j \in tail} w_j ,

    and with costs s = Σ √(w_j c_j) over the tail and t the cost of the saturated items.

    For the squared singular values w_k = σ_k² of a matrix G and an integer ``total`` = r, no unbiased
    estimator of G of rank at most r has a smaller Frobenius distortion E‖Ĝ − G‖²; for w_j = ‖G_j‖² none that
    keeps r columns has.

    Parameters
    ----------
    weights, total, costs
        As for `optimal_probabilities`.

    Returns
    -------
    float
        In the unit of the weights; 0 where everything of positive weight can be kept.

    Raises
    ------
    ValueError
        As `optimal_probabilities`.

    Notes
    -----
    Benzing et al. (2019), ICML; Barnes, Cameron, Howard (2025), arXiv:2505.09647.

    Examples
    --------
    Singular values 3, 1, 1 and rank 2: the first is always kept, the others half of the time.

    >>> from minigrad import theory
    >>> round(theory.minimal_distortion([9.0, 1.0, 1.0], total=2), 12)
    2.0
    """
    p = optimal_probabilities(weights, total, costs).ravel()
    w = np.asarray(weights, dtype=np.float64).ravel()
    seen = w > 0.0
    # The sum itself, not s²/(total − t) − Σ w: its terms are ≥ 0, so nothing cancels.
    return float(np.sum(w[seen] * (1.0 - p[seen]) / p[seen]))


def _positive_total(total: float) -> float:
    if not float(total) > 0.0:
        raise ValueError(
            f"{WHO}: total={total!r} must be positive: with nothing to spend every p_j "
            "would be 0, and an item of positive weight that is never kept biases the estimate."
        )
    return float(total)
