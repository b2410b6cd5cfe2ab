"""Winner-take-all column-row sampling: the largest units for certain, the rest drawn with replacement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minigrad.estimators.replacement import Plan, WithReplacement
from minigrad.estimators.text import register
from minigrad.typing import Array

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["WinnerTakeAll"]


@register("winner", "the largest columns, rows, … for certain, the rest drawn with replacement")
@dataclass(frozen=True, repr=False)
class WinnerTakeAll(WithReplacement):
    """Keep the t largest units for certain, and draw r − t of the others with replacement.

    Ĝ = Σ_{j ≤ t} G_j + (1/(r−t)) Σ_draws G_j/q_j, with r = max(1, round(budget·units)) and q over the *tail*, the units
    that are no winners. t is the number for which (Σ_tail √s_j)²/(r − t), a bound on the variance, is smallest, with
    the scores s_j of the target. Of units with equal scores the first wins.

    Parameters
    ----------
    budget : float
        The number of winners and draws over the number of units, in (0, 1]; 1 is exact.
    axis : {"column", "row", "sample", "head", "token", "element"}, default "column"
        What a unit is.
    target : {"cotangent", "input", "weight", "both"}, default "cotangent"
        Whose variance is made small, as for `DiagonalSketch`.

    Raises
    ------
    ValueError
        If the budget is outside (0, 1], or an option is unknown.

    Notes
    -----
    E‖Ĝ − G‖² = (1/(r−t)) Σ_tail (1/q_j − 1) ‖G_j‖²; exact where at most r units are not zero. Unlike in
    `DiagonalSketch`, two draws may hit the same unit. Liu et al. (2023), *Winner-Take-All Column Row Sampling for
    Memory Efficient Adaptation of Language Model*, NeurIPS, arXiv:2305.15265.

    Examples
    --------
    >>> g = np.array([[4.0, 1.0, 1.0, 1.0, 1.0]])
    >>> WinnerTakeAll(0.6).plan(g).certain.tolist(), WinnerTakeAll(0.6).distortion(g)
    ([0], 6.0)
    >>> WinnerTakeAll(0.6).sample(g, None, np.random.default_rng(0)).dense().tolist()
    [[4.0, 0.0, 2.0, 2.0, 0.0]]
    """

    def plan(self, g: Array, node: Node | None = None) -> Plan:
        """The winners, and the chances of the others in each draw.

        Parameters
        ----------
        g : ndarray
            The cotangent, finite.
        node : Node, optional
            Where it arrives.

        Returns
        -------
        Plan
        """
        q, r = self._chances(g, node), self.draws(g.shape)
        order = np.argsort(-q, kind="stable")
        tails = np.cumsum(q[order[::-1]])[::-1]  # tails[t]: what is left without the t largest
        t = np.arange(min(r, q.size))
        winners = int(np.argmin(np.square(tails[t]) / (r - t)))
        certain, rest = order[:winners], float(tails[winners])
        q = q.copy()
        q[certain] = 0.0
        return Plan(certain, q / rest if rest else q, r - winners if rest else 0)
