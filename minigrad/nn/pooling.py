"""Pooling of images as modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from minigrad import ops
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.layer_arguments import place, short, tensor
from minigrad.nn.module import Module, Window
from minigrad.ops.windows import Pair, pair

__all__ = ["AvgPool2d", "GlobalAvgPool", "MaxPool2d"]


class _Pool(Module):
    """What both poolings share."""

    operation: ClassVar[Callable[..., Tensor]]

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0):
        what = type(self).__name__
        self.kernel_size = pair(f"{what}: kernel_size", kernel_size)
        self.stride = self.kernel_size if stride is None else pair(f"{what}: stride", stride)
        self.padding = pair(f"{what}: padding", padding, 0)

    def forward(self, x: TensorLike) -> Tensor:
        return type(self).operation(x, self.kernel_size, self.stride, self.padding)

    def windows(self) -> list[Window]:
        return [(self.kernel_size, self.stride)]

    def repr_arguments(self) -> str:
        stride = "" if self.stride == self.kernel_size else f", stride={short(self.stride)}"
        padding = "" if self.padding == (0, 0) else f", padding={short(self.padding)}"
        return f"{self.kernel_size[0]}×{self.kernel_size[1]}{stride}{padding}"


class MaxPool2d(_Pool):
    """The largest value of each window: `minigrad.ops.max_pool2d`.

    Parameters
    ----------
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        Default: ``kernel_size``.
    padding : int or (int, int), default 0

    Examples
    --------
    >>> import numpy as np
    >>> MaxPool2d(2)(np.ones((2, 6, 6, 3))).shape
    (2, 3, 3, 3)
    """

    operation = ops.max_pool2d


class AvgPool2d(_Pool):
    """The mean of each window: `minigrad.ops.avg_pool2d`.

    Parameters
    ----------
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        Default: ``kernel_size``.
    padding : int or (int, int), default 0
        Counts as zeros.

    Examples
    --------
    >>> import numpy as np
    >>> AvgPool2d(2, stride=1)(np.ones((2, 6, 6, 3))).shape
    (2, 5, 5, 3)
    """

    operation = ops.avg_pool2d


class GlobalAvgPool(Module):
    """The mean over all pixels, or over all tokens: from (N, H, W, C) or (N, T, C) to (N, C).

    Raises
    ------
    ValueError
        When called on fewer than three axes.

    Examples
    --------
    >>> import numpy as np
    >>> GlobalAvgPool()(np.ones((2, 6, 6, 3))).shape
    (2, 3)
    """

    def forward(self, x: TensorLike) -> Tensor:
        x = tensor(x)
        if x.ndim < 3:
            raise ValueError(
                f"{place(self)}: needs shape (N, H, W, C) or (N, T, C), but got {x.shape}: there is nothing to "
                "average between samples and channels"
            )
        return ops.mean(x, axis=tuple(range(1, x.ndim - 1)))

    def windows(self) -> list[Window]:
        return [((1, 1), (0, 0))]  # what comes after it sees everything: here the count ends
