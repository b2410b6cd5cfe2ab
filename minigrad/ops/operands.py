"""Inputs of functions that are composed of operations: their values and shapes, one dtype, floats, and float16."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from minigrad.arrays import DOUBLE, HALF, SINGLE, plain, prepare
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.casting import astype
from minigrad.typing import Array, Shape

__all__ = ["constant", "floating", "operands", "shape_of", "values", "widened"]


def operands(name: str, *values: TensorLike) -> list[Any]:
    """Tensors as they are, and arrays in place of everything else.

    The first operation that is applied to a number or a list would make a float64 array of it, which promotes what it
    meets afterwards; so it gets the dtype here that one operation on all operands would give it.

    Parameters
    ----------
    name : str
        The function, for messages.
    *values : Tensor or array_like

    Returns
    -------
    list of Tensor or ndarray

    Raises
    ------
    TypeError
        If a value is masked or sparse, or a list of tensors that require a gradient.

    Examples
    --------
    >>> operands("kron", np.ones(1, np.float32), [1.0])[1].dtype
    dtype('float32')
    """
    arrays: list[Array | None] = [v.data if isinstance(v, Tensor) else plain(v, f"{name}: an input") for v in values]
    numbers = [
        k
        for k, (value, array) in enumerate(zip(values, arrays, strict=True))
        if not isinstance(value, Tensor)
        and (not isinstance(value, np.ndarray) or (array is not None and not array.ndim))
    ]
    prepare(arrays, numbers, as_is=True, odd=False)
    return [v if isinstance(v, Tensor) else array for v, array in zip(values, arrays, strict=True)]


def shape_of(x: TensorLike) -> Shape:
    """The shape of a tensor or of what NumPy reads as an array.

    Examples
    --------
    >>> shape_of([[1.0, 2.0]])
    (1, 2)
    """
    return x.shape if isinstance(x, Tensor) else np.shape(x)


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
