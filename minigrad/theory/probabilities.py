"""Inclusion probabilities that minimise a variance under a sparsity constraint (water-filling).

Index conventions: j runs over what may be kept (columns, rows, entries, singular directions, layers);
w_j weight, c_j cost, l_j lower bound, p_j inclusion probability, τ the water level.
"""

from __future__ import annotations

import bisect
import math

import numpy as np
from numpy.typing import ArrayLike

from minigrad.typing import Array

__all__ = ["minimal_distortion", "optimal_probabilities"]

PASSES = 50
"""Three to six are usual; behind that the slower search through all breakpoints takes over."""
_TINY = float(np.finfo(np.float64).tiny)


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
    given = np.asarray(weights, dtype=np.float64)
    w = given.ravel()
    total = _positive_total(total)
    if w.size == 0:
        return np.zeros(given.shape)
    if not (w.min() >= 0.0 and w.max() < math.inf):  # a NaN fails the first comparison
        _refuse_weights(w)
    if costs is None and lower is None:
        p = _fill(np.sqrt(w), total)
    elif costs is None and lower is not None and np.ndim(lower) == 0:
        p = _fill_floor(np.sqrt(w), total, float(_floor(lower, np.ones(1), (1,))[0]))
    else:
        p = _fill_box(w, _costs(costs, given.shape), _floor(lower, w, given.shape), total)
    if p.min() < _TINY:
        np.maximum(p, _TINY, out=p, where=w > 0.0)
    return p.reshape(given.shape)


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


def _fill(q: Array, total: float) -> Array:
    """Water-filling with unit costs and no lower bound: q = √w, one sort."""
    n = q.size
    if total >= np.count_nonzero(q):
        return np.sign(q)
    ordered = np.sort(q)
    # With τ = ordered[i], the items 0..i are the tail and n−1−i are saturated; they cost at least `total`
    # exactly where ordered[i]·(total − (n−1−i)) ≤ Σ_{j≤i} ordered[j]. That holds up to some i and no further.
    room = np.arange(total - n + 1.0, total + 0.5)[:n]
    tail = int(np.count_nonzero(ordered * room <= ordered.cumsum()))
    level = float(ordered[:tail].sum()) / (total - (n - tail))
    p: Array = np.minimum(q, level)  # before the division, which might overflow
    p /= level
    return p


def _fill_floor(q: Array, total: float, floor: float) -> Array:
    """Water-filling with unit costs and one lower bound for all positive weights: q = √w, one sort.

    In increasing order the items that rest on the bound come first and the saturated ones last. A level τ tells which
    are which, and they tell the level that would be theirs; where the two agree it is exact. Σ p_j falls as τ rises, so
    every level that was tried is an end of the bracket that the next one must lie in.
    """
    count = int(np.count_nonzero(q))
    if total >= count:
        return np.sign(q)
    if floor * count > total * (1.0 + 1e-12):
        _refuse_floor(floor * count, total)
    ordered = np.sort(q)[q.size - count :]
    sums = np.concatenate([[0.0], ordered.cumsum()])
    low, high, level = 0.0, math.inf, float(sums[-1]) / total
    for _ in range(PASSES):
        resting = int(ordered.searchsorted(floor * level, "right"))
        certain = int(ordered.searchsorted(level, "left"))
        between = float(sums[certain] - sums[resting])
        left = total - floor * resting - (count - certain)
        if between <= left * level:
            high = level
        else:
            low = level
        if between == 0.0 and abs(left) <= 1e-12 * total:  # every item is at one of its ends
            break
        theirs = between / left if left > 0.0 else math.inf
        if abs(theirs - level) <= 2e-15 * level:
            break
        if not low < theirs < high:
            theirs = 2.0 * low if high == math.inf else 0.5 * (low + high)
        level = theirs
    else:
        p = np.zeros(q.size)
        seen = q > 0.0
        p[seen] = _fill_positive(q[seen], np.ones(count), np.full(count, floor), total)
        return p
    filled = np.minimum(q, level)  # before the division, which might overflow
    filled /= level
    return np.where(q > 0.0, np.maximum(filled, floor), 0.0)


