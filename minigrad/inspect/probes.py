"""Probes: projections of a gradient's error whose mean must be 0.

A probe is a direction u in the space of one parameter, or of one row of it; its value in a draw is
z = ⟨u, ĝ − g⟩, and E z = 0 for every u if the gradient is unbiased. Two directions are tried for each parameter and
each row: g itself, which a wrong factor shows best, and the mean error of a pilot sample, which finds the direction of
any other bias. Draws after the pilot are independent of that direction.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from minigrad.engine.estimator import TooManyOutcomes
from minigrad.inspect.gradients import Directions
from minigrad.inspect.leaves import InspectionTarget, as_vector, pulled
from minigrad.inspect.moments import outcomes, paths
from minigrad.structure import Cotangent
from minigrad.typing import Array, Shape

__all__ = [
    "Moments", "Probes", "Row", "check_finite", "drawn_moments", "listed_moments", "pilot_direction",
    "rounding_of", "surely_off",
]  # fmt: skip

Row: TypeAlias = "int | tuple[int, ...] | None"
"""A row of a parameter, by its number or its indices; None for all of it."""

BLOCK = 64
"""Draws whose probes are taken in together."""

FEW = 16
"""Nodes with more outcomes than this are counted to the end only if all together may still be listed."""


class Probes:
    """All probes of a gradient, evaluated together.

    Parameters
    ----------
    target : InspectionTarget
        The tensors that are looked at.
    exact : sequence of ndarray
        The exact gradient g, one array for each tensor.
    directions : sequence of sequences of ndarray
        Each one direction u for the whole gradient, one array for each tensor.

    Attributes
    ----------
    labels : list of (str, int, tuple of int or None)
        For each probe the name of the parameter, and the row or None for all of it. A row is an entry of the first
        axis; of an array with more than three axes, of all but the last two (a tap of a convolution). The probes of
        one direction follow one another: first the parameters, then all rows.
    size : int
        The number of probes.
    along : int
        The number of probes of one direction.
    exact : ndarray
        ⟨u, g⟩ for each probe.
    """

    def __init__(self, target: InspectionTarget, exact: Sequence[Array], directions: Sequence[Sequence[Array]]):
        self._used = [t for t, tensor in enumerate(target.tensors) if tensor.size]
        dtypes = [exact[t].dtype for t in self._used]
        shapes = [exact[t].shape for t in self._used]
        pieces = [math.prod(shape[1:-2]) for shape in shapes]
        self._directions = Directions([self._pick(direction) for direction in directions], dtypes, pieces)
        self._exact = self._directions.along([self._pick(exact)], 1)[0]
        names = [target.names[t] for t in self._used]
        rows = [(name, row) for name, shape in zip(names, shapes, strict=True) for row in _rows(shape)]
        labels: list[tuple[str, Row]] = [*((name, None) for name in names), *rows]
        self.labels = labels * len(directions)
        self.along, self.size = len(labels), len(self.labels)
        self.exact = self._with_whole(self._exact)

    def of(self, gradients: Iterable[Sequence[Cotangent]], count: int) -> Array:
        """⟨u, ĝ − g⟩ for ``count`` gradients, one in a row; exactly 0 where ĝ has the bits of g."""
        along = self._directions.along(map(self._pick, gradients), count)
        along -= self._exact
        return self._with_whole(along)

    def of_error(self, error: Sequence[Array]) -> Array:
        """⟨u, error⟩ for each probe, in float64."""
        return self._with_whole(self._directions.along_accurately(self._pick(error)))

    def of_sizes(self, sizes: Sequence[Array]) -> Array:
        """Σ|u|·size for each probe."""
        return self._with_whole(self._directions.along_sizes(self._pick(sizes)))

    def _pick(self, parts: Sequence[Any]) -> list[Any]:
        """The parts of the tensors that have entries."""
        return [parts[t] for t in self._used]

    def _with_whole(self, rows: Array) -> Array:
        """The sums over parameters before the rows, shape (..., directions, rows), and all probes in one axis."""
        whole = np.add.reduceat(rows, self._directions.starts, axis=-1)
        return np.concatenate([whole, rows], axis=-1).reshape(*rows.shape[:-2], self.size)


def _rows(shape: Shape) -> Iterable[int | tuple[int, ...]]:
    if len(shape) > 3:
        return itertools.product(*map(range, shape[:-2]))
    return range(shape[0] if shape else 1)


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


def drawn_moments(target: InspectionTarget, probes: Probes, keys: Sequence[int], into: Moments, bar: Any) -> None:
    """Take draws into the probes' moments, one for each key, and tell a progress bar."""
    for start in range(0, len(keys), BLOCK):
        block = keys[start : start + BLOCK]
        into.add(probes.of((pulled(target, key) for key in block), len(block)))
        bar.update(len(block))


def listed_moments(
    target: InspectionTarget, exact: Sequence[Array], probes: Probes, limit: int, only: int | None = None
) -> Moments | None:
    """The probes' moments over all outcomes, or None where these cannot be listed; of one random node with ``only``."""
    random = None if only is None else [only]
    found = Moments(probes.size)
    try:
        for few in (FEW, limit):  # so that no time is lost on a long list, nor on finding out that it is long
            if math.prod(paths(target, min(few, limit))) > limit:
                return None
        vector = as_vector(exact)
        for probability, gradient in outcomes(target, limit, random):
            found.add(probes.of_error(target.split(gradient - vector)), probability)
    except (TooManyOutcomes, NotImplementedError):
        return None
    return found


def surely_off(listed: Moments, rounding: Array) -> Array:
    """The probes that are off by more than rounding: their own, and that of the probabilities, which are float64."""
    return np.asarray(np.abs(listed.mean) > rounding + 64 * float(np.finfo(np.float64).eps) * listed.top)


def check_finite(target: InspectionTarget, exact: Sequence[Array]) -> None:
    """Raise if the exact gradient has a NaN or an infinity."""
    for name, g in zip(target.names, exact, strict=True):
        bad = int(np.count_nonzero(~np.isfinite(g)))
        if bad:
            raise ValueError(
                f"unbiasedness: the exact gradient of {name} has {bad} entries that are NaN or infinite, so there is "
                "nothing to compare with; look at the loss and the values that went into it first"
            )


def pilot_direction(mean: Sequence[Array], second: Sequence[Array]) -> list[Array]:
    """The mean error of the pilot, with noisy entries weighing less."""
    entries = sum(square.size for square in second)
    typical = sum(float(square.sum(dtype=np.float64)) for square in second) / max(entries, 1)
    if not typical > 0:
        return list(mean)
    return [m / (square / typical + 1) for m, square in zip(mean, second, strict=True)]


def rounding_of(target: InspectionTarget, exact: Sequence[Array], second: Sequence[Array], probes: Probes) -> Array:
    """The most that rounding alone may put on the mean of each probe; ``second`` is the mean square of the error."""
    dtypes = {tensor.dtype for tensor in target.tensors} | {node.dtype for node in target.tape.nodes}
    units = 64 * max(float(np.finfo(dtype).eps) for dtype in dtypes if dtype.kind == "f")
    each = zip(exact, second, target.rounding(exact), strict=True)
    return probes.of_sizes([units * (np.abs(g) + np.sqrt(square)) + 16 * off for g, square, off in each])
