"""Probes: projections of a gradient's error whose mean must be 0, and Bernstein's test that it is.

A probe is a direction u in the space of one parameter, or of one row of it; its value in a draw is
z = ⟨u, ĝ − g⟩, and E z = 0 for every u if the gradient is unbiased. Two directions are tried for each parameter and
each row: g itself, which a wrong factor shows best, and the mean error of a pilot sample, which finds the direction of
any other bias. Draws after the pilot are independent of that direction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from minigrad.cotangents import Cotangent
from minigrad.estimator import TooManyOutcomes
from minigrad.inspect.gradients import Directions
from minigrad.inspect.leaves import Wanted
from minigrad.inspect.moments import outcomes, paths
from minigrad.typing import Array

__all__ = [
    "Moments", "Probes", "bernstein", "check_finite", "detectable_mean", "listed_moments", "pilot_direction",
    "rounding_of",
]  # fmt: skip


class Probes:
    """All probes of a gradient, evaluated together.

    Parameters
    ----------
    wanted : Wanted
        The tensors that are looked at.
    exact : sequence of ndarray
        The exact gradient g, one array for each tensor.
    directions : sequence of ndarray
        Each one direction u for the whole gradient, as a vector.

    Attributes
    ----------
    labels : list of (str, int or None)
        For each probe the name of the parameter, and the row or None for all of it. The probes of one direction follow
        one another: first the parameters, then all rows.
    size : int
        The number of probes.
    """

    def __init__(self, wanted: Wanted, exact: Sequence[Array], directions: Sequence[Array]):
        self._used = [t for t, tensor in enumerate(wanted.tensors) if tensor.size]
        self._vectors = np.stack(directions)
        split = [wanted.split(direction) for direction in directions]
        parts = [np.stack([of_one[t] for of_one in split]) for t in self._used]
        self._directions = Directions(parts, [exact[t].dtype for t in self._used])
        self._exact = self._directions.along([exact[t] for t in self._used])
        rows: list[tuple[str, int | None]] = []
        starts: list[int] = []
        for t in self._used:
            count = wanted.tensors[t].shape[0] if wanted.tensors[t].ndim else 1
            starts.extend(range(wanted.slices[t].start, wanted.slices[t].stop, wanted.tensors[t].size // count))
            rows.extend((wanted.names[t], row) for row in range(count))
        self._starts = np.array(starts, dtype=np.intp)
        self.labels: list[tuple[str, int | None]] = [(wanted.names[t], None) for t in self._used]
        self.labels = (self.labels + rows) * len(directions)
        self.size = len(self.labels)

    def of(self, gradients: Iterable[Sequence[Cotangent]]) -> Array:
        """⟨u, ĝ − g⟩ for some gradients, one in a row; exactly 0 where ĝ has the bits of g."""
        along = [self._directions.along([gradient[t] for t in self._used]) - self._exact for gradient in gradients]
        return self._with_whole(np.array(along))

    def values(self, error: Array) -> Array:
        """⟨u, error⟩ for each probe, of an error as a vector."""
        return self._with_whole(np.add.reduceat(self._vectors * error, self._starts, axis=-1))

    def scale(self, size: Array) -> Array:
        """Σ|u|·size for each probe."""
        return self._with_whole(np.add.reduceat(np.abs(self._vectors) * size, self._starts, axis=-1))

    def _with_whole(self, rows: Array) -> Array:
        """The sums over parameters before the rows, shape (..., directions, rows), and all probes in one axis."""
        whole = np.add.reduceat(rows, self._directions.starts, axis=-1)
        return np.concatenate([whole, rows], axis=-1).reshape(*rows.shape[:-2], self.size)


class Moments:
    """Mean, mean square and extremes of several quantities over draws.

    Parameters
    ----------
    size : int
        How many quantities.

    Attributes
    ----------
    mean, square, variance : ndarray
        Weighted means of z and z², and the variance about the mean.
    top, deviation : ndarray
        The largest |z|, and the largest |z − mean|.
    count : int

    Examples
    --------
    >>> z = Moments(1)
    >>> for value in (1.0, 3.0):
    ...     z.add(np.array([value]))
    >>> z.mean.item(), z.square.item(), z.variance.item(), z.top.item(), z.deviation.item(), z.effective.item()
    (2.0, 5.0, 1.0, 3.0, 1.0, 2.0)
    """

    def __init__(self, size: int):
        self.mean, self.square, self.variance = np.zeros(size), np.zeros(size), np.zeros(size)
        self._least, self._most = np.full(size, np.inf), np.full(size, -np.inf)
        self._weight = 0.0
        self.count = 0

    def add(self, z: Array, weight: float = 1.0) -> None:
        """Take in one draw, or one outcome with its probability as weight; or several of one weight, one in a row."""
        z = z.reshape(-1, self.mean.size)
        self.count += len(z)
        self._weight += weight * len(z)
        part = weight * len(z) / self._weight if self._weight else 0.0
        # Chan, Golub and LeVeque (1983): means and variances of two sets, put together.
        mean = z.mean(axis=0)
        step = mean - self.mean
        self.mean = self.mean + part * step
        self.variance = self.variance + part * (z.var(axis=0) + (1 - part) * np.square(step) - self.variance)
        self.square = self.square + part * (np.square(z).mean(axis=0) - self.square)
        self._least, self._most = np.minimum(self._least, z.min(axis=0)), np.maximum(self._most, z.max(axis=0))

    @property
    def top(self) -> Array:
        return np.maximum(np.abs(self._least), np.abs(self._most))

    @property
    def deviation(self) -> Array:
        return np.maximum(self._most - self.mean, self.mean - self._least)

    @property
    def effective(self) -> Array:
        """The number of draws that made the variance: all if each deviates as far, 1 if a single one did; 0 if none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self.count * self.variance / np.square(self.deviation)
        return np.where(self.deviation > 0, found, 0.0)


