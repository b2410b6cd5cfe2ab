"""The multilayer perceptron."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import DTypeLike

from minigrad.counts import whole
from minigrad.engine.estimator import VJP
from minigrad.nn.activations import ReLU
from minigrad.nn.containers import Sequential
from minigrad.nn.dropout import Dropout
from minigrad.nn.layer_arguments import check_module
from minigrad.nn.linear_layer import Linear
from minigrad.nn.models.building import register
from minigrad.nn.module import Module
from minigrad.nn.shaping import Flatten
from minigrad.streams import Domain, as_generator
from minigrad.typing import Seed, Shape

__all__ = ["mlp"]


def mlp(
    *sizes: int | Sequence[int],
    activation: Callable[[], Module] = ReLU,
    dropout: float = 0.0,
    bias: bool = True,
    vjp: VJP = None,
    rng: Seed = None,
    dtype: DTypeLike = np.float32,
) -> Sequential:
    """Linear layers with an activation between; none after the last.

    Parameters
    ----------
    *sizes : int or sequence of int
        The numbers of features from the input to the output, at least two; sequences among them are spread out, so
        ``mlp((784, 512, 10))``, ``mlp(784, 512, 10)`` and ``mlp(784, [512], 10)`` are the same.
    activation : callable, default ReLU
        ``activation()`` makes an activation: a class such as `Tanh`, or a function.
    dropout : float, default 0
        The rate of a Dropout after each activation; none at 0.
    bias : bool, default True
    vjp : Estimator, mapping or None
        For every linear layer; `set_vjp` chooses among them.
    rng : Generator, int or None
        Draws the weights, as `Linear` says.
    dtype : dtype, default float32

    Returns
    -------
    Sequential

    Raises
    ------
    ValueError
        If there are fewer than two sizes, or one is not positive.

    Examples
    --------
    >>> from minigrad import nn
    >>> nn.mlp((784, 128, 10), activation=nn.Tanh, rng=0)
    Sequential             101,770 parameters
      0: Linear(784, 128)  100,480
      1: Tanh()
      2: Linear(128, 10)     1,290
    """
    flat = [whole("mlp: size", n) for size in sizes for n in (size if isinstance(size, Sequence) else [size])]
    if len(flat) < 2:
        raise ValueError(
            f"mlp: give at least two sizes, of the input and of the output, as in mlp((784, 512, 10)); got {flat}"
        )
    generator = as_generator(Domain.INITIALISATION, rng)
    layers: list[Module] = []
    for k, (n, m) in enumerate(itertools.pairwise(flat)):
        if k:
            layers.append(activation())
            check_module("mlp: activation()", layers[-1])
            if dropout:
                layers.append(Dropout(dropout))
        layers.append(Linear(n, m, bias, vjp=vjp, rng=generator, dtype=dtype))
    return Sequential(*layers)


@register("mlp", "fully connected layers with an activation between")
def build_mlp(
    input_shape: Shape,
    classes: int,
    *,
    hidden: int | Sequence[int] = (512, 512),
    activation: Callable[[], Module] = ReLU,
    dropout: float = 0.0,
    bias: bool = True,
    vjp: VJP = None,
    rng: Seed = None,
    dtype: DTypeLike = np.float32,
) -> Sequential:
    """An `mlp` for samples of any shape: they are flattened first. Other options are those of `mlp`.

    Parameters
    ----------
    input_shape : tuple of int
    classes : int
    hidden : int or sequence of int, default (512, 512)
        The sizes between input and output.
    rng : Generator, int or None

    Examples
    --------
    >>> build_mlp((8, 8, 1), 10, hidden=16, rng=0)(np.ones((3, 8, 8, 1), np.float32)).shape
    (3, 10)
    """
    sizes = (math.prod(input_shape), hidden, classes)
    layers = mlp(*sizes, activation=activation, dropout=dropout, bias=bias, vjp=vjp, rng=rng, dtype=dtype)
    return Sequential(Flatten(), *layers)
