"""NumPy's functions that lay out numbers in grids: between ends, over pairs, in powers. With NumPy's own signatures."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from minigrad.ops.counterparts import stands_for
from minigrad.ops.numpy_composed import as_input

__all__: list[str] = []


@stands_for(np.linspace)
def _linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, axis: int = 0) -> Any:
    ends: Any = np.broadcast_arrays(as_input(start) * 1.0, as_input(stop) * 1.0)
    start, stop = ends
    count = operator.index(num)
    if count < 0:
        raise ValueError(f"np.linspace: num={num} must not be negative")
    dtype = np.result_type(start.dtype, stop.dtype)
    along = (count, *[1] * start.ndim)
    shares = np.linspace(0.0, 1.0, count, endpoint).astype(dtype).reshape(along)
    grid = start + (stop - start) * shares
    if endpoint and count > 1:  # not by rounding, but exactly
        grid = np.where(np.arange(count).reshape(along) == count - 1, stop, grid)
    return np.moveaxis(grid, 0, axis)


@stands_for(np.logspace)
def _logspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, axis: int = 0) -> Any:
    exponents = _linspace(start, stop, num, endpoint)
    if np.ndim(base):
        base = np.expand_dims(as_input(base), 0)
    return np.moveaxis(np.power(base, exponents), 0, axis)


@stands_for(np.meshgrid)
def _meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    if indexing not in ("xy", "ij"):
        raise ValueError(f"np.meshgrid: indexing={indexing!r} is none of 'xy', 'ij'")
    vectors = [np.ravel(as_input(x)) for x in xi]
    shapes = [[-1 if j == k else 1 for j in range(len(vectors))] for k in range(len(vectors))]
    if indexing == "xy" and len(vectors) > 1:
        for shape in shapes:
            shape[0], shape[1] = shape[1], shape[0]
    grids: Any = [np.reshape(x, shape) for x, shape in zip(vectors, shapes, strict=True)]
    if not sparse and grids:
        grids = np.broadcast_arrays(*grids)
    kind: Any = type(np.meshgrid(1.0))  # a tuple since NumPy 2, a list before
    return kind(grids)


@stands_for(np.vander)
def _vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    x = as_input(x)
    if x.ndim != 1:
        raise ValueError(f"np.vander: x has shape {x.shape}, and must have one axis")
    powers = np.arange(x.shape[0] if N is None else N)
    wide = np.promote_types(x.dtype, int)  # as NumPy does
    base: Any = np.expand_dims(x.astype(wide), 1)
    return base ** (powers if increasing else powers[::-1]).astype(wide)
