"""Convolution of images by im2col, with a cheaper VJP rule for each structure of the cotangent.

Index conventions: X is (N, H, W, C), the kernel K is (h, w, C, m), Y and G = ∂loss/∂Y are (N, OH, OW, m). With the
windows of X as rows of a matrix P, (N·OH·OW)×(hwC), and K as a matrix hwC×m, this is the linear node Y = P K: columns
are the m output channels, rows are pixels (THEORY.md §2). Exact: ∂K = Pᵀ G, ∂P = G Kᵀ, and ∂X adds up what the windows
share. With stride 1 that is itself a convolution of G, with the kernel turned round; else it is written out (col2im).

Only X and K are saved. P is made again where it is needed, a block at a time: that is cheap while the block stays in
a cache, and P would take h·w times the memory of X.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.cotangents import Columns, Factors, Kept, Rows, matrix_shape
from minigrad.node import Node
from minigrad.ops.linear import column_sums, linear, product_flops, rows_of
from minigrad.ops.windows import Pair, Windows, check_image, pair
from minigrad.primitive import primitive
from minigrad.residuals import row_squares
from minigrad.squares import squared_norms
from minigrad.typing import Array

__all__ = ["conv2d"]

Saved = dict[str, Any]


def correlate(x: Array, w: Array, windows: Windows) -> Array:
    """P K: each window of ``x`` times the kernel."""
    kernel = rows_of(w)
    out = np.empty((len(x), *windows.out, w.shape[-1]), np.result_type(x, w))
    if windows.single:
        np.matmul(rows_of(x), kernel, out=rows_of(out))
        return out
    for samples, patches in windows.blocks(x):
        np.matmul(patches, kernel, out=rows_of(out[samples]))
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
    kernel = rows_of(w).T
    padded = np.zeros((len(g), *windows.padded_size, w.shape[2]), np.result_type(g, w))
    for samples in windows.sample_blocks(len(g), kernel.shape[1] * padded.itemsize):
        part = g[samples]
        places = (rows_of(part) @ kernel).reshape(*part.shape[:3], w.shape[0] * w.shape[1], w.shape[2])
        for k, pixels in enumerate(windows.shifts(padded[samples])):
            pixels += places[:, :, :, k]
    return windows.crop(padded)


def kernel_cotangent(g: Array, x: Array, windows: Windows, size: tuple[int, ...]) -> Array:
    """∂K = Pᵀ G, as a matrix hwC×r, for the r output channels of G."""
    if windows.single:
        return rows_of(x).T @ rows_of(g)
    out = np.zeros((int(np.prod(size[:3])), g.shape[-1]), np.result_type(g, x))
    for samples, patches in windows.blocks(x):
        out += patches.T @ rows_of(g[samples])
    return out


def _x(g: Array, saved: Saved) -> Array:
    return image_cotangent(g, saved["w"], saved["windows"])


def _w(g: Array, saved: Saved) -> Array:
    return kernel_cotangent(g, saved["x"], saved["windows"], saved["size"]).reshape(saved["size"])


@primitive(x=_x, w=_w, b=lambda g, saved: column_sums(rows_of(g)))
def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    needs: tuple[bool, ...] = (True, True),
) -> tuple[Array, Saved]:
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


# Columns and factors: a convolution with r output channels.


def _thin(values: Array, g: Columns | Factors) -> Array:
    return values.reshape(*g.shape[:-1], values.shape[1])


def _x_columns(g: Columns, saved: Saved) -> Array:
    return image_cotangent(_thin(g.values, g), np.take(saved["w"], g.indices, axis=3), saved["windows"])


def _w_columns(g: Columns, saved: Saved) -> Columns:
    values = kernel_cotangent(_thin(g.values, g), saved["x"], saved["windows"], saved["size"])
    return Columns(values, g.indices, saved["size"])


def _x_factors(g: Factors, saved: Saved) -> Array:
    return image_cotangent(_thin(g.left, g), saved["w"] @ g.right.T, saved["windows"])


def _w_factors(g: Factors, saved: Saved) -> Array:
    thin = kernel_cotangent(_thin(g.left, g), saved["x"], saved["windows"], saved["size"])
    return np.asarray(thin @ g.right).reshape(saved["size"])


# Rows: a convolution of the kept samples, or the windows of the kept pixels only.


def _x_rows(g: Rows, saved: Saved) -> Array | Rows:
    w, windows = saved["w"], saved["windows"]
    shape = (g.shape[0], *windows.image, w.shape[2])
    if g.values.ndim == 4:
        return Rows(image_cotangent(g.values, w, windows), g.indices, shape)
    if g.values.ndim == 3:  # rows of pixels: no structure that is used here
        return _x(g.dense(), saved)
    patches = g.values @ rows_of(w).T
    if windows.single:
        return Rows(patches, g.indices, shape)
    padded = np.zeros((g.shape[0], *windows.padded_size, w.shape[2]), patches.dtype)
    flat, places = rows_of(padded), patches.reshape(len(patches), w.shape[0] * w.shape[1], w.shape[2])
    for k, at in enumerate(windows.positions(g.indices)):
        flat[at] += places[:, k]
    return windows.crop(padded)


def _w_rows(g: Rows, saved: Saved) -> Array:
    x, windows, size = saved["x"], saved["windows"], saved["size"]
    if g.values.ndim == 4:
        return kernel_cotangent(g.values, g.take(x), windows, size).reshape(size)
    if g.values.ndim == 3:
        return _w(g.dense(), saved)
    if windows.single:
        patches = g.take(x)
    else:
        kept = windows.view(x)[np.unravel_index(g.indices, g.shape[:3])]
        patches = kept.reshape(len(kept), int(np.prod(size[:3])))
    return np.asarray(patches.T @ g.values).reshape(size)


# What b receives does not depend on windows.
conv2d.primitive.structured(Columns, x=_x_columns, w=_w_columns, b=linear.primitive.rules[Columns][2])
conv2d.primitive.structured(Rows, x=_x_rows, w=_w_rows, b=linear.primitive.rules[Rows][2])
conv2d.primitive.structured(Factors, x=_x_factors, w=_w_factors, b=linear.primitive.rules[Factors][2])


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
    return product_flops(rows, _inner(node), columns, kept)


def _operands(node: Node) -> tuple[Array | None, Array | None]:
    x, w = node.saved.get("x"), node.saved.get("w")
    pixels = None if x is None else node.saved["windows"].view(row_squares(x)[..., None]).sum(axis=(3, 4))
    return pixels, None if w is None else squared_norms(rows_of(w), -2)


conv2d.primitive.forward_flops = _forward_flops
conv2d.primitive.backward_flops = _backward_flops
conv2d.primitive.operands = _operands
