"""Estimators that keep some units of a cotangent, each with a known probability, and divide it by that.

Index conventions: j runs over the n units (columns, rows, …) of G; p_j is the inclusion probability of unit j. What a
unit is says `minigrad.estimators.axes`; how units go together when they are drawn, `minigrad.estimators.designs`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.estimators.axes import AXES, AxisName
from minigrad.estimators.budgeted import Budgeted, all_finite, as_cotangent
from minigrad.estimators.designs import DESIGNS, DesignName
from minigrad.estimators.inclusion import checked_probabilities
from minigrad.estimators.named import check_budget, check_choice
from minigrad.streams import Domain, as_generator
from minigrad.structure import Cotangent, Kept, Rows, Structured, dense
from minigrad.typing import Array, Seed, Shape

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["Selection", "UnitSampler"]


class UnitSampler(Budgeted):
    """Keeps unit j of G with probability p_j as G_j / p_j; a subclass says what the p_j are.

    The units go together as the field ``design`` says; a subclass without this field writes ``draw`` and ``sets``.

    Rows or samples that an estimator nearer to the loss kept are drawn among themselves, where ``takes_rows``: the
    others are zero and have no part in it. Methods then get what is stored as ``g``, and `Rows` as ``among``.
    """

    axis: AxisName
    design: DesignName

    def __post_init__(self) -> None:
        for argument in dataclasses.fields(self):  # type: ignore[arg-type]
            stated = getattr(type(self), argument.name, argument.default)
            if argument.default is not dataclasses.MISSING and stated != argument.default:
                raise TypeError(
                    f"{type(self).__name__}: {argument.name} = {stated!r} in the class does not change the argument, "
                    f"whose default is {argument.default!r}. Write @dataclass(frozen=True, repr=False) above the class "
                    f"and `{argument.name}: {type(stated).__name__} = {stated!r}` in it"
                )
        check_budget(self, self.budget)
        for option, known in (("axis", AXES), ("design", DESIGNS)):
            if hasattr(self, option):
                check_choice(self, option, getattr(self, option), known)

    def probabilities(self, g: Array, node: Node | None) -> Array:
        """The inclusion probability of each unit.

        Parameters
        ----------
        g : ndarray
            The cotangent.
        node : Node or None
            Where it arrives; None when called by hand.

        Returns
        -------
        ndarray of float64, shape (units,)
            In [0, 1], and 0 only where the unit is zero. The cost model takes their mean to be the budget.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not say with which probabilities it keeps what. Write "
            "`def probabilities(self, g, node)` that returns an array with one probability for each unit"
        )

    def draw(self, g: Array, p: Array, rng: np.random.Generator) -> Array:
        """Draw the units that are kept, increasing."""
        return DESIGNS[self.design].draw(p, rng)

    def sets(self, g: Array, p: Array) -> Iterator[tuple[float, Array]]:
        """Yield each set of units that `draw` may give, with its probability."""
        return DESIGNS[self.design].outcomes(p)

    def squared_norms(self, g: Array) -> Array:
        """‖G_j‖² of each unit.

        Returns
        -------
        ndarray of float64, shape (units,)
        """
        return AXES[self.axis].squares(g, None, None)

    def sample(self, g: Any, node: Node | None = None, rng: Seed = None) -> Cotangent:
        g, among = self._stored(g)
        if self.budget == 1 or not g.size:
            return g if among is None else among
        kept = self._kept(g, node, as_generator(Domain.SAMPLE, rng), among)
        # A look at all of G would cost as much as a small budget saves; what was left out need not be read at all.
        values = kept if isinstance(kept, np.ndarray) else kept.parts[0]
        if not np.isfinite(values).all() and not all_finite(g):
            return g if among is None else among
        return kept if among is None else self._placed(kept, among)

    def _kept(self, g: Array, node: Node | None, rng: np.random.Generator, among: Rows | None) -> Structured:
        p = self._inclusion(g, node, among)
        return self._gather(g, p, self.draw(g, p, rng))

    def _stored(self, g: Any) -> tuple[Array, Rows | None]:
        """The array to look at: all of a cotangent; or the stored units, with the `Rows` that say which they are."""
        if type(g) is np.ndarray and g.dtype.kind == "f":
            return g, None
        among = AXES[self.axis].stored(g) if type(g) is Rows and self.takes_rows else None
        return (as_cotangent(g), None) if among is None else (among.values, among)

    @staticmethod
    def _placed(kept: Cotangent, among: Rows) -> Rows:
        """Units that were drawn among those that arrived, as units of the whole."""
        assert isinstance(kept, Rows)
        return Rows(kept.values, among.indices[kept.indices], among.shape)

    def factor(self, g: Array, node: Node | None, rng: np.random.Generator) -> Array:
        """1/p_j on the units that are kept, and 0 on the others; 1 on those that are zero, and so never drawn."""
        drawn = self.sample(g, node, rng)
        if isinstance(drawn, np.ndarray):
            return np.ones((), g.dtype)
        p = self._inclusion(g, node)
        kept = np.unique(np.concatenate([drawn.parts[1], np.flatnonzero(p == 0)]))
        scale = 1 / np.where(p > 0, p, 1)[kept]
        return dense(AXES[self.axis].gather(np.ones_like(g), kept, scale.astype(g.dtype)))

    def outcomes(self, g: Any, node: Node | None = None) -> Iterator[tuple[float, Cotangent]]:
        g, among = self._stored(g)
        if self._untouched(g):
            return iter([(1.0, g if among is None else among)])
        return self._outcomes(g, node, among)

    def _outcomes(self, g: Array, node: Node | None, among: Rows | None = None) -> Iterator[tuple[float, Cotangent]]:
        p = self._inclusion(g, node, among).astype(np.float64, copy=False)
        for probability, chosen in self.sets(g, p):
            kept = self._gather(g, p, chosen)
            yield probability, kept if among is None else self._placed(kept, among)

    def distortion(self, g: Any, node: Node | None = None) -> float:
        g, among = self._stored(g)
        return 0.0 if self._untouched(g) else self._distortion(g, node, among)

    def _distortion(self, g: Array, node: Node | None, among: Rows | None = None) -> float:
        """E‖ĝ − g‖² = Σ_j (1/p_j − 1)‖G_j‖² (Theory §2); the same however the units go together."""
        p = self._inclusion(g, node, among).astype(np.float64, copy=False)
        squares = self.squared_norms(g)
        seen = (p > 0) & (p < 1)  # squares may be infinite, and 0·∞ is not 0
        return float(((1 - p[seen]) / p[seen]) @ squares[seen])

    def _rare(self, g: Array, level: float, node: Node | None) -> Array | None:
        # `rare` is asked for exact cotangents.
        units = np.flatnonzero(self._inclusion(g, node) < level)
        return dense(AXES[self.axis].gather(g, units, np.ones(units.size, g.dtype)))

    def kept(self, shape: Shape) -> Kept:
        return AXES[self.axis].kept(self.budget)

    def overhead(self, shape: Shape) -> float:
        return self.budget * float(np.prod(shape, dtype=float))  # rescaling what is kept

    def _gather(self, g: Array, p: Array, kept: Array) -> Structured:
        return AXES[self.axis].gather(g, kept, (1 / p[kept]).astype(g.dtype))

    def _inclusion(self, g: Array, node: Node | None, among: Rows | None = None) -> Array:
        p = self.probabilities(g, node) if among is None else self._among(g, node, among)
        return p if self._trusted else checked_probabilities(p, g, self, node)

    def _among(self, g: Array, node: Node | None, among: Rows) -> Array:
        """The inclusion probability of each stored unit, for an estimator that ``takes_rows``."""
        return self.probabilities(g, node)


