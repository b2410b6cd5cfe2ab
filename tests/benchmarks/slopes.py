"""How something grows: the exponent of a power law, alone or above a constant, fitted in logarithms.

All fits minimise the sum of squares of log(measured/fitted), so that a point counts by its relative error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

__all__ = ["Law", "above_constant", "power_law"]


@dataclass(frozen=True)
class Law:
    """y = constant + factor · x^exponent, and the standard error of the exponent; 0 without degrees of freedom."""

    exponent: float
    error: float
    factor: float
    constant: float = 0.0

    def __call__(self, x: np.ndarray | float) -> np.ndarray:
        return self.constant + self.factor * np.asarray(x, float) ** self.exponent

    @property
    def share(self) -> float:
        """The constant as a part of the value at x = 1."""
        return self.constant / (self.constant + self.factor)


def power_law(x: Sequence[float], y: Sequence[float]) -> Law:
    """The straight line through log y against log x.

    Examples
    --------
    >>> law = power_law([1, 2, 4], [3, 12, 48])
    >>> round(law.exponent, 9), round(law.factor, 9)
    (2.0, 3.0)
    """
    u, v = np.log(np.asarray(x, float)), np.log(np.asarray(y, float))
    if len(u) < 2 or not np.ptp(u):
        raise ValueError(f"a slope needs at least two different x, got {list(x)}")
    spread = u - u.mean()
    exponent = float(spread @ v / (spread @ spread))
    intercept = float(v.mean() - exponent * u.mean())
    rest = v - intercept - exponent * u
    degrees = len(u) - 2
    error = math.sqrt(float(rest @ rest) / degrees / float(spread @ spread)) if degrees else 0.0
    return Law(exponent, error, math.exp(intercept))


def above_constant(x: Sequence[float], y: Sequence[float], exponent: float | None = None) -> Law:
    """y = a + b·x^γ with a, b ≥ 0 and γ between 1/8 and 8; with ``exponent`` γ is given and not fitted.

    Examples
    --------
    >>> law = above_constant([0.1, 0.2, 0.4, 0.8], [1.1, 1.2, 1.4, 1.8])
    >>> round(law.exponent, 6), round(law.constant, 6)
    (1.0, 1.0)
    """
    u, v = np.asarray(x, float), np.asarray(y, float)
    fitted = 3 if exponent is None else 2
    if len(u) < fitted:
        raise ValueError(f"{fitted} numbers are fitted; {len(u)} points do not suffice")

    def off(parameters: np.ndarray) -> np.ndarray:
        constant, factor, *free = np.exp(parameters)
        return np.log(constant + factor * u ** (free[0] if free else exponent)) - np.log(v)

    start = np.log([0.5 * v.min(), 0.5 * v.max() / u.max(), 1.0][:fitted])
    limits = np.log([np.finfo(float).tiny, np.finfo(float).tiny, 1 / 8][:fitted]), np.log([1e300, 1e300, 8][:fitted])
    found = least_squares(off, start, bounds=limits, xtol=1e-14, ftol=1e-14, gtol=1e-14)
    constant, factor, *free = np.exp(found.x).tolist()
    error, degrees = 0.0, len(u) - fitted
    if free and degrees:
        covariance = np.linalg.pinv(found.jac.T @ found.jac) * (2 * found.cost / degrees)
        error = free[0] * math.sqrt(covariance[2, 2])  # of γ, from that of log γ
    return Law(free[0] if free else float(exponent or 0.0), error, factor, constant)
