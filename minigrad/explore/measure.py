"""Many draws of one estimator at one node: what each kept, and what came of it for the gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minigrad.counts import MOST_DRAWS, count
from minigrad.engine.estimator import Estimator
from minigrad.explore.curve import distortion_unit, squared_error
from minigrad.explore.subject import Subject
from minigrad.explore.units import Units, units_of
from minigrad.structure import Cotangent, dense
from minigrad.typing import Array

__all__ = ["ALONG", "ENTRY", "Estimates", "Measured", "measure"]

ALONG, ENTRY = "along the gradient", "one entry"
"""The two numbers whose draws are shown: the length of the estimate in the direction of the exact gradient; and that of
its entries which is largest in the exact one."""


@dataclass(frozen=True)
class Estimates:
    """Draws of one number.

    Attributes
    ----------
    label : str
        What the number is, for an axis.
    exact : float
    values : ndarray, shape (draws,)

    Examples
    --------
    >>> estimates = Estimates("an entry", exact=1.0, values=np.array([0.0, 2.0, 2.0, 0.0]))
    >>> estimates.mean, round(estimates.standard_error, 4)
    (1.0, 0.5774)
    """

    label: str
    exact: float
    values: Array

    @property
    def mean(self) -> float:
        """The mean of the draws."""
        return float(self.values.mean())

    @property
    def standard_error(self) -> float:
        """The standard error of the mean."""
        return float(self.values.std(ddof=1)) / math.sqrt(self.values.size)


@dataclass(frozen=True)
class Measured:
    """The result of `measure`; see `minigrad.explore.Exploration`."""

    units: Units
    first: Cotangent
    frequencies: Array
    errors: Array
    estimates: dict[str, Estimates]
    variance: float


def measure(subject: Subject, estimator: Estimator, draws: int, key: int) -> Measured:
    """Draw, and measure each draw.

    Raises
    ------
    ValueError
        If there are fewer than two draws, or more than a million.

    Examples
    --------
    >>> from minigrad.explore import example
    >>> from minigrad.estimators import Mask
    >>> found = measure(Subject(*example()), Mask(1.0), draws=2, key=0)
    >>> found.errors.tolist(), found.variance, found.frequencies.min().item()
    ([0.0, 0.0], 0.0, 1.0)
    """
    if draws < 2:
        raise ValueError(f"explore: draws={draws}; give at least 2, which a standard error needs")
    count("explore: draws", draws, MOST_DRAWS, "draws")
    exact, scale = subject.gradient, distortion_unit(subject)
    direction, largest = _views(exact)
    first = subject.draw(estimator, 0, key)
    units = units_of(estimator, subject.cotangent, subject.node, first)
    counts = np.zeros(units.shape)
    squares, along, entry = np.zeros(draws), np.zeros(draws), np.zeros(draws)
    total = 0.0
    for k in range(draws):
        drawn = subject.draw(estimator, k, key)
        counts += units.kept(drawn)
        squares[k] = squared_error(subject, dense(drawn)) / scale
        estimate = subject.estimate(drawn)
        along[k] = float(np.vdot(estimate, direction))
        entry[k] = estimate[largest]
        total += float(np.square(estimate - exact).sum())
    norm = float(np.linalg.norm(exact))
    place = f"[{', '.join(map(str, largest))}]" if largest else ""
    return Measured(
        units=units,
        first=first,
        frequencies=counts / draws,
        errors=squares,
        estimates={
            ALONG: Estimates(f"∂ loss / ∂ {subject.name}, along the exact one", norm, along),
            ENTRY: Estimates(f"∂ loss / ∂ {subject.name}{place}", float(exact[largest]), entry),
        },
        variance=total / draws / (norm**2 or 1.0),
    )


def _views(gradient: Array) -> tuple[Array, tuple[int, ...]]:
    """The direction of the exact gradient (any, where that is 0), and its largest entry."""
    norm = float(np.linalg.norm(gradient))
    direction = gradient / norm if norm else np.full(gradient.shape, 1 / math.sqrt(max(gradient.size, 1)))
    largest = np.unravel_index(int(np.argmax(np.abs(gradient))), gradient.shape)
    return direction, tuple(int(k) for k in largest)
