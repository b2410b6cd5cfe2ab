"""Joining along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.axis_argument import one_axis
from minigrad.ops.counterparts import stands_for
from minigrad.structure import Cotangent, Rows
from minigrad.typing import Array

__all__ = ["concatenate", "stack"]

Result = tuple[Array, dict[str, Any]]


def _concatenate_part(g: Array, saved: dict[str, Any], k: int) -> Array:
    start, stop = saved["offsets"][k : k + 2]
    part = g[(slice(None),) * saved["axis"] + (slice(start, stop),)]
    return part.reshape(saved["shapes"][k]) if "shapes" in saved else part


@define(kind="linear", as_is=True, arrays=_concatenate_part)
def _concatenate(*arrays: Array, axis: int | None) -> Result:
    if axis is None:
        offsets = np.cumsum([0, *(a.size for a in arrays)]).tolist()
        return np.concatenate(arrays, axis=None), {"offsets": offsets, "axis": 0, "shapes": [a.shape for a in arrays]}
    out = np.concatenate(arrays, axis=one_axis(axis))
    axis %= out.ndim
    offsets = np.cumsum([0, *(a.shape[axis] for a in arrays)]).tolist()
    return out, {"offsets": offsets, "axis": axis}


@stands_for(np.concatenate)
@operation(_concatenate)
def concatenate(tensors: Sequence[TensorLike], axis: int | None = 0, *, vjp: VJP = None) -> Tensor:
    """Join along an axis that exists.

    Parameters
    ----------
    tensors : sequence of Tensor or array_like
        Of shapes that agree but for that axis.
    axis : int or None, default 0
        None: flatten them first, as NumPy does.
    vjp : Estimator, mapping or None
        The inputs are named ``arrays[0]``, ``arrays[1]``, …

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.concatenate([[1.0], [2.0, 3.0]]).data.tolist()
    [1.0, 2.0, 3.0]
    """
    return record(_concatenate, tensors, {"axis": axis}, vjp=vjp)


def _stack_part(g: Array, saved: dict[str, Any], k: int) -> Array:
    return np.take(g, k, axis=saved["axis"])


@define(kind="linear", as_is=True, arrays=_stack_part)
def _stack(*arrays: Array, axis: int) -> Result:
    out = np.stack(arrays, axis=one_axis(axis))
    return out, {"axis": axis % out.ndim}


@stands_for(np.stack)
@operation(_stack)
def stack(tensors: Sequence[TensorLike], axis: int = 0, *, vjp: VJP = None) -> Tensor:
    """Join along a new axis.

    Parameters
    ----------
    tensors : sequence of Tensor or array_like
        Of one shape.
    axis : int, default 0
        Where the new axis stands in the result.
    vjp : Estimator, mapping or None
        The inputs are named ``arrays[0]``, ``arrays[1]``, …

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.stack([[1.0, 2.0], [3.0, 4.0]], axis=1).data.tolist()
    [[1.0, 3.0], [2.0, 4.0]]
    """
    return record(_stack, tensors, {"axis": axis}, vjp=vjp)


def _by_sample(rule: Any) -> Any:
    """A rule for Rows: samples that were kept are kept in every part, unless they are what was joined."""

    def rows_rule(g: Rows, saved: dict[str, Any], k: int) -> Cotangent:
        if not g.whole_samples or saved["axis"] == 0:
            return np.asarray(rule(g.dense(), saved, k))
        values = rule(g.values, saved, k)
        return Rows(values, g.indices, (g.shape[0], *values.shape[1:]))

    return rows_rule


_concatenate.rules[Rows] = (_by_sample(_concatenate_part),)
_stack.rules[Rows] = (_by_sample(_stack_part),)
