"""Joining as rows, columns or layers, and at the end: compositions of `concatenate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minigrad.engine.estimator import VJP
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.ops.joining import concatenate
from minigrad.ops.operands import operands, shape_of
from minigrad.ops.ranks import atleast_1d, atleast_2d, atleast_3d
from minigrad.ops.shapes import reshape

__all__ = ["append", "column_stack", "dstack", "hstack", "vstack"]


def _raised(name: str, tensors: Sequence[TensorLike], raising: Callable[..., Tensor], ndim: int) -> list[Tensor]:
    """The inputs with at least so many axes; those that have them stay as they are, without a node."""
    if not len(tensors):
        raise ValueError(f"{name}: there is nothing to join; give at least one array")
    given = operands(name, *tensors)
    return [x if len(shape_of(x)) >= ndim else raising(x) for x in given]


@stands_for(np.vstack)
def vstack(tensors: Sequence[TensorLike], *, vjp: VJP = None) -> Tensor:
    """Join along the first axis; vectors are rows.

    Parameters
    ----------
    tensors : sequence of Tensor or array_like
        Of shapes that agree but for the first axis.
    vjp : Estimator, mapping or None
        The inputs are named ``arrays[0]``, ``arrays[1]``, …

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.vstack([[1.0, 2.0], [3.0, 4.0]]).data.tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    return concatenate(_raised("vstack", tensors, atleast_2d, 2), 0, vjp=vjp)


@stands_for(np.hstack)
def hstack(tensors: Sequence[TensorLike], *, vjp: VJP = None) -> Tensor:
    """Join along the second axis; vectors along their only one.

    Parameters
    ----------
    tensors : sequence of Tensor or array_like
        Of shapes that agree but for the second axis.
    vjp : Estimator, mapping or None
        The inputs are named ``arrays[0]``, ``arrays[1]``, …

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.hstack([[1.0, 2.0], 3.0]).data.tolist()
    [1.0, 2.0, 3.0]
    """
    raised = _raised("hstack", tensors, atleast_1d, 1)
    return concatenate(raised, 0 if raised[0].ndim == 1 else 1, vjp=vjp)


@stands_for(np.dstack)
def dstack(tensors: Sequence[TensorLike], *, vjp: VJP = None) -> Tensor:
    """Join along the third axis; vectors (n,) are (1, n, 1), matrices (n, m) are (n, m, 1).

    Parameters
    ----------
    tensors : sequence of Tensor or array_like
        Of shapes that agree but for the third axis.
    vjp : Estimator, mapping or None
        The inputs are named ``arrays[0]``, ``arrays[1]``, …

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.dstack([[1.0, 2.0], [3.0, 4.0]]).data.tolist()
    [[[1.0, 3.0], [2.0, 4.0]]]
    """
    return concatenate(_raised("dstack", tensors, atleast_3d, 3), 2, vjp=vjp)


@stands_for(np.column_stack)
def column_stack(tensors: Sequence[TensorLike], *, vjp: VJP = None) -> Tensor:
    """Join along the second axis; vectors are columns.

    Parameters
    ----------
    tensors : sequence of Tensor or array_like
        Vectors and matrices with equally many rows.
    vjp : Estimator, mapping or None
        The inputs are named ``arrays[0]``, ``arrays[1]``, …

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.column_stack([[1.0, 2.0], [3.0, 4.0]]).data.tolist()
    [[1.0, 3.0], [2.0, 4.0]]
    """
    return concatenate(_raised("column_stack", tensors, lambda x: reshape(x, (-1, 1)), 2), 1, vjp=vjp)


@stands_for(np.append)
def append(x: TensorLike, values: TensorLike, axis: int | None = None, *, vjp: VJP = None) -> Tensor:
    """Join values to the end.

    Parameters
    ----------
    x, values : Tensor or array_like
        Of shapes that agree but for the axis.
    axis : int, optional
        Default: flatten both first, as NumPy does.
    vjp : Estimator, mapping or None
        The inputs are named ``arrays[0]`` and ``arrays[1]``.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.append([[1.0, 2.0]], 3.0).data.tolist()
    [1.0, 2.0, 3.0]
    """
    return concatenate([x, values], axis, vjp=vjp)
