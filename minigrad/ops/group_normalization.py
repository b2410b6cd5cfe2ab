"""Group normalisation: the channels of a sample in groups, each with its mean and variance over channels and pixels.

Index conventions: the first axis is samples, the last the n channels, in ``groups`` of n/groups side by side; all axes
between are pixels. The VJP is that of `minigrad.ops.normalization`, with means over a group: no sample sees
another, so kept samples stay few.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.counts import whole
from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.record import record
from minigrad.engine.rowwise import by_sample
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

__all__ = ["group_norm"]

Saved = dict[str, Any]


def _by_pixel(a: Array) -> Array:
    return a.reshape(len(a), math.prod(a.shape[1:-1]), a.shape[-1])


def _pixel_sums(by_pixel: Array) -> Array:
    """The sum over pixels, as `minigrad.structure.column_sums` forms it, for each sample."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.ones(by_pixel.shape[1], by_pixel.dtype) @ by_pixel)


def _group_mean(a: Any, groups: int) -> Any:
    """The mean of each group of each sample, for every channel of it: of shape (samples, 1, …, 1, channels)."""
    samples, channels = a.shape[0], a.shape[-1]
    size = channels // groups
    if isinstance(a, np.ndarray):
        pixels = _by_pixel(a)
        by_channel = _pixel_sums(pixels) / a.dtype.type(pixels.shape[1])
    else:
        by_channel = a.reshape(samples, math.prod(a.shape[1:-1]), channels).mean(axis=1)
    by_group = by_channel.reshape(samples, groups, size).mean(axis=2)
    return np.repeat(by_group, size, axis=1).reshape(samples, *(1,) * (len(a.shape) - 2), channels)


def _group_x(g: Array, saved: Saved) -> Array:
    normal, groups = saved["normal"], saved["groups"]
    if not are_arrays(g, saved):
        out = g * saved["gain"]
        return (out - _group_mean(out, groups) - normal * _group_mean(out * normal, groups)) * saved["inverse"]
    by_pixel = _by_pixel(g)
    out = _affine_rest(_pixel_sums(by_pixel), np.einsum("npc,npc->nc", by_pixel, _by_pixel(normal)), saved)
    out += g * (saved["gain"] * saved["inverse"])
    return out


def _affine_rest(sums: Array, along: Array, saved: Saved) -> Array:
    """−(mean(A) + X̂·mean(A·X̂)) / s, with A = G·gain, of the sums of G and of G·X̂ over the pixels of each sample."""
    normal, groups, inverse = again(saved, "normal"), saved["groups"], saved["inverse"]
    samples, channels = sums.shape
    size = channels // groups

    def mean(of: Array) -> Any:
        by_group = (of * saved["gain"]).reshape(samples, groups, size).sum(axis=2)
        by_group /= by_group.dtype.type(-size * math.prod(normal.shape[1:-1]))
        return np.repeat(by_group, size, axis=1).reshape(inverse.shape) * inverse

    out: Array = normal * mean(along)
    out += mean(sums)
    return out


_whole_samples = by_sample(_group_x)


