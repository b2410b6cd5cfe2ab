"""Low-rank sketches: keep some singular directions of the cotangent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from minigrad.estimators.budgeted import Budgeted
from minigrad.estimators.designs import DESIGNS, DesignName
from minigrad.estimators.dual import Dual
from minigrad.estimators.named import check_budget, check_choice
from minigrad.estimators.text import register
from minigrad.structure import Cotangent, Factors, Kept, matrix_shape, squared_norms
from minigrad.theory.least_probabilities import least_probabilities
from minigrad.theory.probabilities import optimal_probabilities
from minigrad.typing import Array, Shape

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["LowRankSketch"]


@register("lowrank", "some singular directions, with the best probabilities")
@dataclass(frozen=True, repr=False)
class LowRankSketch(Dual, Budgeted):
    """Keep singular direction k of G = Σ_k σ_k u_k v_kᵀ with the best probability p_k, divided by p_k.

    No unbiased estimator whose expected rank is at most budget·min(rows, columns) has a smaller E‖Ĝ − G‖².

    Parameters
    ----------
    budget : float
        The expected rank over min(rows, columns), in (0, 1].
    design : {"poisson", "systematic"}, default "poisson"
        Independent draws of directions; or a fixed rank (where budget·min(rows, columns) is an integer), drawn with
        one random start.
    distortion : float, optional
        In place of the budget: as few directions are kept as hold E‖Ĝ − G‖² ≤ distortion·‖G‖²; ≥ 0. They follow the
        singular values: few where these fall fast, never more than 1/(1 + distortion) of all.

    Raises
    ------
    ValueError
        If the budget is outside (0, 1], the distortion negative or infinite, or the design is unknown.
    TypeError
        Unless exactly one of budget and distortion is given, a number.

    Notes
    -----
    The directions come from the Gram matrix of the smaller side: with an orthonormal basis V of it,
    G = Σ_k (G v_k) v_kᵀ holds to rounding whatever the accuracy of V. So the sketch is unbiased to rounding, and
    optimal as far as V is.

    Benzing et al. (2019), ICML; Barnes, Cameron, Howard (2025), arXiv:2505.09647; Bakong et al. (2026),
    arXiv:2602.14701.

    Examples
    --------
    >>> g = np.diag([3.0, 1.0, 1.0, 0.0])
    >>> LowRankSketch(0.5).distortion(g), round(LowRankSketch(distortion=0.1).distortion(g), 12)  # ‖G‖² = 11
    (2.0, 1.1)
    >>> LowRankSketch(0.5, design="systematic").sample(g, None, np.random.default_rng(0)).rank
    2
    """

    budget: float = field()
    design: DesignName = "poisson"

    def __init__(
        self, budget: float | None = None, design: DesignName = "poisson", *, distortion: float | None = None
    ) -> None:
        self._state(budget, distortion, design=design)

    def __post_init__(self) -> None:
        check_budget(self, self.budget)
        check_choice(self, "design", self.design, DESIGNS)

    def probabilities(self, g: Array, node: Node | None = None) -> Array:
        """The inclusion probability of each singular direction, in the order of decreasing singular values.

        Parameters
        ----------
        g : ndarray
            The cotangent, finite.
        node : Node, optional
            Not looked at.

        Returns
        -------
        ndarray of float64, shape (min(rows, columns),)
        """
        return self.directions(g)[2][::-1]

    def directions(self, g: Array) -> tuple[Array, Array, Array]:
        """The singular directions, in the order of increasing singular values, and their probabilities.

        Parameters
        ----------
        g : ndarray
            The cotangent, finite.

        Returns
        -------
        left : ndarray, shape (rows, min(rows, columns))
        right : ndarray, shape (min(rows, columns), columns)
            With left @ right = G to rounding.
        p : ndarray of float64, shape (min(rows, columns),)
        """
        matrix = g.reshape(matrix_shape(g.shape))
        rows, columns = matrix_shape(g.shape)
        # A power of two near the largest entry: squares stay in range, and scaling there and back is exact. The
        # weights must be those of the very factor that is kept: with a rounding error in a direction that is all but
        # empty, and the weight of another rounding error, p would be as good as random there.
        exponent = int(np.frexp(np.abs(matrix).max())[1]) - 1
        scale = np.ldexp(g.dtype.type(1), exponent)
        scaled = np.ldexp(matrix, -exponent)  # matrix / scale, of which NumPy 1.26 says that it overflows, wrongly
        basis = scaled if g.dtype in (np.float32, np.float64) else scaled.astype(np.float64)  # what LAPACK knows
        if rows >= columns:
            right = np.linalg.eigh(basis.T @ basis)[1].astype(g.dtype, copy=False)
            left, right = scaled @ right, right.T
            weights = squared_norms(left, -2)
            left *= scale
        else:
            left = np.linalg.eigh(basis @ basis.T)[1].astype(g.dtype, copy=False)
            right = left.T @ scaled
            weights = squared_norms(right, -1)
            right *= scale
        if self.relative_distortion is not None:
            return left, right, least_probabilities(weights, self.relative_distortion)
        return left, right, optimal_probabilities(weights, self.budget * weights.size)

    def _keep(self, g: Array, left: Array, right: Array, p: Array, kept: Array) -> Factors:
        thin = left[:, kept] / p[kept]  # in float64: p may be below what float32 can hold
        return Factors(thin.astype(g.dtype, copy=False), right[kept], g.shape)

    def _sample(self, g: Array, node: Node | None, rng: np.random.Generator) -> Cotangent:
        left, right, p = self.directions(g)
        return self._keep(g, left, right, p, DESIGNS[self.design].draw(p, rng))

    def _outcomes(self, g: Array, node: Node | None) -> Iterator[tuple[float, Cotangent]]:
        left, right, p = self.directions(g)
        for probability, kept in DESIGNS[self.design].outcomes(p):
            yield probability, self._keep(g, left, right, p, kept)

    def _distortion(self, g: Array, node: Node | None) -> float:
        """E‖ĝ − g‖² = Σ_k (1/p_k − 1) σ_k² (Theory §2)."""
        left, right, p = self.directions(g)
        squares = squared_norms(left, -2) if len(right) == right.shape[1] else squared_norms(right, -1)
        seen = (p > 0) & (p < 1)  # squares may be infinite, and 0·∞ is not 0
        return float(((1 - p[seen]) / p[seen]) @ squares[seen])

    def _rare(self, g: Array, level: float, node: Node | None) -> Array | None:
        left, right, p = self.directions(g)
        rare = p < level
        return np.asarray(left[:, rare] @ right[rare]).reshape(g.shape)

    def kept(self, shape: Shape) -> Kept:
        return Kept(Factors, self.budget)

    def overhead(self, shape: Shape) -> float:
        rows, columns = matrix_shape(shape)
        small = min(rows, columns)
        # The Gram matrix, its eigenvectors (about 9 n³), and the other factor.
        return 4.0 * rows * columns * small + 9.0 * small**3
