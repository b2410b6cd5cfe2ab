"""Cotangents of few rows through operations that treat every row alike: only the kept rows are worked on.

Where row i of the output depends on row i of the inputs alone, as in every element-wise operation, the VJP rule of a
primitive can be applied to the kept rows of the cotangent and the same rows of what was saved. A cotangent of which an
estimator kept some samples so stays short all the way down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.cotangents import Cotangent, Rows
from minigrad.typing import Array, Shape

__all__ = ["shortened", "sum_rows_to", "take_saved"]


def shortened(rule: Callable[..., Cotangent]) -> Callable[[Rows, dict[str, Any]], Cotangent]:
    """A VJP rule for Rows, made of the dense rule of an operation that treats every row alike.

    Parameters
    ----------
    rule : callable
        ``rule(g, saved)`` for arrays. It must not depend on how many rows there are.

    Returns
    -------
    callable
        Its result is Rows of the shape of the output; the sweep sums it where an input was broadcast.
    """

    def rows_rule(g: Rows, saved: dict[str, Any]) -> Cotangent:
        part = take_saved(g, saved)
        if part is None:
            return rule(g.dense(), saved)
        values = np.asarray(rule(g.values, part))
        return Rows(np.broadcast_to(values, g.values.shape), g.indices, g.shape)

    return rows_rule


def take_saved(g: Rows, saved: dict[str, Any]) -> dict[str, Any] | None:
    """The kept rows of everything that was saved; None where something does not have these rows.

    Examples
    --------
    >>> g = Rows(np.ones((1, 2)), np.array([1]), (3, 2))
    >>> take_saved(g, {"out": np.arange(6.0).reshape(3, 2), "scale": np.array([2.0, 3.0])})
    {'out': array([[2., 3.]]), 'scale': array([2., 3.])}
    """
    lead = g.shape[: len(g.shape) - len(g.trailing)]
    part: dict[str, Any] = {}
    for name, value in saved.items():
        if isinstance(value, np.ndarray) and value.ndim > len(g.trailing):
            if value.shape[: len(lead)] != lead:
                return None
            value = g.take(value)
        part[name] = value
    return part


def sum_rows_to(g: Rows, shape: Shape) -> Array | None:
    """Sum over the rows, for an input that was broadcast along them; None if it was not.

    Examples
    --------
    >>> g = Rows(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0, 2]), (3, 2))
    >>> sum_rows_to(g, (2,)).tolist(), sum_rows_to(g, (3, 1))
    ([4.0, 6.0], None)
    """
    lead = len(g.shape) - len(g.trailing)
    full = (1,) * (len(g.shape) - len(shape)) + shape
    if any(n != 1 for n in full[:lead]) or any(n not in (1, m) for n, m in zip(full[lead:], g.trailing, strict=True)):
        return None
    axes = (0, *(1 + k for k, n in enumerate(full[lead:]) if n != g.trailing[k]))
    return np.asarray(g.values.sum(axis=axes)).reshape(shape)
