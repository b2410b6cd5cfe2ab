"""Convolution of images by im2col.

Index conventions: X is (N, H, W, C), the kernel K is (h, w, C, m), Y and G = ∂loss/∂Y are (N, OH, OW, m). With the
windows of X as rows of a matrix P, (N·OH·OW)×(hwC), and K as a matrix hwC×m, this is the linear node Y = P K: columns
are the m output channels, rows are pixels (Theory §2). ∂K = Pᵀ G, ∂P = G Kᵀ, for G of every structure and for a
sketch X̂; and ∂X adds up what the windows share. Groups of channels are convolutions beside each other, and a group is
a block of the columns of each matrix. With stride 1 that is itself a convolution of G, with the kernel turned
round; else it is written out (col2im). Only X and K are saved: P is made again where it is needed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.node import Node
from minigrad.engine.primitive import Saved
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.channel_groups import blocks, side_by_side
from minigrad.ops.depthwise import depthwise, depthwise_image, depthwise_kernel
from minigrad.ops.patches import Patches, few_pay, kernel_cotangent
from minigrad.ops.product_costs import product_flops
from minigrad.ops.scattering import add_rows
from minigrad.ops.windows import Pair, Windows, check_image, pair
from minigrad.structure import (
    Cotangent,
    Entries,
    Kept,
    Rows,
    Slices,
    column_sums,
    dense,
    matrix,
    matrix_shape,
    multiply,
    narrow,
    reshape_rows,
    squared_norms,
)
from minigrad.typing import Array

__all__ = ["conv2d"]


def correlate(x: Array, w: Array, windows: Windows) -> Array:
    """P K: each window of ``x`` times the kernel."""
    out: Array = multiply(x if windows.single else Patches(x, windows), matrix(w))
    return out


def image_cotangent(g: Array, w: Array, windows: Windows) -> Array:
    """∂X of G, shape (N, OH, OW, r), and the r output channels of the kernel that it belongs to."""
    if windows.turned is not None:
        return correlate(g, np.ascontiguousarray(w[::-1, ::-1].swapaxes(2, 3)), windows.turned)
    return spread(g, w, windows)


def spread(g: Array, w: Array, windows: Windows) -> Array:
    """col2im: ∂P = G Kᵀ, added up where windows overlap, some samples at a time."""
    dtype = np.result_type(g, w)
    if windows.size == (1, 1):  # nothing overlaps
        padded = np.zeros((len(g), *windows.padded_size, w.shape[2]), dtype)
        next(windows.shifts(padded))[...] = multiply(g, matrix(w).T)
        return windows.crop(padded)
    out = np.empty((len(g), *windows.image, w.shape[2]), dtype)
    for samples in windows.sample_blocks(len(g), matrix(w).shape[0] * out.itemsize):
        part = g[samples]
        rows = matrix(part)
        out[samples] = dense(spread_rows(Rows(rows, np.arange(len(rows)), part.shape), w, windows))
    return out


def spread_rows(g: Rows, w: Array, windows: Windows) -> Cotangent:
    """col2im of the kept pixels alone; with a 1×1 kernel, of any stride, these remain kept pixels."""
    shape = (g.shape[0], *windows.image, w.shape[2])
    patches = multiply(g.values, matrix(w).T)
    if windows.single:
        return Rows(patches, g.indices, shape)
    places, pixels = windows.positions(g.indices, g.shape[0]), math.prod(shape[:3])
    if windows.size == (1, 1):
        at = places[:, 0]
        inside = slice(None) if windows.padding == (0, 0) else at < pixels
        return Rows(patches[inside], at[inside], shape)
    each = patches.reshape(places.size, w.shape[2])
    return add_rows(each, places.ravel(), pixels + 1)[:-1].reshape(shape)  # what falls into the padding comes last


def rows_back(g: Rows, w: Array, windows: Windows) -> Cotangent:
    """∂X of kept pixels; of too many of them as if all had been kept, where that is another and faster way."""
    if windows.size != (1, 1) and windows.turned is not None and not few_pay(g):
        return image_cotangent(g.dense(), w, windows)
    return spread_rows(g, w, windows)


def back(g: Cotangent, w: Array, windows: Windows) -> Cotangent:
    """∂X of G of every structure, for one group of channels."""
    if isinstance(g, Rows):
        if not g.whole_samples:
            return rows_back(g.unfolded, w, windows)
        return Rows(image_cotangent(g.values, w, windows), g.indices, (g.shape[0], *windows.image, w.shape[2]))
    return image_cotangent(*narrow(g, w), windows)


def _x(g: Cotangent, saved: Saved) -> Cotangent:
    w, windows, groups = saved["w"], saved["windows"], saved["groups"]
    if groups == 1:
        return back(g, w, windows)
    if w.shape[2] == 1:
        return depthwise_image(g, w, windows, groups)
    pairs = zip(blocks(g, groups), blocks(w, groups), strict=True)
    return side_by_side([back(part, kernel, windows) for part, kernel in pairs])


def _w(g: Cotangent, saved: Saved) -> Any:
    x, windows, groups = saved["x"], saved["windows"], saved["groups"]
    if groups == 1:
        out = kernel_cotangent(g, x, windows)
    elif saved["size"][2] == 1:
        out = depthwise_kernel(g, x, windows)
    else:
        pairs = zip(blocks(g, groups), blocks(x, groups), strict=True)
        out = np.concatenate([dense(kernel_cotangent(part, image, windows)) for part, image in pairs], axis=-1)
    return reshape_rows(out, saved["size"][:3])


def check_groups(groups: Any, channels: int, inner: int, outer: int) -> None:
    """Raise unless both numbers of channels can be divided into so many groups, and the kernel is for one of them."""
    if not isinstance(groups, (int, np.integer)) or groups < 1 or channels % groups or outer % groups:
        raise ValueError(
            f"groups={groups!r} must be a whole number that divides both the channels of x, {channels}, and the output "
            f"channels of w, {outer}"
        )
    if inner * groups != channels:
        raise ValueError(
            f"in {groups} groups of the {channels} channels of x there are {channels // groups} each, but w is a "
            f"kernel for {inner}; w must have shape (kernel height, kernel width, {channels // groups}, out channels)"
        )


@define(
    kind="bilinear",
    residuals=("x",),
    tangents={"b": lambda t, saved: t},
    x=_x,
    w=_w,
    b=lambda g, saved: column_sums(g),
)
def _conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    needs: tuple[bool, ...] = (True, True),
) -> tuple[Array, Saved]:
    check_image(x.shape)
    if w.ndim != 4 or 0 in w.shape[:2]:
        raise ValueError("w must have shape (kernel height, kernel width, in channels, out channels)")
    if groups != 1:
        check_groups(groups, x.shape[3], w.shape[2], w.shape[3])
    elif x.shape[3] != w.shape[2]:
        raise ValueError(f"x has {x.shape[3]} channels, but w is a kernel for {w.shape[2]}; both must be the same")
    if b is not None and b.shape != w.shape[3:]:
        raise ValueError(f"b must have shape ({w.shape[3]},), one number for each output channel")
    windows = Windows(
        (x.shape[1], x.shape[2]),
        (w.shape[0], w.shape[1]),
        pair("stride", stride),
        pair("padding", padding, 0),
        pair("dilation", dilation),
    )
    if groups == 1:
        out = correlate(x, w, windows)
    elif w.shape[2] == 1:
        out = depthwise(x, w, windows)
    else:
        pairs = zip(blocks(x, groups), blocks(w, groups), strict=True)
        out = np.concatenate([correlate(part, kernel, windows) for part, kernel in pairs], axis=-1)
    if b is not None:
        if np.result_type(out, b) == out.dtype:
            out += b
        else:
            out = out + b
    saved: Saved = {"windows": windows, "size": w.shape, "groups": groups}
    if needs[1]:
        saved["x"] = x
    if needs[0]:
        saved["w"] = w
    return out, saved


@operation(_conv2d)
def conv2d(
    x: TensorLike,
    w: TensorLike,
    b: TensorLike | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    *,
    vjp: VJP = None,
    save: Save = None,
) -> Tensor:
    """Convolution of images, in the sense of neural networks: the kernel is not turned round.

    Parameters
    ----------
    x : Tensor or array_like, shape (N, H, W, C)
        Images.
    w : Tensor or array_like, shape (h, w, C / groups, m)
        The kernel, for m output channels.
    b : Tensor or array_like, shape (m,), optional
    stride : int or (int, int), default 1
        From one output pixel to the next, in pixels of the image.
    padding : int or (int, int), default 0
        Rows and columns of zeros added on each side.
    dilation : int or (int, int), default 1
        From one pixel under the kernel to the next.
    groups : int, default 1
        Into so many groups the channels are divided, in their order: each group of output channels sees its group of
        input channels alone. With ``groups=C`` the convolution is called depthwise.

    Returns
    -------
    Tensor, shape (N, OH, OW, m)
        ``OH = (H + 2·padding − dilation·(h − 1) − 1) // stride + 1``, and OW likewise.

    Raises
    ------
    ValueError
        If the shapes do not match, the kernel is larger than the padded image, the stride or the dilation is
        below 1 or the padding below 0, or the groups do not divide both numbers of channels.

    Notes
    -----
    ``vjp=`` sees output channels as columns and output pixels as rows. Kept columns, rows, samples and factors make
    both products smaller; kept entries are made dense. ``save=`` takes an estimator for x, of whose pixels (rows),
    channels (columns) or samples the tape then keeps an unbiased part only, drawn in the forward pass. With groups,
    kept columns, rows and samples save as much; factors meet the kernel of every group, so they are made dense where
    their rank is not below m / groups. A depthwise convolution saves by kept samples alone.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> x, w = np.arange(9.0).reshape(1, 3, 3, 1), np.ones((2, 2, 1, 1))
    >>> ops.conv2d(x, w).data[0, :, :, 0].tolist()
    [[8.0, 12.0], [20.0, 24.0]]
    >>> ops.conv2d(x, w, stride=2, padding=1).shape
    (1, 2, 2, 1)
    """
    return record(
        _conv2d,
        (x, w, b),
        {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups},
        vjp=vjp,
        save=save,
    )


def _inner(node: Node) -> int:
    """The length of a window as a row, h·w·C, of the channels of one group."""
    return int(np.prod(node.saved["size"][:3]))


def _forward_flops(node: Node) -> float:
    rows, columns = matrix_shape(node.shape)
    return 2.0 * rows * _inner(node) * columns + (rows * columns if node.in_shapes[2] is not None else 0)


def _backward_flops(node: Node, edge: int, kept: Kept) -> float:
    rows, columns = matrix_shape(node.shape)
    if edge == 2:
        return float(rows * columns) * min(kept.fraction, 1.0)
    groups = node.saved["groups"]
    depthwise_all = groups > 1 and node.saved["size"][2] == 1 and not (kept.structure is Rows and kept.samples)
    if kept.structure in (Entries, Slices) or depthwise_all:  # the products are those of the dense cotangent
        kept = Kept()
    return product_flops(rows, _inner(node), columns, kept, groups)


def _operands(node: Node, side: int) -> Array | None:
    operand = node.saved.get("w" if side else "x")
    if side or operand is None:
        return None if operand is None else squared_norms(matrix(operand), -2)
    # With groups the norm of a whole window is a bound for its part of each product; scores need no more.
    return Patches(operand, node.saved["windows"]).row_squares()[..., None]


_conv2d.forward_flops = _forward_flops
_conv2d.backward_flops = _backward_flops
_conv2d.operands = _operands
