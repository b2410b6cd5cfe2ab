"""The convolutional layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from minigrad import ops
from minigrad.counts import whole
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.initial import Initializer, drawn, he_uniform, zeros
from minigrad.nn.layer_arguments import short
from minigrad.nn.module import Window
from minigrad.nn.sketch import Saving
from minigrad.ops.windows import Pair, pair
from minigrad.typing import Seed

__all__ = ["Conv2d"]


class Conv2d(Saving):
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
        ``init(shape, fan_in, rng, dtype)`` makes the weight, with fan_in = h·w·C: `he_uniform` (±√(6/fan_in)), made for
        inputs that come out of a ReLU, `lecun_uniform` (±√(3/fan_in)), for others, or a function of yours.

    Attributes
    ----------
    weight : Tensor, shape (h, w, C, m)
    bias : Tensor, shape (m,), or None

    Raises
    ------
    ValueError
        If a number is not positive (the padding: negative). When called: if x is not of shape (N, H, W, C), or smaller
        than the kernel.

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
        vjp: VJP = None,
        save: Save = None,
        rng: Seed = None,
        dtype: DTypeLike = np.float32,
        init: Initializer = he_uniform,
    ):
        self.in_channels = whole("Conv2d: in_channels", in_channels)
        self.out_channels = whole("Conv2d: out_channels", out_channels)
        self.kernel_size = pair("Conv2d: kernel_size", kernel_size)
        self.stride = pair("Conv2d: stride", stride)
        self.padding = pair("Conv2d: padding", padding, 0)
        h, w = self.kernel_size
        self.weight = drawn(init, (h, w, self.in_channels, self.out_channels), h * w * self.in_channels, rng, dtype)
        self.bias: Tensor | None = zeros((self.out_channels,), dtype) if bias else None
        self.vjp = vjp
        self.save = save

    def forward(self, x: TensorLike) -> Tensor:
        return ops.conv2d(x, self.weight, self.bias, self.stride, self.padding, vjp=self._vjp, save=self._save)

    def windows(self) -> list[Window]:
        return [(self.kernel_size, self.stride)]

    def repr_arguments(self) -> str:
        h, w = self.kernel_size
        stride = "" if self.stride == (1, 1) else f", stride={short(self.stride)}"
        padding = "" if self.padding == (0, 0) else f", padding={short(self.padding)}"
        bias = "" if self.bias is not None else ", bias=False"
        return f"{self.in_channels}, {self.out_channels}, {h}×{w}{stride}{padding}{bias}{self.repr_vjp()}"
