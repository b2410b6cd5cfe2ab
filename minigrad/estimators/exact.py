"""The exact VJP, as an estimator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minigrad.estimators.named import Named
from minigrad.estimators.text import register
from minigrad.structure import Cotangent
from minigrad.typing import Array

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["Exact"]


@register("exact", "the whole cotangent")
@dataclass(frozen=True, repr=False)
class Exact(Named):
    """Hand the cotangent on untouched. ``vjp=None`` means the same.

    Examples
    --------
    >>> Exact().sample(np.ones(2), None, np.random.default_rng(0)).tolist()
    [1.0, 1.0]
    >>> Exact().distortion(np.ones(2))
    0.0
    """

    def sample(self, g: Array, node: Node | None, rng: np.random.Generator) -> Cotangent:
        return g

    def factor(self, g: Array, node: Node | None, rng: np.random.Generator) -> Array:
        return np.ones((), g.dtype)

    def outcomes(self, g: Array, node: Node | None = None) -> Iterator[tuple[float, Cotangent]]:
        yield 1.0, g

    def rare(self, g: Array, level: float, node: Node | None = None) -> Array | None:
        return np.zeros_like(g)

    def distortion(self, g: Array, node: Node | None = None) -> float:
        return 0.0
