"""The envelope of exact runs, and how much of a budget it needs to do as well as another method.

Index conventions: k runs over the budgets of the envelope, s over seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from minigrad.typing import Array

__all__ = ["Needed", "needed", "needed_by_envelope"]

RESAMPLES = 2000

BAND = (0.05, 0.95)
"""Quantiles of the bootstrap."""


def needed(spent: ArrayLike, losses: ArrayLike, loss: float) -> float:
    """The budget at which the envelope has a loss, linear between its budgets in the logarithms of both.

    The envelope does not rise: whoever has more to spend may stop earlier. Beyond its ends there is no telling: the
    result is 0 where the first budget is more than enough, and infinite where the last is not.

    Parameters
    ----------
    spent : array_like, shape (K,)
        Rising, > 0.
    losses : array_like, shape (K,)
        Of the best exact runs at these budgets, > 0.
    loss : float
        > 0.

    Examples
    --------
    A loss that falls as the root of the budget: for half of it four times as much is needed.

    >>> needed([1.0, 4.0, 16.0], [1.0, 0.5, 0.25], 0.25 * 2**0.5).__round__(6)
    8.0
    >>> needed([1.0, 4.0], [1.0, 0.5], 0.4), needed([1.0, 4.0], [1.0, 0.5], 2.0)
    (inf, 0.0)
    """
    x, y = np.log(np.asarray(spent, float)), np.minimum.accumulate(np.log(np.asarray(losses, float)))
    at = float(np.log(loss))
    if at > y[0]:
        return 0.0
    if at < y[-1]:
        return float("inf")
    k = int(np.argmax(y <= at))  # the first budget that is enough
    if y[k] == at or k == 0:
        return float(np.exp(x[k]))
    part = (at - y[k - 1]) / (y[k] - y[k - 1])
    return float(np.exp(x[k - 1] + part * (x[k] - x[k - 1])))


@dataclass(frozen=True)
class Needed:
    """The multiple of a method's budget that the envelope needs to reach the method's loss.

    Attributes
    ----------
    times : float
        Above 1 the method pays; 0 and infinity where the envelope is not known so far down or up.
    low, high : float
        The 5 % and 95 % quantiles of a bootstrap over seeds, of the envelope's runs and the method's by themselves.
        With three seeds such a band is too narrow, by about the root of 2/3.
    least, most : float
        Between these it could have been told.

    Examples
    --------
    >>> str(Needed(1.42, 1.3, 1.55, 0.5, 2.0)), str(Needed(float("inf"), 1.9, float("inf"), 0.5, 2.0))
    ('1.42 (1.30–1.55)', '> 2.00 (1.90–> 2.00)')
    """

    times: float
    low: float
    high: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self._text(self.times)} ({self._text(self.low)}–{self._text(self.high)})"

    def _text(self, value: float) -> str:
        return f"< {self.least:.2f}" if value == 0 else f"> {self.most:.2f}" if np.isinf(value) else f"{value:.2f}"


def needed_by_envelope(
    envelope: Sequence[tuple[Sequence[float], Sequence[float]]],
    spent: Sequence[float],
    losses: Sequence[float],
    rng: np.random.Generator,
) -> Needed:
    """The multiple that the envelope needs, from means over seeds, with a bootstrap over these.

    Parameters
    ----------
    envelope : sequence of (spent, losses)
        At each budget what the seeds spent, and their losses.
    spent, losses : sequence of float
        Of the method.
    rng : Generator
        Draws the resamples.

    Examples
    --------
    >>> exact = [([1.0, 1.0], [1.0, 1.0]), ([4.0, 4.0], [0.5, 0.5])]
    >>> needed_by_envelope(exact, [1.0, 1.0], [0.5, 0.5], np.random.default_rng(0)).times
    4.0
    """
    levels = sorted(((np.array(x, float), np.array(y, float)) for x, y in envelope), key=lambda pair: pair[0].mean())
    own = np.array(spent, float), np.array(losses, float)

    def times(parts: list[tuple[Array, Array]], mine: tuple[Array, Array]) -> float:
        x, y = [float(p[0].mean()) for p in parts], [float(p[1].mean()) for p in parts]
        return needed(x, y, float(mine[1].mean())) / float(mine[0].mean())

    def resampled(pair: tuple[Array, Array]) -> tuple[Array, Array]:
        chosen = rng.integers(len(pair[0]), size=len(pair[0]))
        return pair[0][chosen], pair[1][chosen]

    found = np.sort([times([resampled(pair) for pair in levels], resampled(own)) for _ in range(RESAMPLES)])
    low, high = (float(found[round(q * (RESAMPLES - 1))]) for q in BAND)
    mine = float(own[0].mean())
    ends = float(levels[0][0].mean()) / mine, float(levels[-1][0].mean()) / mine
    return Needed(times(levels, own), low, high, *ends)
