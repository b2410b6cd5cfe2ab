"""Derivatives of functions in reverse mode: vjp, grad, value_and_grad."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, overload

from minigrad.engine.context import TapeError
from minigrad.engine.sweep import start_cotangent
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.transforms.recording import Recorded, _record, joined, positions_of
from minigrad.transforms.signatures import Derivative, Differentiable, Pullback
from minigrad.typing import Array, Seed

__all__ = ["grad", "value_and_grad", "vjp"]


@overload
def vjp(
    fn: Callable[..., Tensor], *args: Differentiable, has_aux: Literal[False] = False
) -> tuple[Array, Pullback[TensorLike, Array]]: ...
@overload
def vjp(fn: Callable[..., Any], *args: Any, has_aux: Literal[False] = False) -> tuple[Any, Pullback[Any, Any]]: ...
@overload
def vjp(
    fn: Callable[..., tuple[Any, Any]], *args: Any, has_aux: Literal[True]
) -> tuple[Any, Pullback[Any, Any], Any]: ...
def vjp(fn: Callable[..., Any], *args: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Evaluate ``fn(*args)`` and return its value with a function that pulls cotangents back.

    Parameters
    ----------
    fn : callable
        Takes as many arguments, with a Tensor in the place of each array, and returns a Tensor, or a dict, list or
        tuple of tensors (and of what is nested of them). Numbers and arrays in such a container are constants.
    *args : array_like, or dict, list or tuple of them
        Floating-point; integers are taken as float64. A list of numbers is one array; with an array, a tensor or a dict
        in it, it is a container. None stands for nothing.
    has_aux : bool, default False
        Whether ``fn`` returns a pair ``(value, aux)``, of which only the value is differentiated.

    Returns
    -------
    value : ndarray, or containers of them
        ``fn(*args)``.
    pullback : callable
        ``pullback(g, rng=None)`` returns a tuple with the gradient by each argument, in the structure of that argument:
        the cotangent ``g``, which has the structure of the value, pulled back. It may be called as often as one likes;
        ``rng`` drives the draws of randomised VJPs.
    aux : object
        With ``has_aux``: what ``fn`` returned beside its value, with arrays in the place of tensors (but for those of
        another tape).

    Raises
    ------
    TypeError
        If ``fn`` does not return a Tensor; if something in a container is no array;
        or if the cotangent has not the structure of the value.
    ValueError
        If the cotangent has another shape than the value, lacks a part, or has one too many: with its place.
    TapeError
        If ``fn`` reads what was recorded on a tape that does not record any more.

    Notes
    -----
    While a tape records, and an argument stands on it, value and gradients are tensors that it records: so derivatives
    of derivatives are had by calling one within another.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> y, pullback = mg.vjp(lambda a, b: a @ b, np.eye(2), np.ones((2, 1)))
    >>> [g.tolist() for g in pullback(np.array([[1.0], [2.0]]))]
    [[[1.0, 1.0], [2.0, 2.0]], [[1.0], [2.0]]]

    Containers in, containers out:

    >>> line = lambda p, x: {"y": p["slope"] * x + p["height"], "square": p["slope"] ** 2}
    >>> value, pullback = mg.vjp(line, {"slope": 3.0, "height": 1.0}, 2.0)
    >>> {name: y.item() for name, y in value.items()}
    {'y': 7.0, 'square': 9.0}
    >>> by_p, by_x = pullback({"y": 1.0, "square": 10.0})
    >>> {name: g.item() for name, g in by_p.items()}, by_x.item()
    ({'slope': 62.0, 'height': 1.0}, 3.0)
    """
    recorded = _record(fn, args, {}, range(len(args)), "vjp", has_aux)

    def pullback(g: Any, rng: Seed = None) -> tuple[Any, ...]:
        cotangent, beside = _cotangent(recorded, g)
        return recorded.pull(cotangent, rng, beside)

    if has_aux:
        return recorded.value(), pullback, recorded.given_aux()
    return recorded.value(), pullback


def _cotangent(recorded: Recorded, g: Any) -> tuple[Any, list[Any]]:
    """The cotangent of all outputs together, made of one that has the structure of the value; and its parts."""
    outputs = recorded.outputs
    if outputs.is_leaf:
        if not recorded.total.requires_grad:  # a wrong shape is a mistake here, too
            start_cotangent(recorded.total, g, "vjp", recorded=True)
        return g, []
    given = outputs.match(g, "vjp: the cotangent", "the value")
    parts = [
        (out, start_cotangent(out, part, path, recorded=True))
        for out, part, path in zip(outputs.leaves, given, outputs.paths, strict=True)
    ]
    depend = [g for out, g in parts if out.requires_grad]
    return parts[0][1] if len(parts) == 1 else joined(depend), [g for _, g in parts]


