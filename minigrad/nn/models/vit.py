"""The vision transformer."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from minigrad import ops
from minigrad.counts import whole
from minigrad.engine.estimator import VJP
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.containers import Sequential
from minigrad.nn.embedding import ClassToken, PatchEmbedding, PositionEmbedding
from minigrad.nn.linear_layer import Linear
from minigrad.nn.models.building import register
from minigrad.nn.module import Module
from minigrad.nn.norm_layers import LayerNorm
from minigrad.nn.pooling_layers import GlobalAvgPool
from minigrad.nn.sketch import set_vjp
from minigrad.nn.transformer import TransformerBlock
from minigrad.ops.windows import Pair, pair
from minigrad.streams import Domain, as_generator
from minigrad.typing import Seed, Shape

__all__ = ["vit"]


class FirstToken(Module):
    """The first token of each sample: from (N, T, width) to (N, width).

    Examples
    --------
    >>> FirstToken()(np.ones((2, 7, 16))).shape
    (2, 16)
    """

    def forward(self, x: TensorLike) -> Tensor:
        return ops.getitem(x, (slice(None), 0))


@register("vit", "a vision transformer: attention among patches of the image")
def vit(
    input_shape: Shape,
    classes: int,
    *,
    patch_size: Pair | None = None,
    width: int = 64,
    depth: int = 4,
    heads: int = 4,
    hidden: int | None = None,
    pool: Literal["mean", "class"] = "mean",
    dropout: float = 0.0,
    branch_scale: float = 0.3,
    vjp: VJP = None,
    rng: Seed = None,
    dtype: DTypeLike = np.float32,
) -> Sequential:
    """A vision transformer: patches become tokens, blocks of attention mix them, and one linear layer classifies.

    Dosovitskiy et al. (2021), *An Image is Worth 16x16 Words*, ICLR; their ViT-B/16 is ``patch_size=16, width=768,
    depth=12, heads=12, pool="class"`` on 224×224 pixels. The default is small enough for a CPU.

    Parameters
    ----------
    input_shape : (int, int, int)
        Height, width and channels of an image.
    classes : int
    patch_size : int or (int, int), optional
        It must divide the image. Default: 4, or less so that at least 4 whole patches stand on each side.
    width : int, default 64
        Features of a token.
    depth : int, default 4
        Transformer blocks.
    heads : int, default 4
        They must divide the width.
    hidden : int, optional
        Features inside each block's two-layer perceptron; default ``4·width``.
    pool : {"mean", "class"}, default "mean"
        What is classified: the mean of all tokens, or a class token that is put in front of the patches.
    dropout : float, default 0
    branch_scale : float, default 0.3
        How much the residual branches count at the beginning; see `TransformerBlock`. With 1 column sketches in
        every layer of a fresh network are noisier: some ten times at a budget of 0.5, hundreds of times at 0.1.
    vjp : Estimator, mapping or None
        For all linear layers and the products of the attention; `set_vjp` chooses among them.
    rng : Generator, int or None
        Draws the weights.
    dtype : dtype, default float32

    Returns
    -------
    Sequential

    Raises
    ------
    ValueError
        If the input has not three axes, patches do not divide it, or an option is out of range.

    Examples
    --------
    >>> from minigrad import nn
    >>> model = nn.vit((28, 28, 1), 10, patch_size=7, width=32, depth=2, rng=0)
    >>> model(np.ones((2, 28, 28, 1), np.float32)).shape
    (2, 10)
    """
    if len(input_shape) != 3:
        raise ValueError(f"vit: needs images, so input_shape must be (height, width, channels), got {input_shape}")
    if pool not in ("mean", "class"):
        raise ValueError(f"vit: pool={pool!r} is unknown; it is 'mean' or 'class'")
    height, across, channels = input_shape
    h, w = default_patch(height, across) if patch_size is None else pair("vit: patch_size", patch_size)
    if height % h or across % w:
        raise ValueError(f"vit: patches of {h}×{w} pixels do not divide an image of {height}×{across}")
    generator = as_generator(Domain.INITIALISATION, rng)
    tokens = (height // h) * (across // w) + (pool == "class")
    layers: list[Module] = [PatchEmbedding((h, w), channels, width, rng=generator, dtype=dtype)]
    if pool == "class":
        layers.append(ClassToken(width, rng=generator, dtype=dtype))
    layers.append(PositionEmbedding(tokens, width, rng=generator, dtype=dtype))
    for _ in range(whole("vit: depth", depth)):
        layers.append(TransformerBlock(width, heads, hidden, dropout, branch_scale, rng=generator, dtype=dtype))
    layers.append(LayerNorm(width, dtype=dtype))
    layers.append(GlobalAvgPool() if pool == "mean" else FirstToken())
    model = Sequential(*layers, Linear(width, classes, rng=generator, dtype=dtype))
    if vjp is not None:
        set_vjp(model, vjp)
    return model


def default_patch(height: int, width: int) -> tuple[int, int]:
    """The largest of 4, 3 and 2 pixels that divides both sides into at least 4 patches, or 1.

    Examples
    --------
    >>> default_patch(28, 28), default_patch(32, 32), default_patch(8, 8)
    ((4, 4), (4, 4), (2, 2))
    """
    for side in (4, 3, 2):
        if height % side == width % side == 0 and min(height, width) >= 4 * side:
            return side, side
    return 1, 1
