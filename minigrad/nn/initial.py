"""Random initial values of parameters."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from minigrad.tensor import Tensor
from minigrad.typing import Seed, Shape

__all__ = ["he_uniform", "zeros"]


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
    bound = math.sqrt(6 / fan_in)
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
