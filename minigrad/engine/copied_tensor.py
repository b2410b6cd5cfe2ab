"""A tensor of copied values."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from minigrad.arrays import plain
from minigrad.engine.tensor import Tensor, TensorLike

__all__ = ["tensor"]


def tensor(
    data: TensorLike, requires_grad: bool = False, *, dtype: DTypeLike | None = None, name: str | None = None
) -> Tensor:
    """A new `Tensor` with a copy of the values; ``Tensor(array)`` uses the array itself.

    Parameters
    ----------
    data : array_like or Tensor
        Of a tensor the values alone are taken: nothing flows back to it.
    requires_grad, dtype, name
        As for `Tensor`.

    Raises
    ------
    TypeError
        As for `Tensor`.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> a = np.zeros(2)
    >>> copied, shared = mg.tensor(a, requires_grad=True), mg.Tensor(a)
    >>> a[0] = 1.0
    >>> copied, shared
    (Tensor([0., 0.], dtype=float64, requires_grad=True), Tensor([1., 0.], dtype=float64))
    """
    values = data.data if isinstance(data, Tensor) else plain(data, "the data of a tensor", dtype)
    return Tensor(np.array(values), requires_grad, dtype=dtype, name=name)
