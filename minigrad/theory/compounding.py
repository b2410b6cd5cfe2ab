"""The variance of a gradient as a function of the budgets of all layers, whose noise compounds (Theory §8).

Index conventions: l and k run over the nodes that sketch, p_l is the budget of node l (of its layer, which may have
several), δ_l(p) its distortion relative to what arrives, a_l its gain, b_lk how much of the noise of node k reaches it.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from minigrad.typing import Array

__all__ = ["CompoundingNoise", "DistortionCurve"]

LEAST = 1e-12
"""A distortion below this fraction of a uniform mask's is taken for so much: the curve is drawn in logarithms."""


@dataclass(frozen=True)
class DistortionCurve:
    """The relative distortion δ(p) of an estimator, E‖ĝ − g‖²/‖g‖², through measured points; by default a mask's.

    Between the points log δ is interpolated in log(1/p − 1), monotonically (Fritsch, Carlson, 1980); beyond them δ goes
    on in proportion to 1/p − 1. A uniform mask, δ = 1/p − 1, is a straight line, so it is exact.

    Parameters
    ----------
    budgets, distortions : array_like
        Points, of budgets in (0, 1); a distortion that rises with the budget is an error of measurement, and levelled.

    Raises
    ------
    ValueError
        If a budget is not in (0, 1) or stands twice, or a distortion is negative or not finite.

    Examples
    --------
    >>> mask, steep = DistortionCurve(), DistortionCurve([0.5, 0.25], [0.25, 1.5])
    >>> mask(0.25), round(steep(0.25), 12), round(steep(0.125), 12)
    (3.0, 1.5, 3.5)
    """

    budgets: ArrayLike = ()
    distortions: ArrayLike = ()
    _points: tuple[list[float], list[float], list[list[float]]] | None = field(
        init=False, repr=False, compare=False, default=None
    )

    def __post_init__(self) -> None:
        p, delta = np.asarray(self.budgets, float), np.asarray(self.distortions, float)
        if p.shape != delta.shape or p.ndim != 1 or len(np.unique(p)) < p.size or not ((p > 0) & (p < 1)).all():
            raise ValueError(
                f"DistortionCurve: budgets={self.budgets} must be different, and in (0, 1), one for each δ"
            )
        if not ((delta >= 0) & (delta < np.inf)).all():
            raise ValueError(f"DistortionCurve: distortions={self.distortions} must be ≥ 0 and finite")
        if p.size:
            order = np.argsort(-p)
            odds = 1 / p[order] - 1
            level = np.maximum(np.maximum.accumulate(delta[order]), LEAST * odds)
            x, y = np.log(odds), np.log(level)
            object.__setattr__(self, "_points", (x.tolist(), y.tolist(), _pieces(x, y)))

    def __call__(self, p: float) -> float:
        """δ(p); 0 at p = 1."""
        return self.with_slope(p)[0]

    def with_slope(self, p: float) -> tuple[float, float]:
        """δ(p), and dδ/d log p, which is never positive."""
        if self._points is None:
            return 1 / p - 1, -1 / p
        x, y, pieces = self._points
        odds = 1 / p - 1
        at = math.log(odds) if odds > 0 else -math.inf
        if len(x) == 1 or not x[0] < at < x[-1]:
            end = 0 if at <= x[0] else -1
            factor = math.exp(y[end] - x[end])
            return factor * odds, -factor / p
        k = bisect.bisect_right(x, at) - 1
        (c3, c2, c1, c0), t = pieces[k], at - x[k]
        delta = math.exp(((c3 * t + c2) * t + c1) * t + c0)
        return delta, -delta * max((3 * c3 * t + 2 * c2) * t + c1, 0.0) / (1 - p)


def _pieces(x: Array, y: Array) -> list[list[float]]:
    """The cubics of monotone interpolation, one for each segment: their coefficients, the highest power first."""
    from scipy.interpolate import PchipInterpolator

    return np.asarray(PchipInterpolator(x, y).c).T.tolist() if len(x) > 1 else []


