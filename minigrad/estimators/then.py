"""Two estimators in a row: a sketch, and what rounds the values that it kept."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine.estimator import Estimator, TooManyOutcomes
from minigrad.estimators.budgeted import as_cotangent
from minigrad.estimators.named import Named
from minigrad.estimators.text import register
from minigrad.streams import Domain, as_generator
from minigrad.structure import (
    Coded,
    Columns,
    Cotangent,
    Entries,
    Factors,
    Kept,
    Rows,
    Slices,
    Structured,
    dense,
    matrix_shape,
    values_of,
)
from minigrad.typing import Seed, Shape

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["Then"]


OF_VALUES = (Columns, Entries, Factors, Rows, Slices)
"""Structures that are linear in each of their arrays of values; any other is written out for the second estimator."""


@register("then", "one estimator, and another for the values that it kept")
@dataclass(frozen=True, repr=False)
class Then(Named):
    """Sketch, then quantise what was kept: some rows in 4 bits, or factors of low rank in 8.

    The second estimator sees each array of values of what the first kept: the columns, rows or entries that are left,
    or both thin factors, each with a draw of its own.

    Parameters
    ----------
    first : Estimator
        Such as ``Mask(0.25, axis="row")``.
    second : Estimator
        Such as ``StochasticRounding(4)``.

    Raises
    ------
    TypeError
        If one of them is no estimator.

    Notes
    -----
    Where the second is unbiased given what the first drew, both together are (the tower rule), and distortions add up:
    E‖Q(S(g)) − g‖² = E‖S(g) − g‖² + E‖Q(S(g)) − S(g)‖² (Theory §9).

    Examples
    --------
    >>> from minigrad.estimators import Mask, StochasticRounding, parse
    >>> both = Then(Mask(0.5, axis="row"), StochasticRounding(4))
    >>> both.sample(np.ones((8, 6)), None, 0).uncoded().values.shape[1]
    6
    >>> parse("then(mask(0.5, axis=row), rounding(4))") == both
    True
    """

    first: Estimator
    second: Estimator

    def __post_init__(self) -> None:
        for name, estimator in (("first", self.first), ("second", self.second)):
            if not isinstance(estimator, Estimator):
                raise TypeError(
                    f"Then: the {name} of the two is {estimator!r} and no estimator; write it out, as in "
                    "Then(Mask(0.25, axis='row'), StochasticRounding(4)) or then(mask(0.25, axis=row), rounding(4))"
                )

    @property
    def budget(self) -> float:  # type: ignore[override]
        """The product of both budgets."""
        return self.first.budget * self.second.budget

    @property
    def adapts(self) -> bool:  # type: ignore[override]
        """True if one of them follows the cotangent."""
        return self.first.adapts or self.second.adapts

    @property
    def unbiased(self) -> bool:  # type: ignore[override]
        """True if both are."""
        return self.first.unbiased and self.second.unbiased

    def sample(self, g: Any, node: Node | None = None, rng: Seed = None) -> Cotangent:
        g = as_cotangent(g)
        rng = as_generator(Domain.SAMPLE, rng)
        kept = self.first.sample(g, node, rng)
        return self.second.sample(g, node, rng) if kept is g else self._drawn(kept, rng)

    def _drawn(self, kept: Cotangent, rng: np.random.Generator) -> Cotangent:
        """One draw of the second estimator, of what the first kept."""
        if isinstance(kept, Coded):
            return Coded(kept.uncoded(), {name: self._drawn(part, rng) for name, part in kept.held.items()})
        if not isinstance(kept, OF_VALUES):
            return self.second.sample(dense(kept), None, rng)
        held = {name: self.second.sample(part, None, rng) for name, part in values_of(kept)}
        if any(isinstance(part, Structured) for part in held.values()):
            return Coded(kept, held)
        return _with(kept, held)

    def outcomes(self, g: Any, node: Node | None = None) -> Iterator[tuple[float, Cotangent]]:
        for chance, kept in self.first.outcomes(as_cotangent(g), node):
            for other, out in self._rounded(kept, node):
                yield chance * other, out

    def _rounded(self, kept: Cotangent, node: Node | None) -> Iterator[tuple[float, Cotangent]]:
        """The outcomes of the second estimator, of one of the first."""
        if not isinstance(kept, OF_VALUES):
            yield from self.second.outcomes(dense(kept), node)
            return
        parts = dict(values_of(kept))
        for choice in itertools.product(*[list(self.second.outcomes(part)) for part in parts.values()]):
            found = {name: value for name, (_, value) in zip(parts, choice, strict=True)}
            yield math.prod(chance for chance, _ in choice), _with(kept, found)

    def distortion(self, g: Any, node: Node | None = None) -> float:
        """E‖ĝ − g‖², where the outcomes of the first estimator can be listed."""
        g = as_cotangent(g)
        total = self.first.distortion(g, node)
        try:
            for chance, kept in self.first.outcomes(g, node):
                total += chance * self._of_second(kept, node)
        except TooManyOutcomes as error:
            raise NotImplementedError(
                f"{self!r}: the distortion of the second estimator is a mean over the outcomes of the first, and "
                f"{error}; or average ‖ĝ − g‖² over draws"
            ) from error
        return total

    def _of_second(self, kept: Cotangent, node: Node | None) -> float:
        if not isinstance(kept, OF_VALUES):
            return self.second.distortion(dense(kept), node)
        if not isinstance(kept, Factors):  # each value stands in a place of its own
            return sum(self.second.distortion(part) for _, part in values_of(kept))
        whole = kept.dense()
        return sum(p * float(np.square(dense(out) - whole).sum()) for p, out in self._rounded(kept, node))

    def kept(self, shape: Shape) -> Kept:
        first = self.first.kept(shape)
        if first.fraction >= 1 or not first.fraction:
            return self.second.kept(shape)
        (rows, columns), part = matrix_shape(shape), first.fraction
        if first.structure is Factors:
            rank = max(1, round(part * min(rows, columns)))
            found = [self.second.kept((rows, rank)), self.second.kept((rank, columns))]
            return replace(first, bits=found[0].bits, scales=sum(each.scales for each in found))
        few = {
            Columns: (rows, max(1, round(part * columns))),
            Entries: (max(1, round(part * rows * columns)),),
            Rows: (max(1, round(part * rows)), columns),
            Slices: (max(1, round(part * rows)), columns),
        }.get(first.structure, (rows, columns))
        second = self.second.kept(few)
        return replace(first, bits=second.bits, scales=second.scales / part)

    def unfit(self, shape: Shape) -> str:
        return self.first.unfit(shape)

    def overhead(self, shape: Shape) -> float:
        return self.first.overhead(shape) + self.second.overhead(shape) * min(1.0, self.first.kept(shape).fraction)


def _with(kept: Structured, values: Mapping[str, Cotangent]) -> Structured:
    """The same structure with other values, as arrays."""
    out = copy(kept)
    for name, value in values.items():
        setattr(out, name, dense(value))
    return out
