"""Random initial values of parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from minigrad.tensor import Tensor
from minigrad.typing import Seed, Shape

__all__ = ["Initializer", "he_uniform", "lecun_uniform", "zeros"]

Initializer: TypeAlias = Callable[[Shape, int, Seed, DTypeLike], Tensor]
"""Takes shape, fan_in, rng and dtype, as `he_uniform` does, and returns a parameter."""


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


def _uniform(bound: float, shape: Shape, rng: Seed, dtype: DTypeLike) -> Tensor:
    values = np.random.default_rng(rng).uniform(-bound, bound, shape)
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
