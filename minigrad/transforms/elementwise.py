"""Derivatives of element-wise functions, for all elements at once: elementwise_grad."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.transforms.recording import _record, positions_of
from minigrad.typing import Seed

__all__ = ["elementwise_grad"]


def elementwise_grad(fn: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Make a function that returns the derivative of an element-wise ``fn`` at each element.

    Parameters
    ----------
    fn : callable
        Takes tensors, and at the positions not in ``argnums`` anything; returns a Tensor of any shape. Each entry of it
        hangs on one entry of the argument only, as in ``np.tanh``, or in a network applied to each row.
    argnums : int or sequence of int, default 0
        The positional arguments to differentiate with respect to.

    Returns
    -------
    callable
        Takes the arguments of ``fn``, and ``rng=`` for the draws of randomised VJPs; returns the derivative in the
        structure and the shapes of the argument, or a tuple for several argument numbers.

    Raises
    ------
    TypeError
        When called, if ``fn`` returns a container or no Tensor.

    Notes
    -----
    It is the gradient of the sum of the value: the diagonal of the Jacobian where that is diagonal, in one pass back.
    That ``fn`` is element-wise is not checked; of another function it gives the sums of the columns of the Jacobian.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.elementwise_grad(lambda x: x**3)(np.array([1.0, 2.0])).tolist()
    [3.0, 12.0]
    >>> curvature = mg.elementwise_grad(mg.elementwise_grad(lambda x: x**3))
    >>> curvature(np.array([1.0, 2.0])).tolist()
    [6.0, 12.0]
    """
    positions, several = positions_of(argnums, "elementwise_grad")

    def evaluate(*args: Any, rng: Seed = None, **kwargs: Any) -> Any:
        recorded = _record(fn, args, kwargs, positions, "elementwise_grad")
        if not recorded.outputs.is_leaf:
            raise TypeError(
                "elementwise_grad: the function returned a container; let it return one Tensor, or use minigrad.vjp"
            )
        found = recorded.pull(np.ones(recorded.total.shape, recorded.total.dtype), rng)
        return found if several else found[0]

    return evaluate
