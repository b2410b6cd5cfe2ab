"""Dither: the random thresholds of stochastic rounding, in words of 16 bits, drawn anew from a key wherever wanted.

Index conventions: thresholds v are B×m, one for each entry; row i takes ⌈m/4⌉ numbers of 64 bits of one stream, so that
the dither of any rows is drawn without that of the rows before.

A word k stands for v = (k + ½)/2¹⁶: v is never 0 nor 1, its mean is ½, and P(v < f) is f to 2⁻¹⁷ for every f. With
words of 8 bits that would be 2⁻⁹, which shows in a mean gradient of some 10⁵ entries.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.streams import Domain, give_back, lend
from minigrad.typing import Array

__all__ = ["WORD", "round_up", "thresholds", "words"]

WORDS = 4
"""Words of a number of 64 bits."""

WORD = 1 << 16
"""Values of a word."""


def words(key: int, first: int, rows: int, columns: int) -> Array:
    """The words of some rows.

    Parameters
    ----------
    key : int
        Not negative; it is all that has to be kept to draw the same again.
    first : int
        The first row.
    rows, columns : int

    Returns
    -------
    ndarray of uint16, shape (rows, columns)

    Examples
    --------
    >>> a = words(7, 0, 5, 3)
    >>> np.array_equal(words(7, 2, 3, 3), a[2:])
    True
    """
    each = -(-columns // WORDS)
    rng = lend(Domain.DITHER, key)
    source: Any = rng.bit_generator
    numbers = source.advance(first * each).random_raw(rows * each)
    give_back(rng)
    found: Array = np.asarray(numbers, np.uint64).view(np.uint16).reshape(rows, each * WORDS)
    return found[:, :columns]


def thresholds(found: Array, dtype: np.dtype[np.floating]) -> Array:
    """The thresholds v of words, in (0, 1).

    Examples
    --------
    >>> thresholds(np.array([[0, 65535]], np.uint16), np.dtype(np.float64)) * 2**17
    array([[1.00000e+00, 1.31071e+05]])
    """
    v = found.astype(dtype)
    v *= dtype.type(2.0**-16)
    v += dtype.type(2.0**-17)
    return v


def round_up(y: Array, found: Array) -> Array:
    """⌊y/2¹⁶⌋, and one more where the rest of y/2¹⁶ is above the threshold v of a word, to 2⁻¹⁷.

    All is whole numbers: with y rounded to the next of them, y + 2¹⁶ − 1 − k carries where the rest is above k.

    Parameters
    ----------
    y : ndarray
        From 0 to 255·2¹⁶; it is changed.
    found : ndarray of uint16
        Words k, of its shape.

    Returns
    -------
    ndarray of uint8

    Examples
    --------
    >>> round_up(np.array([2.0, 2.25, 2.75]) * 65536, np.array([0, 32768, 32768], np.uint16)).tolist()
    [2, 2, 3]
    """
    y += y.dtype.type(0.5)
    whole = y.astype(np.int32)
    whole += np.invert(found)
    whole >>= 16
    return whole.astype(np.uint8)
