"""The data of a problem of optimal sampling, checked: weights, costs and lower bounds.

Index conventions: j runs over what may be kept; w_j weight, c_j cost, l_j lower bound, p_j inclusion probability.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from minigrad.typing import Array, Shape

__all__ = ["check_bounds", "checked_costs", "checked_lower", "checked_weights", "seen_at_all"]

TINY = float(np.finfo(np.float64).tiny)


def checked_weights(who: str, weights: ArrayLike) -> tuple[Array, Shape]:
    """Weights as a vector of float64, and the shape they came in; raise ValueError unless they are finite and ≥ 0."""
    given = np.asarray(weights, dtype=np.float64)
    w = given.ravel()
    if w.size and not (w.min() >= 0.0 and w.max() < math.inf):  # a NaN fails the first comparison
        j = int(np.flatnonzero(~((w >= 0.0) & (w < math.inf)))[0])
        raise ValueError(
            f"{who}: weight {j} is {float(w[j])!r}; weights are squared norms and must be ≥ 0 "
            "and finite. Look for a NaN or an overflow in the cotangent they were computed from."
        )
    return w, given.shape


def checked_costs(who: str, costs: ArrayLike | None, shape: Shape) -> Array:
    """Costs as a checked vector, one for each weight."""
    size = math.prod(shape)
    if costs is None:
        return np.ones(size)
    c = np.asarray(costs, dtype=np.float64)
    if c.ndim and c.shape != shape:
        raise ValueError(f"{who}: costs of shape {c.shape} for weights of shape {shape}; give one each.")
    c = np.broadcast_to(c, shape).ravel()
    if c.size and not (c.min() > 0.0 and c.max() < math.inf):
        j = int(np.flatnonzero(~((c > 0.0) & (c < math.inf)))[0])
        raise ValueError(
            f"{who}: cost {j} is {float(c[j])!r}; costs must be positive and finite. "
            "Leave out what costs nothing: it is always kept."
        )
    return c


def checked_lower(who: str, lower: ArrayLike | None, w: Array, shape: Shape) -> Array:
    """Lower bounds as a checked vector, one for each weight."""
    if lower is None:
        return np.zeros(w.size)
    l = np.asarray(lower, dtype=np.float64)
    if l.size:
        check_bounds(who, float(l.min()), float(l.max()))
    if l.ndim == 0:
        return np.where(w > 0.0, l, 0.0)
    if l.shape != shape:
        raise ValueError(f"{who}: lower of shape {l.shape} for weights of shape {shape}; give one each.")
    return l.ravel()


def check_bounds(who: str, least: float, most: float) -> None:
    """Raise ValueError unless the least and the most of some lower bounds are probabilities."""
    if not (least >= 0.0 and most <= 1.0):
        raise ValueError(f"{who}: lower bounds are probabilities and must lie in [0, 1].")


def seen_at_all(p: Array, w: Array) -> Array:
    """Probabilities of which none is 0, nor so small that 1/p overflows, where the weight is positive."""
    if p.size and p.min() < TINY:
        np.maximum(p, TINY, out=p, where=w > 0.0)
    return p
