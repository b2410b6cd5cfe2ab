"""The linear layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from minigrad import ops
from minigrad.counts import whole
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.initial import Initializer, drawn, he_uniform, zeros
from minigrad.nn.sketch import Saving, Sketchable
from minigrad.typing import Seed

__all__ = ["Linear"]


class Linear(Sketchable, Saving):
    """``x @ weight.T + bias``.

    Parameters
    ----------
    in_features, out_features : int
        n and m.
    bias : bool, default True
    vjp : Estimator, mapping or None
        How the incoming cotangent is replaced on the way back; see `minigrad.ops.linear`, whose inputs are called
        x, w and b. It can be assigned later.
    save : Estimator, mapping or None
        Keeps only a random, unbiased part of the input for the gradient of the weight, such as
        ``Mask(0.1, axis="row")``; see `minigrad.nn.set_save`.
    rng : Generator, int or None
        Draws the weight. The bias is 0.
    dtype : dtype, default float32
    init : callable, default he_uniform
        ``init(shape, fan_in, rng, dtype)`` makes the weight, with fan_in = n: `he_uniform` (±√(6/fan_in)), made for
        inputs that come out of a ReLU, `lecun_uniform` (±√(3/fan_in)), for others, or a function of yours.

    Attributes
    ----------
    weight : Tensor, shape (m, n)
    bias : Tensor, shape (m,), or None

    Raises
    ------
    ValueError
        If a number of features is not positive. When called: if the last axis of x does not have length n.

    Examples
    --------
    >>> from minigrad import nn
    >>> layer = nn.Linear(3, 2, rng=0)
    >>> layer(np.ones((5, 3), np.float32)).shape
    (5, 2)
    >>> layer
    Linear(3, 2)  8 parameters
    """

    per_pixel = True
    operation = ops.linear

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        vjp: VJP = None,
        save: Save = None,
        rng: Seed = None,
        dtype: DTypeLike = np.float32,
        init: Initializer = he_uniform,
    ):
        self.in_features = whole("Linear: in_features", in_features)
        self.out_features = whole("Linear: out_features", out_features)
        self.weight = drawn(init, (self.out_features, self.in_features), self.in_features, rng, dtype)
        self.bias: Tensor | None = zeros((self.out_features,), dtype) if bias else None
        self.vjp = vjp
        self.save = save

    def forward(self, x: TensorLike) -> Tensor:
        return ops.linear(x, self.weight, self.bias, vjp=self._vjp, save=self._save)

    def repr_arguments(self) -> str:
        bias = "" if self.bias is not None else ", bias=False"
        return f"{self.in_features}, {self.out_features}{bias}{self.repr_vjp()}{self.repr_save()}"