def _group_x_rows(g: Rows, saved: Saved) -> Cotangent:
    """Kept samples stay so; of kept pixels only the sums over a group are spread over all of it."""
    if g.whole_samples:
        return _whole_samples(g, saved)
    samples, channels = g.shape[0], g.shape[-1]
    pixels = math.prod(g.shape[1:-1])
    starts = np.searchsorted(g.indices, np.arange(samples) * pixels)
    some = np.flatnonzero(np.diff(starts, append=len(g.indices)))
    sums = np.zeros((2, samples, channels), g.dtype)
    if some.size:
        for total, part in zip(sums, (g.values, g.values * g.take(saved["normal"])), strict=True):
            total[some] = np.add.reduceat(part, starts[some], axis=0)
    out = _affine_rest(sums[0], sums[1], saved)
    factor = (saved["gain"] * saved["inverse"]).reshape(samples, channels)
    put = np.take(factor, g.indices // pixels, axis=0)
    put *= g.values
    put += g.take(out)
    matrix(out)[g.indices] = put
    return out


def _group_x_tangent(t: Array, saved: Saved) -> Array:
    normal, groups = saved["normal"], saved["groups"]
    t = t - _group_mean(t, groups)
    return (t - normal * _group_mean(t * normal, groups)) * saved["inverse"] * saved["gain"]


def _centred(saved: Saved) -> Any:
    return saved["x"] - _group_mean(saved["x"], saved["groups"])


def _group_inverse(saved: Saved) -> Any:
    return 1 / np.sqrt(_group_mean(np.square(_centred(saved)), saved["groups"]) + saved["eps"])


def _group_normal(saved: Saved) -> Any:
    return _centred(saved) * _group_inverse(saved)


@define(
    tangents={"x": _group_x_tangent, "gain": lambda t, saved: t * saved["normal"], "bias": lambda t, saved: t},
    derived={"normal": _group_normal, "inverse": _group_inverse},
    quadratic=["normal"],
    x=_group_x,
    gain=pull_gain,
    bias=pull_bias,
)
def _group_norm(
    x: Array, gain: Array, bias: Array, groups: int, eps: float = 1e-5, needs: tuple[bool, ...] = (True, True)
) -> tuple[Array, Saved]:
    check_features(x, eps, gain=gain, bias=bias)
    groups = whole("groups", groups)
    if x.ndim < 2:
        raise ValueError(f"x of shape {x.shape} must have samples along its first axis and channels along its last")
    if x.shape[-1] % groups:
        raise ValueError(f"groups={groups} must divide the {x.shape[-1]} channels of x, so that all are as large")
    if not math.prod(x.shape[1:-1]):
        raise ValueError(f"x of shape {x.shape} has no pixels to take a mean of")
    normal = x - _group_mean(x, groups)
    inverse = 1 / np.sqrt(_group_mean(np.square(normal), groups) + x.dtype.type(eps))
    normal *= inverse
    saved: Saved = {"normal": normal, "groups": groups, "eps": eps} if needs[0] or needs[1] else {}
    if needs[0]:
        saved.update(inverse=inverse, gain=gain)
    return scale_and_shift(normal, gain, bias), saved


@operation(_group_norm)
def group_norm(
    x: TensorLike,
    gain: TensorLike,
    bias: TensorLike,
    groups: int,
    eps: float = 1e-5,
    *,
    vjp: VJP = None,
    save: Save = None,
) -> Tensor:
    """Each group of channels of each sample with mean 0 and variance 1, times ``gain`` plus ``bias``.

    Unlike `batch_norm` it treats every sample by itself, in training as in use, so a cotangent of few samples stays
    one. Wu, He (2018), *Group Normalization*, ECCV.

    ``save=`` takes an estimator for X̂, the normalised values. Two sketches of them are drawn, since ∂X has X̂ twice.

    Parameters
    ----------
    x : Tensor or array_like, shape (N, ..., n)
        Samples first, channels last, pixels between, at least one.
    gain, bias : Tensor or array_like, shape (n,)
    groups : int
        The number of groups, a divisor of n. 1 normalises a sample as a whole, n each of its channels by itself.
    eps : float, default 1e-5
        Added to the variance (the biased one, over the pixels and the channels of the group) before its root is taken.

    Returns
    -------
    Tensor, shape (N, ..., n)

    Raises
    ------
    ValueError
        If the shapes do not match, the groups do not divide the channels, there are no pixels, or ``eps`` is negative.
    TypeError
        If the number of groups is not whole.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> x = [[1.0, 3.0, 10.0, 30.0]]
    >>> ops.group_norm(x, np.ones(4), np.zeros(4), groups=2, eps=0.0).data.tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    return record(_group_norm, (x, gain, bias), {"groups": groups, "eps": eps}, vjp=vjp, save=save)


# Kept samples: every sample is normalised by itself.
_group_norm.structured(
    Rows,
    x=_group_x_rows,
    gain=pull_gain_of_rows,
    bias=lambda g, saved: column_sums(matrix(g.values)),
)

# As for the rows, see `minigrad.ops.normalization`.
count_flops(_group_norm, 7.0, (9.0, 2.0, 1.0), rest=lambda node, kept: 0.0 if kept.samples else 2.0)
