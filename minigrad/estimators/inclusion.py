"""The check of inclusion probabilities that somebody else's estimator gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.estimators.axes import AXES, nonzero_units
from minigrad.estimators.budgeted import all_finite
from minigrad.typing import Array

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["checked_probabilities"]


def checked_probabilities(p: Any, g: Array, of: Any, node: Node | None) -> Array:
    """The probabilities as float64; raise ValueError if they are none, or would bias the mean.

    Where a cotangent that is zero or not finite led to them they are all 1: it is handed on as it is.
    """
    who = f"{f'{node.label}: ' if node is not None else ''}{type(of).__name__}: probabilities(g, node)"
    p = np.asarray(p)
    units = AXES[of.axis].count(g.shape)
    if p.shape != (units,) or p.dtype.kind not in "fiub":
        raise ValueError(
            f"{who} gave {p.dtype} of shape {p.shape} for a cotangent of shape {g.shape}; return one "
            f"probability for each {of.axis}, an array of floats of shape ({units},)"
        )
    p = p.astype(np.float64, copy=False)
    wrong = np.flatnonzero(~((p >= 0) & (p <= 1)))
    lost = np.flatnonzero(p == 0)
    if not wrong.size and lost.size:
        lost = lost[nonzero_units(g, of.axis, lost)]
    if not wrong.size and not lost.size:
        return p
    if not all_finite(g) or not g.any():
        return np.ones(units)  # norms of such a cotangent are no help: it is handed on as it is
    if wrong.size:
        raise ValueError(
            f"{who} gave {p[wrong[0]]:g} for {of.axis} {wrong[0]} ({wrong.size} of {units} are not "
            "in [0, 1]). Clip what is above 1, and see that no sum that you divide by is 0"
        )
    raise ValueError(
        f"{who} gave 0 for {of.axis} {lost[0]}, which is not zero ({lost.size} of {units} such). "
        "It would never be kept, and the mean be biased: give everything that is not zero some probability, "
        "as with np.maximum(p, 0.1 * self.budget)"
    )
