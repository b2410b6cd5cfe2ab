"""How large a model is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.tape import Tape
from minigrad.nn.models.building import build

__all__ = ["Size", "size"]


class Size(NamedTuple):
    """What `size` returns.

    Parameters
    ----------
    parameters : int
        Numbers that are trained.
    forward_flops : float
        Multiplications and additions of the forward pass of one sample.

    Examples
    --------
    >>> from minigrad import nn
    >>> nn.models.size("mlp", (8, 8, 1), 10, hidden=(32,)).parameters
    2410
    """

    parameters: int
    forward_flops: float


def size(name: str, input_shape: Sequence[int], classes: int, **options: Any) -> Size:
    """Count the parameters of a model by name, and the operations of its forward pass.

    Parameters
    ----------
    name : str
        One of `names`.
    input_shape : sequence of int
        The shape of one sample.
    classes : int
    **options
        Those of the model.

    Returns
    -------
    Size
        A pair: parameters, and operations for one sample in use (``eval``), as the primitives state them.

    Raises
    ------
    ValueError
        If no model has this name.

    Examples
    --------
    >>> size("mlp", (8, 8, 1), 10, hidden=(32,))
    Size(parameters=2410, forward_flops=4810.0)
    """
    model = build(name, input_shape, classes, rng=0, **options).eval()
    with Tape() as tape:
        model(np.zeros((1, *input_shape), np.float32))
    flops = sum(node.primitive.forward_flops(node) for node in tape.nodes)
    return Size(sum(tensor.size for tensor in model.parameters()), float(flops))
