"""Evaluate a model on data that it is not trained on at this moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from minigrad import ops
from minigrad.arrays import plain
from minigrad.engine.tensor import Tensor
from minigrad.nn.dtypes import dtype_of, fed
from minigrad.nn.module import Module
from minigrad.threads import one_thread
from minigrad.typing import Array

__all__ = ["Loss", "accuracy", "evaluate"]

Loss: TypeAlias = Callable[..., Tensor]
"""``loss(logits, labels)``, a scalar: the mean over the batch. For samplers that weigh it takes ``weights=``, too,
by which each loss is multiplied before the mean."""


@one_thread()
def evaluate(
    model: Module, x: Array, labels: Array, loss: Loss = ops.cross_entropy, batch_size: int = 1000
) -> tuple[float, float]:
    """Mean loss and accuracy, in evaluation mode and without recording.

    Parameters
    ----------
    model : Module
    x : ndarray, shape (N, ...)
        Floating values are given to the model in the dtype of its parameters.
    labels : ndarray of int, shape (N,)
    loss : callable, default `ops.cross_entropy`
        A mean over its batch.
    batch_size : int, default 1000

    Returns
    -------
    loss, accuracy : float

    Raises
    ------
    ValueError
        If there are no samples.

    Examples
    --------
    >>> from minigrad import datasets, nn, training
    >>> data = datasets.digits().flat()
    >>> mean_loss, accuracy = training.evaluate(nn.mlp((64, 10), rng=0), data.x_test, data.y_test)
    >>> 0 <= accuracy <= 1
    True
    """
    x, labels = plain(x, "evaluate: the data"), plain(labels, "evaluate: the labels")
    if not len(x):
        raise ValueError("evaluate: there are no samples to evaluate on")
    dtype = dtype_of(model.parameters())
    was_training = model.training
    model.eval()
    total = right = 0.0
    try:
        for first in range(0, len(x), batch_size):
            part = slice(first, first + batch_size)
            logits = model(fed(x[part], dtype))
            total += loss(logits, fed(labels[part], dtype)).item() * len(labels[part])
            right += accuracy(logits.data, labels[part]) * len(labels[part])
    finally:
        model.train(was_training)
    return total / len(x), right / len(x)


def accuracy(logits: Array, labels: Array, weights: Array | None = None) -> float:
    """The fraction of rows whose largest logit is that of the label, or of the most probable label.

    With a weight for each sample, the fraction of the weights: an estimate for the data from which they were drawn.
    """
    if labels.ndim == logits.ndim:
        labels = labels.argmax(axis=-1)
    right = logits.argmax(axis=-1) == labels
    return float(right.mean() if weights is None else (right.T @ weights).mean() / weights.sum())
