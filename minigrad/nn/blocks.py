"""The bottleneck block of residual convolutional networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from minigrad import ops
from minigrad.counts import whole
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.activations import ReLU
from minigrad.nn.containers import Sequential
from minigrad.nn.conv_layer import Conv2d
from minigrad.nn.initial import rescale
from minigrad.nn.layer_arguments import as_tensor, place
from minigrad.nn.module import Module, Window
from minigrad.nn.normalising import NormName, norm_layer
from minigrad.streams import Domain, as_generator
from minigrad.typing import Seed

__all__ = ["Bottleneck", "Padding"]

Padding = Literal["same", "valid"]


class Bottleneck(Module):
    """``relu(shortcut(x) + body(x))``: a 1×1 convolution to few channels, k×k among them, and 1×1 back to many.

    He et al. (2016), *Deep Residual Learning*, CVPR. Each convolution is followed by a normalisation. Where the number
    of channels or the size changes, the shortcut is a 1×1 convolution with one; else it is the input itself.
    With k = 1 the block widens no receptive field: that is how BagNets keep theirs small (Brendel, Bethge 2019, ICLR).

    Parameters
    ----------
    in_channels, channels, out_channels : int
        Of the input, between, and of the output.
    kernel_size : int, default 3
        k, odd.
    stride : int, default 1
        Of the k×k convolution and of the shortcut.
    padding : {"same", "valid"}, default "same"
        "same" adds (k − 1)/2 zeros on each side, so that stride 1 keeps the size of images. "valid" adds none, as
        BagNets have it: each output then sees whole pixels only, and the shortcut is cropped by (k − 1)/2 pixels on
        each side, so that it stays centred on what the body sees.
    branch_scale : float, default 1
        The gain of the last normalisation of the branch at the beginning, or without one a factor of the weight of its
        last convolution. A small one keeps the block near its shortcut,
        and the noise of sketched layers from compounding through the depth of a network; Goyal et al. (2017),
        *Accurate, Large Minibatch SGD*, arXiv:1706.02677, take 0.
    norm : {"batch", "group"} or None, default "batch"
        `BatchNorm`; `GroupNorm` with as many groups, at most 8, as divide the channels; or none, where the convolutions
        have a bias.
    rng : Generator, int or None
        Draws the weights.
    dtype : dtype, default float32

    Raises
    ------
    ValueError
        If the kernel is even, or the padding or the normalisation unknown.

    Examples
    --------
    >>> block = Bottleneck(8, 4, 16, stride=2, rng=0)
    >>> block(np.ones((2, 9, 9, 8), np.float32)).shape
    (2, 5, 5, 16)
    >>> Bottleneck(8, 4, 8, padding="valid", rng=0)(np.ones((2, 9, 9, 8), np.float32)).shape
    (2, 7, 7, 8)
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        padding: Padding = "same",
        branch_scale: float = 1.0,
        *,
        norm: NormName | None = "batch",
        rng: Seed = None,
        dtype: DTypeLike = np.float32,
    ):
        k = whole("Bottleneck: kernel_size", kernel_size)
        if k % 2 == 0:
            raise ValueError(f"Bottleneck: kernel_size={k} must be odd, so that the shortcut has a middle to stand on")
        if padding not in ("same", "valid"):
            raise ValueError(f"Bottleneck: padding={padding!r} is unknown; it is 'same' or 'valid'")
        generator = as_generator(Domain.INITIALISATION, rng)
        around = (k - 1) // 2

        def conv(n: int, m: int, size: int = 1, step: int = 1, pad: int = 0) -> list[Module]:
            filters = Conv2d(n, m, size, step, pad, bias=norm is None, rng=generator, dtype=dtype)
            return [filters, *norm_layer(norm, m, dtype)]

        self.crop = around if padding == "valid" else 0
        self.body = Sequential(
            *conv(in_channels, channels), ReLU(),
            *conv(channels, channels, k, stride, around - self.crop), ReLU(),
            *conv(channels, out_channels),
        )  # fmt: skip
        last: Any = self.body[-1]
        rescale(last.weight if norm is None else last.gain, branch_scale)
        same = in_channels == out_channels and stride == 1
        self.shortcut = None if same else Sequential(*conv(in_channels, out_channels, step=stride))

    def forward(self, x: TensorLike) -> Tensor:
        x = as_tensor(x)
        c = self.crop
        if c and min(x.shape[1:3]) <= 2 * c:
            raise ValueError(
                f"{place(self)}: images of shape {x.shape} are smaller than the {2 * c + 1}×{2 * c + 1} kernel; "
                "use larger images, fewer such blocks, or padding='same'"
            )
        beside = ops.getitem(x, (slice(None), slice(c, -c), slice(c, -c))) if c else x
        if self.shortcut is not None:
            beside = self.shortcut(beside)
        return ops.relu(ops.add(beside, self.body(x)))

    def windows(self) -> Iterable[Window]:
        return self.body.windows()  # the shortcut's 1×1 kernel stands on the middle of what the body sees

    def repr_arguments(self) -> str:
        return "padding='valid'" if self.crop else ""
