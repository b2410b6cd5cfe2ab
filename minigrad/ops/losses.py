"""Losses. C classes stand on the last axis; everything before it is rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.arrays import plain
from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.primitive import rows_kept
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.scaling import log_probabilities
from minigrad.ops.softmax import softmax
from minigrad.typing import Array, Reduction

__all__ = ["cross_entropy", "mse"]

Result = tuple[Array, dict[str, Any]]


def _reduce(losses: Array, reduction: Reduction, weights: ArrayLike | None) -> Result:
    """The losses weighted and reduced, and what the rules need of that."""
    saved: dict[str, Any] = {"factor": 1.0, "weights": None, "reduced": reduction != "none"}
    if weights is not None:
        saved["weights"] = _spread(weights, losses)
        losses = losses * saved["weights"]
    if reduction == "mean":
        if not losses.size:
            raise ValueError("there is nothing to average: the batch is empty")
        saved["factor"] = 1 / losses.size
        return np.asarray(losses.sum() / losses.dtype.type(losses.size)), saved
    if reduction == "sum":
        return np.asarray(losses.sum()), saved
    if reduction == "none":
        return losses, saved
    raise ValueError(f"reduction={reduction!r} is unknown; it is 'mean', 'sum' or 'none'")


def _scaled(values: Any, saved: dict[str, Any]) -> Any:
    """Times the weights, and the factor of the reduction."""
    values = values * values.dtype.type(saved["factor"])
    return values if saved["weights"] is None else values * saved["weights"]


def _spread(weights: ArrayLike, losses: Array) -> Array:
    """Weights in the dtype of the losses, in a shape that broadcasts against theirs."""
    w = plain(weights, "weights")
    if w.dtype.kind not in "fiu" or w.shape != losses.shape[: w.ndim] or w.ndim < min(1, losses.ndim):
        raise ValueError(
            f"weights have shape {w.shape} and dtype {w.dtype}; for losses of shape {losses.shape} give one number for "
            f"each sample, {losses.shape[:1]}, or for each loss, {losses.shape}"
        )
    if not np.isfinite(w).all():
        raise ValueError("weights hold a value that is not finite; it would make the whole loss so")
    return w.astype(losses.dtype).reshape(w.shape + (1,) * (losses.ndim - w.ndim))


def _cross_entropy_logits(g: Array, saved: dict[str, Any]) -> Array:
    p = saved["probabilities"]
    if not (isinstance(p, np.ndarray) and isinstance(g, np.ndarray)):
        return _excess(saved) * _scaled(g, saved)[..., None]
    # The same in place.
    targets, smoothing, classes = saved["targets"], saved["label_smoothing"], p.shape[-1]
    if targets.dtype.kind == "f":
        out = _excess(saved)
    else:
        out = p - p.dtype.type(smoothing / classes)
        flat = out.reshape(-1, classes)
        flat[np.arange(len(flat)), targets.ravel()] -= 1 - smoothing
    scale = _scaled(g, saved)
    out *= scale[..., None] if scale.ndim else scale
    return out


def _excess(saved: dict[str, Any]) -> Any:
    """The slope of each row's loss by its logits: the probabilities minus the smoothed targets."""
    p, targets, smoothing = saved["probabilities"], saved["targets"], saved["label_smoothing"]
    classes = p.shape[-1]
    if targets.dtype.kind != "f":
        targets = (np.arange(classes) == targets[..., None]).astype(p.dtype)
    # Σ t is 1 for probabilities, but a rounded Σ t shall not leave a constant behind.
    total = targets.sum(axis=-1, keepdims=True)
    return p * total - ((1 - smoothing) * targets + smoothing / classes * total)


def _cross_entropy_tangent(t: Array, saved: dict[str, Any]) -> Array:
    return _pushed((_excess(saved) * t).sum(axis=-1), saved)


def _pushed(tangents: Any, saved: dict[str, Any]) -> Any:
    """The tangent of what was reduced, from those of the losses."""
    tangents = _scaled(tangents, saved)
    return tangents.sum() if saved["reduced"] else tangents


@define(
    tangents={"logits": _cross_entropy_tangent},
    derived={"probabilities": lambda saved: softmax(saved["logits"])},
    logits=_cross_entropy_logits,
)
def _cross_entropy(
    logits: Array,
    targets: ArrayLike,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
    weights: ArrayLike | None = None,
) -> Result:
    t = plain(targets, "targets")
    if not logits.ndim or not logits.shape[-1]:
        raise ValueError("logits must have shape (..., classes)")
    classes = logits.shape[-1]
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing={label_smoothing} must lie in [0, 1)")
    logp = log_probabilities(logits, -1)
    if t.dtype.kind in "iu":
        _check_labels(t, logits.shape)
        t = t.copy()  # the caller may reuse the memory before the backward pass
        chosen = logp.reshape(-1, classes)[np.arange(t.size), t.ravel()].reshape(t.shape)
    elif t.dtype.kind == "f":
        t = t.astype(logp.dtype)
        _check_probabilities(t, logits.shape)
        # 0·(−∞) is 0 here: a class of probability 0 costs nothing.
        chosen = (t * np.where(t == 0, 0, logp)).sum(axis=-1)
    else:
        raise ValueError(
            f"targets of dtype {t.dtype} are neither class numbers nor probabilities"
            + ("; for one-hot rows pass .astype(float)" if t.dtype.kind == "b" else "")
        )
    losses = -chosen
    if label_smoothing:
        weight = t.sum(axis=-1) if t.dtype.kind == "f" else 1
        losses = (1 - label_smoothing) * losses - label_smoothing / classes * weight * logp.sum(axis=-1)
    out, saved = _reduce(losses.astype(logp.dtype, copy=False), reduction, weights)
    saved.update(probabilities=np.exp(logp), targets=t, label_smoothing=label_smoothing)
    return out, saved


