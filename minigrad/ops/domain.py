"""Where a function is defined: outside there is no value, and no derivative of any order either."""

from __future__ import annotations

import numpy as np

from minigrad.typing import Array

__all__ = ["inside"]


def inside(x: Array, outside: Array) -> Array:
    """The values, and NaN where they are outside of the domain, in a form that keeps NaN in every derivative.

    Parameters
    ----------
    x : ndarray or Tensor
    outside : ndarray of bool

    Examples
    --------
    >>> inside(np.array([1.0, -1.0]), np.array([False, True])).tolist()
    [1.0, nan]
    """
    return x + np.where(outside, np.nan, 0.0) if outside.any() else x
