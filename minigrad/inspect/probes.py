"""Probes: projections of a gradient's error whose mean must be 0, and Bernstein's test that it is.

A probe is a direction u in the space of one parameter, or of one row of it; its value in a draw is
z = ⟨u, ĝ − g⟩, and E z = 0 for every u if the gradient is unbiased. Two directions are tried for each parameter and
each row: g itself, which a wrong factor shows best, and the mean error of a pilot sample, which finds the direction of
any other bias. Draws after the pilot are independent of that direction.
"""

from __future__ import annotations

import numpy as np

from minigrad.inspect.leaves import Wanted
from minigrad.typing import Array

__all__ = ["Family", "bernstein", "detectable_mean"]


class Family:
    """All probes of a gradient, evaluated together.

    Parameters
    ----------
    wanted : Wanted
        The tensors that are looked at.
    direction : ndarray
        One direction for the whole gradient, as a vector.

    Attributes
    ----------
    labels : list of (str, int or None)
        For each probe the name of the parameter, and the row or None for all of it. A parameter comes before its rows.
    """

    def __init__(self, wanted: Wanted, direction: Array):
        self.direction = direction
        self.labels: list[tuple[str, int | None]] = []
        starts: list[int] = []
        self._whole: list[int] = []
        for name, part, tensor in zip(wanted.names, wanted.slices, wanted.tensors, strict=True):
            if not tensor.size:
                continue
            rows = tensor.shape[0] if tensor.ndim else 1
            self._whole.append(len(starts))
            starts.extend(range(part.start, part.stop, tensor.size // rows))
            self.labels.extend((name, row) for row in range(rows))
        self._starts = np.array(starts, dtype=np.intp)
        self.labels = [(self.labels[k][0], None) for k in self._whole] + self.labels

    def values(self, error: Array) -> Array:
        """One value for each probe: the parameters first, then the rows."""
        return self._sums(self.direction * error)

    def scale(self, size: Array) -> Array:
        """Σ|u|·size for each probe."""
        return self._sums(np.abs(self.direction) * size)

    def _sums(self, products: Array) -> Array:
        rows = np.add.reduceat(products, self._starts)
        return np.concatenate([np.add.reduceat(rows, self._whole), rows])


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
