"""Bits: how fine a grid must be for a distortion, and how a number of bits is best shared among rows.

Index conventions: i runs over rows, R_i is the range of row i, b_i its bits an entry. Rounded at random to a grid of
step h, an entry x = low + h·(k + f) has variance h² f (1 − f) ≤ h²/4; with subtractive dither h²/12 (Theory §9).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from minigrad.typing import Array

__all__ = ["gain_of_optimal_bits", "optimal_bits", "rounding_step"]

VARIANCES = {"plain": 1 / 4, "subtractive": 1 / 12}
"""Variance of an entry over h²: at most that, and exactly that."""


def rounding_step(
    distortion: float,
    rms: float,
    dither: Literal["plain", "subtractive"] = "plain",
    *,
    expected: bool = False,
) -> float:
    """The step h of a grid with which stochastic rounding has this relative distortion.

    Parameters
    ----------
    distortion : float
        ω = E‖Ĝ − G‖²/‖G‖², ≥ 0.
    rms : float
        √(‖G‖²/n), of n entries.
    dither : {"plain", "subtractive"}, default "plain"
    expected : bool, default False
        For plain dither: take the fractional parts for uniform, so that an entry has the variance h²/6 on average, and
        not the most that it can have.

    Returns
    -------
    float
        √(4ω‖G‖²/n), which guarantees it, √(6ω‖G‖²/n) in expectation, √(12ω‖G‖²/n) with subtractive dither.

    Raises
    ------
    ValueError
        If a number is negative or not finite, or the dither is neither.

    Examples
    --------
    >>> rounding_step(0.01, 1.0), rounding_step(0.01, 1.0, "subtractive") / rounding_step(0.01, 1.0)
    (0.2, 1.7320508075688772)
    """
    if dither not in VARIANCES:
        raise ValueError(f"rounding_step: dither={dither!r} is neither 'plain' nor 'subtractive'")
    for name, value in (("distortion", distortion), ("rms", rms)):
        if not 0 <= value < math.inf:
            raise ValueError(f"rounding_step: {name}={value:g} must be finite and ≥ 0")
    variance = 1 / 6 if expected and dither == "plain" else VARIANCES[dither]
    return math.sqrt(distortion / variance) * rms


def optimal_bits(ranges: Any, total: int, *, least: int = 1, most: int = 8) -> Array:
    """The numbers of bits of all rows that minimise Σ_i R_i² 4^(−b_i), of so many bits together.

    Without the ends, and were bits no whole numbers, b_i = b̄ + log₂(R_i/GM(R)): one step for all rows. Whole bits go
    one after the other to the row that gains most; as the gain of each row falls from bit to bit, that is optimal.

    Parameters
    ----------
    ranges : array_like, shape (n,)
        R_i ≥ 0.
    total : int
        Σ_i b_i, at most: rows of range 0 get no bit, and no row more than ``most``.
    least, most : int, default 1 and 8
        Of a row whose range is not 0.

    Returns
    -------
    ndarray of int, shape (n,)

    Raises
    ------
    ValueError
        If a range is negative or not finite, 0 ≤ least ≤ most does not hold, or the total is less than ``least`` for
        each row whose range is not 0.

    Examples
    --------
    >>> optimal_bits([1.0, 4.0, 0.0, 1.0], 8).tolist()
    [2, 4, 0, 2]
    """
    r = np.asarray(ranges, float)
    if r.ndim != 1 or not (np.isfinite(r).all() and (r >= 0).all()):
        raise ValueError("optimal_bits: ranges must be a vector of finite numbers ≥ 0, one for each row")
    if not 0 <= least <= most:
        raise ValueError(f"optimal_bits: least={least} and most={most} must be in this order, and ≥ 0")
    rows = np.flatnonzero(r)
    bits = np.zeros(len(r), int)
    spare = min(int(total), most * len(rows)) - least * len(rows)
    if spare < 0:
        raise ValueError(
            f"optimal_bits: total={total} is less than {least} bits for each of the {len(rows)} rows whose range is "
            "not 0"
        )
    bits[rows] = least
    if spare:
        # The gain of bit k of a row is 3 R² 4^(−k); its logarithm neither overflows nor vanishes.
        gains = np.log2(r[rows])[:, None] - np.arange(least + 1, most + 1)
        best = np.argpartition(-gains.ravel(), spare - 1)[:spare]
        bits[rows] += np.bincount(best // (most - least), minlength=len(rows))
    return bits


def gain_of_optimal_bits(ranges: Any) -> float:
    """The variance with equal bits over that with optimal bits of the same sum: AM(R²)/GM(R²), of rows of range > 0.

    It is large where rows differ by orders of magnitude, as cotangents do from sample to sample, and 1 where a
    normalisation made them alike: there it is useless.

    Parameters
    ----------
    ranges : array_like, shape (n,)

    Examples
    --------
    >>> round(gain_of_optimal_bits([1.0, 10.0]), 6), gain_of_optimal_bits([3.0, 3.0])
    (5.05, 1.0)
    """
    r = np.asarray(ranges, float)
    r = r[r > 0]
    if not r.size:
        return 1.0
    r = r / r.max()
    logarithm = math.log(float(np.mean(np.square(r)))) - 2 * float(np.log(r).mean())
    return math.exp(max(logarithm, 0.0)) if logarithm < 709 else math.inf
