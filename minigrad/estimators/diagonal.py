"""Diagonal sketches: keep units with the probabilities that minimise the variance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from minigrad.estimators.axes import AXES, AxisName, nonzero_units
from minigrad.estimators.budgeted import all_finite
from minigrad.estimators.designs import DesignName
from minigrad.estimators.dual import Dual
from minigrad.estimators.named import check_choice
from minigrad.estimators.operand_norms import operand_norms
from minigrad.estimators.selection import UnitSampler
from minigrad.estimators.text import register
from minigrad.structure import Rows
from minigrad.theory.least_probabilities import least_probabilities
from minigrad.theory.water_filling import fill_floor
from minigrad.typing import Array, Shape

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["FLOOR", "TARGETS", "DiagonalSketch", "Target"]

FLOOR = 0.1
"""The least probability of a unit that is not zero, as a fraction of the budget, or of what a distortion asks for."""

NONE = np.zeros(0, np.intp)

Target: TypeAlias = Literal["cotangent", "input", "weight", "both"]
TARGETS: tuple[Target, ...] = get_args(Target)


@register("diagonal", "columns, rows, … with the probabilities that minimise the variance")
@dataclass(frozen=True, repr=False)
class DiagonalSketch(Dual, UnitSampler):
    """Keep unit j with probability p_j and divide it by p_j, where p minimises Σ_j s_j / p_j for scores s.

    The expected number kept is ``budget`` times the number of units (fewer where fewer are not zero).

    Parameters
    ----------
    budget : float
        The expected fraction kept, in (0, 1].
    axis : {"column", "row", "sample", "head", "token", "element"}, default "column"
        What a unit is.
    target : {"cotangent", "input", "weight", "both"}, default "cotangent"
        Whose variance is made small: that of G itself, of ∂input, of ∂weight, or of both, where the two scores
        are each scaled to sum 1 and added. On nodes without weights every target means the cotangent.
    design : {"poisson", "systematic"}, default "poisson"
        Independent draws; or a fixed number, drawn with one random start.
    distortion : float, optional
        In place of the budget: ω ≥ 0. As few units are kept as hold Σ_j (1/p_j − 1) s_j ≤ ω Σ_j s_j, for the target
        "cotangent" E‖Ĝ − G‖² ≤ ω‖G‖². They follow the data: most of a flat cotangent, few of a concentrated one, never
        more than 1/(1 + ω) of the units.

    Raises
    ------
    ValueError
        If the budget is outside (0, 1], the distortion negative or infinite, or an option is unknown.
    TypeError
        Unless exactly one of budget and distortion is given, a number.

    Notes
    -----
    Scores for Y = X Wᵀ (Theory §3):

    ======  ===========  =================  =================
    axis    cotangent    input              weight
    ======  ===========  =================  =================
    column  ‖G_j‖²       ‖G_j‖²‖W_j‖²       ‖G_j‖² (a bound)
    row     ‖G_i‖²       ‖G_i‖² (a bound)   ‖G_i‖²‖X_i‖²
    entry   G_ij²        G_ij²‖W_j‖²        G_ij²‖X_i‖²
    ======  ===========  =================  =================

    The score of a sample, a head or a token is the sum of its rows'. The bounds stand where the optimal score is as
    dear as the exact product. Where an operand was not saved, because nothing needs the gradient it serves, or makes
    every score 0, the score is that of the cotangent.

    A score can be 0, or tiny, where G_j is not: p_j = 0 would then bias what else is computed from column j, and a
    tiny p_j would hardly ever show it. So p_j ≥ 0.1·budget wherever G_j ≠ 0, and the rest of the same total is
    water-filled. With a distortion the bound is a tenth of the fraction that would be kept without it; ω is met still.

    With a distortion and samples at the logits this is *variance-controlled sampling*: Wang, Chen, Zhu (2024), *VCAS*,
    ICLR, arXiv:2402.17227.

    Bakong et al. (2026), arXiv:2602.14701; Wangni et al. (2018), NeurIPS; Barnes et al. (2024), arXiv:2402.14925.

    Examples
    --------
    >>> g = np.array([[3.0, 1.0, 1.0, 0.0]])
    >>> sketch = DiagonalSketch(0.5)
    >>> sketch.probabilities(g).tolist()
    [1.0, 0.5, 0.5, 0.0]
    >>> sketch.distortion(g)
    2.0
    >>> few = DiagonalSketch(distortion=2 / 11)  # ‖G‖² = 11
    >>> few.probabilities(g).round(12).tolist(), round(few.distortion(g), 12)
    ([1.0, 0.5, 0.5, 0.0], 2.0)
    """

    takes_rows = True

    budget: float = field()
    axis: AxisName = "column"
    target: Target = "cotangent"
    design: DesignName = "poisson"

    def __init__(
        self,
        budget: float | None = None,
        axis: AxisName = "column",
        target: Target = "cotangent",
        design: DesignName = "poisson",
        *,
        distortion: float | None = None,
    ) -> None:
        self._state(budget, distortion, axis=axis, target=target, design=design)

    def __post_init__(self) -> None:
        UnitSampler.__post_init__(self)
        check_choice(self, "target", self.target, TARGETS)

    def scores(self, g: Array, node: Node | None = None, among: Rows | None = None) -> Array:
        """The scores that the inclusion probabilities are made for: one for each unit, up to a common factor.

        Parameters
        ----------
        g : ndarray
            The cotangent.
        node : Node, optional
            Its operands are looked at.
        among : Rows, optional
            Where the units are few that arrived: which they are; ``g`` is what is stored of them.

        Returns
        -------
        ndarray of float64, shape (units,)
        """
        squares = AXES[self.axis].squares
        rows, columns = (None, None) if self.target == "cotangent" else operand_norms(node, self.axis, among)
        if rows is None and columns is None:
            return squares(g, None, None)
        if self.target == "input":
            return squares(g, None, columns)
        if self.target == "weight":
            return squares(g, rows, None)
        both = [squares(g, None, columns), squares(g, rows, None)]
        if any(0 < s.sum() < 1e-200 for s in both):
            return np.zeros_like(both[0])  # digits are lost, which scaling to sum 1 would hide
        return sum((s / s.sum() for s in both if s.sum() > 0), np.zeros_like(both[0]))

    def probabilities(self, g: Array, node: Node | None = None) -> Array:
        return self._optimal(g, node, None)

    def _among(self, g: Array, node: Node | None, among: Rows) -> Array:
        return self._optimal(g, node, among)

    def _optimal(self, g: Array, node: Node | None, among: Rows | None) -> Array:
        axis = AXES[self.axis]
        units = axis.count((g if among is None else among).shape)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            scores = self.scores(g, node, among)
            certain = self.target == "cotangent" and g.dtype == np.float32  # such squares do not vanish in float64
            if not 1e-200 < float(scores.sum()) < 1e200:
                if not all_finite(g):
                    return np.ones(scores.size)  # what is not finite is not to be left out
                # Probabilities do not depend on the scale of G, but squares of very large or small numbers do.
                top = float(np.abs(g).max())
                if top == 0:
                    return np.zeros(scores.size)
                g = g.astype(np.float64) / top
                scores, certain = self.scores(g, node, among), False
                if not 0 < float(scores.sum()) < np.inf:  # the operands are all zero, or beyond squaring
                    scores = axis.squares(g, None, None)
        hidden = NONE if certain else np.flatnonzero(scores == 0)
        if hidden.size:
            hidden = hidden[nonzero_units(g, self.axis, hidden)]
        if self.relative_distortion is None:
            total, least = self.budget * units, FLOOR * self.budget
            # `theory.optimal_probabilities` with a lower bound, without its look at weights that were looked at here.
            p = fill_floor(np.sqrt(scores), total - least * hidden.size, least)
        else:
            p = least_probabilities(scores, self.relative_distortion)
            least = FLOOR * float(p.sum()) / units
            if p.min() < least:
                p = least_probabilities(scores, self.relative_distortion, lower=least)
        if hidden.size:
            p[hidden] = least
        return p

    def overhead(self, shape: Shape) -> float:
        return (2 + self.budget) * float(np.prod(shape, dtype=float))  # norms, and rescaling
