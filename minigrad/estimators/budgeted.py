"""The base of estimators with a budget: it takes any cotangent, and hands on untouched what must not be sampled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.arrays import plain
from minigrad.estimators.axes import AXES
from minigrad.estimators.named import Named
from minigrad.streams import Domain, as_generator
from minigrad.structure import Cotangent, Structured
from minigrad.typing import Array, Seed, Shape

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["Budgeted", "all_finite", "as_cotangent"]


class Budgeted(Named):
    """An estimator whose budget 1 is exact; subclasses write ``_sample``, ``_outcomes``, ``_distortion`` and ``_rare``.

    These see finite floating-point cotangents with at least one entry, and a budget below 1. A cotangent with a NaN or
    an infinity is handed on untouched, as the exact VJP would take it. Called by hand, estimators also take lists,
    whole numbers (as float64), tensors, structured cotangents, and a seed in place of a Generator. Where a look at all
    of a cotangent costs too much, a subclass writes ``sample`` itself, as `minigrad.estimators.selection.UnitSampler`.
    """

    def sample(self, g: Any, node: Node | None = None, rng: Seed = None) -> Cotangent:
        g = as_cotangent(g)
        return g if self._untouched(g) else self._sample(g, node, as_generator(Domain.SAMPLE, rng))

    def outcomes(self, g: Any, node: Node | None = None) -> Iterator[tuple[float, Cotangent]]:
        g = as_cotangent(g)
        return iter([(1.0, g)]) if self._untouched(g) else self._outcomes(g, node)

    def distortion(self, g: Any, node: Node | None = None) -> float:
        g = as_cotangent(g)
        return 0.0 if self._untouched(g) else self._distortion(g, node)

    def rare(self, g: Any, level: float, node: Node | None = None) -> Array | None:
        g = as_cotangent(g)
        return np.zeros_like(g) if self._untouched(g) else self._rare(g, level, node)

    def unfit(self, shape: Shape) -> str:
        axis = AXES.get(getattr(self, "axis", ""))
        return "" if axis is None or self.budget == 1 else axis.unfit(shape)

    def _untouched(self, g: Array) -> bool:
        return self.budget == 1 or not g.size or not all_finite(g)

    def _sample(self, g: Array, node: Node | None, rng: np.random.Generator) -> Cotangent:
        raise NotImplementedError(f"{type(self).__name__} does not say how it draws")

    def _outcomes(self, g: Array, node: Node | None) -> Iterator[tuple[float, Cotangent]]:
        return super().outcomes(g, node)

    def _distortion(self, g: Array, node: Node | None) -> float:
        return super().distortion(g, node)

    def _rare(self, g: Array, level: float, node: Node | None) -> Array | None:
        return super().rare(g, level, node)


def as_cotangent(g: Any) -> Array:
    """A cotangent as an array of floating-point numbers."""
    if type(g) is np.ndarray and g.dtype.kind == "f":
        return g
    if isinstance(g, Structured):
        return g.dense()
    array = plain(g.data if hasattr(g, "requires_grad") else g, "the cotangent")
    if array.dtype.kind in "iub":
        return array.astype(np.float64)
    if array.dtype.kind != "f":
        raise TypeError(f"a cotangent holds real numbers, but this one has dtype {array.dtype}")
    return array


def all_finite(g: Array) -> bool:
    """True if there is no NaN and no infinity; one sum tells in nearly all cases.

    Examples
    --------
    >>> all_finite(np.array([1e38, 1e38, 1e38, 1e38], np.float32)), all_finite(np.array([np.inf, 1.0]))
    (True, False)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        total = g.sum()
    return bool(np.isfinite(total)) or bool(np.isfinite(g).all())
