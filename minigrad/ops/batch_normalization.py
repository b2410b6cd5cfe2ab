"""Batch normalisation: each column with the mean and the variance of the batch, or with given ones.

Index conventions: rows are all axes but the last, columns the n features of the last axis. The VJP is that of
`minigrad.ops.normalization`, with means along the columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.arrays import plain
from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.primitive import Saved
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.engine.twice import again
from minigrad.ops.gain_and_bias import (
    are_arrays,
    check_features,
    count_flops,
    pull_bias,
    pull_gain,
    pull_gain_of_rows,
    scale_and_shift,
)
from minigrad.structure import Cotangent, Rows, column_sums, matrix
from minigrad.typing import Array

__all__ = ["batch_norm"]


def _batch_x(g: Array, saved: Saved) -> Array:
    factor = saved["gain"] * saved["inverse"]
    if not saved["training"]:
        return g * factor
    rows, normal = matrix(g), matrix(saved["normal"])
    along = np.einsum("ij,ij->j", rows, normal) / rows.dtype.type(-len(rows))
    if not are_arrays(g, saved):
        return ((normal * along + rows - rows.mean(axis=0)) * factor).reshape(g.shape)
    out = matrix(again(saved, "normal")) * along
    out += rows
    out -= column_sums(rows) / rows.dtype.type(len(rows))
    out *= factor
    return out.reshape(g.shape)


def _batch_x_rows(g: Rows, saved: Saved) -> Cotangent:
    """Of kept rows what they are scaled to, and of all rows the affine rest, which takes sums over the kept alone."""
    factor = saved["gain"] * saved["inverse"]
    if not saved["training"]:
        return Rows(g.values * factor, g.indices, g.shape)
    kept = g.unfolded
    normal = matrix(saved["normal"])
    share = factor / normal.dtype.type(-len(normal))
    along = np.einsum("ij,ij->j", kept.values, np.take(normal, kept.indices, axis=0))
    out = matrix(again(saved, "normal")) * (along * share)
    out += column_sums(kept.values) * share
    out[kept.indices] = kept.values * factor + np.take(out, kept.indices, axis=0)
    return out.reshape(g.shape)


def _batch_x_tangent(t: Array, saved: Saved) -> Array:
    factor = saved["gain"] * saved["inverse"]
    if not saved["training"]:
        return t * factor
    rows, normal = matrix(t), matrix(saved["normal"])
    rows = rows - rows.mean(axis=0)
    return ((rows - normal * (rows * normal).mean(axis=0)) * factor).reshape(t.shape)


def _batch_inverse(saved: Saved) -> Any:
    """The inverse standard deviation of the batch, which nobody observes again, or the given one."""
    if not saved["training"]:
        return saved["inverse"]
    return 1 / np.sqrt(matrix(saved["x"]).var(axis=0) + saved["eps"])


def _batch_normal(saved: Saved) -> Any:
    mean = matrix(saved["x"]).mean(axis=0) if saved["training"] else saved["mean"]
    return (saved["x"] - mean) * _batch_inverse(saved)


@define(
    tangents={"x": _batch_x_tangent, "gain": lambda t, saved: t * saved["normal"], "bias": lambda t, saved: t},
    derived={"normal": _batch_normal, "inverse": _batch_inverse},
    quadratic=["normal"],
    x=_batch_x,
    gain=pull_gain,
    bias=pull_bias,
)
def _batch_norm(
    x: Array,
    gain: Array,
    bias: Array,
    mean: ArrayLike | None = None,
    var: ArrayLike | None = None,
    eps: float = 1e-5,
    observe: Callable[[Array, Array], None] | None = None,
    needs: tuple[bool, ...] = (True, True),
) -> tuple[Array, Saved]:
    check_features(x, eps, gain=gain, bias=bias)
    rows = matrix(x)
    training = mean is None
    if (mean is None) != (var is None):
        raise ValueError("give both mean and var, or neither for the statistics of the batch")
    if mean is None or var is None:
        if not len(rows):
            raise ValueError("there are no rows to take statistics of: the batch is empty")
        average = column_sums(rows) / rows.dtype.type(len(rows))  # NumPy before 2 takes a large int for a float64
        normal = rows - average
        variance = np.einsum("ij,ij->j", normal, normal) / rows.dtype.type(len(rows))
        if observe is not None:
            observe(average, variance)
    else:
        average, variance = plain(mean, "mean", x.dtype), plain(var, "var", x.dtype)
        if average.shape != gain.shape or variance.shape != gain.shape:
            raise ValueError(f"mean and var must have shape {gain.shape}, one number for each feature of x")
        normal = rows - average
    inverse = 1 / np.sqrt(variance + x.dtype.type(eps))
    normal *= inverse
    normal = normal.reshape(x.shape)
    saved: Saved = {"training": training, "eps": eps}
    if (needs[0] and training) or needs[1]:
        saved["normal"] = normal
    if needs[1] and not training:
        saved.update(mean=average.copy(), inverse=inverse)  # the running mean runs on before the backward pass
    if needs[0]:
        saved.update(inverse=inverse, gain=gain)
    return scale_and_shift(normal, gain, bias), saved


@operation(_batch_norm)
def batch_norm(
    x: TensorLike,
    gain: TensorLike,
    bias: TensorLike,
    mean: ArrayLike | None = None,
    var: ArrayLike | None = None,
    eps: float = 1e-5,
    observe: Callable[[Array, Array], None] | None = None,
    *,
    vjp: VJP = None,
    save: Save = None,
) -> Tensor:
    """Each column normalised, times ``gain`` plus ``bias``; columns run over all axes but the last.

    Without ``mean`` and ``var``, as in training, the statistics are those of the batch, and the gradient flows through
    them. With both, as in use, they are constants. Ioffe, Szegedy (2015), *Batch Normalization*, ICML.

    ``save=`` takes an estimator for X̂, the normalised values. Two sketches of them are drawn, since ∂X has X̂ twice.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., n)
        At least one row.
    gain, bias : Tensor or array_like, shape (n,)
    mean, var : array_like, shape (n,), optional
        Both or neither. Not differentiated.
    eps : float, default 1e-5
        Added to the variance (that of the batch is the biased one, Σ(x − mean)²/rows) before its root is taken.
    observe : callable, optional
        Called as ``observe(mean, var)`` with the statistics of the batch, when they are used.

    Returns
    -------
    Tensor, shape (..., n)

    Raises
    ------
    ValueError
        If the shapes do not match, only one of ``mean`` and ``var`` is given, there is no row to take statistics
        of, or ``eps`` is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> x = [[1.0, 5.0], [3.0, 5.0]]
    >>> ops.batch_norm(x, np.ones(2), np.zeros(2), eps=1e-12).data.round(6).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    >>> ops.batch_norm(x, np.ones(2), np.zeros(2), mean=[0.0, 4.0], var=[1.0, 1.0], eps=0.0).data.tolist()
    [[1.0, 1.0], [3.0, 1.0]]
    """
    return record(
        _batch_norm, (x, gain, bias), {"mean": mean, "var": var, "eps": eps, "observe": observe}, vjp=vjp, save=save
    )


_batch_norm.structured(
    Rows,
    x=_batch_x_rows,
    gain=pull_gain_of_rows,
    bias=lambda g, saved: column_sums(matrix(g.values)),
)

# As for the rows, see `minigrad.ops.normalization`.
count_flops(_batch_norm, 7.0, (8.0, 2.0, 1.0), rest=lambda node, kept: 2.0 if node.saved["training"] else 0.0)
