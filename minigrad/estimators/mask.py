"""Uniform masks: every unit with the same probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minigrad.estimators.axes import AXES, AxisName
from minigrad.estimators.designs import DesignName
from minigrad.estimators.dual import Dual
from minigrad.estimators.selection import Selection, UnitSampler
from minigrad.estimators.text import register
from minigrad.typing import Array

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["Mask"]


@register("mask", "uniform mask: every unit with the same probability")
@dataclass(frozen=True, repr=False)
class Mask(Dual, Selection):
    """Keep each column, row, sample or entry with probability ``budget``, and divide it by that.

    Parameters
    ----------
    budget : float
        The probability, in (0, 1].
    axis : {"column", "row", "sample", "head", "token", "element"}, default "column"
        What is kept or left out as one: an entry of the last axis, of all axes before it, of the first axis,
        of axis −3 or −2 in all others at once, or of the whole array.
    design : {"poisson", "systematic"}, default "poisson"
        Independent draws; or a fixed number, drawn with one random start.
    distortion : float, optional
        In place of the budget: E‖Ĝ − G‖² over ‖G‖², ≥ 0; the probability is 1/(1 + distortion).

    Raises
    ------
    ValueError
        If the budget is outside (0, 1], the distortion negative or infinite, or an option is unknown.
    TypeError
        Unless exactly one of budget and distortion is given, a number.

    Notes
    -----
    Only what is kept is looked at: a NaN or an infinity shows where its unit is kept, and the whole cotangent is then
    handed on untouched.

    E‖Ĝ − G‖² = (1/budget − 1) ‖G‖² (Theory §2; Bakong et al. 2026, arXiv:2602.14701).

    Examples
    --------
    >>> g = np.ones((1, 4))
    >>> Mask(0.5).sample(g, None, np.random.default_rng(0)).dense().tolist()
    [[0.0, 2.0, 2.0, 2.0]]
    >>> Mask(0.5).distortion(g), Mask(distortion=1.0).budget
    (4.0, 0.5)
    """

    adapts = False
    takes_rows = True

    def __init__(
        self,
        budget: float | None = None,
        axis: AxisName = "column",
        design: DesignName = "poisson",
        *,
        distortion: float | None = None,
    ) -> None:
        self._state(budget, distortion, axis=axis, design=design)

    def __post_init__(self) -> None:
        UnitSampler.__post_init__(self)

    def probabilities(self, g: Array, node: Node | None = None) -> Array:
        return np.full(AXES[self.axis].count(g.shape), self.budget)
