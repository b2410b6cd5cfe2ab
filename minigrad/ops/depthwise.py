"""Depthwise convolution: each channel by itself, with q kernels of its own.

Index conventions: X is (N, H, W, C), K is (h, w, 1, C·q), G is (N, OH, OW, C·q); the q output channels of a channel
stand beside each other. There is nothing to sum over but the h·w places of a window, so each place is one element-wise
product, and no window is written out. Kept samples make fewer of these; what else was kept of G or X is made dense, for
products of whole arrays are faster than picking from them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.ops.windows import Windows
from minigrad.structure import Cotangent, Rows, dense, take_samples
from minigrad.typing import Array

__all__ = ["depthwise", "depthwise_image", "depthwise_kernel"]


def _kernels(w: Array, channels: int) -> Array:
    """The weights by place of the window, channel, and output channel of it."""
    return w.reshape(w.shape[0] * w.shape[1], channels, w.shape[3] // channels)


def depthwise(x: Array, w: Array, windows: Windows) -> Array:
    """Y: the sum over places of pixels times weights."""
    kernels = _kernels(w, x.shape[3])
    out = np.zeros((len(x), *windows.out, *kernels.shape[1:]), np.result_type(x, w))
    each = np.empty_like(out)
    for pixels, kernel in zip(windows.shifts(windows.padded(x)), kernels, strict=True):
        np.multiply(pixels[..., None], kernel, out=each)
        out += each
    return out.reshape(*out.shape[:3], w.shape[3])


def depthwise_image(g: Cotangent, w: Array, windows: Windows, channels: int) -> Cotangent:
    """∂X of G: each pixel gathers from the windows that it stands in."""
    if isinstance(g, Rows) and g.whole_samples:
        values = _image(g.values, w, windows, channels)
        return Rows(values, g.indices, (g.shape[0], *values.shape[1:]))
    return _image(dense(g), w, windows, channels)


def _image(g: Array, w: Array, windows: Windows, channels: int) -> Array:
    kernels = _kernels(w, channels)
    parts = g.reshape(*g.shape[:3], *kernels.shape[1:])
    back = np.zeros((len(g), *windows.padded_size, channels), np.result_type(g, w))
    for pixels, kernel in zip(windows.shifts(back), kernels, strict=True):
        pixels += parts[..., 0] * kernel[:, 0] if kernels.shape[2] == 1 else (parts * kernel).sum(axis=-1)
    return windows.crop(back)


def depthwise_kernel(g: Cotangent, x: Cotangent, windows: Windows) -> Any:
    """∂K of G as a matrix h·w × C·q."""
    if isinstance(g, Rows) and g.whole_samples:
        x, g = take_samples(x, g.indices), g.values
    elif isinstance(x, Rows) and x.whole_samples:
        g, x = take_samples(g, x.indices), x.values
    whole, image = dense(g), dense(x)
    channels = image.shape[3]
    parts = whole.reshape(*whole.shape[:3], channels, whole.shape[3] // channels)
    # Sample by sample first, so that no sum of float32 is of too many values.
    out = [np.einsum("nabc,nabcq->ncq", pixels, parts).sum(axis=0) for pixels in windows.shifts(windows.padded(image))]
    return np.stack(out).reshape(len(out), whole.shape[3])
