"""Derivatives of functions in forward mode: jvp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigrad.engine.pushforward import direction
from minigrad.transforms.recording import Recorded, _record

__all__ = ["jvp"]


def jvp(
    fn: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], *, has_aux: bool = False
) -> tuple[Any, ...]:
    """Evaluate ``fn(*primals)`` and its derivative in one direction: a Jacobian-vector product, in forward mode.

    Parameters
    ----------
    fn : callable
        As for `vjp`.
    primals : sequence
        The arguments: arrays, or dicts, lists and tuples of arrays. Integers are taken as float64.
    tangents : sequence
        The direction: for each argument one of its structure and shapes.
    has_aux : bool, default False
        Whether ``fn`` returns a pair ``(value, aux)``, of which only the value is differentiated.

    Returns
    -------
    value : ndarray, or containers of them
        ``fn(*primals)``.
    tangent : ndarray, or containers of them
        J t, in the structure of the value, for the Jacobian J of ``fn``.
    aux : object
        With ``has_aux``: what ``fn`` returned beside its value.

    Raises
    ------
    TypeError
        If primals or tangents are no sequence; if a tangent has not the structure of its primal; if ``fn`` does not
        return a Tensor, or uses a primitive that does not say what its tangents are (`minigrad.primitive`).
    ValueError
        If there are not as many tangents as primals, or a tangent has another shape.
    TapeError
        If ``fn`` reads what was recorded on a tape that does not record any more, or saves sketches (``save=``).

    Notes
    -----
    Tangents are exact: an estimator (``vjp=``) replaces cotangents, on the way back. The call is recorded on a tape,
    and tangents are carried along it, so memory grows with the length of the computation, as in reverse mode.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> value, tangent = mg.jvp(lambda x, y: (x * y).sum(), ([1.0, 2.0], [3.0, 4.0]), ([1.0, 0.0], [0.0, 0.0]))
    >>> value.item(), tangent.item()
    (11.0, 3.0)
    """
    recorded, directions = _with_tangents(fn, primals, tangents, has_aux, "jvp")
    found = recorded.push(directions)
    tangent = found[0] if recorded.outputs.is_leaf else recorded.outputs.rebuild(found)
    return (recorded.value(), tangent, recorded.given_aux()) if has_aux else (recorded.value(), tangent)


def _with_tangents(
    fn: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool, what: str
) -> tuple[Recorded, list[Any]]:
    """A recorded call, and the tangents of its leaves."""
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (list, tuple)):
            raise TypeError(
                f"{what}: {name} is a {type(given).__name__}; it holds one entry for each argument of the function, so "
                f"for a single one write ({'x' if name == 'primals' else 't'},)"
            )
    if len(primals) != len(tangents):
        raise ValueError(f"{what}: {len(primals)} primals, but {len(tangents)} tangents; each argument has one")
    recorded = _record(fn, primals, {}, range(len(primals)), what, has_aux)
    directions: list[Any] = []
    for k, (tree, tangent) in enumerate(zip(recorded.arguments, tangents, strict=True)):
        if tree.is_leaf:
            directions.append(tangent)
        else:
            directions += tree.match(tangent, f"{what}: tangent {k}", f"primal {k}")
    paths = [path.replace("argument", "tangent") for tree in recorded.arguments for path in tree.paths]
    leaves = zip(recorded.leaves, directions, paths, strict=True)
    return recorded, [direction(leaf, t, path) for leaf, t, path in leaves]
