"""Pooling: one number for each window of an image and each channel. Index conventions: `minigrad.ops.windows`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.node import Node
from minigrad.engine.primitive import rows_kept
from minigrad.engine.record import record
from minigrad.engine.rowwise import by_sample
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.windows import Pair, Windows, check_image, pair
from minigrad.structure import Rows
from minigrad.typing import Array

__all__ = ["avg_pool2d", "max_pool2d"]

Result = tuple[Array, dict[str, Any]]


LOWEST = -math.inf
"""The value that is never the largest of a window: the padding of images."""


def _windows(x: Array, kernel: Pair, stride: Pair | None, padding: Pair) -> Windows:
    check_image(x.shape)
    size = pair("kernel", kernel)
    step, pad = size if stride is None else pair("stride", stride), pair("padding", padding, 0)
    if pad[0] >= size[0] or pad[1] >= size[1]:
        raise ValueError(f"padding={padding} must be smaller than the kernel, or windows would hold no pixel at all")
    return Windows((x.shape[1], x.shape[2]), size, step, pad)


def _tied(x: Array, out: Array, windows: Windows, dtype: DTypeLike) -> Array:
    """The number of values of each window that are its largest."""
    ties = np.zeros(out.shape, dtype)
    for pixels in windows.shifts(x):
        ties += pixels == out
    ties[ties == 0] = np.nan  # no tie at all: the largest of values with a NaN, beside which no share is known
    return ties


def _max_x(g: Array, saved: dict[str, Any]) -> Array:
    windows, out = saved["windows"], saved["out"]
    x = windows.padded(saved["x"], LOWEST)
    share = g / _tied(x, out, windows, g.dtype)
    back = np.zeros(x.shape, g.dtype)
    for pixels, target in zip(windows.shifts(x), windows.shifts(back), strict=True):
        target += share * (pixels == out)
    return np.asarray(windows.crop(back))


def _max_tangent(t: Array, saved: dict[str, Any]) -> Array:
    """The mean of the directions of the largest values: the transpose of their equal shares."""
    windows, out = saved["windows"], saved["out"]
    x = windows.padded(saved["x"], LOWEST)
    total = np.zeros(out.shape, t.dtype)
    for pixels, moved in zip(windows.shifts(x), windows.shifts(windows.padded(t)), strict=True):
        total += np.where(pixels == out, moved, 0)
    return np.asarray(total / _tied(x, out, windows, t.dtype))


@define(kind="piecewise_linear", tangents={"x": _max_tangent}, x=_max_x)
def _max_pool2d(x: Array, kernel: Pair, stride: Pair | None = None, padding: Pair = 0) -> Result:
    windows = _windows(x, kernel, stride, padding)
    every = windows.shifts(windows.padded(x, LOWEST))
    out = np.array(next(every))
    for pixels in every:
        np.maximum(out, pixels, out=out)
    return out, {"x": x, "out": out, "windows": windows}


@operation(_max_pool2d)
def max_pool2d(
    x: TensorLike, kernel: Pair, stride: Pair | None = None, padding: Pair = 0, *, vjp: VJP = None
) -> Tensor:
    """The largest value in each window, channel by channel.

    Equal largest values share the cotangent equally, as in `minigrad.ops.max`: that is the subgradient of smallest
    norm, and it is the same for a mirrored image.

    Parameters
    ----------
    x : Tensor or array_like, shape (N, H, W, C)
    kernel : int or (int, int)
        Height and width of a window.
    stride : int or (int, int), optional
        From one window to the next; default: ``kernel``, so that windows do not overlap.
    padding : int or (int, int), default 0
        Added on each side, never the largest; smaller than the kernel.

    Returns
    -------
    Tensor, shape (N, OH, OW, C)

    Raises
    ------
    ValueError
        If ``x`` has not four axes, the kernel is larger than the padded image, or a setting is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> ops.max_pool2d(np.arange(16.0).reshape(1, 4, 4, 1), 2).data[0, :, :, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    return record(_max_pool2d, (x,), {"kernel": kernel, "stride": stride, "padding": padding}, vjp=vjp)


def _avg_x(g: Array, saved: dict[str, Any]) -> Array:
    windows = saved["windows"]
    share = g / g.dtype.type(math.prod(windows.size))
    back = np.zeros((len(g), *windows.padded_size, g.shape[3]), g.dtype)
    for target in windows.shifts(back):
        target += share
    return np.asarray(windows.crop(back))


@define(kind="linear", x=_avg_x)
def _avg_pool2d(x: Array, kernel: Pair, stride: Pair | None = None, padding: Pair = 0) -> Result:
    windows = _windows(x, kernel, stride, padding)
    every = windows.shifts(windows.padded(x))
    out = np.array(next(every))
    for pixels in every:
        out += pixels
    out /= math.prod(windows.size)
    return out, {"windows": windows}


@operation(_avg_pool2d)
def avg_pool2d(
    x: TensorLike, kernel: Pair, stride: Pair | None = None, padding: Pair = 0, *, vjp: VJP = None
) -> Tensor:
    """The mean of each window, channel by channel; padding counts as zeros.

    Parameters
    ----------
    x : Tensor or array_like, shape (N, H, W, C)
    kernel : int or (int, int)
        Height and width of a window.
    stride : int or (int, int), optional
        From one window to the next; default: ``kernel``, so that windows do not overlap.
    padding : int or (int, int), default 0
        Zeros added on each side; smaller than the kernel. They are averaged with the rest.

    Returns
    -------
    Tensor, shape (N, OH, OW, C)

    Raises
    ------
    ValueError
        If ``x`` has not four axes, the kernel is larger than the padded image, or a setting is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> ops.avg_pool2d(np.arange(16.0).reshape(1, 4, 4, 1), 2).data[0, :, :, 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    return record(_avg_pool2d, (x,), {"kernel": kernel, "stride": stride, "padding": padding}, vjp=vjp)


# Images are pooled one by one: a cotangent of few samples stays one.
_max_pool2d.structured(Rows, x=by_sample(_max_x))
_avg_pool2d.structured(Rows, x=by_sample(_avg_x))


def _places(node: Node) -> float:
    """One operation for each place of each window."""
    return float(math.prod(node.saved["windows"].size) * math.prod(node.shape))


_max_pool2d.forward_flops = _avg_pool2d.forward_flops = _places
_avg_pool2d.backward_flops = lambda node, edge, kept: rows_kept(kept) * _places(node)
# Two comparisons, a product and a sum.
_max_pool2d.backward_flops = lambda node, edge, kept: 4 * rows_kept(kept) * _places(node)