@overload
def value_and_grad(
    fn: Callable[..., Tensor], argnums: int = 0, *, has_aux: Literal[False] = False
) -> Derivative[tuple[Array, Array], tuple[Array, Any]]: ...
@overload
def value_and_grad(
    fn: Callable[..., Tensor], argnums: Sequence[int], *, has_aux: Literal[False] = False
) -> Derivative[tuple[Array, tuple[Array, ...]], tuple[Array, tuple[Any, ...]]]: ...
@overload
def value_and_grad(
    fn: Callable[..., tuple[Tensor, Any]], argnums: int = 0, *, has_aux: Literal[True]
) -> Derivative[tuple[tuple[Array, Any], Array], tuple[tuple[Array, Any], Any]]: ...
@overload
def value_and_grad(
    fn: Callable[..., tuple[Tensor, Any]], argnums: Sequence[int], *, has_aux: Literal[True]
) -> Derivative[tuple[tuple[Array, Any], tuple[Array, ...]], tuple[tuple[Array, Any], tuple[Any, ...]]]: ...
def value_and_grad(
    fn: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """Make a function that returns the value of ``fn`` and its gradient.

    Parameters
    ----------
    fn : callable
        Takes tensors (and, at the positions not in ``argnums`` and as keywords, anything); returns a scalar Tensor.
    argnums : int or sequence of int, default 0
        The positional arguments to differentiate with respect to. Each is an array, or a dict, list or tuple of arrays
        and of what is nested of them, such as the parameters of a model. Integers are taken as float64, in containers
        too. A list of numbers is one array; with an array, a tensor or a dict in it, it is a container. None stands for
        nothing. An array that stands in two places is two arguments, with a gradient in each place.
    has_aux : bool, default False
        Whether ``fn`` returns a pair ``(value, aux)``, of which only the value is differentiated.

    Returns
    -------
    callable
        Takes the arguments of ``fn``, and ``rng=`` for the draws of randomised VJPs; returns ``(value, gradient)``,
        where the gradient has the structure of the argument, and is a tuple for several argument numbers. With
        ``has_aux`` it returns ``((value, aux), gradient)``; tensors in ``aux`` are given as arrays (but for those of
        another tape).

    Raises
    ------
    TypeError
        If ``argnums`` is neither an int nor a sequence of ints. When called, if ``fn`` returns no Tensor (no pair, with
        ``has_aux``), or if something in a container is no array.
    TapeError
        When called, if the value is not a scalar; or if ``fn`` reads what was recorded on a
        tape that does not record any more.
    IndexError
        When called, if an argument number is out of range.
    ValueError
        When called, if two argument numbers name the same argument; if a list of lists of numbers is ragged.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> value, gradient = mg.value_and_grad(lambda x: (x**2).sum())(np.array([1.0, 2.0]))
    >>> value.item(), gradient.tolist()
    (5.0, [2.0, 4.0])

    Parameters in a dict, and what the function found on its way:

    >>> def loss(parameters, x, y):
    ...     error = parameters["w"] * x + parameters["b"] - y
    ...     return (error**2).sum(), {"largest": abs(error).max()}
    >>> parameters = {"w": 2.0, "b": 1.0}
    >>> (value, aux), gradient = mg.value_and_grad(loss, has_aux=True)(parameters, np.ones(2), np.array([2.0, 4.0]))
    >>> value.item(), aux["largest"].item(), gradient["w"].item(), gradient["b"].item()
    (2.0, 1.0, 0.0, 0.0)
    """
    positions, several = positions_of(argnums, "grad")

    def evaluate(*args: Any, rng: Seed = None, **kwargs: Any) -> tuple[Any, Any]:
        recorded = _record(fn, args, kwargs, positions, "grad", has_aux)
        if not recorded.outputs.is_leaf:
            raise TypeError(
                "grad: the function returned a container, and only a scalar Tensor has a gradient. What it returns "
                "beside the value goes into a pair (value, aux), with has_aux=True; for several values there is "
                "minigrad.vjp"
            )
        if recorded.total.ndim:
            raise TapeError(
                f"grad: the function returned shape {recorded.total.shape}, and only a scalar has a gradient. Reduce "
                "it (.sum() or .mean()), or use minigrad.vjp with a cotangent"
            )
        gradients = recorded.pull(None, rng)
        value = (recorded.value(), recorded.given_aux()) if has_aux else recorded.value()
        return value, gradients if several else gradients[0]

    return evaluate


@overload
def grad(fn: Callable[..., Tensor], argnums: int = 0, *, has_aux: Literal[False] = False) -> Derivative[Array, Any]: ...
@overload
def grad(
    fn: Callable[..., Tensor], argnums: Sequence[int], *, has_aux: Literal[False] = False
) -> Derivative[tuple[Array, ...], tuple[Any, ...]]: ...
@overload
def grad(
    fn: Callable[..., tuple[Tensor, Any]], argnums: int = 0, *, has_aux: Literal[True]
) -> Derivative[tuple[Array, Any], tuple[Any, Any]]: ...
@overload
def grad(
    fn: Callable[..., tuple[Tensor, Any]], argnums: Sequence[int], *, has_aux: Literal[True]
) -> Derivative[tuple[tuple[Array, ...], Any], tuple[tuple[Any, ...], Any]]: ...
def grad(fn: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """Make a function that returns the gradient of ``fn``.

    Parameters
    ----------
    fn, argnums, has_aux
        As for `value_and_grad`.

    Returns
    -------
    callable
        Takes the arguments of ``fn``, and ``rng=``; returns the gradient in the structure of the argument, or a tuple
        for several argument numbers. With ``has_aux`` it returns ``(gradient, aux)``.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.grad(lambda x, y: x * y, argnums=1)(3.0, 2.0).item()
    3.0

    A list of layers, each a pair:

    >>> layers = [(np.eye(2), np.zeros(2)), (np.ones((2, 1)), 1.0)]
    >>> def loss(layers, x):
    ...     for w, b in layers:
    ...         x = x @ w + b
    ...     return x.sum()
    >>> [(gw.tolist(), gb.tolist()) for gw, gb in mg.grad(loss)(layers, np.array([3.0, 4.0]))]
    [([[3.0, 3.0], [4.0, 4.0]], [1.0, 1.0]), ([[3.0], [4.0]], 1.0)]
    """
    evaluate: Callable[..., tuple[Any, Any]] = value_and_grad(fn, argnums, has_aux=has_aux)  # type: ignore[call-overload]

    def gradient(*args: Any, rng: Seed = None, **kwargs: Any) -> Any:
        value, gradient = evaluate(*args, rng=rng, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return gradient
