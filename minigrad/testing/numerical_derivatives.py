"""Numerical derivatives: central differences, extrapolated to step 0 by Ridders' method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minigrad.typing import Array

__all__ = ["Derivative", "ridders"]

LEVELS = 12
"""At most this many steps, each half of the one before: the last is 1/2048 of the first."""


@dataclass(frozen=True)
class Derivative:
    """A numerical derivative, and how far it can be trusted.

    Parameters
    ----------
    value : float
        The derivative; NaN where the function was not finite at any step.
    error : float
        How much the last extrapolations differed; large at a kink or a jump.
    noise : float
        What rounding of the function's values alone may have put on it.
    """

    value: float
    error: float
    noise: float


def ridders(along: Callable[[float], Array], weights: Array, start: float, tolerance: float = 1e-9) -> Derivative:
    """Differentiate Σ weights·along(t) at t = 0.

    Central differences at steps h, h/2, h/4, … have errors in h², h⁴, …; Neville's scheme removes these one after
    the other. It stops when two neighbours of the table agree; steps that leave the domain are passed over.

    Source: Ridders (1982), *Accurate computation of F′(x) and F′(x)F″(x)*, Advances in Engineering Software 4.

    Parameters
    ----------
    along : callable
        ``along(t)``, an array of float64, for example ``lambda t: f(x + t * direction)``.
    weights : ndarray
        Of the shape of ``along(t)``.
    start : float
        The first step, about a hundredth of the scale on which the function changes.
    tolerance : float, default 1e-9
        The relative accuracy at which to stop.

    Examples
    --------
    >>> slope = ridders(lambda t: np.exp(1 + np.array([t])), np.ones(1), 0.02)
    >>> abs(slope.value - np.e) < 1e-10
    True
    """
    best = Derivative(np.nan, np.inf, 0.0)
    previous: list[float] = []
    for level in range(LEVELS):
        h = start / 2**level
        with np.errstate(all="ignore"):
            ahead, behind = along(h), along(-h)
            # First the difference, then the sum: outputs that do not change add no rounding.
            difference = float(np.sum(weights * (ahead - behind))) / (2 * h)
        if not np.isfinite(difference):
            previous = []
            continue
        noise = float(np.finfo(np.float64).eps * np.abs(weights * ahead).sum() / h)
        row = [difference]
        for j, corner in enumerate(previous, start=1):
            row.append(row[j - 1] + (row[j - 1] - corner) / (4**j - 1))
            error = max(abs(row[j] - row[j - 1]), abs(row[j] - corner))
            if error < best.error:
                best = Derivative(row[j], error, noise)
        if best.error <= tolerance * abs(best.value) or (len(row) > 2 and best.error <= noise):
            break
        previous = row
    return best
