"""Units that are kept as far as they are worth their price: one price serves all edges of a network (Theory §7)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from minigrad.estimators.axes import AXES, AxisName, nonzero_units
from minigrad.estimators.designs import DesignName, on_grid
from minigrad.estimators.diagonal import FLOOR
from minigrad.estimators.named import check_choice
from minigrad.estimators.operand_norms import operand_norms
from minigrad.estimators.selection import UnitSampler
from minigrad.estimators.text import register
from minigrad.structure import Kept, Rows, Structured
from minigrad.theory.probabilities import optimal_probabilities
from minigrad.typing import Array, Shape

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["Priced", "PricedTarget"]

PricedTarget: TypeAlias = Literal["cotangent", "weight", "both"]
PRICED_TARGETS: tuple[PricedTarget, ...] = get_args(PricedTarget)

LIMITS = (("tau", 0.0, math.inf), ("gain", 1e-300, math.inf), ("cost", 1e-300, math.inf), ("least", 1e-300, 1.0))

MOST = math.nextafter(1.0, 0.0)
"""All of a cotangent may be worth its price; a budget of 1 would say that it always is."""


@register("priced", "rows, columns, … as far as they are worth one price")
@dataclass(frozen=True, repr=False)
class Priced(UnitSampler):
    """Keep unit i with probability p_i = min(1, √(gain·v_i / cost) / τ), and divide it by that.

    Unlike a budget or a distortion the price has a scale: with one τ in all layers, each edge and each row of it keeps
    what makes the variance of the whole gradient smallest for the operations spent. One estimator for each input, with
    draws of their own, or one draw for both, which takes less time::

        nn.set_vjp(model, {"x": Priced(tau, gain=a), "w": Priced(tau, target="weight")})
        nn.set_vjp(model, Priced(tau, gain=a, target="both", cost=2.0))

    Parameters
    ----------
    tau : float
        The root of the price τ², a variance over a cost; ≥ 0, and 0 is exact. See `minigrad.theory.optimal_price`.
    gain : float, default 1
        The error gain A of the edge: the variance of the whole gradient for a unit of distortion here; > 0. On an edge
        to a weight that is a leaf it is 1.
    axis : {"column", "row", "sample", "head", "token", "element"}, default "row"
        What a unit is.
    target : {"cotangent", "weight", "both"}, default "cotangent"
        What v_i is: ‖G_i‖², for an edge to an input; ‖G_i‖²‖X_i‖², for one to a weight; or their sum for one draw
        that serves both, ‖G_i‖²(A + ‖X_i‖² + 1), where the gain is that of the input's edge alone, and the 1 is for the
        bias. What is not wanted (no ∂X in a first layer, no bias) is left out.
    cost : float, default 1
        What a kept unit costs, in the unit of the price (operations, seconds, …); > 0. In a linear layer of n inputs
        and m outputs a row costs 2mn operations on each edge, so twice that for both.
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

    Rows that arrive from a draw nearer to the loss are priced again, among themselves. One that was kept with p < 1 has
    been divided by it, and is worth the price at an edge of the same gain for certain; where the gain is smaller, or
    the operand, it need not be. To let all of them pass without a second draw adds less noise at a price, but keeps far
    more: a ViT whose samples are all worth keeping at the logits would be exact all the way down (J of 0.99 against
    0.61), and in an MLP the best J was 0.71 against 0.68.

    Examples
    --------
    >>> g = np.array([[3.0], [1.0], [0.5], [0.0]])
    >>> Priced(2.0).probabilities(g).tolist()
    [1.0, 0.5, 0.25, 0.0]
    >>> Priced(2.0, gain=4.0).probabilities(g).tolist(), Priced(2.0).distortion(g)
    ([1.0, 1.0, 0.5, 0.0], 1.75)
    """

    takes_rows = True

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
        return self._without_zeros(g, *self._worth(g, node))

    def _among(self, g: Array, node: Node | None, among: Rows) -> Array:
        return self._without_zeros(g, *self._worth(g, node, among))

    def _kept(self, g: Array, node: Node | None, rng: np.random.Generator, among: Rows | None) -> Structured:
        if self.design != "poisson":
            return super()._kept(g, node, rng, among)
        # Each unit is drawn by itself: what is zero may be looked for among those that were drawn.
        p, v = self._worth(g, node, among)
        kept = self.draw(g, p, rng)
        if v.min() == 0:
            hidden = v[kept] == 0
            kept = kept[~hidden | nonzero_units(g, self.axis, kept)]
        return self._gather(g, p, kept)

    def _worth(self, g: Array, node: Node | None, among: Rows | None = None) -> tuple[Array, Array]:
        """The probability of each unit as if none were zero, in the dtype of the cotangent; and the v_i.

        v_i is in float64, and compared with the price before it is rounded, so that p neither overflows nor vanishes.
        """
        units = AXES[self.axis].count((g if among is None else among).shape)
        dtype = np.float32 if g.dtype == np.float32 else np.float64
        rows = None if self.target == "cotangent" else operand_norms(node, self.axis, among)[0]
        factor = self.gain / self.cost
        if self.target == "both" and rows is not None:
            rows, factor = rows + self._beside(node), 1 / self.cost
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            v = AXES[self.axis].squares(g, rows, None)
            total = float(v.sum()) * factor
            if self.tau == 0 or not total < 1e300:  # what is not finite, or cannot be squared, is worth any price
                return np.ones(v.size, dtype), v
            worth = factor / self.tau / self.tau
            if 1e-200 < worth < 1e200:
                p = np.sqrt(v * worth, dtype=dtype)
            else:
                p = (np.sqrt(v) * math.sqrt(factor) / self.tau).astype(dtype)
        np.minimum(p, 1, out=p)
        kept = float(p.sum())
        if kept < self.least * p.size:
            asked = self.least * float(np.count_nonzero(v))
            if kept < asked:
                p, kept = optimal_probabilities(v, asked).astype(dtype, copy=False), asked
        np.maximum(p, FLOOR * max(kept / units, self.least) if total else self.least, out=p)
        return on_grid(p) if p.dtype == np.float32 else p, v

    def _beside(self, node: Node | None) -> float:
        """Terms beside ‖X_i‖² of a draw for all edges of a node: the gain if ∂X is wanted, and 1 for each bias."""
        wanted = [parent is not None for parent in node.parents] if node is not None else []
        return self.gain * sum(wanted[:1]) + sum(wanted[2:])

    def _without_zeros(self, g: Array, p: Array, v: Array) -> Array:
        zero = np.flatnonzero(v == 0)
        p[zero[~nonzero_units(g, self.axis, zero)]] = 0
        return p

    def kept(self, shape: Shape) -> Kept:
        return AXES[self.axis].kept(1.0)

    def overhead(self, shape: Shape) -> float:
        return 3.0 * float(np.prod(shape, dtype=float))  # norms, and rescaling
