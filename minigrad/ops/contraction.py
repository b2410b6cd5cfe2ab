"""Products of tensors over some of their axes: compositions of `matmul` and `multiply`."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.arithmetic import multiply, subtract
from minigrad.ops.counterparts import stands_for
from minigrad.ops.einsum import einsum
from minigrad.ops.matmul import matmul
from minigrad.ops.operands import operands
from minigrad.ops.ranks import ravel
from minigrad.ops.reordering import roll
from minigrad.ops.shapes import moveaxis, reshape, transpose
from minigrad.typing import Shape

__all__ = ["cross", "dot", "inner", "kron", "outer", "tensordot", "vdot"]


@stands_for(np.tensordot, getattr(np.linalg, "tensordot", None))
def tensordot(a: TensorLike, b: TensorLike, axes: Any = 2) -> Tensor:
    """The sum of products over pairs of axes, one of ``a`` and one of ``b``.

    Parameters
    ----------
    a, b : Tensor or array_like
    axes : int or (axes of a, axes of b), default 2
        A number n: the last n axes of ``a`` with the first n of ``b``. Otherwise two axes, or two sequences of axes.

    Returns
    -------
    Tensor
        With the other axes of ``a``, then those of ``b``.

    Raises
    ------
    ValueError
        If the axes do not pair up, or differ in length.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> ops.tensordot(np.ones((2, 3, 5)), np.ones((5, 3, 7)), axes=([1, 2], [1, 0])).shape
    (2, 7)
    """
    x, y = operands("tensordot", a, b)
    return _contract("tensordot", x, y, axes)


def _contract(name: str, a: Any, b: Any, axes: Any) -> Tensor:
    mine, theirs = _pairs(name, a.shape, b.shape, axes)
    rest_a = [k for k in range(a.ndim) if k not in mine]
    rest_b = [k for k in range(b.ndim) if k not in theirs]
    shape = tuple([a.shape[k] for k in rest_a] + [b.shape[k] for k in rest_b])
    inner = math.prod(a.shape[k] for k in mine)
    left = _arranged(a, [*rest_a, *mine], (math.prod(a.shape[k] for k in rest_a), inner))
    right = _arranged(b, [*theirs, *rest_b], (inner, math.prod(b.shape[k] for k in rest_b)))
    product = matmul(left, right)
    return product if product.shape == shape else reshape(product, shape)


def _pairs(name: str, a: Shape, b: Shape, axes: Any) -> tuple[list[int], list[int]]:
    """The axes that are summed over, counted from the front."""
    try:
        count = operator.index(axes)
    except TypeError:
        mine, theirs = ([operator.index(k) for k in np.atleast_1d(np.asarray(side, int))] for side in axes)
    else:
        mine, theirs = list(range(len(a) - count, len(a))), list(range(count))
        if not 0 <= count <= min(len(a), len(b)):
            raise ValueError(f"{name}: axes={count} is not a number of axes that both have; their shapes are {a}, {b}")
    if len(mine) != len(theirs):
        raise ValueError(f"{name}: axes={axes!r} gives {len(mine)} axes of a, but {len(theirs)} of b")
    for side, shape in ((mine, a), (theirs, b)):
        if not all(-len(shape) <= k < len(shape) for k in side):
            raise np.exceptions.AxisError(f"{name}: axes={axes!r} are out of bounds for an array of shape {shape}")
        side[:] = [k % len(shape) for k in side]
        if len(set(side)) < len(side):
            raise ValueError(f"{name}: axes={axes!r} name an axis twice")
    if [a[k] for k in mine] != [b[k] for k in theirs]:
        raise ValueError(
            f"{name}: the axes {mine} of a {a} and {theirs} of b {b} are summed over together, and differ in length"
        )
    return mine, theirs


def _arranged(x: Any, order: Sequence[int], shape: Shape) -> Any:
    """The axes in an order, then reshaped; what is so already needs no node."""
    if list(order) != list(range(x.ndim)):
        x = transpose(x, order)
    return x if x.shape == shape else reshape(x, shape)


@stands_for(np.dot)
def dot(a: TensorLike, b: TensorLike) -> Tensor:
    """The sum of products over the last axis of ``a`` and the last but one of ``b``; scalars multiply.

    Parameters
    ----------
    a : Tensor or array_like, shape (..., n) or ()
    b : Tensor or array_like, shape (..., n, m), (n,) or ()

    Returns
    -------
    Tensor
        With the other axes of ``a``, then those of ``b``: unlike `matmul`, every batch with every other.

    Raises
    ------
    ValueError
        If the axes differ in length.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.dot([1.0, 2.0], [[3.0, 4.0], [5.0, 6.0]]).data.tolist()
    [13.0, 16.0]
    """
    x, y = operands("dot", a, b)
    if not x.ndim or not y.ndim:
        return _scaled(x, y)
    return matmul(x, y) if y.ndim == 1 or (x.ndim < 3 and y.ndim < 3) else _contract("dot", x, y, (-1, -2))


def _scaled(a: Any, b: Any) -> Tensor:
    """The product with a scalar; like the other sums of products, of integers in float64."""
    return einsum("...,...->...", a, b)


@stands_for(np.vdot)
def vdot(a: TensorLike, b: TensorLike) -> Tensor:
    """The sum of the products of all values.

    Parameters
    ----------
    a, b : Tensor or array_like
        With equally many values; they are flattened.

    Raises
    ------
    ValueError
        If the numbers of values differ.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.vdot([[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [1.0, 0.0]]).item()
    6.0
    """
    x, y = operands("vdot", a, b)
    if x.size != y.size:
        raise ValueError(f"vdot: a {x.shape} and b {y.shape} have {x.size} and {y.size} values")
    return matmul(_arranged(x, range(x.ndim), (x.size,)), _arranged(y, range(y.ndim), (y.size,)))


@stands_for(np.inner)
def inner(a: TensorLike, b: TensorLike) -> Tensor:
    """The sum of products over the last axes; scalars multiply.

    Parameters
    ----------
    a, b : Tensor or array_like, shape (..., n) or ()

    Returns
    -------
    Tensor
        With the other axes of ``a``, then those of ``b``.

    Raises
    ------
    ValueError
        If the last axes differ in length.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.inner([1.0, 2.0], [[3.0, 4.0], [5.0, 6.0]]).data.tolist()
    [11.0, 17.0]
    """
    x, y = operands("inner", a, b)
    return _contract("inner", x, y, (-1, -1)) if x.ndim and y.ndim else _scaled(x, y)


@stands_for(np.outer, getattr(np.linalg, "outer", None))
def outer(a: TensorLike, b: TensorLike) -> Tensor:
    """Every value of ``a`` times every value of ``b``.

    Parameters
    ----------
    a, b : Tensor or array_like
        They are flattened.

    Returns
    -------
    Tensor, shape (size of a, size of b)

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.outer([1.0, 2.0], [3.0, 4.0]).data.tolist()
    [[3.0, 4.0], [6.0, 8.0]]
    """
    x, y = operands("outer", a, b)
    return multiply(reshape(x, (x.size, 1)), y if y.ndim == 1 else ravel(y))


@stands_for(np.kron)
def kron(a: TensorLike, b: TensorLike) -> Tensor:
    """The Kronecker product: blocks of ``b``, each scaled by a value of ``a``.

    Parameters
    ----------
    a, b : Tensor or array_like
        The one with fewer axes gets new ones in front.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.kron([1.0, 10.0], [1.0, 2.0]).data.tolist()
    [1.0, 2.0, 10.0, 20.0]
    """
    x, y = operands("kron", a, b)
    ndim = max(x.ndim, y.ndim)
    shapes = [(1,) * (ndim - side.ndim) + tuple(side.shape) for side in (x, y)]
    outer_shape = tuple([length for n in shapes[0] for length in (n, 1)])
    inner_shape = tuple([length for n in shapes[1] for length in (1, n)])
    product = multiply(reshape(x, outer_shape), reshape(y, inner_shape))
    return reshape(product, tuple([n * m for n, m in zip(*shapes, strict=True)]))


@stands_for(np.cross, getattr(np.linalg, "cross", None))
def cross(
    a: TensorLike, b: TensorLike, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Tensor:
    """The cross product of vectors with three components.

    Parameters
    ----------
    a, b : Tensor or array_like
        With an axis of length 3; the others broadcast.
    axisa, axisb, axisc : int, default −1
        The axis of the components, of ``a``, of ``b`` and of the result.
    axis : int, optional
        One number for all three.

    Raises
    ------
    ValueError
        If there are not three components.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]).data.tolist()
    [0.0, 0.0, 1.0]
    """
    x, y = operands("cross", a, b)
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = _components("a", x, axisa), _components("b", y, axisb)
    out = subtract(multiply(roll(x, -1, -1), roll(y, 1, -1)), multiply(roll(x, 1, -1), roll(y, -1, -1)))
    return out if axisc in (-1, out.ndim - 1) else moveaxis(out, -1, axisc)


def _components(name: str, x: Any, axis: int) -> Any:
    """The vectors along the last axis."""
    if not -x.ndim <= axis < x.ndim:
        raise np.exceptions.AxisError(f"cross: axis {axis} is out of bounds for {name} of shape {x.shape}")
    if x.shape[axis] != 3:
        raise ValueError(
            f"cross: vectors have three components, but axis {axis} of {name} {x.shape} has length {x.shape[axis]}; "
            "for two components write a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]"
        )
    return x if axis in (-1, x.ndim - 1) else moveaxis(x, axis, -1)
