"""Values chosen from several arrays, or by a condition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.ops.index_argument import as_indices
from minigrad.ops.indexing import getitem, take, take_along_axis
from minigrad.ops.joining import stack
from minigrad.ops.operands import operands
from minigrad.ops.piecewise import where
from minigrad.ops.repeating import broadcast_arrays
from minigrad.typing import Mode

__all__ = ["choose", "compress", "select"]


@stands_for(np.select)
def select(condlist: Sequence[ArrayLike], choicelist: Sequence[TensorLike], default: TensorLike = 0) -> Tensor:
    """At each place the first choice whose condition holds.

    Parameters
    ----------
    condlist : sequence of array_like of bool
    choicelist : sequence of Tensor or array_like
        One for each condition; all broadcast against each other.
    default : Tensor or array_like, default 0
        Where no condition holds.

    Raises
    ------
    ValueError
        If there are no conditions, or not as many as choices.
    TypeError
        If a condition is not of truth values.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> x = np.array([1.0, 2.0, 3.0])
    >>> ops.select([x < 2, x > 2], [x, 10 * x], -1.0).data.tolist()
    [1.0, -1.0, 30.0]
    """
    if not len(condlist) or len(condlist) != len(choicelist):
        raise ValueError(
            f"select: there are {len(condlist)} conditions and {len(choicelist)} choices; give one for each, and at "
            "least one"
        )
    conditions = [c.data if isinstance(c, Tensor) else np.asarray(c) for c in condlist]
    for k, condition in enumerate(conditions):
        if condition.dtype != bool:
            raise TypeError(f"select: condlist[{k}] holds {condition.dtype}; write a comparison such as x > 0")
    *choices, out = operands("select", *choicelist, default)
    for condition, choice in zip(conditions[::-1], choices[::-1], strict=True):
        out = where(condition, choice, out)
    return out


@stands_for(np.choose)
def choose(indices: ArrayLike, choices: Sequence[TensorLike], mode: Mode = "raise") -> Tensor:
    """At each place the value of that choice whose number stands there.

    Parameters
    ----------
    indices : array_like of int
    choices : sequence of Tensor or array_like
        They broadcast against each other and the indices.
    mode : {"raise", "wrap", "clip"}, default "raise"
        What becomes of numbers out of range: an error, counted around, or moved to the nearest end.

    Raises
    ------
    ValueError
        If an index is out of range, or not an integer, or the shapes do not broadcast.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.choose([1, 0], [[1.0, 2.0], [3.0, 4.0]]).data.tolist()
    [3.0, 2.0]
    """
    number = as_indices(indices, len(choices), mode)
    if ((number < 0) | (number >= len(choices))).any():
        raise ValueError(f"choose: the numbers must lie from 0 to {len(choices) - 1}; see mode=")
    given = operands("choose", *choices)
    number = np.broadcast_to(number, np.broadcast_shapes(number.shape, *(x.shape for x in given)))
    _, *spread = broadcast_arrays(number, *given)
    return getitem(take_along_axis(stack(spread), number[None], 0), 0)


@stands_for(np.compress)
def compress(condition: ArrayLike, x: TensorLike, axis: int | None = None) -> Tensor:
    """The slices along an axis for which a condition holds.

    Parameters
    ----------
    condition : array_like of bool
        One for each slice; those that are missing at the end do not hold.
    x : Tensor or array_like
    axis : int, optional
        Default: flatten first, as NumPy does.

    Raises
    ------
    ValueError
        If the condition has more than one axis.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.compress([True, False, True], [1.0, 2.0, 3.0]).data.tolist()
    [1.0, 3.0]
    """
    holds = condition.data if isinstance(condition, Tensor) else np.asarray(condition)
    if holds.ndim != 1:
        raise ValueError(
            f"compress: the condition has shape {holds.shape}, and must have one axis; x[condition] takes more"
        )
    return take(x, np.flatnonzero(holds), axis)
