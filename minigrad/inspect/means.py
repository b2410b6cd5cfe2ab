"""Means of squares over draws, with their standard errors, and whether these can be trusted.

Squares of errors have heavy tails where little is kept, more so where noise compounds through layers: a few draws then
make up most of the mean. A sample that has missed them shows too small a mean *and* too small a standard error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["RELIABLE", "Mean", "effective_number"]

RELIABLE = 0.125
"""A standard error above this fraction of the mean is not to be trusted.

With 200 draws that is where fewer than 48 are effective. Over random masks of budgets 0.5 to 0.05 in networks of three
and five layers, and over exponential, lognormal and mostly-zero variables, intervals of two standard errors cover at
least 0.93 below it; above it 0.9, and down to 0.7 and less.
"""


def effective_number(values: ArrayLike) -> float:
    """(Σ x)² / Σ x², the number of equal draws that non-negative ones are worth (Kish); all, where all are 0.

    Examples
    --------
    >>> effective_number([1.0, 1.0, 1.0, 1.0]), effective_number([4.0, 0.0, 0.0, 0.0])
    (4.0, 1.0)
    """
    x = np.asarray(values, dtype=np.float64)
    top = float(x.max(initial=0.0))
    if not 0 < top < math.inf:
        return float(x.size) if top == 0 else math.nan
    x = x / top
    return float(x.sum() ** 2 / np.square(x).sum())


@dataclass(frozen=True)
class Mean:
    """The mean of independent numbers.

    Attributes
    ----------
    value : float
    error : float
        Its standard error, √(Σ (x − mean)² / (n − 1) / n).
    effective : float
        See `effective_number`; of numbers that are not negative.
    number : int
        n.

    Examples
    --------
    >>> mean = Mean.of([1.0, 3.0, 2.0, 2.0])
    >>> mean.value, round(mean.error, 4), round(mean.effective, 2), mean.reliable
    (2.0, 0.4082, 3.56, False)
    """

    value: float
    error: float
    effective: float
    number: int

    @classmethod
    def of(cls, values: ArrayLike) -> Mean:
        """The mean of some numbers, at least two for a standard error."""
        x = np.asarray(values, dtype=np.float64)
        error = float(x.std(ddof=1)) / math.sqrt(x.size) if x.size > 1 else math.nan
        return cls(float(x.mean()), error, effective_number(x), x.size)

    @property
    def reliable(self) -> bool:
        """True if the standard error is at most an eighth of the mean (`RELIABLE`)."""
        return not self.error > RELIABLE * self.value

    def warning(self, what: str, numbers: str, take: str) -> str | None:
        """Advice where the mean is not reliable; else None.

        Examples
        --------
        >>> Mean(2.0, 1.0, 3.6, 20).warning("s²", "draws", "draws=")
        'too few: s² rests on 3.6 of 20 draws (effective); two s.e. cover under 95 %; take draws=320 or more'
        >>> Mean(2.0, 0.1, 15.0, 20).warning("s²", "draws", "draws=") is None
        True
        """
        if self.reliable:
            return None
        enough = self.number * (self.error / (RELIABLE * self.value)) ** 2 if self.value else math.inf
        remedy = f"{take}{math.ceil(float(f'{enough:.2g}'))} or more" if enough < 1e9 else "many more"
        return (
            f"too few: {what} rests on {self.effective:.2g} of {self.number} {numbers} (effective); "
            f"two s.e. cover under 95 %; take {remedy}"
        )
