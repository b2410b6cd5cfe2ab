"""Functions of arrays to functions of arrays: vjp, grad, value_and_grad."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol, overload

import numpy as np

from minigrad.arrays import plain
from minigrad.engine.context import TapeError
from minigrad.engine.define import primitive
from minigrad.engine.nesting import bound, stands_on
from minigrad.engine.sweep import start_cotangent
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.typing import Array, Seed

__all__ = ["grad", "value_and_grad", "vjp"]


@primitive(kind="linear", as_is=True, x=lambda g, saved: g)
def identity(x: Array) -> tuple[Array, dict[str, Any]]:
    """The input itself, as something that was computed."""
    return x, {}


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

    return (out if stands_on(out) else out.data), pullback


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
        return (out if stands_on(out) else out.data), gradients if several else gradients[0]

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


def _record(
    fn: Callable[..., Tensor], args: Sequence[Any], kwargs: dict[str, Any], positions: Sequence[int], what: str
) -> tuple[Tape, list[Tensor], Tensor]:
    """Call ``fn`` on a tape of its own, with leaves at the given positions."""
    call = list(args)
    leaves = []
    seen = set()
    for position in positions:
        if not -len(call) <= position < len(call):
            raise IndexError(f"{what}: argument number {position} of a call with {len(call)} positional arguments")
        if position % len(call) in seen:
            raise ValueError(f"{what}: argument number {position} is given twice in argnums={tuple(positions)}")
        seen.add(position % len(call))
        call[position] = _values(call[position], what, position)
    with Tape() as tape:
        for position in positions:  # made here: within another block, a leaf that is older than this one is refused
            call[position] = bound(*call[position], tape)
            leaves.append(call[position])
        out = fn(*call, **kwargs)
        if not isinstance(out, Tensor):
            raise TypeError(
                f"{what}: the function must return a Tensor, but returned a {type(out).__name__}; compute with tensors "
                "and the functions of minigrad.ops"
            )
        if any(out is leaf for leaf in leaves):
            out = identity(out)
    return tape, leaves, out


def _values(value: Any, what: str, position: int) -> Any:
    """The values to make a leaf of."""
    origin = None
    if isinstance(value, Tensor):
        origin, value = value, value.data
    if isinstance(value, dict) or (
        isinstance(value, (list, tuple)) and any(isinstance(part, (np.ndarray, Tensor, dict)) for part in value)
    ):
        raise TypeError(
            f"{what}: argument {position} is a {type(value).__name__} of arrays, and derivatives by these are "
            f"not there yet. Give each array as an argument of its own, as in {structure_hint(what, value)}"
        )
    array = plain(value, f"{what}: argument {position}")
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    return array, origin


def structure_hint(what: str, value: Any) -> str:
    """Advice on how to differentiate by the arrays of a dict or a list today."""
    call = "vjp(" if what == "vjp" else "grad("
    end = ", a, b)" if what == "vjp" else ", argnums=(0, 1))(a, b)"
    inside = "{'a': a, 'b': b}" if isinstance(value, dict) else "[a, b]"
    return f"{call}lambda a, b: fn({inside}){end}"
