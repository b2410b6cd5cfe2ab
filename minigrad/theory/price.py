"""One price for all that may be kept: what a unit of variance is worth in operations, over a whole network.

Index conventions: i runs over the units (rows, samples, …) of all edges together; v_i squared contribution of a unit to
the variance, its edge's error gain included, c_i its cost, p_i inclusion probability, τ² the price (Theory §7).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from minigrad.report import Report, Table
from minigrad.theory.sampling_problem import checked_costs, checked_weights, seen_at_all
from minigrad.typing import Array

__all__ = ["PriceAdvice", "cost_of_precision", "optimal_price", "priced_probabilities", "spent_at_price"]


def priced_probabilities(contributions: ArrayLike, tau: float, costs: ArrayLike | None = None) -> Array:
    r"""Return the probabilities that a price asks for: :math:`p_i = \min(1, \sqrt{v_i / c_i} / \tau)`.

    They minimise Σ v_i / p_i + τ² Σ c_i p_i: a unit is kept more often until the variance that this takes away,
    v_i / p_i² per unit of p_i, is no longer worth the τ² c_i that it costs. The price is the same everywhere, so each
    edge, and each row of it, gets what it needs.

    Parameters
    ----------
    contributions : array_like, any shape
        v_i ≥ 0, finite: A‖G_i‖² for rows on an edge of error gain A, ‖G_i‖²‖X_i‖² for rows of a ∂W edge.
    tau : float
        The root of the price, in the root of variance over cost; > 0.
    costs : array_like, optional
        c_i > 0, a scalar or of the shape of ``contributions``. Default: all 1.

    Returns
    -------
    ndarray of float64, of the shape of ``contributions``
        In (0, 1], and 0 where the contribution is 0.

    Raises
    ------
    ValueError
        If a contribution is negative or not finite, a cost or the price not positive and finite.

    Examples
    --------
    >>> from minigrad import theory
    >>> theory.priced_probabilities([9.0, 1.0, 0.25, 0.0], tau=2.0).tolist()
    [1.0, 0.5, 0.25, 0.0]
    """
    v, shape = checked_weights("priced_probabilities", contributions)
    c = checked_costs("priced_probabilities", costs, shape)
    tau = _positive("priced_probabilities: tau", tau)
    q = np.sqrt(v) / np.sqrt(c)
    return seen_at_all(np.minimum(q, tau) / tau, v).reshape(shape)


def spent_at_price(contributions: ArrayLike, tau: float, costs: ArrayLike | None = None) -> tuple[float, float]:
    """Return what is kept at a price in expectation, B = Σ c_i p_i, and the variance V = Σ (1/p_i − 1) v_i.

    Parameters
    ----------
    contributions, tau, costs
        As for `priced_probabilities`.

    Returns
    -------
    cost, variance : float

    Raises
    ------
    ValueError
        As `priced_probabilities`.

    Examples
    --------
    >>> from minigrad import theory
    >>> theory.spent_at_price([9.0, 1.0, 0.25, 0.0], tau=2.0)
    (1.75, 1.75)
    """
    v = np.asarray(contributions, np.float64).ravel()
    p = priced_probabilities(contributions, tau, costs).ravel()
    c = checked_costs("spent_at_price", costs, np.shape(contributions))
    seen = v > 0
    return float(c @ p), float(np.sum(v[seen] * (1 - p[seen]) / p[seen]))


def cost_of_precision(variance: float, minibatch: float, fixed: float, spent: float, everything: float) -> float:
    """Return J = (1 + V/σ²) (F + B) / (F + B_exact), the cost to reach a precision over that of exact VJPs.

    Any smaller batch with exact VJPs has J = 1, as its variance grows as its cost falls: a sketch below 1 pays.

    Parameters
    ----------
    variance : float
        V, what sketches add, ≥ 0.
    minibatch : float
        σ² > 0, the variance of the exact gradient of the batch.
    fixed : float
        F ≥ 0: operations (or seconds) of a step that no sketch lowers.
    spent, everything : float
        B and B_exact: those of the backward pass that may be kept, with the sketch and without.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If σ² or the exact cost is not positive.

    Examples
    --------
    >>> from minigrad import theory
    >>> theory.cost_of_precision(variance=1.0, minibatch=10.0, fixed=1.0, spent=0.5, everything=2.0)
    0.55
    """
    minibatch = _positive("cost_of_precision: minibatch", minibatch)
    exact = _positive("cost_of_precision: fixed + everything", fixed + everything)
    return (1 + variance / minibatch) * (fixed + spent) / exact


@dataclass(frozen=True, repr=False)
class PriceAdvice(Report):
    """The best price, and what it leads to.

    Attributes
    ----------
    tau : float
        The root of the price; 0 if everything of positive contribution is best kept.
    ratio : float
        J, the cost to reach a precision over that of exact VJPs; below 1 the sketch pays, and it is never above 1.
    kept : float
        B/B_exact, the share of the sketchable operations that are kept.
    variance : float
        V, what is added to σ².

    Examples
    --------
    >>> from minigrad import theory
    >>> print(theory.optimal_price([100.0, 1.0, 1.0, 1.0], minibatch=1000.0, fixed=1.0))
    one price for all edges
    price τ²             897
    cost to a precision  0.3689
    kept                 0.1085
    variance             286.3
    """

    tau: float
    ratio: float
    kept: float
    variance: float

    def table(self) -> Table:
        """The report as a table."""
        rows = [
            ["price τ²", f"{self.tau**2:.4g}"],
            ["cost to a precision", f"{self.ratio:.4g}"],
            ["kept", f"{self.kept:.4g}"],
            ["variance", f"{self.variance:.4g}"],
        ]
        return Table(["", ""], rows, title="one price for all edges")


def optimal_price(
    contributions: ArrayLike, minibatch: float, fixed: float, costs: ArrayLike | None = None
) -> PriceAdvice:
    r"""Return the price for which J = (σ² + V)(F + B) is least; at it :math:`\tau^2 = (\sigma^2 + V) / (F + B)`.

    Minimising J over all p_i at once gives p_i = min(1, √(v_i/c_i)/τ) with one τ, for ∂J/∂p_i = 0 says
    v_i / p_i² · (F + B) = c_i (σ² + V). J as a function of τ alone is minimised exactly: between two of the √(v_i/c_i)
    it is (a + τS)(b + S/τ), with S = Σ √(v_i c_i) over the units with p_i < 1, b = F + Σ c_i over the others and
    a = σ² − Σ v_i over the units with p_i < 1. The minimum is at τ² = a/b. One sort gives all of these.

    Parameters
    ----------
    contributions : array_like, any shape
        v_i ≥ 0, finite, of all units of all edges, each with its edge's error gain.
    minibatch : float
        σ² > 0.
    fixed : float
        F > 0, in the unit of the costs.
    costs : array_like, optional
        c_i > 0, a scalar or of the shape of ``contributions``. Default: all 1.

    Returns
    -------
    PriceAdvice

    Raises
    ------
    ValueError
        If a contribution is negative or not finite, or a cost, σ² or F not positive and finite.

    Notes
    -----
    Theory §7. Where σ² > Σ v_i, J is a posynomial in p, and this minimum the only one. It assumes training that
    noise limits: far from that, keep more. Units of contribution 0 cost nothing.

    Examples
    --------
    >>> from minigrad import theory
    >>> v = [100.0, 1.0, 1.0, 1.0]
    >>> best = theory.optimal_price(v, minibatch=100.0, fixed=1.0)
    >>> round(best.ratio, 4), round(best.kept, 4)
    (0.5731, 0.3577)
    >>> cost, variance = theory.spent_at_price(v, best.tau)
    >>> round(best.tau**2 * (1.0 + cost) / (100.0 + variance), 12)
    1.0
    """
    v, shape = checked_weights("optimal_price", contributions)
    c = checked_costs("optimal_price", costs, shape)
    minibatch = _positive("optimal_price: minibatch", minibatch)
    fixed = _positive("optimal_price: fixed", fixed)
    everything = float(c.sum())
    seen = v > 0
    v, c = v[seen], c[seen]
    if not v.size:
        return PriceAdvice(0.0, cost_of_precision(0.0, minibatch, fixed, 0.0, everything), 0.0, 0.0)
    q = np.sqrt(v) / np.sqrt(c)
    order = np.argsort(q)
    q, v, c = q[order], v[order], c[order]
    # Segment k: the units before k are in the tail, τ lies between q[k − 1] and q[k]; in segment 0 all is kept.
    slope = np.concatenate([[0.0], np.cumsum(np.sqrt(v) * np.sqrt(c))])
    a = minibatch - np.concatenate([[0.0], np.cumsum(v)])
    b = fixed + float(c.sum()) - np.concatenate([[0.0], np.cumsum(c)])
    b = np.maximum(b, fixed)  # rounding
    low, high = np.concatenate([[q[0]], q]), np.concatenate([q, [math.inf]])
    tau = np.clip(np.sqrt(np.maximum(a, 0.0) / b), low, np.maximum(high, low))
    costs_of_all = (a + tau * slope) * (b + slope / tau)
    best = float(tau[int(np.argmin(costs_of_all))])
    spent, variance = spent_at_price(v, best, c)
    ratio = cost_of_precision(variance, minibatch, fixed, spent, everything)
    return PriceAdvice(best, ratio, spent / everything, variance)


def _positive(what: str, value: float) -> float:
    number = float(value)
    if not 0 < number < math.inf:
        raise ValueError(f"{what} must be positive and finite, got {number:g}")
    return number
