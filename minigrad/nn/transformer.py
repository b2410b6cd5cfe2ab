"""The transformer block."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad import ops
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.activations import GELU
from minigrad.nn.attention import MultiHeadSelfAttention
from minigrad.nn.containers import Sequential
from minigrad.nn.dropout import Dropout
from minigrad.nn.initial import lecun_uniform, rescale
from minigrad.nn.layer_arguments import tensor
from minigrad.nn.linear import Linear
from minigrad.nn.module import Module
from minigrad.nn.normalization import LayerNorm
from minigrad.streams import Domain, as_generator
from minigrad.typing import Seed

__all__ = ["TransformerBlock"]


class TransformerBlock(Module):
    """``x + attention(norm(x))``, then ``x + mlp(norm(x))``: normalised before, so that the sum is never scaled.

    Dosovitskiy et al. (2021), *An Image is Worth 16x16 Words*, ICLR; Xiong et al. (2020), *On Layer Normalization in
    the Transformer Architecture*, ICML.

    Parameters
    ----------
    width : int
        Features of a token.
    heads : int, default 1
    hidden : int, optional
        Features between the two linear layers of the ``mlp``; default ``4·width``.
    dropout : float, default 0
        The rate after the attention and after the ``mlp``; none at 0.
    branch_scale : float, default 1
        Multiplies the initial weights of the last layer of both branches. A small one keeps the block near the
        identity, and the noise of sketched layers from compounding through the depth of a network.
    rng : Generator, int or None
        Draws the weights: `lecun_uniform`.
    dtype : dtype, default float32

    Examples
    --------
    >>> block = TransformerBlock(8, heads=2, rng=0)
    >>> block(np.ones((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        width: int,
        heads: int = 1,
        hidden: int | None = None,
        dropout: float = 0.0,
        branch_scale: float = 1.0,
        *,
        rng: Seed = None,
        dtype: DTypeLike = np.float32,
    ):
        generator = as_generator(Domain.INITIALISATION, rng)
        hidden = 4 * width if hidden is None else hidden
        self.norm1 = LayerNorm(width, dtype=dtype)
        self.attention = MultiHeadSelfAttention(width, heads, rng=generator, dtype=dtype)
        self.norm2 = LayerNorm(width, dtype=dtype)
        self.mlp = Sequential(
            Linear(width, hidden, rng=generator, dtype=dtype, init=lecun_uniform),
            GELU(),
            Linear(hidden, width, rng=generator, dtype=dtype, init=lecun_uniform),
        )
        last: Any
        for last in (self.attention.out, self.mlp[-1]):
            rescale(last.weight, branch_scale)
        self.dropout = Dropout(dropout) if dropout else None

    def forward(self, x: TensorLike) -> Tensor:
        x = tensor(x)
        x = ops.add(x, self._dropped(self.attention(self.norm1(x))))
        return ops.add(x, self._dropped(self.mlp(self.norm2(x))))

    def _dropped(self, x: Tensor) -> Tensor:
        return x if self.dropout is None else self.dropout(x)
