"""Top-k: keep the largest units as they are. Biased."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from minigrad.estimators.axes import AXES, AxisName
from minigrad.estimators.budgeted import Budgeted
from minigrad.estimators.named import check_budget, check_choice
from minigrad.estimators.text import register
from minigrad.structure import Cotangent, Kept, dense
from minigrad.typing import Array, Shape

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["TopK"]


@register("topk", "the largest columns, rows, … as they are (biased)")
@dataclass(frozen=True, repr=False)
class TopK(Budgeted):
    """Keep the k = max(1, round(budget·units)) units of largest norm, unscaled: **biased on purpose**.

    What is small is never seen, so descent can stall where many small columns matter together. It is here as the
    contrast that the unbiasedness test must catch.

    Parameters
    ----------
    budget : float
        The fraction kept, in (0, 1].
    axis : {"column", "row", "sample", "head", "token", "element"}, default "column"
        What a unit is.

    Raises
    ------
    ValueError
        If the budget is outside (0, 1], or the axis is unknown.

    Notes
    -----
    Sun et al. (2017), *meProp*, ICML.

    Examples
    --------
    >>> TopK(0.5).sample(np.array([[3.0, 1.0, -2.0, 0.0]]), None, np.random.default_rng(0)).dense().tolist()
    [[3.0, 0.0, -2.0, 0.0]]
    >>> TopK(0.5).unbiased
    False
    """

    budget: float = field()
    axis: AxisName = "column"
    unbiased = False

    def __post_init__(self) -> None:
        check_budget(self, self.budget)
        check_choice(self, "axis", self.axis, AXES)

    def _sample(self, g: Array, node: Node | None, rng: np.random.Generator) -> Cotangent:
        return self._kept(g, self._largest(g))

    def factor(self, g: Array, node: Node | None, rng: np.random.Generator) -> Array:
        return np.ones((), g.dtype) if self.budget == 1 else dense(self._kept(np.ones_like(g), self._largest(g)))

    def _kept(self, g: Array, kept: Array) -> Cotangent:
        return AXES[self.axis].gather(g, kept, np.ones(kept.size, g.dtype))

    def _largest(self, g: Array) -> Array:
        axis = AXES[self.axis]
        with np.errstate(over="ignore", under="ignore"):
            squares = axis.squares(g, None, None)
            if not 1e-200 < float(squares.sum()) < 1e200:
                squares = axis.squares(g.astype(np.float64) / (np.abs(g).max() or 1), None, None)
        k = max(1, round(self.budget * squares.size))
        return np.sort(np.argpartition(squares, -k)[-k:])

    def _outcomes(self, g: Array, node: Node | None) -> Iterator[tuple[float, Cotangent]]:
        yield 1.0, self._kept(g, self._largest(g))

    def _distortion(self, g: Array, node: Node | None) -> float:
        """‖ĝ − g‖²: the squares of all that is left out."""
        squares = AXES[self.axis].squares(g, None, None)
        return float(np.delete(squares, self._largest(g)).sum())

    def kept(self, shape: Shape) -> Kept:
        count = AXES[self.axis].count(shape)
        fraction = max(1, round(self.budget * count)) / max(count, 1)
        return AXES[self.axis].kept(fraction)

    def overhead(self, shape: Shape) -> float:
        return 2 * float(np.prod(shape, dtype=float))  # norms
