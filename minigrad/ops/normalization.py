"""Normalisation of rows: subtract a mean, divide by a standard deviation, then scale by a gain and add a bias.

Index conventions: rows are all axes but the last, columns the n features of the last axis. With X̂ the normalised values
and 1/s the inverse standard deviation, the VJP is ∂X = (A − mean(A) − X̂·mean(A·X̂)) / s, A = G·gain, with means along
the rows: the mean and the spread of X̂ are fixed, so what would change them flows nowhere. Root-mean-square
normalisation divides rows by √mean(X²) and has neither means nor a bias. That of columns is in
`minigrad.ops.batch_normalization`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.primitive import Saved
from minigrad.engine.record import record
from minigrad.engine.rowwise import rowwise_rule
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
from minigrad.structure import Rows, column_sums, matrix
from minigrad.typing import Array

__all__ = ["layer_norm", "rms_norm"]


def _layer_x(g: Array, saved: Saved) -> Array:
    normal, inverse = saved["normal"], saved["inverse"]
    out = g * saved["gain"]
    along = np.einsum("...i,...i->...", out, normal)[..., None] / normal.shape[-1]
    if not are_arrays(g, saved):
        return (out - out.mean(axis=-1, keepdims=True) - normal * along) * inverse
    out -= out.mean(axis=-1, keepdims=True)
    out -= again(saved, "normal") * along
    out *= inverse
    return out


def _layer_x_tangent(t: Array, saved: Saved) -> Array:
    normal = saved["normal"]
    t = t - t.mean(axis=-1, keepdims=True)
    return (t - normal * (t * normal).mean(axis=-1, keepdims=True)) * saved["inverse"] * saved["gain"]


def _layer_inverse(saved: Saved) -> Any:
    return 1 / np.sqrt(saved["x"].var(axis=-1, keepdims=True) + saved["eps"])


def _layer_normal(saved: Saved) -> Any:
    return (saved["x"] - saved["x"].mean(axis=-1, keepdims=True)) * _layer_inverse(saved)


@define(
    tangents={"x": _layer_x_tangent, "gain": lambda t, saved: t * saved["normal"], "bias": lambda t, saved: t},
    derived={"normal": _layer_normal, "inverse": _layer_inverse},
    quadratic=["normal"],
    x=_layer_x,
    gain=pull_gain,
    bias=pull_bias,
)
def _layer_norm(
    x: Array, gain: Array, bias: Array, eps: float = 1e-5, needs: tuple[bool, ...] = (True, True)
) -> tuple[Array, Saved]:
    check_features(x, eps, gain=gain, bias=bias)
    normal = x - x.mean(axis=-1, keepdims=True)
    variance = np.einsum("...i,...i->...", normal, normal)[..., None] / x.shape[-1]
    inverse = 1 / np.sqrt(variance + x.dtype.type(eps))
    normal *= inverse
    saved: Saved = {"normal": normal, "eps": eps} if needs[0] or needs[1] else {}
    if needs[0]:
        saved.update(inverse=inverse, gain=gain)
    return scale_and_shift(normal, gain, bias), saved


@operation(_layer_norm)
def layer_norm(
    x: TensorLike, gain: TensorLike, bias: TensorLike, eps: float = 1e-5, *, vjp: VJP = None, save: Save = None
) -> Tensor:
    """Each row with mean 0 and variance 1, times ``gain`` plus ``bias``.

    Ba, Kiros, Hinton (2016), *Layer Normalization*, arXiv:1607.06450.

    ``save=`` takes an estimator for X̂, the normalised values. Two sketches of them are drawn, since ∂X has X̂ twice.

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
    return record(_layer_norm, (x, gain, bias), {"eps": eps}, vjp=vjp, save=save)


# Kept rows: every row is normalised by itself.
_layer_norm.structured(
    Rows,
    x=rowwise_rule(_layer_x),
    gain=pull_gain_of_rows,
    bias=lambda g, saved: column_sums(matrix(g.values)),
)


def _rms_x(g: Array, saved: Saved) -> Array:
    normal = saved["normal"]
    out = g * saved["gain"]
    along = np.einsum("...i,...i->...", out, normal)[..., None] / normal.shape[-1]
    if not are_arrays(g, saved):
        return (out - normal * along) * saved["inverse"]
    out -= again(saved, "normal") * along
    out *= saved["inverse"]
    return out


def _rms_x_tangent(t: Array, saved: Saved) -> Array:
    normal = saved["normal"]
    return (t - normal * (t * normal).mean(axis=-1, keepdims=True)) * saved["inverse"] * saved["gain"]


def _rms_inverse(saved: Saved) -> Any:
    return 1 / np.sqrt(np.square(saved["x"]).mean(axis=-1, keepdims=True) + saved["eps"])


@define(
    tangents={"x": _rms_x_tangent, "gain": lambda t, saved: t * saved["normal"]},
    derived={"normal": lambda saved: saved["x"] * _rms_inverse(saved), "inverse": _rms_inverse},
    quadratic=["normal"],
    x=_rms_x,
    gain=pull_gain,
)
def _rms_norm(x: Array, gain: Array, eps: float = 1e-5, needs: tuple[bool, ...] = (True, True)) -> tuple[Array, Saved]:
    check_features(x, eps, gain=gain)
    inverse = 1 / np.sqrt(np.einsum("...i,...i->...", x, x)[..., None] / x.shape[-1] + x.dtype.type(eps))
    normal = x * inverse
    saved: Saved = {"normal": normal, "eps": eps} if any(needs) else {}
    if needs[0]:
        saved.update(inverse=inverse, gain=gain)
    return normal * gain, saved


@operation(_rms_norm)
def rms_norm(x: TensorLike, gain: TensorLike, eps: float = 1e-5, *, vjp: VJP = None, save: Save = None) -> Tensor:
    """Each row divided by its root mean square, times ``gain``: √(Σx²/n + eps) for rows of length n.

    Unlike `layer_norm` it subtracts no mean: ∂X = (A − X̂·mean(A·X̂)) / s, with A = G·gain and s the root. Zhang,
    Sennrich (2019), *Root Mean Square Layer Normalization*, NeurIPS.

    ``save=`` takes an estimator for X̂, the normalised values. Two sketches of them are drawn, since ∂X has X̂ twice.

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
    return record(_rms_norm, (x, gain), {"eps": eps}, vjp=vjp, save=save)


_rms_norm.structured(Rows, x=rowwise_rule(_rms_x), gain=pull_gain_of_rows)


# Mean, difference, sum of squares, and three more to scale; ∂x as many, and the product with the gain.
count_flops(_layer_norm, 7.0, (9.0, 2.0, 1.0))
count_flops(_rms_norm, 4.0, (6.0, 2.0))
