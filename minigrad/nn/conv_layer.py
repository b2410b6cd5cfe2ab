"""The convolutional layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad import ops
from minigrad.counts import whole
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.initial import Initializer, drawn, he_uniform, zeros
from minigrad.nn.layer_arguments import short
from minigrad.nn.module import Window
from minigrad.nn.sketch import Saving, Sketchable
from minigrad.ops.windows import Pair, number, pair
from minigrad.typing import Seed

__all__ = ["Conv1d", "Conv2d"]


class _Conv(Sketchable, Saving):
    """The base of both convolutions: settings by axis of the kernel, a drawn weight, and how they are shown."""

    kernel_size: Any
    stride: Any
    padding: Any
    dilation: Any

    def _fill(
        self,
        channels: tuple[int, int],
        groups: int,
        size: tuple[int, ...],
        bias: bool,
        rng: Seed,
        dtype: DTypeLike,
        init: Initializer,
    ) -> None:
        """Check the channels, and make the parameters."""
        what = type(self).__name__
        self.in_channels = whole(f"{what}: in_channels", channels[0])
        self.out_channels = whole(f"{what}: out_channels", channels[1])
        self.groups = whole(f"{what}: groups", groups)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(
                f"{what}: groups={groups} must divide both in_channels={self.in_channels} and "
                f"out_channels={self.out_channels}"
            )
        inner = self.in_channels // self.groups
        shape = (*size, inner, self.out_channels)
        self.weight = drawn(init, shape, math.prod(size) * inner, rng, dtype)
        self.bias: Tensor | None = zeros((self.out_channels,), dtype) if bias else None

    def forward(self, x: TensorLike) -> Tensor:
        return type(self).operation(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            vjp=self._vjp,
            save=self._save,
        )

    def repr_arguments(self) -> str:
        size = "×".join(str(n) for n in np.atleast_1d(self.kernel_size))
        shown = [f"{self.in_channels}, {self.out_channels}, {size}"]
        for name, usual in (("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1)):
            value = getattr(self, name)
            if value not in (usual, (usual, usual)):
                shown.append(f"{name}={short(value) if isinstance(value, tuple) else value}")
        if self.bias is None:
            shown.append("bias=False")
        return ", ".join(shown) + self.repr_vjp() + self.repr_save()


class Conv1d(_Conv):
    """Convolution of sequences (N, L, C) with a kernel, plus a bias: `minigrad.ops.conv1d`.

    Parameters
    ----------
    in_channels, out_channels : int
        C and m.
    kernel_size : int
        Length l of the kernel.
    stride : int, default 1
    padding : int, default 0
        Zeros added at each end; ``kernel_size // 2`` keeps the length for an odd kernel and stride 1.
    bias : bool, default True
    dilation : int, default 1
        From one place under the kernel to the next.
    groups : int, default 1
        Groups of channels that do not see each other; ``in_channels`` for a depthwise convolution.
    vjp : Estimator, mapping or None
        As of `Conv2d`: the columns of the cotangent are output channels, its rows output places, its samples sequences.
    save : Estimator, mapping or None
    rng : Generator, int or None
    dtype : dtype, default float32
    init : callable, default he_uniform
        With fan_in = l·C / groups.

    Attributes
    ----------
    weight : Tensor, shape (l, C / groups, m)
    bias : Tensor, shape (m,), or None

    Raises
    ------
    ValueError
        If a number is not positive (the padding: negative), or the groups do not divide the channels. When called: if x
        is not of shape (N, L, C), or shorter than the kernel.

    Examples
    --------
    >>> from minigrad import nn
    >>> layer = nn.Conv1d(3, 8, 5, padding=2, rng=0)
    >>> layer(np.ones((2, 20, 3), np.float32)).shape
    (2, 20, 8)
    >>> layer
    Conv1d(3, 8, 5, padding=2)  128 parameters
    """

    operation = ops.conv1d

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        *,
        dilation: int = 1,
        groups: int = 1,
        vjp: VJP = None,
        save: Save = None,
        rng: Seed = None,
        dtype: DTypeLike = np.float32,
        init: Initializer = he_uniform,
    ):
        self.kernel_size = number("Conv1d: kernel_size", kernel_size)
        self.stride = number("Conv1d: stride", stride)
        self.padding = number("Conv1d: padding", padding, 0)
        self.dilation = number("Conv1d: dilation", dilation)
        self._fill((in_channels, out_channels), groups, (self.kernel_size,), bias, rng, dtype, init)
        self.vjp = vjp
        self.save = save

    def windows(self) -> list[Window]:
        return [((1, (self.kernel_size - 1) * self.dilation + 1), (1, self.stride))]


class Conv2d(_Conv):
    """Convolution of images (N, H, W, C) with a kernel, plus a bias: `minigrad.ops.conv2d`.

    Parameters
    ----------
    in_channels, out_channels : int
        C and m.
    kernel_size : int or (int, int)
        Height h and width w of the kernel.
    stride : int or (int, int), default 1
    padding : int or (int, int), default 0
        Rows and columns of zeros added on each side; ``kernel_size // 2`` keeps the size of an image for an odd kernel
        and stride 1.
    bias : bool, default True
        Leave it out in front of a `BatchNorm`, which subtracts it again.
    dilation : int or (int, int), default 1
        From one pixel under the kernel to the next.
    groups : int, default 1
        Groups of channels that do not see each other; ``in_channels`` for a depthwise convolution.
    vjp : Estimator, mapping or None
        How the incoming cotangent is replaced on the way back. Its columns are output channels, its rows output
        pixels, its samples images; the inputs are called x, w and b. It can be assigned later.
    save : Estimator, mapping or None
        Keeps only a random, unbiased part of the input for the gradient of the weight, such as
        ``Mask(0.1, axis="row")``; see `minigrad.nn.set_save`.
    rng : Generator, int or None
        Draws the weight. The bias is 0.
    dtype : dtype, default float32
    init : callable, default he_uniform
        ``init(shape, fan_in, rng, dtype)`` makes the weight, with fan_in = h·w·C / groups: `he_uniform` (±√(6/fan_in)),
        made for inputs that come out of a ReLU, `lecun_uniform` (±√(3/fan_in)), for others, or a function of yours.

    Attributes
    ----------
    weight : Tensor, shape (h, w, C / groups, m)
    bias : Tensor, shape (m,), or None

    Raises
    ------
    ValueError
        If a number is not positive (the padding: negative), or the groups do not divide the channels. When called: if x
        is not of shape (N, H, W, C), or smaller than the kernel.

    Examples
    --------
    >>> from minigrad import nn
    >>> layer = nn.Conv2d(3, 8, 3, padding=1, rng=0)
    >>> layer(np.ones((2, 5, 5, 3), np.float32)).shape
    (2, 5, 5, 8)
    >>> layer
    Conv2d(3, 8, 3×3, padding=1)  224 parameters
    """

    operation = ops.conv2d

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        bias: bool = True,
        *,
        dilation: Pair = 1,
        groups: int = 1,
        vjp: VJP = None,
        save: Save = None,
        rng: Seed = None,
        dtype: DTypeLike = np.float32,
        init: Initializer = he_uniform,
    ):
        self.kernel_size = pair("Conv2d: kernel_size", kernel_size)
        self.stride = pair("Conv2d: stride", stride)
        self.padding = pair("Conv2d: padding", padding, 0)
        self.dilation = pair("Conv2d: dilation", dilation)
        self._fill((in_channels, out_channels), groups, self.kernel_size, bias, rng, dtype, init)
        self.vjp = vjp
        self.save = save

    def windows(self) -> list[Window]:
        (h, w), (down, across) = self.kernel_size, self.dilation
        return [(((h - 1) * down + 1, (w - 1) * across + 1), self.stride)]
