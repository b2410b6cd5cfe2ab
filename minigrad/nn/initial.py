"""Random initial values of parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from minigrad.arrays import plain
from minigrad.engine.tensor import Tensor
from minigrad.streams import Domain, as_generator
from minigrad.typing import Seed, Shape

__all__ = ["Initializer", "drawn", "he_uniform", "lecun_uniform", "rescale", "zeros"]

Initializer: TypeAlias = Callable[[Shape, int, Seed, DTypeLike], Any]
"""Takes shape, fan_in, rng and dtype, as `he_uniform` does, and returns a Tensor or array of that shape.

Layers hand it a Generator as rng, whatever they were given."""


def he_uniform(shape: Shape, fan_in: int, rng: Seed = None, dtype: DTypeLike = np.float32) -> Tensor:
    """A parameter drawn uniformly from ±√(6 / fan_in), so that its variance is 2 / fan_in.

    With it the activations of a deep ReLU network neither grow nor vanish: He et al. (2015), *Delving Deep into
    Rectifiers*, ICCV, equation 10. Draws are made in float64 and rounded, so a seed gives the same network in
    every dtype.

    Parameters
    ----------
    shape : tuple of int
    fan_in : int
        How many inputs each output sums over.
    rng : Generator, int or None
    dtype : dtype, default float32

    Examples
    --------
    >>> w = he_uniform((200, 50), 50, rng=0, dtype=np.float64)
    >>> round(50 * w.data.var().item(), 1)
    2.0
    """
    return _uniform(math.sqrt(6 / fan_in), shape, rng, dtype)


def lecun_uniform(shape: Shape, fan_in: int, rng: Seed = None, dtype: DTypeLike = np.float32) -> Tensor:
    """A parameter drawn uniformly from ±√(3 / fan_in), so that its variance is 1 / fan_in.

    With it a layer's outputs have the variance of its inputs, where those are not half zeros as behind a ReLU: LeCun et
    al. (1998), *Efficient BackProp*, equation 16. Draws are made as in `he_uniform`.

    Parameters
    ----------
    shape : tuple of int
    fan_in : int
        How many inputs each output sums over.
    rng : Generator, int or None
    dtype : dtype, default float32

    Examples
    --------
    >>> w = lecun_uniform((200, 50), 50, rng=0, dtype=np.float64)
    >>> round(50 * w.data.var().item(), 1)
    1.0
    """
    return _uniform(math.sqrt(3 / fan_in), shape, rng, dtype)


def drawn(init: Initializer, shape: Shape, fan_in: int, rng: Seed, dtype: DTypeLike) -> Tensor:
    """A parameter with the values that an initialiser makes.

    Parameters
    ----------
    init : callable
        ``init(shape, fan_in, rng, dtype)`` returns a Tensor or array.
    shape : tuple of int
    fan_in : int
    rng : Generator, int or None
    dtype : dtype

    Raises
    ------
    TypeError
        If ``init`` is not callable.
    ValueError
        If what it makes has another shape.

    Examples
    --------
    >>> drawn(lambda shape, fan_in, rng, dtype: np.ones(shape), (2,), 3, None, np.float32).requires_grad
    True
    """
    if not callable(init):
        raise TypeError(f"init={init!r} must be a function of (shape, fan_in, rng, dtype), such as nn.he_uniform")
    made = init(shape, fan_in, as_generator(Domain.INITIALISATION, rng), dtype)
    values = plain(made.data if isinstance(made, Tensor) else made, "what init made")
    if values.shape != shape:
        raise ValueError(f"init made values of shape {values.shape} for a parameter of shape {shape}")
    return Tensor(values.astype(dtype), requires_grad=True)


def rescale(parameter: Tensor, branch_scale: float) -> None:
    """Multiply the initial values of the last parameter of a residual branch.

    Parameters
    ----------
    parameter : Tensor
        Changed in place.
    branch_scale : float
        Finite.

    Raises
    ------
    ValueError
        If it is not a finite number.

    Examples
    --------
    >>> gain = zeros((2,))
    >>> gain.data += 1
    >>> rescale(gain, 0.5)
    >>> gain.data.tolist()
    [0.5, 0.5]
    """
    if not isinstance(branch_scale, (int, float, np.number)) or not math.isfinite(branch_scale):
        raise ValueError(f"branch_scale={branch_scale!r} must be a finite number; 0 begins without the branch")
    parameter.data *= parameter.dtype.type(branch_scale)


def _uniform(bound: float, shape: Shape, rng: Seed, dtype: DTypeLike) -> Tensor:
    values = as_generator(Domain.INITIALISATION, rng).uniform(-bound, bound, shape)
    return Tensor(values.astype(dtype), requires_grad=True)


def zeros(shape: Shape, dtype: DTypeLike = np.float32) -> Tensor:
    """A parameter of zeros, the usual start of a bias.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype, default float32

    Examples
    --------
    >>> zeros((2,)).data.tolist()
    [0.0, 0.0]
    """
    return Tensor(np.zeros(shape, dtype), requires_grad=True)
