"""Losses of two classes, of logits of any shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.arrays import plain
from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops import special
from minigrad.ops.losses import _pushed, _reduce, _scaled
from minigrad.ops.sigmoids import sigmoid
from minigrad.typing import Array, Reduction

__all__ = ["binary_cross_entropy_with_logits"]


@define(
    tangents={"logits": lambda t, saved: _pushed(saved["slope"] * t, saved)},
    derived={"slope": lambda saved: sigmoid(saved["logits"]) - saved["targets"]},
    logits=lambda g, saved: _scaled(g, saved) * saved["slope"],
)
def _binary_cross_entropy(
    logits: Array, targets: ArrayLike, reduction: Reduction = "mean", weights: ArrayLike | None = None
) -> tuple[Array, dict[str, Any]]:
    t = plain(targets, "targets")
    if t.shape != logits.shape:
        raise ValueError(f"targets have shape {t.shape}; they must have that of the logits, {logits.shape}")
    if t.dtype.kind not in "fiub" or (t.size and not (t.min() >= 0 and t.max() <= 1)):
        raise ValueError("targets must be 0 or 1, or probabilities of class 1 between them")
    t = t.astype(logits.dtype)  # a copy: the caller may reuse the memory before the backward pass
    # log(1 + exp(z)) − t z is (step(z) − t) z + log(1 + exp(−|z|)), where 0·∞ is 0.
    gap: Array = (logits > 0) - t
    losses = np.log1p(np.exp(-np.abs(logits)))
    losses += np.multiply(logits, gap, out=np.zeros_like(logits), where=gap != 0)
    out, saved = _reduce(losses, reduction, weights)
    return out, {**saved, "targets": t, "slope": special.expit(logits) - t}


@operation(_binary_cross_entropy)
def binary_cross_entropy_with_logits(
    logits: TensorLike,
    targets: ArrayLike,
    reduction: Reduction = "mean",
    *,
    weights: ArrayLike | None = None,
    vjp: VJP = None,
) -> Tensor:
    """−t log σ(z) − (1 − t) log(1 − σ(z)) of logits z and targets t, without overflow.

    It equals log(1 + exp(z)) − t z, and its slope is σ(z) − t.

    Parameters
    ----------
    logits : Tensor or array_like
    targets : array_like
        0 or 1, or probabilities of class 1, of the shape of the logits; (n, 1) against (n,) is refused. Not
        differentiated.
    reduction : {"mean", "sum", "none"}, default "mean"
    weights : array_like, optional
        As for `cross_entropy`.

    Raises
    ------
    ValueError
        If the shapes differ, a target is outside [0, 1], a weight is not finite, or the reduction is unknown.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad import ops
    >>> round(ops.binary_cross_entropy_with_logits([0.0, 1000.0], [1, 1]).item(), 4)
    0.3466
    >>> mg.grad(lambda z: ops.binary_cross_entropy_with_logits(z, [1, 0], "sum"))(np.zeros(2)).tolist()
    [-0.5, 0.5]
    """
    settings = {"targets": targets, "reduction": reduction, "weights": weights}
    return record(_binary_cross_entropy, (logits,), settings, vjp=vjp)
