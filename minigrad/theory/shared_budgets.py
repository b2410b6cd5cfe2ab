"""The best budgets of a network whose noise compounds: least variance at a cost, or least cost at a variance.

Index conventions: l runs over layers, p_l budget, c_l cost, V(p) variance (`minigrad.theory.compounding`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from minigrad.theory.compounding import CompoundingNoise
from minigrad.theory.sampling_problem import checked_costs
from minigrad.typing import Array

__all__ = ["cheapest_budgets", "shared_budgets"]

STEPS = 300
"""At most so many of the optimiser; ten to forty are usual."""
ROUNDS = 100
"""At most so many steps towards a fixed point, from which the optimiser starts."""


def shared_budgets(
    noise: CompoundingNoise, total: float, costs: ArrayLike | None = None, *, lower: float = 0.01
) -> Array:
    r"""Return the budgets that minimise V(p) subject to Σ c_l p_l ≤ total and lower ≤ p_l ≤ 1.

    Parameters
    ----------
    noise : CompoundingNoise
        V.
    total : float
        > 0, in the unit of the costs. From Σ c_l on, all budgets are 1; below lower · Σ c_l they are ``lower``.
    costs : array_like, optional
        c_l > 0. Default: all 1.
    lower : float, default 0.01
        In (0, 1].

    Returns
    -------
    ndarray of float64, one for each layer
        They cost ``total`` to rounding, but for the bounds.

    Raises
    ------
    ValueError
        If a number is out of range.

    Notes
    -----
    Theory §8; a signomial programme (Boyd et al., 2007, *A Tutorial on Geometric Programming*, Optim. Eng. 8), in
    logarithmic variables, with the gradient in closed form, solved by SciPy's SLSQP (Kraft, 1988) from three starts.
    Where all p_l < 1/2 the problem is convex in log δ for masks, so there is one minimum. There the *elasticities* of V
    are in proportion to c_l p_l over the layers that rest on no bound.

    Examples
    --------
    Three masks in a chain, of which the last that is met counts for most. The others enlarge what it adds:

    >>> noise = CompoundingNoise([1.0, 1.0, 4.0], [[0, 0, 0], [1, 0, 0], [1, 1, 0]])
    >>> p = shared_budgets(noise, 0.75)
    >>> p.round(3).tolist(), round(noise.variance(p), 2), noise.variance([0.25, 0.25, 0.25])
    ([0.229, 0.229, 0.293], 203.01, 207.0)
    >>> (noise.elasticities(p) / p).round(2).tolist()
    [4.4, 4.4, 4.4]
    """
    c, lower = _checked("shared_budgets", noise, costs, lower)
    total = float(total)
    if not 0 < total < math.inf:
        raise ValueError(f"shared_budgets: total={total:g} must be positive and finite")
    everything = float(c.sum())
    if total >= everything:
        return np.ones(c.size)
    if total <= lower * everything:
        return np.full(c.size, lower)

    def spent(u: Array) -> tuple[float, Array]:
        kept = c * np.exp(u)
        return math.log(kept.sum() / total), kept / kept.sum()

    def onto(p: Array) -> Array:
        return _scaled(p, lower, lambda q: float(c @ q) - total)

    best, least = np.full(c.size, total / everything), math.inf
    for start in _starts(noise, c, onto, total / everything):
        for p in (start, onto(_solved(_logarithm(noise), spent, start, lower))):
            value = noise.variance(p)
            if value < least:
                best, least = p, value
    return best


def cheapest_budgets(
    noise: CompoundingNoise, variance: float, costs: ArrayLike | None = None, *, lower: float = 0.01
) -> Array:
    r"""Return the budgets that minimise Σ c_l p_l subject to V(p) ≤ variance and lower ≤ p_l ≤ 1.

    Parameters
    ----------
    noise : CompoundingNoise
        V.
    variance : float
        ≥ 0; at 0 all budgets are 1.
    costs, lower
        As for `shared_budgets`.

    Returns
    -------
    ndarray of float64, one for each layer
        Their variance is the given one to rounding, or less where all rest on ``lower``.

    Raises
    ------
    ValueError
        If a number is out of range.

    Notes
    -----
    As `shared_budgets`, with cost and variance exchanged: where their minima are unique each is the inverse of the
    other.

    Examples
    --------
    >>> noise = CompoundingNoise([1.0, 1.0, 4.0], [[0, 0, 0], [1, 0, 0], [1, 1, 0]])
    >>> p = cheapest_budgets(noise, 207.0)
    >>> round(noise.variance(p), 6), bool(p.sum() < 0.75)    # which is what equal budgets cost
    (207.0, True)
    """
    c, lower = _checked("cheapest_budgets", noise, costs, lower)
    variance = float(variance)
    if not 0 <= variance < math.inf:
        raise ValueError(f"cheapest_budgets: variance={variance:g} must be ≥ 0 and finite")
    if variance == 0 or not c.size:
        return np.ones(c.size)
    smallest = np.full(c.size, lower)
    if noise.variance(smallest) <= variance:
        return smallest
    added = _logarithm(noise)

    def exceeded(u: Array) -> tuple[float, Array]:
        value, slope = added(u)
        return value - math.log(variance), slope

    def cost(u: Array) -> tuple[float, Array]:
        kept = c * np.exp(u)
        return math.log(kept.sum()), kept / kept.sum()

    def onto(p: Array) -> Array:
        return _scaled(p, lower, lambda q: variance - noise.variance(q))

    best, least = np.ones(c.size), float(c.sum())
    for start in _starts(noise, c, onto, 0.5):
        for p in (start, onto(_solved(cost, exceeded, start, lower))):
            value = float(c @ p)
            if value < least and noise.variance(p) <= variance * (1 + 1e-9):
                best, least = p, value
    return best


def _checked(who: str, noise: CompoundingNoise, costs: ArrayLike | None, lower: float) -> tuple[Array, float]:
    c = checked_costs(who, costs, (noise.number,))
    if not 0 < lower <= 1:
        raise ValueError(f"{who}: lower={lower} must lie in (0, 1]")
    return np.array(c, float).ravel(), float(lower)


Function = Callable[[Array], "tuple[float, Array]"]
"""Of log p: a value, and its gradient."""


def _logarithm(noise: CompoundingNoise) -> Function:
    """Log V and its gradient."""

    def value(u: Array) -> tuple[float, Array]:
        p = np.exp(np.minimum(u, 0.0))
        found = noise.variance(p)
        if not found > 0:
            return -700.0, np.zeros(u.size)
        return math.log(found), noise.gradient(p) / found

    return value


def _starts(noise: CompoundingNoise, c: Array, onto: Callable[[Array], Array], common: float) -> list[Array]:
    """Budgets near the best: a fixed point of p_l² ∝ p_l e_l / c_l, with e_l the elasticities, from two beginnings.

    These are equal budgets, and what would be best if nothing compounded: then one step would do.
    """
    gains = np.bincount(np.asarray(noise.layers), weights=np.asarray(noise.gains), minlength=c.size)
    found = []
    for p in (np.full(c.size, common), np.sqrt(gains / gains.max() / c) if gains.any() else np.ones(c.size)):
        p = onto(np.maximum(p, 1e-6 * p.max()))
        for _ in range(ROUNDS):
            wanted = noise.elasticities(p) / c
            if not wanted.any():
                break
            before, p = p, onto(np.sqrt(p * np.maximum(wanted, 1e-12 * wanted.max())))
            if np.abs(np.log(p / before)).max() < 1e-10:
                break
        found.append(p)
    return found


def _scaled(p: Array, lower: float, excess: Callable[[Array], float]) -> Array:
    """Budgets in the given proportions, between the bounds, at which ``excess``, which rises with them, is 0."""
    from scipy.optimize import brentq

    def at(log_factor: float) -> Array:
        return np.clip(p * math.exp(log_factor), lower, 1.0)

    ends = math.log(lower) - math.log(p.max()), -math.log(max(p.min(), 1e-300))
    if excess(at(ends[0])) >= 0:
        return at(ends[0])
    if excess(at(ends[1])) <= 0:
        return at(ends[1])
    return at(float(brentq(lambda s: excess(at(s)), *ends, xtol=1e-14, rtol=1e-14)))


def _solved(objective: Function, constraint: Function, start: Array, lower: float) -> Array:
    """The budgets at which the objective is least where the constraint is at most 0, nearly; see `_scaled`."""
    from scipy.optimize import minimize

    least = math.log(lower)
    with warnings.catch_warnings():
        # Older versions of SciPy may leave the bounds by a rounding; they clip, and warn of it.
        warnings.filterwarnings("ignore", "Values in x were outside bounds", RuntimeWarning)
        found = minimize(
            objective,
            np.clip(np.log(start), least, 0.0),
            jac=True,
            method="SLSQP",
            bounds=[(least, 0.0)] * start.size,
            constraints={"type": "ineq", "fun": lambda u: -constraint(u)[0], "jac": lambda u: -constraint(u)[1]},
            options={"maxiter": STEPS, "ftol": 1e-13},
        )
    return np.exp(np.clip(found.x, least, 0.0)) if np.isfinite(found.x).all() else start
