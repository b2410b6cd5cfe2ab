"""BagNet: a residual network that sees small patches of an image only, and averages what it finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad.counts import whole
from minigrad.engine.estimator import VJP
from minigrad.nn.activations import ReLU
from minigrad.nn.blocks import Bottleneck, Padding
from minigrad.nn.containers import Sequential
from minigrad.nn.conv_layer import Conv2d
from minigrad.nn.linear_layer import Linear
from minigrad.nn.models.building import register
from minigrad.nn.module import Module
from minigrad.nn.normalising import NormName, norm_layer
from minigrad.nn.pooling_layers import GlobalAvgPool
from minigrad.nn.sketch import set_vjp
from minigrad.streams import Domain, as_generator
from minigrad.typing import Seed, Shape

__all__ = ["bagnet", "bagnet_group"]

FIELDS = {3: 0, 5: 1, 9: 2, 17: 3, 33: 4}
"""Receptive field -> how many stages begin with a 3×3 kernel: 3 + 2·(1 + 2 + 4 + …)."""

STRIDES = (2, 2, 2, 1)


@register("bagnet", "bottleneck blocks that see small patches only, averaged over the image")
def bagnet(
    input_shape: Shape,
    classes: int,
    *,
    receptive_field: int | None = None,
    width: int = 16,
    depth: int | Sequence[int] = 1,
    expansion: int = 4,
    padding: Padding = "same",
    branch_scale: float = 1.0,
    norm: NormName | None = "batch",
    vjp: VJP = None,
    rng: Seed = None,
    dtype: DTypeLike = np.float32,
) -> Sequential:
    """A BagNet: a bottleneck network most of whose 3×3 kernels are 1×1, so that each of its features sees a patch.

    Four stages of `Bottleneck` blocks, with strides 2, 2, 2, 1 and channels ``width``, 2, 4 and 8 times that, follow
    on a 1×1 and a 3×3 convolution. Only the first blocks of the first stages have a 3×3 kernel: of 2, 3 or 4 stages for
    a receptive field of 9, 17 or 33 pixels. The features are averaged over the image and classified by one
    linear layer, so that each patch votes by itself.

    Brendel, Bethge (2019), *Approximating CNNs with Bag-of-Local-Features Models Works Surprisingly Well on ImageNet*,
    ICLR; theirs is ``width=64, depth=(3, 4, 6, 3), padding="valid"``. The default is small enough for a CPU.

    Parameters
    ----------
    input_shape : (int, int, int)
        Height, width and channels of an image.
    classes : int
    receptive_field : {3, 5, 9, 17, 33}, optional
        In pixels. Default: 17, and 9 for images whose shorter side is less than 17.
    width : int, default 16
        Channels of the first convolutions and between those of the first stage's blocks.
    depth : int or four ints, default 1
        Blocks of each stage.
    expansion : int, default 4
        How many times more channels the blocks have outside than between.
    padding : {"same", "valid"}, default "same"
        "valid" shrinks images by each 3×3 kernel, which small ones may not survive; see `Bottleneck`.
    branch_scale : float, default 1
        How much the residual branches count at the beginning; see `Bottleneck`. With 0.1 column sketches in every
        layer of a fresh network are quieter, some hundred times at a budget of 0.5.
    norm : {"batch", "group"} or None, default "batch"
        After each convolution. A `BatchNorm` lets every sample see the others, which makes the cotangents of few
        samples dense; a `GroupNorm` does not, and wants a learning rate of its own. See `Bottleneck`.
    vjp : Estimator, mapping or None
        For all convolutions and the linear layer; `set_vjp` chooses among them.
    rng : Generator, int or None
        Draws the weights.
    dtype : dtype, default float32

    Returns
    -------
    Sequential

    Raises
    ------
    ValueError
        If the input has not three axes, or an option is out of range.

    Examples
    --------
    >>> from minigrad import nn
    >>> model = nn.bagnet((28, 28, 1), 10, receptive_field=9, rng=0)
    >>> model(np.ones((2, 28, 28, 1), np.float32)).shape, nn.receptive_field(model)
    ((2, 10), 9)
    """
    if len(input_shape) != 3:
        raise ValueError(f"bagnet: needs images, so input_shape must be (height, width, channels), got {input_shape}")
    if receptive_field is None:
        receptive_field = 17 if min(input_shape[:2]) >= 17 else 9
    if receptive_field not in FIELDS:
        raise ValueError(f"bagnet: receptive_field={receptive_field} is none of {', '.join(map(str, FIELDS))}")
    stages = [whole("bagnet: depth", n) for n in (depth if isinstance(depth, Sequence) else [depth] * len(STRIDES))]
    if len(stages) != len(STRIDES):
        raise ValueError(f"bagnet: depth={depth} must be one number, or one for each of the {len(STRIDES)} stages")
    if padding not in ("same", "valid"):
        raise ValueError(f"bagnet: padding={padding!r} is unknown; it is 'same' or 'valid'")
    channels = whole("bagnet: width", width)
    generator = as_generator(Domain.INITIALISATION, rng)
    bias = norm is None
    layers: list[Module] = [
        Conv2d(input_shape[2], channels, 1, bias=False, rng=generator, dtype=dtype),
        Conv2d(channels, channels, 3, 1, int(padding == "same"), bias=bias, rng=generator, dtype=dtype),
        *norm_layer(norm, channels, dtype),
        ReLU(),
    ]
    before = channels
    for stage, (blocks, stride) in enumerate(zip(stages, STRIDES, strict=True)):
        between = channels * 2**stage
        after = between * whole("bagnet: expansion", expansion)
        for block in range(blocks):
            kernel = 3 if block == 0 and stage < FIELDS[receptive_field] else 1
            step = stride if block == 0 else 1
            layers.append(
                Bottleneck(
                    before, between, after, kernel, step, padding, branch_scale, norm=norm, rng=generator, dtype=dtype
                )
            )
            before = after
    model = Sequential(*layers, GlobalAvgPool(), Linear(before, classes, rng=generator, dtype=dtype))
    if vjp is not None:
        set_vjp(model, vjp)
    return model


@register("bagnet_group", "a bagnet with group normalization, in which samples stay apart")
def bagnet_group(input_shape: Shape, classes: int, *, rng: Seed = None, **options: Any) -> Module:
    """A `bagnet` with ``norm="group"``: the cotangent of a sample that was left out stays 0 in all layers below.

    Parameters
    ----------
    input_shape : (int, int, int)
    classes : int
    rng : Generator, int or None
    **options
        Those of `bagnet`, but ``norm``.

    Returns
    -------
    Module

    Examples
    --------
    >>> from minigrad import nn
    >>> "GroupNorm" in str(nn.models.build("bagnet_group", (28, 28, 1), 10, rng=0))
    True
    """
    return bagnet(input_shape, classes, norm="group", rng=rng, **options)
