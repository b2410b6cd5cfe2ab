"""The receptive field: how much of the image one pixel of the last feature map can see."""

from __future__ import annotations

from minigrad.nn.module import Module

__all__ = ["receptive_field"]


def receptive_field(model: Module) -> int:
    """The side, in pixels, of the square of the image that one pixel of the last feature map depends on.

    From the kernels k and strides s in order: ``1 + Σ (k_i − 1)·s_1⋯s_{i−1}``. A global average ends the count, for
    what comes after it sees everything. If kernels are not square it is the longer side.

    Parameters
    ----------
    model : Module
        Each layer says how far it looks, by `Module.windows` or ``per_pixel = True``; so can one of your own. BatchNorm
        counts as in ``eval()``: in training it sees the whole batch. GroupNorm counts as if its statistics were given:
        they see the whole image.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If a layer does not say how far it looks.

    Examples
    --------
    >>> from minigrad import nn
    >>> receptive_field(nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, rng=0)))
    8
    """
    side, jump = [1, 1], [1, 1]
    for kernel, stride in model.windows():
        for axis in (0, 1):
            side[axis] += (kernel[axis] - 1) * jump[axis]
            jump[axis] *= stride[axis]
        if not any(jump):  # one output is left, which has no neighbours
            break
    return max(side)
