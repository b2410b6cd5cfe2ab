"""Units that are kept as far as they are worth their price: one price serves all edges of a network (THEORY.md §7)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from minigrad.estimators.axes import AXES, AxisName, nonzero_units
from minigrad.estimators.diagonal import FLOOR, DiagonalSketch
from minigrad.estimators.named import check_choice
from minigrad.estimators.selection import DesignName, UnitSampler
from minigrad.estimators.text import register
from minigrad.structure import Kept
from minigrad.theory.price import priced_probabilities
from minigrad.theory.probabilities import optimal_probabilities
from minigrad.typing import Array, Shape

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["Priced", "PricedTarget"]

PricedTarget: TypeAlias = Literal["cotangent", "weight"]
PRICED_TARGETS: tuple[PricedTarget, ...] = get_args(PricedTarget)

LIMITS = (("tau", 0.0, math.inf), ("gain", 1e-300, math.inf), ("cost", 1e-300, math.inf), ("least", 1e-300, 1.0))

MOST = math.nextafter(1.0, 0.0)
"""All of a cotangent may be worth its price; a budget of 1 would say that it always is."""


@register("priced", "rows, columns, … as far as they are worth one price")
@dataclass(frozen=True, repr=False)
class Priced(UnitSampler):
    """Keep unit i with probability p_i = min(1, √(gain·v_i / cost) / τ), and divide it by that.

    Unlike a budget or a distortion the price has a scale: with one τ in all layers, each edge and each row of it keeps
    what makes the variance of the whole gradient smallest for the operations spent. One estimator for each input::

        nn.set_vjp(model, {"x": Priced(tau, gain=a), "w": Priced(tau, target="weight")})

    Parameters
    ----------
    tau : float
        The root of the price τ², a variance over a cost; ≥ 0, and 0 is exact. See `minigrad.theory.optimal_price`.
    gain : float, default 1
        The error gain A of the edge: the variance of the whole gradient for a unit of distortion here; > 0. On an edge
        to a weight that is a leaf it is 1.
    axis : {"column", "row", "sample", "head", "token", "element"}, default "row"
        What a unit is.
    target : {"cotangent", "weight"}, default "cotangent"
        What v_i is: ‖G_i‖², for an edge to an input, or ‖G_i‖²‖X_i‖², for one to a weight.
    cost : float, default 1
        What a kept unit costs, in the unit of the price (operations, seconds, …); > 0. In a linear layer of n inputs
        and m outputs a row costs 2mn operations on each edge.
    least : float, default 0.01
        At least this fraction of what is not zero is kept in expectation, whatever the price; in (0, 1]. It keeps a run
        whose price goes astray from losing sight of the gradient.
    design : {"poisson", "systematic"}, default "poisson"
        Independent draws; or a fixed number, drawn with one random start.

    Raises
    ------
    ValueError
        If a number is out of range, or an option is unknown.
    TypeError
        If a number is none.

    Notes
    -----
    A unit that is not zero has at least a tenth of the mean probability, as in `DiagonalSketch`. τ must not depend on
    the draw that it prices. Where the operand was not saved, because no weight needs its gradient, v_i is ‖G_i‖².

    Examples
    --------
    >>> g = np.array([[3.0], [1.0], [0.5], [0.0]])
    >>> Priced(2.0).probabilities(g).tolist()
    [1.0, 0.5, 0.25, 0.0]
    >>> Priced(2.0, gain=4.0).probabilities(g).tolist(), Priced(2.0).distortion(g)
    ([1.0, 1.0, 0.5, 0.0], 1.75)
    """

    tau: float = field()
    gain: float = 1.0
    axis: AxisName = "row"
    target: PricedTarget = "cotangent"
    cost: float = 1.0
    least: float = 0.01
    design: DesignName = "poisson"

    def __post_init__(self) -> None:
        for name, low, high in LIMITS:
            value = getattr(self, name)
            if isinstance(value, (bool, np.bool_, str)) or not hasattr(value, "__float__"):
                raise TypeError(f"{type(self).__name__}: {name} must be a number, got {value!r}")
            number = float(value)
            if not low <= number <= high or number == math.inf:
                raise ValueError(
                    f"{type(self).__name__}: {name}={number:g} must be finite and "
                    + {"tau": "≥ 0; 0 is exact", "least": "in (0, 1]"}.get(name, "> 0")
                )
            object.__setattr__(self, name, number)
        for option, known in (("axis", AXES), ("target", PRICED_TARGETS)):
            check_choice(self, option, getattr(self, option), known)
        object.__setattr__(self, "budget", MOST if self.tau else 1.0)
        super().__post_init__()

    @property
    def adapts(self) -> bool:  # type: ignore[override]
        """True if the fraction kept follows the cotangent."""
        return self.tau > 0

    def probabilities(self, g: Array, node: Node | None = None) -> Array:
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            scores = DiagonalSketch(MOST, self.axis, self.target).scores(g, node)
            total = float(scores.sum()) * self.gain / self.cost
        if self.tau == 0 or not total < 1e300:  # what is not finite, or cannot be squared, is worth any price
            return np.ones(scores.size)
        p = priced_probabilities(scores * (self.gain / self.cost), self.tau)
        if p.sum() < self.least * np.count_nonzero(scores):
            p = optimal_probabilities(scores, self.least * float(np.count_nonzero(scores)))
        low = FLOOR * max(float(p.mean()), self.least) if total else self.least
        small = np.flatnonzero(p < low)
        small = small[(scores[small] > 0) | nonzero_units(g, self.axis, small)]
        p[small] = low
        return p

    def kept(self, shape: Shape) -> Kept:
        return AXES[self.axis].kept(1.0)

    def overhead(self, shape: Shape) -> float:
        return 3.0 * float(np.prod(shape, dtype=float))  # norms, and rescaling
