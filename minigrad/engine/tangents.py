"""Tangents (JVPs) of primitives on arrays, and VJP rules as primitives.

Index conventions: J_k is the derivative of the output by input k; a tangent rule is t ↦ J_k t, a VJP rule g ↦ J_kᵀ g.

A primitive that is linear in each input is a form T(g, x_1, …, x_n) = ⟨g, f(x_1, …, x_n)⟩, linear in all that it takes.
Its VJP rule of input k is ∂T/∂x_k, a function of g and of the other inputs. That is again such a primitive: by g it has
the derivative f with the cotangent in place of x_k, by another input x_j the VJP rule of x_j with the cotangent in
place of x_k. So a *transpose* needs no rules of its own, and has transposes itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.engine.primitive import Primitive, Saved
from minigrad.structure import dense, sum_to
from minigrad.typing import Array, Shape

__all__ = ["Call", "fellows", "has_tangent", "multilinear", "own_tangent", "tangent", "transpose"]

JOINT = ("linear", "piecewise_linear")
"""Kinds whose rules read no input."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a primitive, without the values of its inputs.

    Parameters
    ----------
    saved : dict
        What the rules read; values of inputs in it are replaced.
    settings : mapping
        The other arguments of the forward pass.
    shapes : tuple
        The shape of each input; None for one that was left out.
    shape : tuple of int
        That of the output.
    """

    saved: Saved
    settings: Mapping[str, Any]
    shapes: tuple[Shape | None, ...]
    shape: Shape


def multilinear(primitive: Primitive) -> bool:
    """True if each VJP rule reads, of what has a derivative, at most the other inputs, and is linear in each."""
    return primitive.kind in (*JOINT, "bilinear", "multilinear")


def fellows(primitive: Primitive, edge: int, inputs: int) -> tuple[int, ...]:
    """The other inputs that the VJP rule of an input reads."""
    if primitive.kind in JOINT or own_tangent(primitive, edge) is not None:
        return ()
    return tuple([j for j in range(inputs) if j != edge and own_tangent(primitive, j) is None])


def own_tangent(primitive: Primitive, edge: int) -> Any:
    """The tangent that a primitive gives for an input by itself."""
    return primitive.tangents.get(primitive.inputs[0 if primitive.variadic else edge])


def has_tangent(primitive: Primitive, edge: int) -> bool:
    """True if a primitive says what the tangent of an input is: by itself, or by its kind."""
    kinds = ("elementwise", "symmetric", "linear", "bilinear", "multilinear")
    return own_tangent(primitive, edge) is not None or primitive.kind in kinds


def with_inputs(primitive: Primitive, call: Call, values: Mapping[int, Any]) -> Saved:
    """The saved values, with others of some inputs."""
    if not primitive.variadic:
        return {**call.saved, **{primitive.inputs[k]: value for k, value in values.items()}}
    (name,) = primitive.inputs
    if primitive.kind in JOINT:
        return call.saved
    # The rule of an input may look at its shape.
    every = [values[k] if k in values else np.broadcast_to(0.0, shape or ()) for k, shape in enumerate(call.shapes)]
    return {**call.saved, name: every}


def pull_one(primitive: Primitive, edge: int, g: Array, call: Call, values: Mapping[int, Any]) -> Array:
    """J_kᵀ g, with these values of the other inputs, in the shape of input k."""
    saved = with_inputs(primitive, call, values)
    rules = primitive.rules[np.ndarray]
    found = np.asarray(dense(rules[0](g, saved, edge) if primitive.variadic else rules[edge](g, saved)))
    shape = call.shapes[edge]
    if found.shape != shape and shape is not None:
        found = np.asarray(sum_to(found, shape))
    return found


def tangent(primitive: Primitive, edge: int, t: Array, call: Call, values: Mapping[int, Any] | None = None) -> Array:
    """J_k t, in the shape of the output.

    Parameters
    ----------
    primitive : Primitive
    edge : int
        The position k of the input.
    t : ndarray
        Of the shape of that input.
    call : Call
    values : mapping, optional
        Values of the other inputs of a multilinear primitive, by position, in place of those that were saved.

    Raises
    ------
    TypeError
        If the primitive does not say what its tangents are.
    """
    own, saved = own_tangent(primitive, edge), call.saved
    if own is not None:
        found = own(t, saved, edge) if primitive.variadic else own(t, saved)
    elif primitive.kind in ("elementwise", "symmetric"):
        found = primitive.rules[np.ndarray][edge](t, saved)
    elif primitive.kind == "linear":
        rest = [None if shape is None else np.zeros(shape, t.dtype) for shape in call.shapes]
        found = output_of(primitive, [t if k == edge else zero for k, zero in enumerate(rest)], call)
    elif primitive.kind in ("bilinear", "multilinear"):
        others = fellows(primitive, edge, len(call.shapes))
        if values is None:
            kept = saved[primitive.inputs[0]] if primitive.variadic else None
            values = {k: saved[primitive.inputs[k]] if kept is None else kept[k] for k in others}
        found = output_of(primitive, [t if k == edge else values.get(k) for k in range(len(call.shapes))], call)
    else:
        raise TypeError(
            f"{primitive.name}: there is no forward mode through it, for it does not say what its tangents are. "
            "Say so in one word, as in @minigrad.primitive(kind='elementwise', ...), or give "
            "tangents={name: lambda t, saved: ...}; or use reverse mode, as in minigrad.jacobian(..., mode='reverse')"
        )
    found = dense(found)
    return found if found.shape == call.shape else np.broadcast_to(found, call.shape)


def output_of(primitive: Primitive, arrays: Sequence[Any], call: Call) -> Array:
    """The output of the forward pass on arrays."""
    told = dict(call.settings)
    if primitive.wants_needs:
        told["needs"] = (False,) * len(arrays)
    return np.asarray(primitive.call(arrays, told)[0])


def transpose(primitive: Primitive, edge: int, inputs: int) -> Primitive:
    """The VJP rule of one input as a primitive: of the cotangent, and of those other inputs that it reads.

    Parameters
    ----------
    primitive : Primitive
        Of a kind of which `multilinear` is true.
    edge : int
        The position of the input.
    inputs : int
        How many inputs the call has.

    Returns
    -------
    Primitive
        Takes the arrays in order, and ``call=``.
    """
    key = (edge, inputs)
    if key not in primitive.transposes:
        primitive.transposes[key] = make_transpose(primitive, edge, fellows(primitive, edge, inputs))
    return primitive.transposes[key]


def make_transpose(primitive: Primitive, edge: int, others: tuple[int, ...]) -> Primitive:
    def pulled(*arrays: Array, call: Call) -> tuple[Array, Saved]:
        found = pull_one(primitive, edge, arrays[0], call, dict(zip(others, arrays[1:], strict=True)))
        return found, {"arrays": arrays, "call": call}

    def pulled_vjp(u: Array, saved: Saved, k: int) -> Array:
        g, *values = saved["arrays"]
        if k == 0:
            return tangent(primitive, edge, u, saved["call"], dict(zip(others, values, strict=True)))
        at = {edge: u, **{j: value for j, value in zip(others, values, strict=True) if j != others[k - 1]}}
        return pull_one(primitive, others[k - 1], g, saved["call"], at)

    pulled.__name__ = f"{primitive.name}_vjp_{primitive.edge_name(edge).replace('[', '_').rstrip(']')}"
    return Primitive(pulled, {"arrays": pulled_vjp}, kind="multilinear")
