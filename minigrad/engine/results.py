"""The results of forward functions, VJP rules and estimators: what is let through, and what is refused.

The library's own rules keep to the contract, which its tests see to. The functions of anybody else's primitives and
estimators are called with views of the inputs, the cotangent and what was saved that cannot be written to: other nodes,
later draws and the caller still read them. And what they return is copied: a buffer of theirs, written to again at the
next call, would change what the tape holds or a cotangent that is still under way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import numpy as np

from minigrad.engine.node import Node
from minigrad.structure import Cotangent, Structured, sum_to
from minigrad.typing import Array

__all__ = [
    "explain_read_only", "forward_output", "handed_back", "own", "pulled", "read_only", "real", "returned",
    "sum_to_shape",
]  # fmt: skip


def returned(value: Any, who: str) -> Array:
    """A value as a plain array of real numbers.

    Raises
    ------
    TypeError
        If it is masked, complex or no numbers at all; ``who`` begins the message.

    Examples
    --------
    >>> returned(2.0, "f returned")
    array(2.)
    >>> returned(np.array([1j]), "f returned")
    Traceback (most recent call last):
        ...
    TypeError: f returned values of dtype complex128, not real numbers; compute on their .real and .imag
    """
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{who} a masked array, and what its mask hides would be taken for values; return a plain array, such as "
            ".filled(0)"
        )
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        remedy = "compute on their .real and .imag" if array.dtype.kind == "c" else "return an array of floats"
        raise TypeError(f"{who} values of dtype {array.dtype}, not real numbers; {remedy}")
    return array


def forward_output(name: str, answer: Any) -> tuple[Array, dict[str, Any]]:
    """The output and what was saved, from what a forward function returned; raise if it is anything else."""
    if type(answer) is not tuple or len(answer) != 2 or not isinstance(answer[1], dict):
        got = type(answer).__name__
        if type(answer) is tuple:
            got = "tuple (" + ", ".join(type(part).__name__ for part in answer) + ")"
        raise TypeError(
            f"{name}: its forward function must return (output, saved), an array and a dict of what the VJP rules "
            f"read, but it returned a {got}. Where the rules read nothing, return (output, {{}})"
        )
    out, saved = answer
    who = f"{name}: its forward function returned"
    if isinstance(out, (list, tuple)):
        raise TypeError(f"{who} a {type(out).__name__} as its output; an operation has one output, an array")
    array = returned(out, who)
    kept: Array = own(array)
    return kept, {key: kept if value is out else own(value) for key, value in saved.items()}


def handed_back(value: Any, who: str) -> Cotangent:
    """A cotangent that somebody's own rule or estimator returned, with arrays that nobody else can write to.

    Raises
    ------
    TypeError
        If it is masked, complex or no numbers at all; ``who`` begins the message.
    """
    if isinstance(value, Structured):
        for part in parts(value).values():
            returned(part, who)
    else:
        value = returned(value, who)
    cotangent: Cotangent = own(value)
    return cotangent


def parts(value: Structured) -> dict[str, Array]:
    """The arrays that a structured cotangent is made of, by name."""
    names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    found = {name: getattr(value, name, None) for name in [*names, *getattr(value, "__dict__", ())]}
    return {name: part for name, part in found.items() if isinstance(part, np.ndarray)}


def own(value: Any) -> Any:
    """The same value, with a copy of each array in it that can be written to.

    What cannot be written to is part of an input: those come as read-only views.

    Examples
    --------
    >>> buffer, view = np.zeros(2), read_only(np.zeros(2))
    >>> own(buffer) is buffer, own(view) is view
    (False, True)
    """
    return each_array(value, lambda array: np.array(array, subok=True) if array.flags.writeable else array)


def real(contribution: Cotangent, node: Node, edge: int) -> Cotangent:
    """The result of a rule in another dtype than that of its input, if real numbers; raise if not."""
    if contribution.dtype.kind not in "fiub":
        raise TypeError(
            f"{node.label}: its VJP rule for {node.primitive.edge_name(edge)!r} returned values of dtype "
            f"{contribution.dtype}, not real numbers"
        )
    return contribution


def pulled(node: Node, edge: int, rules: Sequence[Any], g: Cotangent) -> Cotangent:
    """Pull a cotangent back to one input by the rule for its structure."""
    primitive = node.primitive
    rule, position = (rules[0], (edge,)) if primitive.variadic else (rules[edge], ())
    if primitive.trusted:
        contribution: Cotangent = rule(g, node.saved, *position)
        return contribution
    who = f"{node.label}: its VJP rule for {primitive.edge_name(edge)!r}"
    try:
        answer = rule(read_only(g), {name: read_only(value) for name, value in node.saved.items()}, *position)
    except ValueError as error:
        explain_read_only(error, who, "the cotangent or what was saved")
        raise
    except (TypeError, AttributeError, IndexError) as error:
        explain_structure(error, who, primitive.kind, g)
        raise
    if not isinstance(answer, (np.ndarray, np.generic, Structured)):
        raise TypeError(
            f"{who} returned a {type(answer).__name__}. The rule must return the cotangent of its input, an array"
        )
    return handed_back(answer, f"{who} returned")


def explain_read_only(error: ValueError, who: str, what: str, name: str = "g") -> None:
    """Raise a clearer error if ``error`` is NumPy's about writing to a read-only array."""
    if "read-only" in str(error):
        raise ValueError(
            f"{who} tried to change {what} in place, but other nodes and later draws may still read it; compute a new "
            f"array, or work on a copy ({name}.copy())"
        ) from error


def explain_structure(error: Exception, who: str, kind: str | None, g: Cotangent) -> None:
    """Raise a clearer error if a rule that was to take every structure failed on one that is no array."""
    if kind == "bilinear" and isinstance(g, Structured):
        raise TypeError(
            f"{who} failed on a cotangent that is {type(g).__name__} and no array ({error}). With kind='bilinear' a "
            "rule is made of the products of minigrad.structure, which take every structure; say kind='multilinear' "
            "for rules that take arrays alone"
        ) from error


def read_only(value: Any) -> Any:
    """The same value, its arrays as views that cannot be written to; containers and structures as copies.

    Examples
    --------
    >>> read_only({"x": [np.ones(2)]})["x"][0].flags.writeable
    False
    """
    return each_array(value, view_only)


def view_only(array: Array) -> Array:
    """A view that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def each_array(value: Any, change: Callable[[Array], Array]) -> Any:
    """The same value with its arrays changed, within containers and structures, too."""
    if isinstance(value, np.ndarray):
        return change(value)
    if type(value) in (list, tuple):
        return type(value)([each_array(each, change) for each in value])
    if type(value) is dict:
        return {name: each_array(each, change) for name, each in value.items()}
    if isinstance(value, Structured):
        changed = copy(value)
        for name, part in parts(value).items():
            setattr(changed, name, change(part))
        return changed
    return value


def sum_to_shape(contribution: Cotangent, node: Node, edge: int) -> Cotangent:
    """Sum a cotangent over the axes along which its input was broadcast."""
    shape = node.in_shapes[edge]
    if node.primitive.broadcasts and shape is not None:
        summed = sum_to(contribution, shape)
        if summed is not None:
            return summed
    raise ValueError(
        f"{node.label}: its VJP rule for {node.primitive.edge_name(edge)!r} returned shape {contribution.shape}, "
        f"but that input has shape {shape}. The rule must return the cotangent of its input"
    )
