"""Gradient clipping, before a step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

from minigrad.engine.tensor import Tensor
from minigrad.optim.arguments import named, not_negative
from minigrad.structure import Columns, Dense, Entries, Factors, Rows, Slices, Structured
from minigrad.typing import Array

__all__ = ["clip_grad_norm", "clip_grad_value"]

Gradients: TypeAlias = "Iterable[Tensor] | Iterable[Array | Structured] | Any"


def clip_grad_norm(parameters: Gradients, max_norm: float) -> float:
    """Scale all gradients down by one factor, in place, if their joint Euclidean norm is above ``max_norm``.

    A norm that is not finite changes nothing, so that NaN and infinity are not hidden: look at what is returned.

    Clipping is not linear, so it *biases* a random gradient: draws that are too long are cut and those that are too
    short are not made longer, and the mean of an unbiased gradient comes out too short, and in general turned. See the
    notes.

    Parameters
    ----------
    parameters : Module, iterable of Tensor, or iterable of ndarray or structured cotangent
        Parameters, whose ``.grad`` is scaled, or the gradients themselves.
    max_norm : float
        Above 0.

    Returns
    -------
    float
        The norm before.

    Raises
    ------
    ValueError
        If ``max_norm`` is not positive, or a parameter has no gradient.

    Notes
    -----
    Pascanu et al. (2013), *On the Difficulty of Training Recurrent Neural Networks*, ICML, algorithm 1.

    How much it takes away hangs on the noise. Let ĝ be g with n parts of equal size kept with probability p and divided
    by p (`minigrad.estimators.Mask`), and ``max_norm`` = ‖g‖, which leaves the exact gradient as it is. Of k ≥ 1 parts
    that are kept √(k/n) ‖g‖/p is the norm; where that is above ‖g‖ for all k ≥ 1, the mean after clipping is
    E√(k/n) g, which lies between p g and √p g. It is shorter still where several layers draw. The noise of a minibatch
    has the same effect, but is mostly smaller. So either choose ``max_norm`` well above ‖ĝ‖ as it usually is (the
    second moment of ĝ is ‖g‖² plus `minigrad.inspect.variance`'s total), so that only outliers are cut; or raise the
    budget; or lower the learning rate, which biases nothing.

    Examples
    --------
    >>> gradients = [np.array([3.0]), np.array([4.0])]
    >>> clip_grad_norm(gradients, 1.0)
    5.0
    >>> [g.round(6).tolist() for g in gradients]
    [[0.6], [0.8]]

    An unbiased gradient, clipped at the norm of the exact one, over all draws: two fifths of it are left.

    >>> from minigrad.estimators import Mask
    >>> g, mean = np.ones((1, 4)), np.zeros((1, 4))
    >>> for probability, drawn in Mask(0.25).outcomes(g):
    ...     drawn = drawn.dense()
    ...     norm_before = clip_grad_norm([drawn], 2.0)
    ...     mean += probability * drawn
    >>> mean.round(3).tolist()
    [[0.405, 0.405, 0.405, 0.405]]
    """
    limit = _limit("clip_grad_norm: max_norm", max_norm)
    gradients = _gradients(parameters, "clip_grad_norm")
    total = math.hypot(*(norm(g.dense() if isinstance(g, Factors) else _values(g)) for g in gradients))
    if limit < total < math.inf:
        for array in _distinct(g.left if isinstance(g, Factors) else _values(g) for g in gradients):
            if total / limit < 1e30:
                np.divide(array, total / limit, out=array)
            else:  # more than float32 holds
                np.divide(array, total / limit, out=array, dtype=np.float64, casting="same_kind")
    return total


def clip_grad_value(parameters: Gradients, max_value: float) -> None:
    """Clip every entry of the gradients to ±``max_value``, in place. NaN stays NaN; infinities are clipped.

    As with `clip_grad_norm`, a random gradient that was unbiased is not so afterwards: entry by entry its mean is
    drawn towards 0, the more the noisier the entry.

    Parameters
    ----------
    parameters : Module, iterable of Tensor, or iterable of ndarray or structured cotangent
        Parameters, whose ``.grad`` is clipped, or the gradients themselves.
    max_value : float
        Above 0.

    Raises
    ------
    ValueError
        If ``max_value`` is not positive, or a parameter has no gradient.
    TypeError
        If a gradient is in factors, whose entries do not exist until it is made dense.

    Examples
    --------
    >>> gradients = [np.array([-3.0, 0.5])]
    >>> clip_grad_value(gradients, 1.0)
    >>> gradients[0].tolist()
    [-1.0, 0.5]
    """
    limit = _limit("clip_grad_value: max_value", max_value)
    gradients = _gradients(parameters, "clip_grad_value")
    for array in _distinct(map(_values, gradients)):
        np.clip(array, -limit, limit, out=array)


def norm(array: Array) -> float:
    """The Euclidean norm, which neither overflows nor underflows where the result does not.

    Examples
    --------
    >>> norm(np.full(4, 1e30, np.float32)) / 1e30
    2.0000000...
    """
    flat = array.ravel(order="K")
    with np.errstate(over="ignore", under="ignore"):
        squares = float(np.dot(flat, flat))
    if 1e-20 < squares < 1e30:
        return math.sqrt(squares)
    top = float(np.max(np.abs(flat), initial=0))
    if not 0 < top < math.inf:
        return top
    scaled = flat.astype(np.float64) / top
    return math.sqrt(float(np.dot(scaled, scaled))) * top


def _limit(what: str, value: Any) -> float:
    limit = not_negative(what, value)
    if not limit:
        raise ValueError(f"{what}=0 would remove all gradients; it must be above 0")
    return limit


def _gradients(parameters: Gradients, owner: str) -> list[Array | Structured]:
    """The gradients, or those of the parameters; raise where there are none."""
    items = parameters if hasattr(parameters, "named_parameters") else list(parameters)
    if isinstance(items, list) and not any(isinstance(item, (Tensor, tuple)) for item in items):
        for k, item in enumerate(items):
            if not isinstance(item, (np.ndarray, Structured)):
                raise TypeError(f"{owner}: number {k} is a {type(item).__name__}, not a Tensor, a gradient or an array")
        return items
    found: list[Array | Structured] = []
    for name, tensor in named(items, owner):
        if tensor.grad is None:
            raise ValueError(f"{owner}: no gradient for {name}: .grad is None. Call loss.backward() before")
        found.append(tensor.grad)
    return found


def _values(gradient: Array | Structured) -> Array:
    """The stored values of a gradient, as an array that can be changed in place."""
    if isinstance(gradient, (Columns, Dense, Entries, Rows, Slices)):
        return gradient.values
    if isinstance(gradient, Structured):
        raise TypeError(f"a gradient stored as {type(gradient).__name__} has no single entries; pass its .dense()")
    return gradient


def _distinct(arrays: Iterable[Array]) -> list[Array]:
    """Each array once, so that one that several parameters share is not changed twice."""
    return list({id(array): array for array in arrays}.values())
