"""Normalisation: subtract a mean, divide by a standard deviation, then scale by a gain and add a bias.

Index conventions: rows are all axes but the last, columns the n features of the last axis. Layer normalisation takes
the statistics of each row, batch normalisation those of each column. With X̂ the normalised values and 1/s the inverse
standard deviation, the VJP is ∂X = (A − mean(A) − X̂·mean(A·X̂)) / s, A = G·gain, with means along the same axis:
the mean and the spread of X̂ are fixed, so what would change them flows nowhere.
Root-mean-square normalisation divides rows by √mean(X²) and has neither means nor a bias.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.arrays import plain
from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.primitive import Primitive, rows_kept
from minigrad.engine.record import record
from minigrad.engine.rowwise import rowwise_rule
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.structure import Rows, column_sums, matrix
from minigrad.typing import Array

__all__ = ["batch_norm", "layer_norm", "rms_norm"]

Saved = dict[str, Any]


def _gain(g: Array, saved: Saved) -> Array:
    return np.asarray(np.einsum("ij,ij->j", matrix(g), matrix(saved["normal"])))


def _bias(g: Array, saved: Saved) -> Array:
    return column_sums(matrix(g))


def _check(x: Array, eps: float, **parameters: Array) -> None:
    if not x.ndim or not x.shape[-1]:
        raise ValueError("x must have features along its last axis")
    if any(values.shape != x.shape[-1:] for values in parameters.values()):
        names = " and ".join(parameters)
        raise ValueError(f"{names} must have shape ({x.shape[-1]},), one number for each feature of x")
    if not eps >= 0:
        raise ValueError(f"eps={eps} must not be negative")


def _scaled(normal: Array, gain: Array, bias: Array) -> Array:
    out = normal * gain
    if np.result_type(out, bias) == out.dtype:
        out += bias
        return out
    return np.asarray(out + bias)


def _layer_x(g: Array, saved: Saved) -> Array:
    normal, inverse = saved["normal"], saved["inverse"]
    out = np.asarray(g * saved["gain"])
    along = np.einsum("...i,...i->...", out, normal)[..., None] / normal.shape[-1]
    out -= out.mean(axis=-1, keepdims=True)
    out -= normal * along
    out *= inverse
    return out


@define(x=_layer_x, gain=_gain, bias=_bias)
def _layer_norm(
    x: Array, gain: Array, bias: Array, eps: float = 1e-5, needs: tuple[bool, ...] = (True, True)
) -> tuple[Array, Saved]:
    _check(x, eps, gain=gain, bias=bias)
    normal = x - x.mean(axis=-1, keepdims=True)
    variance = np.einsum("...i,...i->...", normal, normal)[..., None] / x.shape[-1]
    inverse = 1 / np.sqrt(variance + x.dtype.type(eps))
    normal *= inverse
    saved: Saved = {"normal": normal} if needs[0] or needs[1] else {}
    if needs[0]:
        saved.update(inverse=inverse, gain=gain)
    return _scaled(normal, gain, bias), saved


@operation(_layer_norm)
def layer_norm(x: TensorLike, gain: TensorLike, bias: TensorLike, eps: float = 1e-5, *, vjp: VJP = None) -> Tensor:
    """Each row with mean 0 and variance 1, times ``gain`` plus ``bias``.

    Ba, Kiros, Hinton (2016), *Layer Normalization*, arXiv:1607.06450.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., n)
    gain, bias : Tensor or array_like, shape (n,)
    eps : float, default 1e-5
        Added to the variance (the biased one, Σ(x − mean)²/n) before its root is taken.

    Returns
    -------
    Tensor, shape (..., n)

    Raises
    ------
    ValueError
        If the shapes do not match, or ``eps`` is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> ops.layer_norm([[1.0, 3.0]], np.ones(2), np.zeros(2), eps=0.0).data.tolist()
    [[-1.0, 1.0]]
    """
    return record(_layer_norm, (x, gain, bias), {"eps": eps}, vjp=vjp)


# Kept rows: every row is normalised by itself.
_layer_norm.structured(
    Rows,
    x=rowwise_rule(_layer_x),
    gain=lambda g, saved: _gain(g.values, {"normal": g.take(saved["normal"])}),
    bias=lambda g, saved: column_sums(matrix(g.values)),
)


def _rms_x(g: Array, saved: Saved) -> Array:
    normal = saved["normal"]
    out = np.asarray(g * saved["gain"])
    out -= normal * (np.einsum("...i,...i->...", out, normal)[..., None] / normal.shape[-1])
    out *= saved["inverse"]
    return out


@define(x=_rms_x, gain=_gain)
def _rms_norm(x: Array, gain: Array, eps: float = 1e-5, needs: tuple[bool, ...] = (True, True)) -> tuple[Array, Saved]:
    _check(x, eps, gain=gain)
    inverse = 1 / np.sqrt(np.einsum("...i,...i->...", x, x)[..., None] / x.shape[-1] + x.dtype.type(eps))
    normal = x * inverse
    saved: Saved = {"normal": normal} if any(needs) else {}
    if needs[0]:
        saved.update(inverse=inverse, gain=gain)
    return normal * gain, saved


@operation(_rms_norm)
def rms_norm(x: TensorLike, gain: TensorLike, eps: float = 1e-5, *, vjp: VJP = None) -> Tensor:
    """Each row divided by its root mean square, times ``gain``: √(Σx²/n + eps) for rows of length n.

    Unlike `layer_norm` it subtracts no mean: ∂X = (A − X̂·mean(A·X̂)) / s, with A = G·gain and s the root. Zhang,
    Sennrich (2019), *Root Mean Square Layer Normalization*, NeurIPS.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., n)
    gain : Tensor or array_like, shape (n,)
    eps : float, default 1e-5
        Added to the mean square before its root is taken.

    Returns
    -------
    Tensor, shape (..., n)

    Raises
    ------
    ValueError
        If the shapes do not match, or ``eps`` is negative.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.rms_norm([[1.0, 7.0]], [1.0, 2.0], eps=0.0).data.round(3).tolist()
    [[0.2, 2.8]]
    """
    return record(_rms_norm, (x, gain), {"eps": eps}, vjp=vjp)


_rms_norm.structured(
    Rows, x=rowwise_rule(_rms_x), gain=lambda g, saved: _gain(g.values, {"normal": g.take(saved["normal"])})
)


def _batch_x(g: Array, saved: Saved) -> Array:
    if not saved["training"]:
        return np.asarray(g * (saved["gain"] * saved["inverse"]))
    rows, normal = matrix(g), matrix(saved["normal"])
    out = normal * (np.einsum("ij,ij->j", rows, normal) / rows.dtype.type(-len(rows)))
    out += rows
    out -= column_sums(rows) / rows.dtype.type(len(rows))
    out *= saved["gain"] * saved["inverse"]
    return np.asarray(out.reshape(g.shape))


@define(x=_batch_x, gain=_gain, bias=_bias)
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
    _check(x, eps, gain=gain, bias=bias)
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
    saved: Saved = {"training": training}
    if (needs[0] and training) or needs[1]:
        saved["normal"] = normal
    if needs[0]:
        saved.update(inverse=inverse, gain=gain)
    return _scaled(normal, gain, bias), saved


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
) -> Tensor:
    """Each column normalised, times ``gain`` plus ``bias``; columns run over all axes but the last.

    Without ``mean`` and ``var``, as in training, the statistics are those of the batch, and the gradient flows through
    them. With both, as in use, they are constants. Ioffe, Szegedy (2015), *Batch Normalization*, ICML.

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
    return record(_batch_norm, (x, gain, bias), {"mean": mean, "var": var, "eps": eps, "observe": observe}, vjp=vjp)


def _per_entry(of: Primitive, forward: float, backward: tuple[float, ...]) -> None:
    """So many operations for each entry of x that is worked on: forward, and for ∂x, ∂gain and any ∂bias."""
    of.forward_flops = lambda node: forward * math.prod(node.shape)
    of.backward_flops = lambda node, edge, kept: backward[edge] * rows_kept(kept) * math.prod(node.shape)


# Mean, difference, sum of squares, and three more to scale; ∂x as many, and the product with the gain.
_per_entry(_layer_norm, 7.0, (9.0, 2.0, 1.0))
_per_entry(_rms_norm, 4.0, (6.0, 2.0))
_per_entry(_batch_norm, 7.0, (8.0, 2.0, 1.0))
