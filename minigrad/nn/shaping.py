"""Modules without parameters that pass values on: as they are, or in another shape."""

from __future__ import annotations

import math

from minigrad import ops
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.layer_arguments import place, tensor
from minigrad.nn.module import Module

__all__ = ["Flatten", "Identity"]


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
            raise ValueError(f"{place(self)}: needs a batch, samples along the first axis, but got one number")
        return ops.reshape(x, (x.shape[0], math.prod(x.shape[1:])))
