"""From images to tokens: patches, positions and the class token. Tokens are (N, T, width), T tokens a sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from minigrad import ops
from minigrad.counts import whole
from minigrad.engine.estimator import VJP
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.initial import lecun_uniform
from minigrad.nn.layer_arguments import as_tensor, place
from minigrad.nn.linear_layer import Linear
from minigrad.nn.module import Module
from minigrad.ops.windows import Pair, pair
from minigrad.streams import Domain, as_generator
from minigrad.typing import Seed, Shape

__all__ = ["ClassToken", "PatchEmbedding", "PositionEmbedding"]


def small_normal(shape: Shape, rng: Seed, dtype: DTypeLike) -> Tensor:
    """A parameter drawn from N(0, 0.02²), the usual start of an embedding."""
    values = 0.02 * as_generator(Domain.INITIALISATION, rng).standard_normal(shape)
    return Tensor(values.astype(dtype), requires_grad=True)


class PatchEmbedding(Module):
    """Cut images into patches that do not overlap, and map each linearly to a token.

    The same as a convolution whose kernel size and stride are the size of a patch; written as a `Linear` layer, called
    ``projection``, whose rows are the tokens. Dosovitskiy et al. (2021), *An Image is Worth 16x16 Words*, ICLR.

    Parameters
    ----------
    patch_size : int or (int, int)
        Height h and width w of a patch; they must divide those of the image.
    channels : int
        C, of the image.
    width : int
        The length of a token.
    vjp : Estimator, mapping or None
        For the linear map.
    rng : Generator, int or None
    dtype : dtype, default float32

    Raises
    ------
    ValueError
        When called: if the images do not have C channels, or cannot be cut into whole patches.

    Examples
    --------
    >>> embed = PatchEmbedding(4, 3, 16, rng=0)
    >>> embed(np.ones((2, 8, 12, 3), np.float32)).shape
    (2, 6, 16)
    """

    def __init__(
        self,
        patch_size: Pair,
        channels: int,
        width: int,
        *,
        vjp: VJP = None,
        rng: Seed = None,
        dtype: DTypeLike = np.float32,
    ):
        self.patch_size = pair("PatchEmbedding: patch_size", patch_size)
        self.channels = whole("PatchEmbedding: channels", channels)
        h, w = self.patch_size
        self.projection = Linear(h * w * self.channels, width, vjp=vjp, rng=rng, dtype=dtype, init=lecun_uniform)

    def forward(self, x: TensorLike) -> Tensor:
        x = as_tensor(x)
        h, w = self.patch_size
        if x.ndim != 4 or x.shape[3] != self.channels or x.shape[1] % h or x.shape[2] % w:
            raise ValueError(
                f"{place(self)}: needs images (N, H, W, {self.channels}) whose height is a multiple of {h} and "
                f"whose width is a multiple of {w}, but got {x.shape}"
            )
        n, down, across = x.shape[0], x.shape[1] // h, x.shape[2] // w
        cut = ops.reshape(x, (n, down, h, across, w, self.channels))
        patches = ops.transpose(cut, (0, 1, 3, 2, 4, 5))
        return self.projection(ops.reshape(patches, (n, down * across, h * w * self.channels)))

    def repr_arguments(self) -> str:
        return f"{self.patch_size[0]}×{self.patch_size[1]}, {self.channels} channels"


class PositionEmbedding(Module):
    """Add a learned vector to each token, the same for all samples, so that tokens know where they stand.

    Parameters
    ----------
    tokens, width : int
        T and the length of a token.
    rng : Generator, int or None
        Draws the vectors from N(0, 0.02²).
    dtype : dtype, default float32

    Attributes
    ----------
    weight : Tensor, shape (tokens, width)

    Raises
    ------
    ValueError
        When called: if the last axes of x are not (tokens, width).

    Examples
    --------
    >>> PositionEmbedding(6, 16, rng=0)(np.ones((2, 6, 16), np.float32)).shape
    (2, 6, 16)
    """

    def __init__(self, tokens: int, width: int, *, rng: Seed = None, dtype: DTypeLike = np.float32):
        shape = whole("PositionEmbedding: tokens", tokens), whole("PositionEmbedding: width", width)
        self.weight = small_normal(shape, rng, dtype)

    def forward(self, x: TensorLike) -> Tensor:
        x = as_tensor(x)
        if x.shape[-2:] != self.weight.shape:
            raise ValueError(
                f"{place(self)}: needs shape (N, {', '.join(map(str, self.weight.shape))}), tokens and "
                f"their width, but got {x.shape}; images of another size make another number of tokens"
            )
        return ops.add(x, self.weight)

    def repr_arguments(self) -> str:
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"


class ClassToken(Module):
    """Put a learned token in front of the others; what becomes of it can stand for the whole sample.

    Parameters
    ----------
    width : int
    rng : Generator, int or None
        Draws the token from N(0, 0.02²).
    dtype : dtype, default float32

    Attributes
    ----------
    weight : Tensor, shape (width,)

    Examples
    --------
    >>> ClassToken(16, rng=0)(np.ones((2, 6, 16), np.float32)).shape
    (2, 7, 16)
    """

    def __init__(self, width: int, *, rng: Seed = None, dtype: DTypeLike = np.float32):
        self.weight = small_normal((whole("ClassToken: width", width),), rng, dtype)

    def forward(self, x: TensorLike) -> Tensor:
        x = as_tensor(x)
        lead: Sequence[int] = x.shape[:-2]
        return ops.concatenate([ops.broadcast_to(self.weight, (*lead, 1, self.weight.shape[0])), x], axis=-2)

    def repr_arguments(self) -> str:
        return str(self.weight.shape[0])