@operation(_cross_entropy)
def cross_entropy(
    logits: TensorLike,
    targets: ArrayLike,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
    *,
    weights: ArrayLike | None = None,
    vjp: VJP = None,
) -> Tensor:
    """−Σ_c t_c log softmax(logits)_c, for class numbers or for probabilities t.

    Parameters
    ----------
    logits : Tensor or array_like, shape (..., C)
    targets : array_like
        Class numbers in 0 … C−1, of the shape of the logits without their last axis; or probabilities (floats)
        of the shape of the logits. Not differentiated.
    label_smoothing : float, default 0
        In [0, 1): this much of each target is spread evenly over all classes.
    reduction : {"mean", "sum", "none"}, default "mean"
        "mean" and "sum" run over all rows; "none" returns one loss for each.
    weights : array_like, optional
        What each loss is multiplied by before the reduction: one finite number for each row, or for each sample, the
        first axis. "mean" divides by the number of rows, and not by the sum of the weights: where samples were drawn
        with unequal probabilities, that alone has the right mean (Horvitz and Thompson 1952). Not differentiated.

    Raises
    ------
    ValueError
        If the shapes do not match, a label is out of range, targets are not integers or probabilities, a weight is
        not finite, or an option is unknown.

    Examples
    --------
    >>> from minigrad import ops
    >>> round(ops.cross_entropy([[0.0, 0.0], [9.0, 0.0]], [0, 0]).item(), 4)
    0.3466
    >>> round(ops.cross_entropy([[0.0, 0.0], [9.0, 0.0]], [0, 0], weights=[2.0, 0.5]).item(), 4)
    0.6932
    """
    return record(
        _cross_entropy,
        (logits,),
        {"targets": targets, "label_smoothing": label_smoothing, "reduction": reduction, "weights": weights},
        vjp=vjp,
    )


def _check_labels(labels: Array, shape: tuple[int, ...]) -> None:
    if labels.shape != shape[:-1]:
        if labels.shape == shape:
            raise ValueError(
                f"integer targets have the shape of the logits, {shape}. One-hot rows are probabilities: pass "
                ".astype(float); for class numbers pass .argmax(axis=-1)"
            )
        raise ValueError(
            f"labels have shape {labels.shape}; for logits of shape {shape} they must have shape {shape[:-1]}"
        )
    if labels.size and not (labels.min() >= 0 and labels.max() < shape[-1]):
        where = np.argwhere((labels < 0) | (labels >= shape[-1]))[0].tolist()
        raise ValueError(
            f"label {labels[tuple(where)]} at position {where} is out of range: with {shape[-1]} classes, labels are "
            f"0 … {shape[-1] - 1}"
        )


def _check_probabilities(t: Array, shape: tuple[int, ...]) -> None:
    if t.shape != shape:
        raise ValueError(
            f"targets have shape {t.shape} and dtype {t.dtype}; probabilities must have the shape of the logits, "
            f"{shape}, and class numbers an integer dtype"
        )
    if t.size and not (t.min() >= 0 and np.allclose(t.sum(axis=-1), 1, atol=1e-3)):
        raise ValueError("targets must be probabilities: not negative, and with a sum of 1 over the classes")


def _mse_prediction(g: Array, saved: dict[str, Any]) -> Array:
    difference = saved["difference"]
    return 2 * _scaled(g, saved) * difference


def _mse_tangent(t: Array, saved: dict[str, Any]) -> Array:
    return _pushed(2 * saved["difference"] * t, saved)


@define(
    tangents={"prediction": _mse_tangent, "target": lambda t, saved: -_mse_tangent(t, saved)},
    derived={"difference": lambda saved: saved["prediction"] - saved["target"]},
    prediction=_mse_prediction,
    target=lambda g, saved: -_mse_prediction(g, saved),
)
def _mse(prediction: Array, target: Array, reduction: Reduction = "mean", weights: ArrayLike | None = None) -> Result:
    if prediction.shape != target.shape:
        raise ValueError("prediction and target must have one shape; reshape one of them")
    difference = prediction - target
    out, saved = _reduce(np.square(difference), reduction, weights)
    return out, {**saved, "difference": difference}


@operation(_mse)
def mse(
    prediction: TensorLike,
    target: TensorLike,
    reduction: Reduction = "mean",
    *,
    weights: ArrayLike | None = None,
    vjp: VJP = None,
) -> Tensor:
    """The squared error (prediction − target)², by default averaged over all values.

    Parameters
    ----------
    prediction, target : Tensor or array_like
        Of one shape; broadcasting is refused, for (n, 1) against (n,) is nearly always a mistake.
    reduction : {"mean", "sum", "none"}, default "mean"
    weights : array_like, optional
        As for `cross_entropy`: one for each sample, the first axis, or more, up to one for each value.

    Raises
    ------
    ValueError
        If the shapes differ, a weight is not finite, or the reduction is unknown.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.mse([1.0, 2.0], [1.0, 4.0]).item()
    2.0
    """
    return record(_mse, (prediction, target), {"reduction": reduction, "weights": weights}, vjp=vjp)


# Exponentials and sums along with the products: a few operations for each entry.
_cross_entropy.forward_flops = lambda node: 5.0 * math.prod(node.in_shapes[0] or (1,))
_cross_entropy.backward_flops = lambda node, edge, kept: 3.0 * rows_kept(kept) * math.prod(node.in_shapes[0] or (1,))
