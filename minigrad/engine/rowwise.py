"""Cotangents of few rows through operations that treat every row alike: only the kept rows are worked on.

Where row i of the output depends on row i of the inputs alone, as in every element-wise operation, the VJP rule of a
primitive can be applied to the kept rows of the cotangent and the same rows of what was saved. A cotangent of which an
estimator kept some samples so stays short all the way down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.structure import Cotangent, Rows, Slices

__all__ = ["by_sample", "rowwise_rule", "slicewise_rule", "take_saved"]

SHAPE_NAMES = ("kept", "shape")
"""Names under which primitives save shapes that begin with the number of samples."""


def rowwise_rule(rule: Callable[..., Cotangent]) -> Callable[[Rows, dict[str, Any]], Cotangent]:
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


def slicewise_rule(rule: Callable[..., Cotangent]) -> Callable[[Slices, dict[str, Any]], Cotangent]:
    """A VJP rule for Slices, made of the dense rule of an operation that treats all entries of their axis alike.

    Parameters
    ----------
    rule : callable
        ``rule(g, saved)`` for arrays. It must not depend on how many entries there are.

    Returns
    -------
    callable
        Its result is Slices of the shape of the output; the sweep sums it where an input was broadcast.
    """

    def slices_rule(g: Slices, saved: dict[str, Any]) -> Cotangent:
        part: dict[str, Any] = {}
        for name, value in saved.items():
            if isinstance(value, np.ndarray):  # aligned as NumPy broadcasts, from the back
                if value.ndim > len(g.shape) or not g.fits(value.shape):
                    return rule(g.dense(), saved)
                value = g.of(value)
            part[name] = value
        return g.holding(np.broadcast_to(np.asarray(rule(g.values, part)), g.values.shape))

    return slices_rule


def by_sample(rule: Callable[..., Cotangent]) -> Callable[[Rows, dict[str, Any]], Cotangent]:
    """A VJP rule for Rows, made of the dense rule of an operation that treats every sample alike.

    Unlike `rowwise_rule` it serves operations that change the shape, as a mean over pixels or pooling do, where
    sample s of the output depends on sample s of the input alone. Where that does not hold for this call, because the
    first axis was reduced, or rows were kept and not samples, the cotangent is made dense.

    Parameters
    ----------
    rule : callable
        ``rule(g, saved)`` for arrays. It must not depend on how many samples there are but through `SHAPE_NAMES`.

    Returns
    -------
    callable
    """

    def rows_rule(g: Rows, saved: dict[str, Any]) -> Cotangent:
        shapes = {name: saved[name] for name in SHAPE_NAMES if name in saved}
        if g.whole_samples and all(shape[:1] == g.shape[:1] for shape in shapes.values()):
            part = take_saved(g, saved)
            if part is not None:
                part.update({name: (len(g.indices), *shape[1:]) for name, shape in shapes.items()})
                values = np.asarray(rule(g.values, part))
                return Rows(values, g.indices, (g.shape[0], *values.shape[1:]))
        return rule(g.dense(), saved)

    return rows_rule


def take_saved(g: Rows, saved: dict[str, Any]) -> dict[str, Any] | None:
    """The kept rows of everything that was saved; None where that cannot be told.

    What was saved has the rows of ``g`` where its leading axes are the same. An array of an input that was broadcast
    along the rows serves them all, and comes without these axes.

    Examples
    --------
    >>> g = Rows(np.ones((1, 2)), np.array([1]), (3, 2))
    >>> take_saved(g, {"out": np.arange(6.0).reshape(3, 2), "scale": np.array([2.0, 3.0])})
    {'out': array([[2., 3.]]), 'scale': array([2., 3.])}
    """
    within = len(g.trailing)
    lead = g.shape[: len(g.shape) - within]
    part: dict[str, Any] = {}
    for name, value in saved.items():
        if isinstance(value, np.ndarray) and value.ndim > within:
            aligned = (1,) * (len(g.shape) - value.ndim) + value.shape  # as NumPy broadcasts, from the back
            if value.ndim >= len(g.shape) and aligned[: len(lead)] == lead:
                value = g.take(value)
            elif value.ndim <= len(g.shape) and all(n == 1 for n in aligned[: len(lead)]):
                value = value.reshape(value.shape[value.ndim - within :])
            else:
                return None
        part[name] = value
    return part
