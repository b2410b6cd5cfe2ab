"""NumPy's functions that are others in a row: NumPy's own versions convert their input to arrays, these do not.

Each has NumPy's signature, as far as it is supported. What they call comes back here, or to an operation, where a
tensor is among the arguments.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arrays import plain
from minigrad.engine.tensor import Tensor
from minigrad.ops.counterparts import stands_for

__all__: list[str] = []

INPUT = Any
"""A tensor, or what NumPy can read as an array."""


def as_input(x: INPUT) -> Any:
    """A tensor: of anything else a constant, so that every result is a tensor."""
    return x if isinstance(x, Tensor) else Tensor(plain(x, "an argument"))


def chosen(condition: INPUT) -> Any:
    """A condition, or indices: values that have no derivative."""
    if isinstance(condition, Tensor):
        if condition.requires_grad:
            raise TypeError(
                "a condition or an index is not differentiable, but it is a tensor that requires a gradient; compare "
                "it with something, or pass its `.data`"
            )
        return condition.data
    return condition


# Shapes


@stands_for(getattr(np, "matrix_transpose", None), getattr(np.linalg, "matrix_transpose", None))
def _matrix_transpose(x: INPUT) -> Any:
    return np.swapaxes(x, -1, -2)


# Joining and cutting


@stands_for(np.block)
def _block(arrays: Any) -> Any:
    depth, inner = 0, arrays
    while isinstance(inner, list):
        depth, inner = depth + 1, inner[0]

    def highest(part: Any) -> int:
        return max(map(highest, part)) if isinstance(part, list) else as_input(part).ndim

    ndim = max(depth, highest(arrays))

    def joined(part: Any, level: int) -> Any:
        if isinstance(part, list):
            return np.concatenate([joined(each, level + 1) for each in part], axis=ndim - depth + level)
        part = as_input(part)
        return np.reshape(part, (1,) * (ndim - part.ndim) + part.shape)

    return joined(arrays, 0)


@stands_for(np.extract)
def _extract(condition: INPUT, arr: INPUT) -> Any:
    return np.take(arr, np.flatnonzero(chosen(condition)))


# Polynomials


@stands_for(np.polyval)
def _polyval(p: INPUT, x: INPUT) -> Any:
    p, x = as_input(p), as_input(x)
    total = x * 0.0
    for k in range(p.shape[0]):
        total = total * x + p[k]
    return total


# Element by element
