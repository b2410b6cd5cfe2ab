"""The receptive field: how much of the image one pixel of the last feature map can see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minigrad.nn.activations import GELU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from minigrad.nn.blocks import Bottleneck
from minigrad.nn.containers import Residual, Sequential
from minigrad.nn.dropout import Dropout
from minigrad.nn.linear_layer import Linear
from minigrad.nn.module import Module
from minigrad.nn.norm_layers import BatchNorm, LayerNorm
from minigrad.nn.pooling_layers import GlobalAvgPool
from minigrad.nn.shaping import Identity

__all__ = ["receptive_field"]

POINTWISE = (
    BatchNorm, Dropout, GELU, Identity, LayerNorm, Linear, ReLU, SiLU, Sigmoid, Softplus, Tanh,
)  # fmt: skip
"""Modules that look at one pixel at a time. BatchNorm in training sees the whole batch: the field is for ``eval()``."""


def receptive_field(model: Module) -> int:
    """The side, in pixels, of the square of the image that one pixel of the last feature map depends on.

    From the kernels k and strides s in order: ``1 + Σ (k_i − 1)·s_1⋯s_{i−1}``. A global average ends the count, for
    what comes after it sees everything. If kernels are not square it is the longer side.

    Parameters
    ----------
    model : Module
        Sequences of convolutions, poolings, bottleneck blocks and layers that look at one pixel at a time. A layer of
        your own takes part if it has a method ``windows() -> [((height, width), (stride, stride)), …]``.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If it is not known how far a layer looks.

    Examples
    --------
    >>> from minigrad import nn
    >>> receptive_field(nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, rng=0)))
    8
    """
    side, jump = [1, 1], [1, 1]
    for module in chain(model):
        for kernel, stride in windows(module):
            for axis in (0, 1):
                side[axis] += (kernel[axis] - 1) * jump[axis]
                jump[axis] *= stride[axis]
    return max(side)


def chain(model: Module) -> Iterator[Module]:
    """The layers of a model in the order of execution, up to a global average."""
    todo = [model]
    while todo:
        module = todo.pop()
        if isinstance(module, GlobalAvgPool):
            return
        if isinstance(module, Sequential):
            todo.extend(reversed(list(module)))
        elif isinstance(module, (Bottleneck, Residual)):
            todo.append(module.body)  # beside it is at most a 1×1 convolution, on the middle of what it sees
        else:
            yield module


def windows(module: Any) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The kernels and strides of one layer."""
    if hasattr(module, "windows"):
        found: list[tuple[tuple[int, int], tuple[int, int]]] = module.windows()
        return found
    if isinstance(module, POINTWISE):
        return []
    raise TypeError(
        f"receptive_field: how far does {type(module).__name__} look? Give it a method windows() that returns pairs of "
        "(height, width) and (stride, stride), or ask for the part of the model before it"
    )
