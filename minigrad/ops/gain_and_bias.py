"""Gain and bias of the normalisations: one for each feature, on the last axis."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.engine.node import Node
from minigrad.engine.primitive import Primitive, Saved, rows_kept
from minigrad.structure import Kept, Rows, column_sums, matrix
from minigrad.typing import Array

__all__ = [
    "are_arrays",
    "check_features",
    "count_flops",
    "pull_bias",
    "pull_gain",
    "pull_gain_of_rows",
    "scale_and_shift",
]


def pull_gain(g: Array, saved: Saved) -> Array:
    """The cotangent of the gain."""
    return np.einsum("ij,ij->j", matrix(g), matrix(saved["normal"]))


def pull_gain_of_rows(g: Rows, saved: Saved) -> Array:
    """The same, from a cotangent of few rows."""
    return pull_gain(g.values, {"normal": g.take(saved["normal"])})


def pull_bias(g: Array, saved: Saved) -> Array:
    """The cotangent of the bias."""
    return column_sums(g) if isinstance(g, np.ndarray) else matrix(g).sum(axis=0)


def are_arrays(g: Any, saved: Saved) -> bool:
    """True if a rule may work in place, on arrays of its own; tensors are not written to."""
    return isinstance(g, np.ndarray) and isinstance(saved["inverse"], np.ndarray)


def check_features(x: Array, eps: float, **parameters: Array) -> None:
    """Raise if there are no features, if a parameter is not one number for each, or ``eps`` is negative."""
    if not x.ndim or not x.shape[-1]:
        raise ValueError("x must have features along its last axis")
    if any(values.shape != x.shape[-1:] for values in parameters.values()):
        names = " and ".join(parameters)
        raise ValueError(f"{names} must have shape ({x.shape[-1]},), one number for each feature of x")
    if not eps >= 0:
        raise ValueError(f"eps={eps} must not be negative")


def scale_and_shift(normal: Array, gain: Array, bias: Array) -> Array:
    """``normal * gain + bias``, with no more memory than that."""
    out = normal * gain
    if np.result_type(out, bias) == out.dtype:
        out += bias
        return out
    return np.asarray(out + bias)


def count_flops(
    of: Primitive,
    forward: float,
    backward: tuple[float, ...],
    rest: Callable[[Node, Kept], float] = lambda node, kept: 0.0,
) -> None:
    """So many operations for each entry of x that is worked on: forward, and for ∂x, ∂gain and any ∂bias.

    Of those for ∂x so many as ``rest`` says are done for all entries, however few rows were kept.
    """

    def backward_flops(node: Node, edge: int, kept: Kept) -> float:
        always = rest(node, kept) if edge == 0 else 0.0
        return (always + (backward[edge] - always) * rows_kept(kept)) * math.prod(node.shape)

    of.forward_flops = lambda node: forward * math.prod(node.shape)
    of.backward_flops = backward_flops
    of.counts_rows = True
