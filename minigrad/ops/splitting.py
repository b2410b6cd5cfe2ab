"""Cutting into pieces along an axis: each piece is an index."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.axis_argument import one_axis
from minigrad.ops.counterparts import stands_for
from minigrad.ops.indexing import getitem
from minigrad.ops.operands import shape_of

__all__ = ["array_split", "dsplit", "hsplit", "split", "vsplit"]


@stands_for(np.split)
def split(x: TensorLike, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Cut into pieces along an axis.

    Parameters
    ----------
    x : Tensor or array_like
    indices_or_sections : int or sequence of int
        The number of equal pieces, or the positions at which to cut.
    axis : int, default 0

    Raises
    ------
    ValueError
        If the axis is out of range, or cannot be cut into that number of equal pieces.

    Examples
    --------
    >>> from minigrad import ops
    >>> [part.data.tolist() for part in ops.split([1.0, 2.0, 3.0, 4.0], 2)]
    [[1.0, 2.0], [3.0, 4.0]]
    """
    return _cut("split", x, indices_or_sections, axis)


@stands_for(np.array_split)
def array_split(x: TensorLike, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Cut into pieces along an axis, of lengths that differ by at most one; the first are the longer ones.

    Parameters
    ----------
    x : Tensor or array_like
    indices_or_sections : int or sequence of int
        The number of pieces, or the positions at which to cut.
    axis : int, default 0

    Raises
    ------
    ValueError
        If the axis is out of range, or the number of pieces is not positive.

    Examples
    --------
    >>> from minigrad import ops
    >>> [part.data.tolist() for part in ops.array_split([1.0, 2.0, 3.0], 2)]
    [[1.0, 2.0], [3.0]]
    """
    return _cut("array_split", x, indices_or_sections, axis, equal=False)


@stands_for(np.vsplit)
def vsplit(x: TensorLike, indices_or_sections: int | Sequence[int]) -> list[Tensor]:
    """Cut the first axis, the rows.

    Parameters
    ----------
    x : Tensor or array_like
        With at least two axes.
    indices_or_sections : int or sequence of int
        The number of equal pieces, or the positions at which to cut.

    Raises
    ------
    ValueError
        If there are fewer axes, or the axis cannot be cut into that number of equal pieces.

    Examples
    --------
    >>> from minigrad import ops
    >>> [part.data.tolist() for part in ops.vsplit([[1.0, 2.0], [3.0, 4.0]], 2)]
    [[[1.0, 2.0]], [[3.0, 4.0]]]
    """
    return _cut("vsplit", x, indices_or_sections, 0, least=2)


@stands_for(np.hsplit)
def hsplit(x: TensorLike, indices_or_sections: int | Sequence[int]) -> list[Tensor]:
    """Cut the second axis, the columns; of a vector its only one.

    Parameters
    ----------
    x : Tensor or array_like
        With at least one axis.
    indices_or_sections : int or sequence of int
        The number of equal pieces, or the positions at which to cut.

    Raises
    ------
    ValueError
        If there is no axis, or it cannot be cut into that number of equal pieces.

    Examples
    --------
    >>> from minigrad import ops
    >>> [part.data.tolist() for part in ops.hsplit([[1.0, 2.0], [3.0, 4.0]], 2)]
    [[[1.0], [3.0]], [[2.0], [4.0]]]
    """
    return _cut("hsplit", x, indices_or_sections, 0 if len(shape_of(x)) == 1 else 1, least=1)


@stands_for(np.dsplit)
def dsplit(x: TensorLike, indices_or_sections: int | Sequence[int]) -> list[Tensor]:
    """Cut the third axis.

    Parameters
    ----------
    x : Tensor or array_like
        With at least three axes.
    indices_or_sections : int or sequence of int
        The number of equal pieces, or the positions at which to cut.

    Raises
    ------
    ValueError
        If there are fewer axes, or the axis cannot be cut into that number of equal pieces.

    Examples
    --------
    >>> from minigrad import ops
    >>> [part.data.tolist() for part in ops.dsplit([[[1.0, 2.0]]], 2)]
    [[[[1.0]]], [[[2.0]]]]
    """
    return _cut("dsplit", x, indices_or_sections, 2, least=3)


def _cut(
    name: str, x: TensorLike, sections: int | Sequence[int], axis: int, least: int = 0, equal: bool = True
) -> list[Tensor]:
    """The pieces, by indices."""
    shape = shape_of(x)
    if len(shape) < least:
        raise ValueError(f"{name}: needs at least {least} {'axis' if least == 1 else 'axes'}, but the shape is {shape}")
    axis = one_axis(axis, f"{name}: ")
    if not -len(shape) <= axis < len(shape):
        raise np.exceptions.AxisError(f"{name}: axis {axis} is out of bounds for an array of shape {shape}")
    axis %= len(shape)
    length = shape[axis]
    if isinstance(sections, (int, np.integer)):
        if sections < 1 or (equal and length % sections):
            how = "equal pieces" if equal else "pieces"
            raise ValueError(f"{name}: axis {axis} of length {length} cannot be cut into {sections} {how}")
        short, longer = divmod(length, int(sections))
        cuts = [k * short + min(k, longer) for k in range(int(sections) + 1)]
    else:
        cuts = [0, *sections, length]
    before = (slice(None),) * axis
    return [getitem(x, (*before, slice(a, b))) for a, b in itertools.pairwise(cuts)]
