"""Windows: the rectangles of an image that a convolution or a pooling looks at, one for each output pixel.

Index conventions: images are (N, H, W, C), N samples, H rows, W columns, C channels. A window is h×w pixels; the one of
the output pixel (a, b) begins at row a·stride − padding, column b·stride − padding of the image. im2col writes windows
out as the rows of a matrix: N·OH·OW rows, h·w·C columns.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigrad.typing import Array, Shape

__all__ = ["BLOCK_BYTES", "Pair", "Windows", "check_image", "number", "pair"]

Pair: TypeAlias = "int | tuple[int, int]"
"""One number for rows and columns, or one for each."""

BLOCK_BYTES = 2**21
"""im2col is made in blocks of about this size, which stay in a cache until they have been multiplied."""


def pair(what: str, value: Any, least: int = 1) -> tuple[int, int]:
    """A number for rows and one for columns, from one or two.

    Raises
    ------
    ValueError
        If they are not whole numbers of at least ``least``.

    Examples
    --------
    >>> pair("stride", 2), pair("stride", (2, 1))
    ((2, 2), (2, 1))
    """
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    try:
        numbers = [operator.index(n) for n in both]
    except TypeError:
        numbers = []
    if len(numbers) != 2 or min(numbers) < least:
        raise ValueError(f"{what}={value!r} must be a whole number of at least {least}, or a pair of them")
    return numbers[0], numbers[1]


def number(what: str, value: Any, least: int = 1) -> int:
    """A setting along one axis.

    Raises
    ------
    ValueError
        If it is no whole number of at least ``least``.
    """
    if isinstance(value, (tuple, list)):
        raise ValueError(f"{what}={value!r} must be a whole number of at least {least}: there is one axis")
    return pair(what, value, least)[0]


@dataclass(frozen=True)
class Windows:
    """Where the windows of an image lie.

    Parameters
    ----------
    image, size : (int, int)
        Height and width, of the image and of a window.
    stride : (int, int)
        From one window to the next.
    padding : (int, int)
        Pixels added on each side of the image.
    dilation : (int, int), default (1, 1)
        From one pixel of a window to the next.

    Raises
    ------
    ValueError
        If a window is larger than the padded image.

    Examples
    --------
    >>> Windows((5, 5), (3, 3), (2, 2), (1, 1)).out
    (3, 3)
    """

    image: tuple[int, int]
    size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if min(self.out) < 1:
            h, w = self.extent
            raise ValueError(
                f"the kernel, {h}×{w}, is larger than the image, {self.image[0]}×{self.image[1]} "
                f"with padding {self.padding[0]} and {self.padding[1]} on each side; use more padding, a smaller "
                "kernel, or larger images"
            )

    @cached_property
    def extent(self) -> tuple[int, int]:
        """Height and width of a window, with the gaps of the dilation: (size − 1)·dilation + 1."""
        h, w = [(k - 1) * d + 1 for k, d in zip(self.size, self.dilation, strict=True)]
        return h, w

    @cached_property
    def out(self) -> tuple[int, int]:
        """Height and width of the output: ⌊(image + 2·padding − extent) / stride⌋ + 1."""
        h, w = [(n + 2 * p - k) // s + 1 for n, p, k, s in self._axes()]
        return h, w

    @property
    def single(self) -> bool:
        """True if each window is one pixel and all are used once: im2col is then the image itself."""
        return self.size == self.stride == (1, 1) and self.padding == (0, 0)

    @cached_property
    def turned(self) -> Windows | None:
        """The windows of G whose pixels each pixel of X stands in, where these are windows of stride 1; else None.

        With them ∂X is a convolution of G, with the kernel turned round.
        """
        around = [k - 1 - p for k, p in zip(self.extent, self.padding, strict=True)]
        if self.stride != (1, 1) or min(around) < 0:
            return None
        return Windows(self.out, self.size, (1, 1), (around[0], around[1]), self.dilation)

    def _axes(self) -> Iterator[tuple[int, int, int, int]]:
        return zip(self.image, self.padding, self.extent, self.stride, strict=True)

    def padded(self, x: Array, value: float = 0.0) -> Array:
        """The images with their padding; without any, the same array."""
        if self.padding == (0, 0):
            return x
        out = np.full((len(x), *self.padded_size, x.shape[3]), value, x.dtype)
        self.crop(out)[...] = x
        return out

    @cached_property
    def padded_size(self) -> tuple[int, int]:
        """Height and width with padding."""
        return self.image[0] + 2 * self.padding[0], self.image[1] + 2 * self.padding[1]

    def crop(self, padded: Array) -> Array:
        """The images without their padding (a view)."""
        (top, left), (h, w) = self.padding, self.image
        return padded[:, top : top + h, left : left + w]

    def view(self, x: Array) -> Array:
        """All windows, shape (N, OH, OW, h, w, C), as a read-only view of the padded images."""
        x = self.padded(x)
        n, down, right, channel = x.strides
        (sh, sw), (dh, dw) = self.stride, self.dilation
        strides = (n, down * sh, right * sw, down * dh, right * dw, channel)
        return as_strided(x, (len(x), *self.out, *self.size, x.shape[3]), strides, writeable=False)

    def sample_blocks(self, samples: int, window_bytes: int) -> Iterator[slice]:
        """All samples, a few at a time, so that their windows take about `BLOCK_BYTES`."""
        step = max(1, BLOCK_BYTES // max(1, self.out[0] * self.out[1] * window_bytes))
        for start in range(0, samples, step):
            yield slice(start, min(start + step, samples))

    def blocks(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """im2col a few samples at a time: which samples, and their windows as rows, valid until the next block."""
        view = self.view(x)
        columns = math.prod(view.shape[3:])
        buffer = np.empty((0, *view.shape[1:]), x.dtype)
        for samples in self.sample_blocks(len(x), columns * view.itemsize):
            part = view[samples]
            if len(buffer) < len(part):
                buffer = np.empty(part.shape, x.dtype)
            block = buffer[: len(part)]
            np.copyto(block, part)
            yield samples, block.reshape(math.prod(part.shape[:3]), columns)

    def shifts(self, padded: Array) -> Iterator[Array]:
        """For each place in a window the pixels that stand there, shape (N, OH, OW, C): views of padded images."""
        for i in range(self.size[0]):
            for j in range(self.size[1]):
                first = (i * self.dilation[0], j * self.dilation[1])
                rows, columns = [
                    slice(k, k + s * (n - 1) + 1, s) for k, s, n in zip(first, self.stride, self.out, strict=True)
                ]
                yield padded[:, rows, columns]

    def positions(self, pixels: Array, samples: int) -> Array:
        """Where each place of some windows stands in the flattened images, shape (k, h·w).

        ``pixels`` are k positions in the flattened output (N·OH·OW) of N ``samples``. Places in the padding stand at
        N·H·W, one behind the last pixel.
        """
        table, image = places(self), self.image[0] * self.image[1]
        sample, pixel = np.divmod(pixels, len(table))
        out = np.take(table, pixel, axis=0)
        out += (sample * image)[:, None]
        if self.padding != (0, 0):
            np.minimum(out, samples * image, out=out)
        return out


OUTSIDE = np.iinfo(np.intp).max // 2
"""The position of a place in the padding, behind every pixel of any images."""


@lru_cache(maxsize=16)
def places(windows: Windows) -> Array:
    """The positions of the places of all windows of one image, shape (OH·OW, h·w); it is kept for the next batch."""

    def along(axis: int, step: int) -> Array:
        starts = np.arange(windows.out[axis]) * windows.stride[axis] - windows.padding[axis]
        at = starts[:, None] + np.arange(windows.size[axis]) * windows.dilation[axis]
        return np.where((at >= 0) & (at < windows.image[axis]), at * step, OUTSIDE)

    down, across = along(0, windows.image[1]), along(1, 1)
    out = np.minimum(down[:, None, :, None] + across[None, :, None, :], OUTSIDE)
    return np.asarray(out.reshape(math.prod(windows.out), math.prod(windows.size)))


def check_image(shape: Shape) -> None:
    """Raise unless there are four axes."""
    if len(shape) != 4:
        raise ValueError("images must have shape (N, H, W, C): samples, rows, columns, channels")