@dataclass(frozen=True, repr=False)
class Selection(UnitSampler):
    """Keep units with probabilities of one's own: subclass it and write ``probabilities``.

    Unit j is kept with probability p_j, as G_j / p_j (Horvitz and Thompson 1952, *J. Amer. Statist. Assoc.* 47). That
    is unbiased as long as p_j > 0 wherever G_j ≠ 0. Draws, outcomes, distortion, what is rare, and the structure in
    which the kept units are stored are then given.

    Parameters
    ----------
    budget : float
        The fraction that is expected to be kept, in (0, 1]; for ``probabilities`` to keep to. 1 is exact.
    axis : {"column", "row", "sample", "head", "token", "element"}, default "column"
        What a unit is: an entry of the last axis, of all axes before it, of the first axis, of axis −3 or −2 in all
        others at once, or of the whole array.
    design : {"poisson", "systematic"}, default "poisson"
        Independent draws; or a fixed number, drawn with one random start.

    Raises
    ------
    ValueError
        If the budget is outside (0, 1], or an option is unknown. When drawing: if the probabilities are of another
        shape than (units,), not in [0, 1], or 0 for a unit that is not zero.
    TypeError
        If the budget is no number; if the class sets an argument without being a dataclass.

    Notes
    -----
    E‖Ĝ − G‖² = Σ_j (1/p_j − 1) ‖G_j‖² (Theory §2). Where a unit with a NaN or an infinity is kept the whole
    cotangent is handed on untouched, as the exact VJP would take it. So is one that is zero, or not finite, where the
    probabilities are refused.

    Examples
    --------
    Units above the median norm are kept for certain:

    >>> from minigrad.estimators import Selection
    >>> class Upper(Selection):
    ...     def probabilities(self, g, node):
    ...         norms = self.squared_norms(g)
    ...         return np.where(norms > np.median(norms), 1.0, 2 * self.budget - 1)
    >>> g = np.array([[4.0, 1.0, 2.0, 3.0]])
    >>> Upper(0.75).probabilities(g, None).tolist(), Upper(0.75).distortion(g)
    ([1.0, 0.5, 0.5, 1.0], 5.0)
    >>> [(probability, kept.indices.tolist()) for probability, kept in Upper(0.75).outcomes(g)]
    [(0.25, [0, 3]), (0.25, [0, 2, 3]), (0.25, [0, 1, 3]), (0.25, [0, 1, 2, 3])]
    """

    budget: float = field()
    axis: AxisName = "column"
    design: DesignName = "poisson"
