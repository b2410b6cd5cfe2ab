"""The envelope of exact runs, and how much of a budget it needs to do as well as another method.

Index conventions: k runs over the budgets of the envelope, s over seeds, r over draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from minigrad.typing import Array

__all__ = ["Needed", "Rival", "needed", "needed_by_envelope"]

DRAWS = 4000

FARTHEST = 30.0
"""Logarithms of factors; beyond, two seeds, whose means have a Cauchy distribution, may leave the floats."""

TINY = 1e-300
"""An error of 0 has no logarithm."""

BAND = (0.05, 0.95)
"""Quantiles of the draws."""


def needed(spent: ArrayLike, losses: ArrayLike, loss: ArrayLike) -> Array:
    """The budget at which the envelope has a loss, linear between its budgets in the logarithms of both.

    The envelope does not rise: whoever has more to spend may stop earlier. Beyond its ends there is no telling: the
    result is 0 where the first budget is more than enough, and infinite where the last is not.

    Parameters
    ----------
    spent : array_like, shape (..., K)
        Rising along k, > 0.
    losses : array_like, shape (..., K)
        Of the best exact runs at these budgets, ≥ 0.
    loss : array_like, shape (...)
        ≥ 0.

    Returns
    -------
    ndarray, shape (...)

    Examples
    --------
    A loss that falls as the root of the budget: for half of it four times as much is needed.

    >>> needed([1.0, 4.0, 16.0], [1.0, 0.5, 0.25], 0.25 * 2**0.5).round(6).item()
    8.0
    >>> needed([1.0, 4.0], [1.0, 0.5], [0.4, 2.0]).tolist()
    [inf, 0.0]
    """
    y = np.minimum.accumulate(np.log(np.maximum(losses, TINY)), axis=-1)
    x = np.log(np.asarray(spent, float))
    x, y = np.broadcast_arrays(x, y)
    at = np.log(np.maximum(loss, TINY))
    x, y, at = np.broadcast_to(x, at.shape + x.shape[-1:]), np.broadcast_to(y, at.shape + y.shape[-1:]), at[..., None]
    k = np.argmax(y <= at, axis=-1)[..., None]  # the first budget that is enough
    upper = np.take_along_axis(x, k, -1), np.take_along_axis(y, k, -1)
    lower = np.take_along_axis(x, np.maximum(k - 1, 0), -1), np.take_along_axis(y, np.maximum(k - 1, 0), -1)
    fall = lower[1] - upper[1]
    part = np.where(fall > 0, (lower[1] - at) / np.where(fall > 0, fall, 1.0), 1.0)
    found = np.exp(lower[0] + part * (upper[0] - lower[0]))
    found = np.where(at > y[..., :1], 0.0, np.where(at < y[..., -1:], np.inf, found))
    return np.asarray(found[..., 0])


@dataclass(frozen=True)
class Rival:
    """One finalist: what its seeds spent, their losses, and the held-out losses by which rivals are chosen.

    Attributes
    ----------
    spent, losses, held : sequence of float
        A number of each seed; ``spent`` and ``held`` > 0, ``losses`` ≥ 0.

    Examples
    --------
    >>> Rival([1.0, 1.0], [0.5, 0.7], [0.6, 0.6]).means().round(3).tolist()
    [1.0, 0.6, 0.6]
    """

    spent: Sequence[float]
    losses: Sequence[float]
    held: Sequence[float]

    def means(self) -> Array:
        """Over seeds, of the three; shape (3,)."""
        return np.mean([self.spent, self.losses, self.held], axis=1)

    def draws(self, rng: np.random.Generator) -> Array:
        """Means that could be the true ones; shape (R, 3). See `needed_by_envelope`."""
        values = np.array([self.spent, self.losses, self.held], float)
        seeds, means = values.shape[1], values.mean(axis=1)
        if seeds == 1:
            return np.broadcast_to(means, (DRAWS, 3))
        off = (values / np.maximum(means, TINY)[:, None] - 1).T  # (s, 3), relative: a mean stays positive
        scale = np.sqrt(seeds * rng.chisquare(seeds - 1, (DRAWS, 1)))
        shift = np.clip(rng.standard_normal((DRAWS, seeds)) @ off / scale, -FARTHEST, FARTHEST)
        return np.asarray(means * np.exp(shift))


@dataclass(frozen=True)
class Needed:
    """The multiple of a method's budget that the envelope needs to reach the method's loss.

    Attributes
    ----------
    times : float
        Above 1 the method pays; 0 and infinity where the envelope is not known so far down or up.
    low, high : float or None
        None of a single seed, which has no band; else the 5 % and 95 % quantiles of draws of all means, and of
        the choice between rivals; see `needed_by_envelope`.
    least, most : float
        Between these it could have been told.

    Examples
    --------
    >>> str(Needed(1.42, 1.3, 1.55, 0.5, 2.0)), str(Needed(float("inf"), 1.9, float("inf"), 0.5, 2.0))
    ('1.42 (1.30–1.55)', '> 2.00 (1.90–> 2.00)')
    """

    times: float
    low: float | None
    high: float | None
    least: float
    most: float

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return self._text(self.times)
        return f"{self._text(self.times)} ({self._text(self.low)}–{self._text(self.high)})"

    def _text(self, value: float) -> str:
        return f"< {self.least:.2f}" if value == 0 else f"> {self.most:.2f}" if np.isinf(value) else f"{value:.2f}"


def needed_by_envelope(
    envelope: Sequence[Sequence[Rival]], method: Sequence[Rival], rng: np.random.Generator
) -> Needed:
    """The multiple that the envelope needs, from means over seeds, with a band that holds for few of them.

    Every mean is drawn from its t distribution: that of the true mean, where nothing was known before and the seeds
    are normal (Box and Tiao, 1973, *Bayesian Inference in Statistical Analysis*, section 2.4). The three numbers of
    a seed are drawn together, rivals by themselves. In each draw the rival counts whose held-out loss is the least
    *there*: a choice that another three seeds might turn is part of the band. (A bootstrap of three seeds holds a
    mean in 61 of 100 cases where it promises 90.) A single seed has no band.

    Parameters
    ----------
    envelope : sequence of sequences of Rival
        At each budget the exact finalists.
    method : sequence of Rival
        The method's finalists.
    rng : Generator

    Examples
    --------
    >>> exact = [[Rival([1.0, 1.0], [1.0, 1.0], [1.0, 1.0])], [Rival([4.0, 4.0], [0.5, 0.5], [0.5, 0.5])]]
    >>> needed_by_envelope(exact, [Rival([1.0, 1.0], [0.5, 0.5], [0.5, 0.5])], np.random.default_rng(0)).times
    4.0
    """
    levels = sorted(envelope, key=lambda rivals: _best(np.array([one.means() for one in rivals])[:, None])[0, 0])

    def times(found: list[Array], own: Array) -> Array:
        x, y = np.stack([each[:, 0] for each in found], -1), np.stack([each[:, 1] for each in found], -1)
        return needed(x, y, own[:, 1]) / own[:, 0]

    drawn = [_best(np.stack([one.draws(rng) for one in rivals])) for rivals in [*levels, method]]
    means = [_best(np.array([one.means() for one in rivals])[:, None]) for rivals in [*levels, method]]
    found = np.sort(times(drawn[:-1], drawn[-1]))
    low, high = (float(found[round(q * (len(found) - 1))]) for q in BAND)
    alone = any(len(one.losses) == 1 for rivals in [*levels, method] for one in rivals)
    least, most = (float(means[k][0, 0] / means[-1][0, 0]) for k in (0, -2))
    value = float(times(means[:-1], means[-1])[0])
    return Needed(value, None if alone else low, None if alone else high, least, most)


def _best(rivals: Array) -> Array:
    """Of each draw, the rival with the least held-out loss; from (rivals, R, 3) to (R, 3)."""
    return np.asarray(rivals[rivals[:, :, 2].argmin(axis=0), np.arange(rivals.shape[1])])
