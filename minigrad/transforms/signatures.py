"""Types of the functions that differentiate, for checkers: arrays for arrays, and Any for containers."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, TypeVar, overload

import numpy as np

from minigrad.engine.tensor import Tensor
from minigrad.typing import Array, Seed

__all__ = ["Derivative", "Differentiable", "Pullback"]

Differentiable: TypeAlias = "Tensor | Array | np.number[Any] | float | list[float] | list[list[float]]"
"""An argument whose gradient is one array."""

One = TypeVar("One", covariant=True)
Other = TypeVar("Other", covariant=True)
Cotangent = TypeVar("Cotangent", contravariant=True)


class Pullback(Protocol[Cotangent, One]):
    """Pulls a cotangent of the value back to every argument."""

    def __call__(self, g: Cotangent, rng: Seed = None) -> tuple[One, ...]: ...


class Derivative(Protocol[One, Other]):
    """A function that differentiates: it returns One where all arguments are arrays, and Other where some are not."""

    @overload
    def __call__(self, *args: Differentiable, rng: Seed = None, **kwargs: Any) -> One: ...
    @overload
    def __call__(self, *args: Any, rng: Seed = None, **kwargs: Any) -> Other: ...
