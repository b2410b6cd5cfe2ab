"""Bernstein's test that a mean is 0, and what it can see: critical means, and detectable biases."""

from __future__ import annotations

import math

import numpy as np

from minigrad.typing import Array

__all__ = ["POWER", "bernstein", "critical_mean", "detectable_bias"]

POWER = 0.9
"""The least frequency with which a bias of the stated size is found."""

QUANTILE = 1.6449
"""The normal quantile of .95: above that of `POWER`, since variance and range are those of other draws."""

LARGEST = 16.0
"""Relative biases above this are not looked for: there the figure is infinite."""


def bernstein(mean: Array, variance: Array, bound: Array, draws: int) -> Array:
    """Two-sided p-values for the mean of bounded independent draws, from Bernstein's inequality.

    P(|z̄| ≥ m) ≤ 2 exp(−n m² / (2(v + b m/3))) for n independent draws with mean 0, variance at most v and |z| ≤ b.

    Bernstein (1946); Boucheron, Lugosi, Massart (2013), *Concentration Inequalities*, theorem 2.10.

    Parameters
    ----------
    mean, variance, bound : ndarray
    draws : int

    Returns
    -------
    ndarray
        At most 1.

    Examples
    --------
    >>> p = bernstein(np.array([0.0, 0.5]), np.ones(2), np.ones(2), draws=100)
    >>> float(p[0]), bool(np.isclose(p[1], 2 * np.exp(-12.5 / (1 + 0.5 / 3))))
    (1.0, True)
    """
    m = np.abs(mean)
    spread = 2 * (variance + bound * m / 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = np.where(m == 0, 0.0, draws * m**2 / spread)
    return np.minimum(1.0, 2 * np.exp(-exponent))


def critical_mean(variance: Array, bound: Array, draws: int, level: float) -> Array:
    """The mean at which `bernstein` gives a p-value of ``level``.

    Examples
    --------
    >>> m = critical_mean(np.ones(1), np.ones(1), 1000, 1e-6)
    >>> bool(np.isclose(bernstein(m, np.ones(1), np.ones(1), 1000), 1e-6))
    True
    """
    need = np.log(2 / level) / draws
    half = need * bound / 3
    return np.asarray(half + np.sqrt(half**2 + 2 * need * variance))


def detectable_bias(
    size: Array, variance: Array, top: Array, lost: Array, draws: int, level: float, widen: float
) -> Array:
    """The factor, less 1, by which ĝ must be off along g to be found with a probability of at least 0.9.

    If ĝ is (1+δ) times an unbiased one, z = ⟨g, ĝ − g⟩ has the mean δ‖g‖² and a (1+δ) times larger deviation and range.
    It is found where its mean, less a normal quantile of the mean's own noise, is above the critical one. Smaller
    factors than 1 are found more easily, for their noise is smaller.

    Parameters
    ----------
    size : ndarray
        ‖g‖² for each probe.
    variance, top : ndarray
        Of z, where ĝ is unbiased.
    lost : ndarray
        What the test forgives before it looks: rounding, and what may be too rare to be seen.
    draws : int
    level : float
        The p-value that is asked for.
    widen : float
        The test's bound over the largest |z|.

    Returns
    -------
    ndarray
        Infinite where no bias up to 1600 % would be found.

    Examples
    --------
    >>> one, none = np.ones(1), np.zeros(1)
    >>> [round(float(detectable_bias(one, 4 * one, 6 * one, none, n, 1e-6, 2)[0]), 2) for n in (10_000, 40_000)]
    [0.17, 0.08]
    """

    def found(delta: Array) -> Array:
        spread = np.square(1 + delta) * variance
        mean = delta * size
        bound = widen * ((1 + delta) * top + mean)
        critical = critical_mean(spread + mean**2, bound, draws, level)
        return np.asarray(mean - lost - QUANTILE * np.sqrt(spread / draws) >= critical)

    low, high = np.zeros_like(size), np.full_like(size, np.inf)
    for exponent in range(-50, round(math.log2(LARGEST)) + 1):  # what is found need not stay found: the first of all
        step = np.full_like(size, 2.0**exponent)
        seen = found(step) & np.isinf(high)
        high = np.where(seen, step, high)
        low = np.where(np.isinf(high), step, low)
    sure = np.isfinite(high)
    low, high = np.where(sure, low, 0.0), np.where(sure, high, 1.0)
    for _ in range(12):
        middle = (low + high) / 2
        seen = found(middle)
        low, high = np.where(seen, low, middle), np.where(seen, middle, high)
    return np.where(sure, high, np.inf)
