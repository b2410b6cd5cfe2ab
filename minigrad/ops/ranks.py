"""The number of axes: one for all values, or at least so many."""

from __future__ import annotations

from typing import overload

import numpy as np

from minigrad.engine.estimator import VJP
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.ops.operands import shape_of
from minigrad.ops.shapes import reshape
from minigrad.typing import Layout, Shape

__all__ = ["atleast_1d", "atleast_2d", "atleast_3d", "ravel"]


@stands_for(np.ravel)
def ravel(x: TensorLike, order: Layout = "C", *, vjp: VJP = None) -> Tensor:
    """All values along one axis.

    Parameters
    ----------
    x : Tensor or array_like
    order : {"C", "F"}, default "C"
        The last axis changes fastest, or the first.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.ravel([[1.0, 2.0], [3.0, 4.0]], order="F").data.tolist()
    [1.0, 3.0, 2.0, 4.0]
    """
    return reshape(x, -1, order, vjp=vjp)


@overload
def atleast_1d(x: TensorLike, /) -> Tensor: ...
@overload
def atleast_1d(*xs: TensorLike) -> Tensor | tuple[Tensor, ...]: ...
@stands_for(np.atleast_1d)
def atleast_1d(*xs: TensorLike) -> Tensor | tuple[Tensor, ...]:
    """With one axis, if there is none.

    Parameters
    ----------
    *xs : Tensor or array_like

    Returns
    -------
    Tensor or tuple of Tensor
        A tuple for several inputs.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.atleast_1d(2.0).shape
    (1,)
    """
    return _one_or_all([reshape(x, shape_of(x) or (1,)) for x in xs])


@overload
def atleast_2d(x: TensorLike, /) -> Tensor: ...
@overload
def atleast_2d(*xs: TensorLike) -> Tensor | tuple[Tensor, ...]: ...
@stands_for(np.atleast_2d)
def atleast_2d(*xs: TensorLike) -> Tensor | tuple[Tensor, ...]:
    """With two axes, if there are fewer: a vector is one row.

    Parameters
    ----------
    *xs : Tensor or array_like

    Returns
    -------
    Tensor or tuple of Tensor
        A tuple for several inputs.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.atleast_2d([1.0, 2.0]).shape
    (1, 2)
    """
    return _one_or_all([reshape(x, (1,) * (2 - len(shape_of(x))) + shape_of(x)) for x in xs])


@overload
def atleast_3d(x: TensorLike, /) -> Tensor: ...
@overload
def atleast_3d(*xs: TensorLike) -> Tensor | tuple[Tensor, ...]: ...
@stands_for(np.atleast_3d)
def atleast_3d(*xs: TensorLike) -> Tensor | tuple[Tensor, ...]:
    """With three axes, if there are fewer: (n,) becomes (1, n, 1), and (n, m) becomes (n, m, 1).

    Parameters
    ----------
    *xs : Tensor or array_like

    Returns
    -------
    Tensor or tuple of Tensor
        A tuple for several inputs.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.atleast_3d([1.0, 2.0]).shape
    (1, 2, 1)
    """
    return _one_or_all([reshape(x, _three(shape_of(x))) for x in xs])


def _three(shape: Shape) -> Shape:
    if len(shape) == 2:
        return (*shape, 1)
    return (1, *(shape or (1,)), 1) if len(shape) < 2 else shape


def _one_or_all(out: list[Tensor]) -> Tensor | tuple[Tensor, ...]:
    return out[0] if len(out) == 1 else tuple(out)
