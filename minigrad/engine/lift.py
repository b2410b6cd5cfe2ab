"""Lifting: the inputs, the output and the saved values of a node as tensors, so that its rules can be recorded.

Values are known by their names: ``saved["x"]`` is the input x, and ``saved["out"]`` the output. That two tensors share
one array says nothing. A saved float under any other name hangs on the inputs in a way that only the primitive can
tell, by ``derived=``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minigrad.engine.context import CONTEXT, Recorder, TapeError
from minigrad.engine.nesting import Place, standing
from minigrad.engine.node import Node
from minigrad.engine.record import record
from minigrad.engine.tangents import Call, fellows, multilinear, own_tangent, transpose
from minigrad.engine.tensor import Tensor
from minigrad.typing import Array

__all__ = ["call_of", "lifted_input", "lifted_saved", "pulled_tensor", "pushed_tensor", "reaches"]


def twins(node: Node) -> dict[Recorder, Node]:
    """The nodes of the same operation on the tapes around its own that are recording."""
    tapes = CONTEXT.tapes
    return {} if node.around is None else {tape: twin for tape, twin in node.around.twins.items() if tape in tapes}


def reaches(node: Node) -> bool:
    """True if some tape that is recording would want a derivative of what the rules of a node read."""
    return node.around is not None and bool(twins(node))


def call_of(node: Node) -> Call:
    """The call behind a node, without the values of its inputs."""
    return Call(node.saved, node.settings, node.in_shapes, node.shape)


def lifted(array: Array, places: Mapping[Recorder, Place]) -> Tensor | Array:
    """An array as what it is on the tapes that are recording."""
    found = {tape: where for tape, where in places.items() if where is not None}
    first = next(iter(found.values()), None)
    if isinstance(first, Tensor) and first.stands is None and all(where is first for where in found.values()):
        return first  # a leaf of all of them
    return standing(array, found) if found else array


def lifted_input(node: Node, edge: int) -> Any:
    """An input of a node; an array where no tape that is recording knows it, None where it was left out."""
    primitive = node.primitive
    if node.around is None:  # no tape around knows any of it: what the rules read is enough
        return node.saved[primitive.inputs[0]][edge] if primitive.variadic else node.saved.get(primitive.inputs[edge])
    array = node.around.inputs[edge]
    return None if array is None else lifted(array, {tape: twin.parents[edge] for tape, twin in twins(node).items()})


def lifted_saved(node: Node) -> dict[str, Any]:
    """The saved values of a node, as tensors.

    Raises
    ------
    TapeError
        If it saved a float of which it does not say how it follows from the inputs, or a sketch.
    """
    primitive = node.primitive
    if node.around is None or not reaches(node):
        return node.saved
    inputs = [lifted_input(node, k) for k in range(len(node.parents))]
    known: dict[str, Any] = {primitive.inputs[0]: tuple(inputs)}
    if not primitive.variadic:
        known = dict(zip(primitive.inputs, inputs, strict=True))
    known["out"] = lifted(node.around.out, {tape: twin.index for tape, twin in twins(node).items()})
    arrays = {**dict(zip(primitive.inputs, node.around.inputs, strict=False)), "out": node.around.out}
    out = {}
    for name, value in node.saved.items():
        if name in primitive.derived:
            out[name] = primitive.derived[name]({**node.saved, **known})
        elif name in primitive.settings or not floats(value, not primitive.trusted):
            out[name] = value
        elif name in known and (primitive.variadic or same(value, arrays[name])):
            out[name] = known[name]
        else:
            raise TapeError(
                f"{node.label}: its VJP rules read {name!r}, and how that depends on the inputs is not known, so "
                "the derivative of this gradient would be wrong. Save inputs under their own names and the output as "
                f"'out', and compute {name!r} in the rules; or say how, by derived={{{name!r}: lambda saved: ...}}"
            )
    return out


def floats(value: Any, numbers: bool) -> bool:
    """True if a saved value holds what may have a derivative: arrays, and ``numbers`` of Python if it is asked for.

    This package saves no number of Python that hangs on the values of an input; what users save may be ``float(…)``.
    """
    if isinstance(value, (list, tuple)):
        return any(floats(each, numbers) for each in value)
    if isinstance(value, dict):
        return any(floats(each, numbers) for each in value.values())
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.kind == "f"
    return numbers and isinstance(value, float)


def same(value: Any, array: Array | None) -> bool:
    """True if what was saved under the name of an input is that input."""
    if value is array:
        return True
    if array is None or not isinstance(value, (np.ndarray, np.generic)):
        return False
    return np.array_equal(value.astype(array.dtype), array, equal_nan=True)  # of float16 what was given is saved


def pulled_tensor(node: Node, edge: int, g: Any, saved: dict[str, Any] | None) -> Any:
    """J_kᵀ g, recorded: by the rule on tensors, or as a transpose."""
    primitive = node.primitive
    if multilinear(primitive):
        others = fellows(primitive, edge, len(node.parents))
        inputs = [g, *[lifted_input(node, j) for j in others]]
        return record(transpose(primitive, edge, len(node.parents)), inputs, {"call": call_of(node)})
    assert saved is not None
    rules = primitive.rules[np.ndarray]
    return rules[0](g, saved, edge) if primitive.variadic else rules[edge](g, saved)


def pushed_tensor(node: Node, edge: int, t: Any, saved: dict[str, Any] | None) -> Any:
    """J_k t, recorded."""
    primitive = node.primitive
    if multilinear(primitive):
        inputs = len(node.parents)
        others = fellows(primitive, edge, inputs)
        back = transpose(primitive, edge, inputs)
        shapes = (node.shape, *[node.in_shapes[j] for j in others])
        call = Call({"call": call_of(node)}, {"call": call_of(node)}, shapes, node.in_shapes[edge] or ())
        again = transpose(back, 0, 1 + len(others))
        return record(again, [t, *[lifted_input(node, j) for j in others]], {"call": call})
    assert saved is not None
    own = own_tangent(primitive, edge)
    if own is not None:
        return own(t, saved, edge) if primitive.variadic else own(t, saved)
    return primitive.rules[np.ndarray][edge](t, saved)
