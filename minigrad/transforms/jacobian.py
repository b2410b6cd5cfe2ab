"""Whole matrices of derivatives: jacobian, hessian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from minigrad.engine.pushforward import runs_forward
from minigrad.engine.tensor import Tensor
from minigrad.ops.joining import stack
from minigrad.transforms.recording import Recorded, _record, positions_of
from minigrad.transforms.reverse import grad
from minigrad.typing import Seed

__all__ = ["hessian", "jacobian"]


def jacobian(
    fn: Callable[..., Any], argnums: int | Sequence[int] = 0, *, mode: Literal["auto", "forward", "reverse"] = "auto"
) -> Callable[..., Any]:
    """Make a function that returns the Jacobian of ``fn``.

    Parameters
    ----------
    fn : callable
        Takes tensors, and at the positions not in ``argnums`` anything; returns a Tensor of any shape.
    argnums : int or sequence of int, default 0
        The positional arguments to differentiate with respect to; each an array.
    mode : {"auto", "forward", "reverse"}, default "auto"
        Forward mode takes one pass for each entry of the arguments, reverse mode one for each entry of the value.
        "auto" is the one with fewer passes; reverse where they are equal, and where a primitive on the way does not say
        what its tangents are (`minigrad.primitive`).

    Returns
    -------
    callable
        Takes the arguments of ``fn``, and ``rng=`` for the draws of randomised VJPs, which reverse mode alone makes.
        Returns an array of shape ``value.shape + argument.shape``, or a tuple of them for several argument numbers.
        Inside a recording that has a part in the arguments: tensors.

    Raises
    ------
    TypeError
        When called, if an argument or the value is a container: differentiate by its arrays, as arguments of their own.
    ValueError
        If ``mode`` is unknown.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.jacobian(lambda x: x * x.sum())(np.array([1.0, 2.0])).tolist()
    [[4.0, 1.0], [2.0, 5.0]]
    """
    if mode not in ("auto", "forward", "reverse"):
        raise ValueError(f"jacobian: mode={mode!r} is none of 'auto', 'forward', 'reverse'")
    positions, several = positions_of(argnums, "jacobian")

    def evaluate(*args: Any, rng: Seed = None, **kwargs: Any) -> Any:
        recorded = _record(fn, args, kwargs, positions, "jacobian")
        if not recorded.outputs.is_leaf or not all(tree.is_leaf for tree in recorded.arguments):
            raise TypeError(
                "jacobian: arguments and value must be arrays, not containers of them; let the function take each "
                "array as an argument of its own, or use minigrad.vjp and minigrad.jvp, which take containers"
            )
        inputs = sum([leaf.size for leaf in recorded.leaves])
        forward = mode == "forward" or (mode == "auto" and inputs < recorded.total.size and runs_forward(recorded.tape))
        found = by_columns(recorded) if forward else by_rows(recorded, rng)
        return tuple(found) if several else found[0]

    return evaluate


def by_rows(recorded: Recorded, rng: Seed) -> list[Any]:
    """The Jacobians by each leaf, from one backward pass for each entry of the value."""
    total = recorded.outputs.leaves[0]
    rows = [recorded.pull(unit(total.shape, k), rng) for k in range(total.size)]
    return [
        assembled([row[j] for row in rows], (*total.shape, *leaf.shape), 0, leaf.dtype)
        for j, leaf in enumerate(recorded.leaves)
    ]


def by_columns(recorded: Recorded) -> list[Any]:
    """The Jacobians by each leaf, from one forward pass for each entry of the leaves."""
    total = recorded.outputs.leaves[0]
    found = []
    for j, leaf in enumerate(recorded.leaves):
        zero = [np.zeros(other.shape, other.dtype) for other in recorded.leaves]
        columns = []
        for k in range(leaf.size):
            zero[j] = unit(leaf.shape, k).astype(leaf.dtype)
            columns.append(recorded.push(zero)[0])
        found.append(assembled(columns, (*total.shape, *leaf.shape), -1, total.dtype))
    return found


def unit(shape: tuple[int, ...], k: int) -> Any:
    """The k-th direction of a shape."""
    out = np.zeros(shape)
    out.flat[k] = 1.0
    return out


def assembled(parts: list[Any], shape: tuple[int, ...], axis: int, dtype: Any) -> Any:
    """Rows or columns as one array of this shape; as a tensor where one of them is."""
    if not parts:
        return np.zeros(shape, dtype)
    joint: Any = stack(parts, axis=axis) if any(isinstance(part, Tensor) for part in parts) else np.stack(parts, axis)
    return joint.reshape(shape)


def hessian(fn: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Make a function that returns the matrix of second derivatives of ``fn``, for small problems.

    Parameters
    ----------
    fn : callable
        Takes tensors; returns a scalar Tensor.
    argnums : int or sequence of int, default 0
        The positional arguments to differentiate with respect to; each an array.

    Returns
    -------
    callable
        Takes the arguments of ``fn``, and ``rng=``; returns an array of shape ``argument.shape + argument.shape``; for
        several argument numbers a tuple of tuples, first by the argument of the first derivative. It takes one pass for
        each entry of the arguments: for products with vectors, `hvp` takes two in all.

    Raises
    ------
    TapeError, TypeError
        As for `grad` and `jacobian`.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.hessian(lambda x: (x**3).sum())(np.array([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    positions, several = positions_of(argnums, "hessian")

    def evaluate(*args: Any, rng: Seed = None, **kwargs: Any) -> Any:
        def gradient(k: int) -> Callable[..., Any]:
            return lambda *inner, **settings: grad(fn, positions[k])(*inner, rng=rng, **settings)

        rows = [jacobian(gradient(k), positions, mode="forward")(*args, **kwargs) for k in range(len(positions))]
        return tuple(rows) if several else rows[0][0]

    return evaluate
