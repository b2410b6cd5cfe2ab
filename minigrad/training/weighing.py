"""Weighted samples in a training step: what cannot take weights is refused, and scores are made free of them."""

from __future__ import annotations

import inspect

import numpy as np

from minigrad import ops
from minigrad.engine.define import primitive_of
from minigrad.engine.tape import Tape
from minigrad.training.evaluate import Loss
from minigrad.training.sampler import Sampler
from minigrad.typing import Array

__all__ = ["check_batch_statistics", "check_loss", "norms"]


def check_loss(sampler: Sampler, loss: Loss) -> None:
    """Raise ValueError unless a loss can be told what each sample counts."""
    try:
        parameters = inspect.signature(loss).parameters.values()
    except (TypeError, ValueError):
        return  # it does not say what it takes
    if not any(p.name == "weights" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise ValueError(
            f"fit: {type(sampler).__name__} gives each sample a weight, and the loss "
            f"{getattr(loss, '__name__', type(loss).__name__)} takes none, so the mean would be that of other data. "
            "Let it take weights=None, and hand that on to ops.cross_entropy or ops.mse"
        )


def check_batch_statistics(sampler: Sampler, tape: Tape) -> None:
    """Raise ValueError if something on a tape was normalised by the mean and the variance of its batch."""
    for node in tape.nodes:
        if node.primitive is primitive_of(ops.batch_norm) and node.saved.get("training"):
            raise ValueError(
                f"fit: {node.label} normalises by the mean and the variance of the batch. {type(sampler).__name__} "
                "draws some samples more often than others, so these are not those of the data, and weights in the "
                "loss do not mend that. Use nn.GroupNorm or nn.LayerNorm, which see each sample by itself "
                '(norm="group" in nn.models.bagnet), or BatchNorm in eval mode'
            )


def norms(g: Array, weights: Array | None) -> Array:
    """For each sample the norm of the gradient of its own loss by its logits, from that of a weighted mean.

    Parameters
    ----------
    g : ndarray, shape (n, ...)
    weights : ndarray, shape (n,), or None
        A weight of 0 gives NaN: nothing was seen of that sample's gradient.

    Examples
    --------
    >>> norms(np.array([[3.0, 4.0], [0.0, 1.0]]), np.array([2.0, 0.5])).tolist()
    [5.0, 4.0]
    """
    flat = g.reshape(len(g), -1)
    found = np.sqrt(np.einsum("ij,ij->i", flat, flat)).astype(np.float64) * len(g)
    return found if weights is None else found / np.where(weights == 0, np.nan, weights)
