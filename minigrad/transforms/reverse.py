"""Derivatives of functions in reverse mode: vjp, grad, value_and_grad."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol, overload

import numpy as np

from minigrad.engine.context import TapeError
from minigrad.engine.sweep import start_cotangent
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.transforms.recording import _record
from minigrad.typing import Array, Seed

__all__ = ["grad", "value_and_grad", "vjp"]


class Pullback(Protocol):
    """Pulls a cotangent of the value back to every input."""

    def __call__(self, g: TensorLike, rng: Seed = None) -> tuple[Array, ...]: ...


def vjp(fn: Callable[..., Tensor], *arrays: TensorLike) -> tuple[Array, Pullback]:
    """Evaluate ``fn(*arrays)`` and return its value with a function that pulls cotangents back.

    Parameters
    ----------
    fn : callable
        Takes one Tensor for each array and returns a Tensor.
    *arrays : array_like
        Floating-point; integers are taken as float64.

    Returns
    -------
    value : ndarray
        ``fn(*arrays)``.
    pullback : callable
        ``pullback(g, rng=None)`` returns a tuple with one array for each input: the cotangent ``g`` of the value,
        pulled back. It may be called as often as one likes; ``rng`` drives the draws of randomised VJPs.

    Raises
    ------
    TypeError
        If ``fn`` does not return a Tensor, or an array, or later the cotangent, is a tensor that is being
        differentiated itself (derivatives of derivatives are not supported).
    TapeError
        If within a block that is recording ``fn`` reads a leaf made before this call: see `minigrad.Tape`.

    Examples
    --------
    >>> import minigrad as mg
    >>> y, pullback = mg.vjp(lambda a, b: a @ b, np.eye(2), np.ones((2, 1)))
    >>> [g.tolist() for g in pullback(np.array([[1.0], [2.0]]))]
    [[[1.0, 1.0], [2.0, 2.0]], [[1.0], [2.0]]]
    """
    tape, leaves, out = _record(fn, arrays, {}, range(len(arrays)), "vjp")

    def pullback(g: TensorLike, rng: Seed = None) -> tuple[Array, ...]:
        if out.tape is None:
            start_cotangent(out, g, "vjp")  # a wrong shape is a mistake here, too
            return tuple([np.zeros_like(leaf.data) for leaf in leaves])
        return tape.gradients(out, leaves, cotangent=g, rng=rng)

    return out.data, pullback


@overload
def value_and_grad(fn: Callable[..., Tensor], argnums: int = 0) -> Callable[..., tuple[Array, Array]]: ...
@overload
def value_and_grad(
    fn: Callable[..., Tensor], argnums: Sequence[int]
) -> Callable[..., tuple[Array, tuple[Array, ...]]]: ...
def value_and_grad(fn: Callable[..., Tensor], argnums: int | Sequence[int] = 0) -> Callable[..., tuple[Array, Any]]:
    """Make a function that returns the value of ``fn`` and its gradient.

    Parameters
    ----------
    fn : callable
        Takes tensors (and, at the positions not in ``argnums`` and as keywords, anything); returns a scalar Tensor.
    argnums : int or sequence of int, default 0
        The positional arguments to differentiate with respect to.

    Returns
    -------
    callable
        Takes the arguments of ``fn``, and ``rng=`` for the draws of randomised VJPs; returns ``(value, gradient)``,
        where the gradient is an array for one argument number and a tuple of arrays for several.

    Raises
    ------
    TypeError
        If ``argnums`` is neither an int nor a sequence of ints.
    TapeError
        When called, if the value is not a scalar; or if within a block that is recording ``fn`` reads a leaf that was
        made before this call, or what that block recorded: see `minigrad.Tape`.
    IndexError
        When called, if an argument number is out of range.
    ValueError
        When called, if two argument numbers name the same argument.

    Examples
    --------
    >>> import minigrad as mg
    >>> value, gradient = mg.value_and_grad(lambda x: (x**2).sum())(np.array([1.0, 2.0]))
    >>> value.item(), gradient.tolist()
    (5.0, [2.0, 4.0])
    """
    several = not hasattr(argnums, "__index__") or np.ndim(argnums) > 0
    try:
        positions = tuple([operator.index(n) for n in (argnums if several else (argnums,))])  # type: ignore[arg-type, union-attr]
    except TypeError:
        raise TypeError(f"grad: argnums= takes an int or a sequence of ints, got {argnums!r}") from None

    def evaluate(*args: Any, rng: Seed = None, **kwargs: Any) -> tuple[Array, Any]:
        tape, leaves, out = _record(fn, args, kwargs, positions, "grad")
        if out.data.ndim:
            raise TapeError(
                f"grad: the function returned shape {out.shape}, and only a scalar has a gradient. Reduce it (.sum() "
                "or .mean()), or use minigrad.vjp with a cotangent"
            )
        if out.tape is None:
            gradients: tuple[Array, ...] = tuple([np.zeros_like(leaf.data) for leaf in leaves])
        else:
            gradients = tape.gradients(out, leaves, rng=rng)
        return out.data, gradients if several else gradients[0]

    return evaluate


@overload
def grad(fn: Callable[..., Tensor], argnums: int = 0) -> Callable[..., Array]: ...
@overload
def grad(fn: Callable[..., Tensor], argnums: Sequence[int]) -> Callable[..., tuple[Array, ...]]: ...
def grad(fn: Callable[..., Tensor], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Make a function that returns the gradient of ``fn``.

    Parameters
    ----------
    fn, argnums
        As for `value_and_grad`.

    Returns
    -------
    callable
        Takes the arguments of ``fn``, and ``rng=``; returns an array, or a tuple for several argument numbers.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x, y: x * y, argnums=1)(3.0, 2.0).item()
    3.0
    """
    evaluate: Callable[..., tuple[Array, Any]] = value_and_grad(fn, argnums)

    def gradient(*args: Any, rng: Seed = None, **kwargs: Any) -> Any:
        return evaluate(*args, rng=rng, **kwargs)[1]

    return gradient
