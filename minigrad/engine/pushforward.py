"""Forward mode: a tangent for every node of a recorded tape.

Tangents are exact: estimators on nodes belong to the way back, and are not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.arrays import plain, wide
from minigrad.engine.complete import check_seen, others_record
from minigrad.engine.context import CONTEXT, Recorder, TapeError
from minigrad.engine.lift import call_of, lifted_saved, pushed_tensor, reaches
from minigrad.engine.nesting import stands_on, suspended, taken
from minigrad.engine.node import Node
from minigrad.engine.tangents import has_tangent, multilinear, tangent
from minigrad.engine.tensor import Tensor, TensorLike, traced

__all__ = ["direction", "pushforward", "runs_forward"]


def pushforward(tape: Recorder, given: Sequence[tuple[Tensor, TensorLike]]) -> list[Any]:
    """The tangent of each node; see `minigrad.Tape.pushforward`."""
    taken()
    if others_record(tape):
        check_seen(tape, tape.nodes)
    if tape in CONTEXT.tapes:
        tape.pulled = True
    with suspended(tape):
        tangents = push(tape, seeds(tape, given))
    return [
        np.zeros(node.shape, node.dtype) if t is None else in_full(t if t.dtype == node.dtype else t.astype(node.dtype))
        for node, t in zip(tape.nodes, tangents, strict=True)
    ]


def runs_forward(tape: Recorder) -> bool:
    """True if every primitive on a tape says what its tangents are."""
    return all(
        has_tangent(node.primitive, edge)
        for node in tape.nodes
        for edge, parent in enumerate(node.parents)
        if parent is not None
    )


def seeds(tape: Recorder, given: Sequence[tuple[Tensor, TensorLike]]) -> dict[int, Any]:
    """The tangents of leaves, by the identity of the leaf; raise for what is none."""
    found: dict[int, Any] = {}
    for k, pair in enumerate(given):
        if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[0], Tensor):
            raise TypeError(f"pushforward: seed {k} must be a pair (leaf, tangent), as in [(w, np.ones(w.shape))]")
        leaf, value = pair
        name = f"pushforward: the tangent of {leaf.name or f'leaf {k}'}"
        if not leaf.requires_grad:
            raise TapeError(
                f"{name}: this tensor requires no gradient, so the tape does not know it; it has no tangent"
            )
        if leaf.tape is not None and not any(leaf is other for other in tape.leaves):
            raise TapeError(f"{name}: this tensor was computed from leaves; give their tangents, and its own follows")
        t = direction(leaf, value, name)
        found[id(leaf)] = t if id(leaf) not in found else found[id(leaf)] + t
    return found


def direction(leaf: Tensor, value: TensorLike, name: str) -> Any:
    """A tangent of a leaf, in its dtype; for float16 in float32.

    A tensor stays one where another tape would want its derivative.

    Raises
    ------
    TypeError
        If it holds no real numbers, or a tape that does not record now would want its derivative.
    ValueError
        If it has another shape.
    """
    shape = np.shape(value) if not isinstance(value, Tensor) else value.shape
    if shape != leaf.shape:
        raise ValueError(f"{name} has shape {shape}, but what it belongs to has shape {leaf.shape}")
    if isinstance(value, Tensor):
        if stands_on(value):
            return value
        if traced(value):
            raise TypeError(
                f"{name} is a tensor that is being differentiated itself, but no other tape records now that would see "
                "what becomes of it. Pass its `.data` if its values alone are meant"
            )
        value = value.data
    array = plain(value, name)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {array.dtype}; it must hold real numbers")
    return array.astype(wide(leaf.dtype), copy=False)


def push(tape: Recorder, found: dict[int, Any]) -> list[Any]:
    """The tangent of each node, an array or a tensor where tapes around record; None where it is zero."""
    nested = others_record(tape)
    tangents: list[Any] = []
    for node in tape.nodes:
        total, saved = None, None
        for edge, parent in enumerate(node.parents):
            t = None if parent is None else tangents[parent] if type(parent) is int else found.get(id(parent))
            if t is None:
                continue
            if node.save:
                raise TapeError(
                    f"{node.label}: it saved a sketch of {', '.join(node.save)} (save=), and a tangent needs all of it"
                    ". Record it within `with minigrad.saving(False):`"
                )
            if nested and (isinstance(t, Tensor) or reaches(node)):
                if saved is None and not multilinear(node.primitive):
                    saved = lifted_saved(node)
                t = pushed_tensor(node, edge, t, saved)
                t = t if t.shape == node.shape else np.broadcast_to(t, node.shape)
            else:
                t = tangent(node.primitive, edge, t, call_of(node))
            total = t if total is None else total + t
        tangents.append(None if total is None else in_dtype(total, node))
    return tangents


def in_full(t: Any) -> Any:
    """A tangent as an array: sums of arrays without axes are numbers to NumPy."""
    return t if isinstance(t, (Tensor, np.ndarray)) else np.asarray(t)


def in_dtype(t: Any, node: Node) -> Any:
    """A tangent in the dtype of its node; for float16 in float32, for it may be added to others."""
    dtype = wide(node.dtype)
    return t if t.dtype == dtype else t.astype(dtype)
