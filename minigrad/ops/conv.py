"""Convolution of images by im2col.

Index conventions: X is (N, H, W, C), the kernel K is (h, w, C, m), Y and G = ∂loss/∂Y are (N, OH, OW, m). With the
windows of X as rows of a matrix P, (N·OH·OW)×(hwC), and K as a matrix hwC×m, this is the linear node Y = P K: columns
are the m output channels, rows are pixels (THEORY.md §2). ∂K = Pᵀ G, ∂P = G Kᵀ, for G of every structure and for a
sketch X̂; and ∂X adds up what the windows share. With stride 1 that is itself a convolution of G, with the kernel turned
round; else it is written out (col2im). Only X and K are saved: P is made again where it is needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.node import Node
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.patches import Patches, kernel_cotangent
from minigrad.ops.product_costs import product_flops
from minigrad.ops.windows import Pair, Windows, check_image, pair
from minigrad.structure import (
    Cotangent,
    Entries,
    Kept,
    Rows,
    column_sums,
    matrix,
    matrix_shape,
    multiply,
    narrow,
    reshape_rows,
    squared_norms,
)
from minigrad.typing import Array

__all__ = ["conv2d"]

Saved = dict[str, Any]


def correlate(x: Array, w: Array, windows: Windows) -> Array:
    """P K: each window of ``x`` times the kernel."""
    out: Array = multiply(x if windows.single else Patches(x, windows), matrix(w))
    return out


def image_cotangent(g: Array, w: Array, windows: Windows) -> Array:
    """∂X of G, shape (N, OH, OW, r), and the r output channels of the kernel that it belongs to."""
    (h, width), (top, left) = windows.size, windows.padding
    if windows.stride == (1, 1) and top < h and left < width:
        back = Windows(windows.out, windows.size, (1, 1), (h - 1 - top, width - 1 - left))
        return correlate(g, np.ascontiguousarray(w[::-1, ::-1].swapaxes(2, 3)), back)
    return spread(g, w, windows)


def spread(g: Array, w: Array, windows: Windows) -> Array:
    """col2im: ∂P = G Kᵀ, added up where windows overlap."""
    kernel = matrix(w).T
    padded = np.zeros((len(g), *windows.padded_size, w.shape[2]), np.result_type(g, w))
    for samples in windows.sample_blocks(len(g), kernel.shape[1] * padded.itemsize):
        part = g[samples]
        places = (matrix(part) @ kernel).reshape(*part.shape[:3], w.shape[0] * w.shape[1], w.shape[2])
        for k, pixels in enumerate(windows.shifts(padded[samples])):
            pixels += places[:, :, :, k]
    return windows.crop(padded)


def spread_rows(g: Rows, w: Array, windows: Windows) -> Cotangent:
    """col2im of the kept pixels alone."""
    shape = (g.shape[0], *windows.image, w.shape[2])
    patches = g.values @ matrix(w).T
    if windows.single:
        return Rows(patches, g.indices, shape)
    padded = np.zeros((g.shape[0], *windows.padded_size, w.shape[2]), patches.dtype)
    flat, places = matrix(padded), patches.reshape(len(patches), w.shape[0] * w.shape[1], w.shape[2])
    for k, at in enumerate(windows.positions(g.indices)):
        flat[at] += places[:, k]
    return windows.crop(padded)


def _x(g: Cotangent, saved: Saved) -> Cotangent:
    w, windows = saved["w"], saved["windows"]
    if isinstance(g, Rows):
        if not g.whole_samples:
            return spread_rows(g.unfolded, w, windows)
        return Rows(image_cotangent(g.values, w, windows), g.indices, (g.shape[0], *windows.image, w.shape[2]))
    return image_cotangent(*narrow(g, w), windows)


def _w(g: Cotangent, saved: Saved) -> Any:
    return reshape_rows(kernel_cotangent(g, saved["x"], saved["windows"]), saved["size"][:3])


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
    needs: tuple[bool, ...] = (True, True),
) -> tuple[Array, Saved]:
    check_image(x.shape)
    if w.ndim != 4 or 0 in w.shape[:2]:
        raise ValueError("w must have shape (kernel height, kernel width, in channels, out channels)")
    if x.shape[3] != w.shape[2]:
        raise ValueError(f"x has {x.shape[3]} channels, but w is a kernel for {w.shape[2]}; both must be the same")
    if b is not None and b.shape != w.shape[3:]:
        raise ValueError(f"b must have shape ({w.shape[3]},), one number for each output channel")
    windows = Windows(
        (x.shape[1], x.shape[2]), (w.shape[0], w.shape[1]), pair("stride", stride), pair("padding", padding, 0)
    )
    out = correlate(x, w, windows)
    if b is not None:
        if np.result_type(out, b) == out.dtype:
            out += b
        else:
            out = out + b
    saved: Saved = {"windows": windows, "size": w.shape}
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
    *,
    vjp: VJP = None,
    save: Save = None,
) -> Tensor:
    """Convolution of images, in the sense of neural networks: the kernel is not turned round.

    Parameters
    ----------
    x : Tensor or array_like, shape (N, H, W, C)
        Images.
    w : Tensor or array_like, shape (h, w, C, m)
        The kernel, for m output channels.
    b : Tensor or array_like, shape (m,), optional
    stride : int or (int, int), default 1
        From one output pixel to the next, in pixels of the image.
    padding : int or (int, int), default 0
        Rows and columns of zeros added on each side.

    Returns
    -------
    Tensor, shape (N, OH, OW, m)
        ``OH = (H + 2·padding − h) // stride + 1``, and OW likewise.

    Raises
    ------
    ValueError
        If the shapes do not match, the kernel is larger than the padded image, the stride is below 1 or the padding
        below 0.

    Notes
    -----
    ``vjp=`` sees output channels as columns and output pixels as rows. Kept columns, rows, samples and factors make
    both products smaller; kept entries are made dense. ``save=`` takes an estimator for x, of whose pixels (rows),
    channels (columns) or samples the tape then keeps an unbiased part only, drawn in the forward pass.

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
    return record(_conv2d, (x, w, b), {"stride": stride, "padding": padding}, vjp=vjp, save=save)


def _inner(node: Node) -> int:
    """The length of a window as a row, h·w·C."""
    return int(np.prod(node.saved["size"][:3]))


def _forward_flops(node: Node) -> float:
    rows, columns = matrix_shape(node.shape)
    return 2.0 * rows * _inner(node) * columns + (rows * columns if node.in_shapes[2] is not None else 0)


def _backward_flops(node: Node, edge: int, kept: Kept) -> float:
    rows, columns = matrix_shape(node.shape)
    if edge == 2:
        return float(rows * columns) * min(kept.fraction, 1.0)
    if kept.structure is Entries:  # the products are those of the dense cotangent
        kept = Kept()
    return product_flops(rows, _inner(node), columns, kept)


def _operands(node: Node) -> tuple[Array | None, Array | None]:
    x, w = node.saved.get("x"), node.saved.get("w")
    pixels = None if x is None else Patches(x, node.saved["windows"]).row_squares()[..., None]
    return pixels, None if w is None else squared_norms(matrix(w), -2)


_conv2d.forward_flops = _forward_flops
_conv2d.backward_flops = _backward_flops
_conv2d.operands = _operands
