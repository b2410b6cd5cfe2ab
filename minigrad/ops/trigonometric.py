"""Functions of angles, in radians, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.typing import Array

__all__ = ["cos", "sin"]

Result = tuple[Array, dict[str, Any]]


@define(kind="elementwise", x=lambda g, saved: g * np.cos(saved["x"]))
def _sin(x: Array) -> Result:
    return np.sin(x), {"x": x}


@stands_for(np.sin)
@operation(_sin)
def sin(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The sine.

    Parameters
    ----------
    x : Tensor or array_like
        In radians.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.sin())(0.0).item()
    1.0
    """
    return record(_sin, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: -g * np.sin(saved["x"]))
def _cos(x: Array) -> Result:
    return np.cos(x), {"x": x}


@stands_for(np.cos)
@operation(_cos)
def cos(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The cosine.

    Parameters
    ----------
    x : Tensor or array_like
        In radians.

    Examples
    --------
    >>> import minigrad as mg
    >>> abs(mg.grad(lambda x: x.cos())(0.0).item())
    0.0
    """
    return record(_cos, (x,), vjp=vjp)
