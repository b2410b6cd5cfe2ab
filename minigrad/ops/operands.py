"""Operands of functions that are composed of operations: numbers and lists take the dtype of the others first."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arrays import plain, prepare
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.typing import Array, Shape

__all__ = ["operands", "shape_of"]


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