def _fill_box(w: Array, c: Array, floor: Array, total: float) -> Array:
    """Water-filling with costs, between lower bounds and 1."""
    need = float(c @ floor)
    seen = w > 0.0
    unbounded = bool(np.any(seen & (floor == 0.0)))
    if need > total * (1.0 + 1e-12) or (unbounded and need >= total * (1.0 - 1e-12)):
        _refuse_floor(need, total)
    p: Array = floor.copy()
    if seen.any():  # what has weight 0 gets just its bound, the rest shares what is left
        left = total - float(c[~seen] @ floor[~seen])
        p[seen] = _fill_positive(np.sqrt(w[seen]), c[seen], floor[seen], left)
    return p


def _fill_positive(root_w: Array, c: Array, floor: Array, total: float) -> Array:
    """Water-filling between bounds for positive weights: the segment that holds τ, then τ by one division."""
    root_c = np.sqrt(c)
    # As the level τ rises, item j leaves 1 at τ = q_j and comes to rest on its bound at τ = q_j / floor_j.
    q = root_w / root_c
    with np.errstate(divide="ignore", over="ignore"):
        rest = q / floor  # inf: never
    breaks = np.unique(np.concatenate([q, rest]))
    breaks = breaks[(breaks > 0.0) & (breaks < math.inf)]

    def affordable(level: float) -> bool:
        return float(c @ np.maximum(np.minimum(q, level) / level, floor)) <= total

    # The cost falls as τ rises, so a search over the sorted breakpoints finds the two that τ lies between.
    i = bisect.bisect_left(breaks.tolist(), True, key=affordable)
    if i == 0:  # enough for everything
        return np.ones(c.size)
    low = float(breaks[i - 1])
    high = float(breaks[i]) if i < breaks.size else math.inf
    saturated, resting = q >= high, rest <= low
    tail = ~saturated & ~resting
    left = total - float(c[saturated].sum()) - float(c[resting] @ floor[resting])
    if not tail.any():
        level = low
    elif left > 0.0:
        level = min(max(float(root_w[tail] @ root_c[tail]) / left, low), high)
    else:  # the tail is too light to be seen beside the rest
        level = high
    p: Array = np.maximum(np.minimum(q, level) / level, floor)
    return p


def _positive_total(total: float) -> float:
    if not float(total) > 0.0:
        raise ValueError(
            f"optimal_probabilities: total={total!r} must be positive: with nothing to spend every p_j "
            "would be 0, and an item of positive weight that is never kept biases the estimate."
        )
    return float(total)


def _refuse_weights(w: Array) -> None:
    j = int(np.flatnonzero(~((w >= 0.0) & (w < math.inf)))[0])
    raise ValueError(
        f"optimal_probabilities: weight {j} is {float(w[j])!r}; weights are squared norms and must be ≥ 0 "
        "and finite. Look for a NaN or an overflow in the cotangent they were computed from."
    )


def _refuse_floor(need: float, total: float) -> None:
    raise ValueError(
        f"optimal_probabilities: the lower bounds alone cost {need:.6g} of total={total:.6g}: more than "
        "all of it, or nothing is left for items without a bound. Lower the bounds or raise the total."
    )


def _costs(costs: ArrayLike | None, shape: tuple[int, ...]) -> Array:
    """Costs as a checked vector, one for each weight."""
    size = math.prod(shape)
    if costs is None:
        return np.ones(size)
    c = np.asarray(costs, dtype=np.float64)
    if c.ndim and c.shape != shape:
        raise ValueError(
            f"optimal_probabilities: costs of shape {c.shape} for weights of shape {shape}; give one each."
        )
    c = np.broadcast_to(c, shape).ravel()
    if c.size and not (c.min() > 0.0 and c.max() < math.inf):
        j = int(np.flatnonzero(~((c > 0.0) & (c < math.inf)))[0])
        raise ValueError(
            f"optimal_probabilities: cost {j} is {float(c[j])!r}; costs must be positive and finite. "
            "Leave out what costs nothing: it is always kept."
        )
    return c


def _floor(lower: ArrayLike | None, w: Array, shape: tuple[int, ...]) -> Array:
    """Lower bounds as a checked vector, one for each weight."""
    if lower is None:
        return np.zeros(w.size)
    l = np.asarray(lower, dtype=np.float64)
    if not (l.size == 0 or (l.min() >= 0.0 and l.max() <= 1.0)):
        raise ValueError("optimal_probabilities: lower bounds are probabilities and must lie in [0, 1].")
    if l.ndim == 0:
        return np.where(w > 0.0, l, 0.0)
    if l.shape != shape:
        raise ValueError(
            f"optimal_probabilities: lower of shape {l.shape} for weights of shape {shape}; give one each."
        )
    return l.ravel()
