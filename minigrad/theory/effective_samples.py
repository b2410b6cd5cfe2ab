"""Sampling before the forward pass: how often to draw each sample, and what can be gained by it.

Index conventions: i runs over N samples; s_i ≥ 0 score, the norm of a sample's gradient or what stands for it; π_i the
probability of one draw; α the mixture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from minigrad.typing import Array

__all__ = ["defensive_mixture", "effective_share", "left_second_moment"]


def effective_share(scores: ArrayLike) -> float:
    r"""Return the share of effective samples, :math:`(\operatorname{E} s)^2 / \operatorname{E} s^2`.

    1 where all samples matter alike, near 1/N where one alone does. Drawing samples in proportion to their scores, in
    place of all alike, multiplies the second moment of the gradient by it (Katharopoulos, Fleuret 2018, *Not All
    Samples Are Created Equal*, ICML).

    Parameters
    ----------
    scores : array_like, shape (N,)
        s_i ≥ 0, finite.

    Returns
    -------
    float
        In [1/N, 1]; 1 where all scores are 0.

    Raises
    ------
    ValueError
        If there is no score, or one is negative or not finite.

    Examples
    --------
    >>> from minigrad import theory
    >>> theory.effective_share([1.0, 1.0, 1.0, 1.0]), theory.effective_share([2.0, 0.0, 0.0, 0.0])
    (1.0, 0.25)
    """
    s = _checked("effective_share", scores)
    squares = float(s @ s)
    return min(1.0, float(s.sum()) ** 2 / (s.size * squares)) if squares else 1.0


def defensive_mixture(scores: ArrayLike, mixture: float) -> Array:
    r"""Return the probabilities :math:`\pi_i = (1 - \alpha)\, s_i / \sum_k s_k + \alpha / N`.

    A score may be old, or by chance 0, where the gradient is not. The uniform part sees to it that the weight of a
    drawn sample, 1/(N π_i), is at most 1/α whatever the scores are (Hesterberg 1995, *Weighted Average Importance
    Sampling and Defensive Mixture Distributions*, Technometrics 37).

    Parameters
    ----------
    scores : array_like, shape (N,)
        s_i ≥ 0, finite. If all are 0, all samples are drawn alike.
    mixture : float
        α in (0, 1]; 1 draws all alike.

    Returns
    -------
    ndarray of float64, shape (N,)
        They add up to 1.

    Raises
    ------
    ValueError
        If a score is negative or not finite, there is none, or the mixture is outside (0, 1].

    Examples
    --------
    >>> from minigrad import theory
    >>> theory.defensive_mixture([3.0, 1.0, 0.0, 0.0], mixture=0.5).tolist()
    [0.5, 0.25, 0.125, 0.125]
    """
    s = _checked("defensive_mixture", scores)
    if not 0 < mixture <= 1:
        raise ValueError(
            f"defensive_mixture: mixture={mixture!r} must lie in (0, 1]: at 0 a sample of score 0 would never be "
            "drawn, and the mean be biased"
        )
    total = float(s.sum())
    even = np.full(s.size, 1 / s.size)
    return (1 - mixture) * (s / total) + mixture * even if total else even


def left_second_moment(scores: ArrayLike, probabilities: ArrayLike) -> float:
    r"""Return what unequal probabilities leave of the second moment, :math:`\sum_i s_i^2/(N\pi_i) \,/\, \sum_i s_i^2`.

    1 for equal ones, at best `effective_share`, and more than 1 where samples of large gradients are drawn too seldom.

    Parameters
    ----------
    scores : array_like, shape (N,)
        s_i ≥ 0, finite: what the norms of the gradients are.
    probabilities : array_like, shape (N,)
        π_i > 0: with which samples are drawn.

    Returns
    -------
    float
        1 where all scores are 0.

    Raises
    ------
    ValueError
        If a score is negative or not finite, a probability not positive, or the shapes differ.

    Examples
    --------
    >>> from minigrad import theory
    >>> scores = [3.0, 1.0, 0.0, 0.0]
    >>> p = theory.defensive_mixture(scores, mixture=0.5)
    >>> round(theory.left_second_moment(scores, p), 12), round(theory.effective_share(scores), 12)
    (0.55, 0.4)
    """
    s, p = _checked("left_second_moment", scores), np.asarray(probabilities, np.float64)
    if p.shape != s.shape or not (p > 0).all():
        raise ValueError(
            f"left_second_moment: give one probability > 0 for each of the {s.size} scores; got shape {p.shape}"
        )
    squares = s * s
    return float((squares / p).sum() / (s.size * squares.sum())) if squares.any() else 1.0


def _checked(who: str, scores: ArrayLike) -> Array:
    """The scores as float64, divided by the largest: no ratio hangs on their scale, and no square may overflow."""
    s = np.asarray(scores, np.float64)
    if s.ndim != 1 or not s.size:
        raise ValueError(f"{who}: scores of shape {s.shape}; give one score for each sample, shape (N,)")
    wrong = np.flatnonzero(~((s >= 0) & (s < np.inf)))
    if wrong.size:
        raise ValueError(
            f"{who}: score {s[wrong[0]]:g} of sample {wrong[0]} must be a norm, ≥ 0 and finite ({wrong.size} of "
            f"{s.size} are not)"
        )
    top = float(s.max())
    return s / top if top else s
