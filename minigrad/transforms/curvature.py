"""Products with matrices of second derivatives, without the matrices: hvp, gauss_newton_product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigrad.transforms.forward import _with_tangents
from minigrad.transforms.reverse import grad
from minigrad.typing import Seed

__all__ = ["gauss_newton_product", "hvp"]


def hvp(fn: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], rng: Seed = None) -> Any:
    """The Hessian-vector product: the derivative of the gradient of ``fn`` in one direction.

    Parameters
    ----------
    fn : callable
        Takes as many arguments; returns a scalar Tensor.
    primals : sequence
        The arguments: arrays, or dicts, lists and tuples of arrays.
    tangents : sequence
        The direction: for each argument one of its structure and shapes.
    rng : Generator, int or None
        Drives the draws of randomised VJPs. The product is then a random one, and unbiased.

    Returns
    -------
    ndarray or containers of them; a tuple for several primals
        H t, in the structure of the primals.

    Raises
    ------
    TapeError, TypeError, ValueError
        As for `jvp`; also if the value is not a scalar, or an estimator on the way has no derivative: those that keep
        units with given probabilities have one.

    Notes
    -----
    Forward over reverse (Pearlmutter 1994, *Neural Computation* 6): the tangent of the backward pass, at the cost of a
    few passes, whatever the size of the Hessian.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),)).tolist()
    [6.0, 12.0]
    """
    count = len(primals) if isinstance(primals, (list, tuple)) else 1
    gradient = grad(fn, range(count) if count != 1 else 0)
    recorded, directions = _with_tangents(lambda *args: gradient(*args, rng=rng), primals, tangents, False, "hvp")
    found = recorded.push(directions)
    return found[0] if recorded.outputs.is_leaf else recorded.outputs.rebuild(found)


def gauss_newton_product(
    fn: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    loss: Callable[..., Any] | None = None,
    rng: Seed = None,
) -> Any:
    """The product of the Gauss-Newton matrix Jᵀ H J with a vector.

    Parameters
    ----------
    fn : callable
        A model, say: takes as many arguments as there are primals; returns a Tensor.
    primals : sequence
        The arguments: arrays, or dicts, lists and tuples of arrays.
    tangents : sequence
        The direction: for each argument one of its structure and shapes.
    loss : callable, optional
        Takes the value of ``fn``; returns a scalar Tensor. H is its Hessian by that value. Default: ½‖y‖², so H is the
        identity and the product is JᵀJ t.
    rng : Generator, int or None
        Drives the draws of randomised VJPs on the way back through ``fn``.

    Returns
    -------
    ndarray or containers of them; a tuple for several primals
        Jᵀ H J t, in the structure of the primals.

    Raises
    ------
    TapeError, TypeError, ValueError
        As for `jvp` and `hvp`.

    Notes
    -----
    It is the Hessian of ``loss(fn(x))`` without the second derivatives of ``fn``, and positive semi-definite where the
    loss is convex (Schraudolph 2002, *Neural Computation* 14).

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.gauss_newton_product(lambda x: x**2, (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),)).tolist()
    [4.0, 16.0]
    """
    recorded, directions = _with_tangents(fn, primals, tangents, False, "gauss_newton_product")
    if not recorded.outputs.is_leaf:
        raise TypeError("gauss_newton_product: the function must return one Tensor, not a container of several")
    (pushed,) = recorded.push(directions)
    if loss is not None:
        pushed = hvp(loss, (recorded.value(),), (pushed,))
    found = recorded.pull(pushed, rng, directions)
    return found if len(found) > 1 else found[0]
