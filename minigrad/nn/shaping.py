"""Modules without parameters that pass values on: as they are, or in another shape."""

from __future__ import annotations

import math
from typing import Any

from minigrad import ops
from minigrad.engine.context import current_layer
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.module import Module

__all__ = ["Flatten", "Identity"]


def tensor(x: Any) -> Tensor:
    """The value as a Tensor; an array becomes a constant."""
    return x if isinstance(x, Tensor) else Tensor(x)


class Identity(Module):
    """The input, unchanged.

    Examples
    --------
    >>> Identity()([1.0]).data.tolist()
    [1.0]
    """

    per_pixel = True

    def forward(self, x: TensorLike) -> Tensor:
        return tensor(x)


class Flatten(Module):
    """Each sample as one row: all axes but the first are joined.

    Raises
    ------
    ValueError
        When called on a single number.

    Examples
    --------
    >>> import numpy as np
    >>> Flatten()(np.ones((5, 8, 8, 1))).shape
    (5, 64)
    """

    def forward(self, x: TensorLike) -> Tensor:
        x = tensor(x)
        if not x.ndim:
            where = f" in layer {current_layer()!r}" if current_layer() else ""
            raise ValueError(f"Flatten{where}: needs a batch, samples along the first axis, but got one number")
        return ops.reshape(x, (x.shape[0], math.prod(x.shape[1:])))
