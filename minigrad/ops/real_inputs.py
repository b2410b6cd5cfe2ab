"""Inputs of functions that are composed of operations: their values, floats made of integers, and float16."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from minigrad.arrays import DOUBLE, HALF, SINGLE, plain
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.casting import astype
from minigrad.typing import Array

__all__ = ["constant", "floating", "values", "widened"]


def values(x: TensorLike) -> Array:
    """The values, as an array."""
    return x.data if isinstance(x, Tensor) else plain(x, "the input")


def floating(x: TensorLike, beside: TensorLike | None = None) -> Tensor:
    """A tensor of floats; integers take the dtype of what stands beside them, or float64."""
    array = values(x)
    if array.dtype.kind == "f":
        return x if isinstance(x, Tensor) else Tensor(array)
    other = DOUBLE if beside is None else values(beside).dtype
    return Tensor(array.astype(other if other.kind == "f" else DOUBLE))


F = TypeVar("F", bound=Callable[..., Any])


def widened(function: F) -> F:
    """Compute a function of float16 in float32, and round what it returns; see `minigrad.arrays`."""

    @functools.wraps(function)
    def wide(*args: Any, **settings: Any) -> Any:
        arrays = [a for a in (*args, *settings.values()) if isinstance(a, (Tensor, np.ndarray)) and a.dtype.kind == "f"]
        if not arrays or any(a.dtype != HALF for a in arrays):
            return function(*args, **settings)
        found = function(*map(_single, args), **{name: _single(value) for name, value in settings.items()})
        return tuple([astype(each, HALF) for each in found]) if isinstance(found, tuple) else astype(found, HALF)

    return cast(F, wide)


def _single(value: Any) -> Any:
    half = isinstance(value, (Tensor, np.ndarray)) and value.dtype == HALF
    return astype(value, SINGLE) if half else value


def constant(value: Any, where: str) -> Array:
    """A setting as an array; TypeError if it is a tensor by which a gradient might be wanted."""
    if isinstance(value, Tensor):
        if value.requires_grad:
            raise TypeError(
                f"{where} is not differentiable, but it is a tensor that requires a gradient; pass its `.data`"
            )
        return value.data
    return plain(value, where)