def listed_moments(wanted: Wanted, exact: Array, probes: Probes, limit: int, only: int | None = None) -> Moments | None:
    """The probes' moments over all outcomes, or None where these cannot be listed; of one random node with ``only``."""
    random = None if only is None else [only]
    found = Moments(probes.size)
    try:
        if math.prod(paths(wanted, limit)) > limit:  # so that no time is lost on a long list
            return None
        for probability, gradient in outcomes(wanted, limit, random):
            found.add(probes.values(gradient - exact), probability)
    except (TooManyOutcomes, NotImplementedError):
        return None
    return found


def check_finite(wanted: Wanted, exact: Array) -> None:
    """Raise if the exact gradient has a NaN or an infinity."""
    for name, part in zip(wanted.names, wanted.slices, strict=True):
        bad = int(np.count_nonzero(~np.isfinite(exact[part])))
        if bad:
            raise ValueError(
                f"unbiasedness: the exact gradient of {name} has {bad} entries that are NaN or infinite, so there is "
                "nothing to compare with; look at the loss and the values that went into it first"
            )


def pilot_direction(mean: Array, second: Array) -> Array:
    """The mean error of the pilot, with noisy entries weighing less."""
    typical = float(second.mean()) if second.size else 0.0
    return mean / (second + typical) * typical if typical > 0 else mean


def rounding_of(wanted: Wanted, exact: Array, second: Array, probes: Probes) -> Array:
    """What rounding alone may put on the mean of each probe."""
    dtypes = {tensor.dtype for tensor in wanted.tensors} | {node.dtype for node in wanted.tape.nodes}
    epsilon = max(float(np.finfo(dtype).eps) for dtype in dtypes if dtype.kind == "f")
    size = 64 * epsilon * np.sqrt(np.square(exact) + second) + 16 * wanted.rounding(exact)
    return probes.scale(size)


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


def detectable_mean(variance: Array, bound: Array, draws: int, level: float) -> Array:
    """The mean at which `bernstein` gives a p-value of ``level``.

    Examples
    --------
    >>> m = detectable_mean(np.ones(1), np.ones(1), 1000, 1e-6)
    >>> bool(np.isclose(bernstein(m, np.ones(1), np.ones(1), 1000), 1e-6))
    True
    """
    need = np.log(2 / level) / draws
    half = need * bound / 3
    return np.asarray(half + np.sqrt(half**2 + 2 * need * variance))