@dataclass(frozen=True, eq=False)
class CompoundingNoise:
    r"""The variance that sketches add, as a signomial in their distortions.

    .. math:: V(p) = \sum_l a_l\, \delta_l(p_l) \prod_k (1 + b_{lk}\, \delta_k(p_k))

    Parameters
    ----------
    gains : array_like, N
        a_l ≥ 0: the variance for each unit of distortion at node l, were all others exact.
    growth : array_like, N × N
        b_lk ≥ 0 where node k is met before node l and hands noise on to it, else 0: 1 where lengths are kept.
    curves : sequence of DistortionCurve, optional
        δ_l; default: uniform masks.
    layers : sequence of int, optional
        The number of the layer that each node belongs to: those of one layer have one budget. Default: 0, 1, 2, ….

    Raises
    ------
    ValueError
        If shapes do not fit, or a number is negative or not finite.

    Notes
    -----
    It is exact for row masks in a chain of operations that treat each row by itself, with b = 1 (the norm of every row
    then grows by 1/p at each), and for any two masks. Otherwise it goes through the pilot by which a and b were found,
    and is an approximation elsewhere.

    Examples
    --------
    Two masks in a chain, the second of which also sees the noise of the first:

    >>> noise = CompoundingNoise([1.0, 2.0], [[0, 0], [1, 0]])
    >>> noise.variance([0.5, 0.25])                          # 1 · 1 + 2 · 3 (1 + 1)
    13.0
    >>> noise.elasticities([0.5, 0.25]).round(3).tolist()    # −∂ log V / ∂ log p
    [1.077, 1.231]
    """

    gains: ArrayLike
    growth: ArrayLike
    curves: Sequence[DistortionCurve] = ()
    layers: Sequence[int] = ()

    def __post_init__(self) -> None:
        a, b = np.asarray(self.gains, float), np.asarray(self.growth, float)
        count = a.size
        curves = tuple(self.curves) or (DistortionCurve(),) * count
        layers = np.asarray(self.layers if len(self.layers) else np.arange(count), np.intp)
        if a.shape != (count,) or b.shape != (count, count) or len(curves) != count or layers.shape != (count,):
            raise ValueError(
                f"CompoundingNoise: {count} nodes take as many gains, curves and layers and {count} × {count} growths; "
                f"got shapes {a.shape} and {b.shape}, {len(curves)} curves and {layers.size} layers"
            )
        if not all(((x >= 0) & (x < np.inf)).all() for x in (a, b)):
            raise ValueError("CompoundingNoise: gains and growth must be ≥ 0 and finite")
        if sorted(set(layers.tolist())) != list(range(int(layers.max(initial=-1)) + 1)):
            raise ValueError("CompoundingNoise: layers= must number the layers 0, 1, 2, … without a gap")
        for name, value in (("gains", a), ("growth", b), ("curves", curves), ("layers", layers)):
            object.__setattr__(self, name, value)

    @property
    def number(self) -> int:
        """The number of layers."""
        return int(np.max(np.asarray(self.layers), initial=-1)) + 1

    def variance(self, budgets: ArrayLike) -> float:
        """V at some budgets, one for each layer, in (0, 1]."""
        return float(self.parts(budgets).sum())

    def parts(self, budgets: ArrayLike) -> Array:
        """The share of each node in V: what it adds (Theory §4)."""
        return self._of(budgets)[0]

    def gradient(self, budgets: ArrayLike) -> Array:
        """∂V/∂log p for each layer, in closed form."""
        parts, delta, slope = self._of(budgets)
        growth = np.asarray(self.growth)
        # The node's own distortion, and what it makes grow of the parts of others.
        own = np.divide(parts, delta, out=self._at_zero(delta), where=delta > 0)
        below = parts @ (growth / (1 + growth * delta))
        by_node = slope * (own + below)
        return np.bincount(np.asarray(self.layers), weights=by_node, minlength=self.number)

    def elasticities(self, budgets: ArrayLike) -> Array:
        """−∂log V/∂log p for each layer: at the best budgets of a total cost they are in proportion to c_l p_l."""
        value = self.variance(budgets)
        return -self.gradient(budgets) / value if value else np.zeros(self.number)

    def _of(self, budgets: ArrayLike) -> tuple[Array, Array, Array]:
        p = np.asarray(budgets, float)
        if p.shape != (self.number,) or not ((p > 0) & (p <= 1)).all():
            raise ValueError(f"CompoundingNoise: budgets must be {self.number} numbers in (0, 1], got {p}")
        pairs = [curve.with_slope(float(p[layer])) for curve, layer in zip(self.curves, self.layers, strict=True)]
        delta, slope = np.array(pairs, float).reshape(-1, 2).T
        return np.asarray(self.gains) * delta * self._reached(delta), delta, slope

    def _reached(self, delta: Array) -> Array:
        """ρ_l, by which the squared norm of what arrives has grown."""
        return np.asarray(np.prod(1 + np.asarray(self.growth) * delta, axis=1))

    def _at_zero(self, delta: Array) -> Array:
        """V's derivative by δ_l where δ_l is 0."""
        return np.asarray(self.gains) * self._reached(delta)
