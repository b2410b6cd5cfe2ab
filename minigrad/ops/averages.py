"""Weighted means, covariances and correlations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.arithmetic import multiply
from minigrad.ops.axis_argument import reduced_axes
from minigrad.ops.counterparts import stands_for
from minigrad.ops.joining import concatenate
from minigrad.ops.operands import constant, floating, values, widened
from minigrad.ops.piecewise import clip
from minigrad.ops.reductions import mean, sum
from minigrad.ops.shapes import broadcast_to, reshape, transpose
from minigrad.typing import Array, Axis

__all__ = ["average", "corrcoef", "cov"]


@stands_for(np.average)
@widened
def average(
    x: TensorLike, axis: Axis = None, weights: TensorLike | None = None, returned: bool = False, keepdims: bool = False
) -> Any:
    """The weighted mean Σ w·x / Σ w over axes, differentiable by the values and the weights.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    weights : Tensor or array_like, optional
        Of the shape of ``x``, or one for each position along the axes that are reduced. None: all alike.
    returned : bool, default False
        Return the sum of the weights, too.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.

    Returns
    -------
    Tensor, or a tuple of two
        The mean, and the sums of the weights in its shape.

    Raises
    ------
    TypeError
        If the weights have another shape than ``x`` and there is no axis.
    ValueError
        If the weights have neither the shape of ``x`` nor that of the axes.
    ZeroDivisionError
        If weights add up to 0.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.average([1.0, 4.0], weights=[2.0, 1.0]).item()
    2.0
    """
    shape = np.shape(values(x))
    axes = reduced_axes(axis, len(shape), "average")
    if weights is None:
        out = mean(x, axis, keepdims)
        number = math.prod([shape[k] for k in axes])
        return (out, Tensor(np.full(out.shape, number, out.dtype))) if returned else out
    if values(x).dtype.kind != "f" and values(weights).dtype.kind != "f":
        x = floating(x)
    weights = _spread_weights(weights, shape, axis, axes)
    total = sum(weights, axis, keepdims=True)
    if (total == 0).any():
        raise ZeroDivisionError("average: the weights add up to 0, and cannot be made to add up to 1")
    out = sum(multiply(x, weights), axis, keepdims=True) / total
    if not keepdims:
        out, total = out.squeeze(axes), total.squeeze(axes)
    return (out, broadcast_to(total, out.shape)) if returned else out


def _spread_weights(weights: TensorLike, shape: tuple[int, ...], axis: Axis, axes: tuple[int, ...]) -> TensorLike:
    """Weights that broadcast against the values."""
    given = np.shape(values(weights))
    if given == shape:
        return weights
    if axis is None:
        raise TypeError(f"average: weights of shape {given} for values of shape {shape} need an axis")
    if given != tuple([shape[k] for k in axes]):
        raise ValueError(
            f"average: weights have shape {given}; they must have that of the values, {shape}, or one weight for each "
            f"position along axis {axis}, {tuple([shape[k] for k in axes])}"
        )
    ordered = transpose(weights, np.argsort(axes).tolist())
    return reshape(ordered, tuple([n if k in axes else 1 for k, n in enumerate(shape)]))


@stands_for(np.cov)
@widened
def cov(
    m: TensorLike,
    y: TensorLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: ArrayLike | None = None,
    aweights: ArrayLike | None = None,
) -> Tensor:
    """The covariance matrix of variables, of which each row of ``m`` holds the observations.

    Parameters
    ----------
    m : Tensor or array_like, shape (variables, observations) or (observations,)
    y : Tensor or array_like, optional
        More variables, with as many observations.
    rowvar : bool, default True
        False: the columns are the variables.
    bias : bool, default False
        Divide by the number of observations, not by that minus 1.
    ddof : int, optional
        Divide by the number of observations minus this, whatever ``bias`` says.
    fweights, aweights : array_like, shape (observations,), optional
        How often each observation was made, and how much it counts. Not differentiated.

    Returns
    -------
    Tensor, shape (variables, variables), or () for one variable

    Raises
    ------
    ValueError
        If there are more than two axes, shapes do not match, or no degrees of freedom are left.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.cov([[1.0, 3.0], [2.0, 8.0]]).data.tolist()
    [[2.0, 6.0], [6.0, 18.0]]
    """
    x = _variables(floating(m, beside=y), rowvar, np.ndim(values(m)) != 1)
    if y is not None:
        more = _variables(floating(y, beside=m), rowvar, np.ndim(values(y)) == 2 and len(values(y)) != 1)
        x = concatenate([x, more], axis=0)
    observations = x.shape[1]
    weights = _observation_weights(observations, fweights, aweights)
    less = (0 if bias else 1) if ddof is None else ddof
    total = float(weights.sum())
    if aweights is None or not less:
        freedom = total - less
    else:
        freedom = total - less * float((weights * constant(aweights, "cov: aweights")).sum()) / total
    if not freedom > 0:
        raise ValueError(f"cov: {observations} observations leave no degrees of freedom (ddof={less})")
    weights = weights.astype(x.dtype)
    centred = x - average(x, axis=1, weights=weights, keepdims=True)
    return ((centred * weights) @ centred.T / x.dtype.type(freedom)).squeeze()


def _variables(x: Tensor, rowvar: bool, turn: bool) -> Tensor:
    """Variables as rows."""
    if x.ndim > 2:
        raise ValueError(f"cov: variables and observations are two axes, but there are {x.ndim}: shape {x.shape}")
    x = x if x.ndim == 2 else reshape(x, (1, -1))
    return x.T if turn and not rowvar else x


def _observation_weights(count: int, fweights: ArrayLike | None, aweights: ArrayLike | None) -> Array:
    out = np.ones(count)
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is not None:
            weights = constant(given, f"cov: {name}")
            if weights.shape != (count,) or (weights < 0).any():
                raise ValueError(
                    f"cov: {name} must be {count} numbers that are not negative, one for each observation; their shape "
                    f"is {weights.shape}"
                )
            if name == "fweights" and not (weights == np.round(weights)).all():
                raise ValueError("cov: fweights count observations, and must be whole numbers; aweights need not")
            out = out * weights
    return out


@stands_for(np.corrcoef)
@widened
def corrcoef(x: TensorLike, y: TensorLike | None = None, rowvar: bool = True) -> Tensor:
    """The correlation matrix of variables: their covariances over the products of their standard deviations.

    Parameters
    ----------
    x, y, rowvar
        As ``m``, ``y`` and ``rowvar`` of `cov`.

    Returns
    -------
    Tensor, shape (variables, variables), or () for one variable

    Raises
    ------
    ValueError
        As in `cov`.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.corrcoef([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]).data.round(6).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    c = cov(x, y, rowvar)
    if not c.ndim:
        return c / c
    each = np.arange(len(c))
    deviation = c[each, each].sqrt()
    return clip(c / reshape(deviation, (-1, 1)) / deviation, -1.0, 1.0)
