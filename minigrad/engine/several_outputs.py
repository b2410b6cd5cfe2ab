"""Primitives with several outputs: one node that computes all of them, and one for each part of it that is handed out.

The node's output is all outputs flattened, one after the other, so that tapes, sweeps and estimators need to know
nothing of it; its rules get the cotangents in a tuple again.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from minigrad.engine.estimator import VJP
from minigrad.engine.primitive import Primitive, Rule, Saved
from minigrad.engine.record import record
from minigrad.engine.results import returned
from minigrad.engine.tensor import Tensor
from minigrad.typing import Array, Shape

__all__ = ["handed_out", "joined_outputs"]

SHAPES = "shapes of the outputs"
"""The name under which a node saves them, and a call is told them."""


def joined_outputs(
    forward: Callable[..., Any],
    rules: Mapping[str, Rule],
    outputs: Sequence[str],
    tangents: Mapping[str, Rule] | None,
    derived: Mapping[str, Callable[[Saved], Any]] | None,
    **more: Any,
) -> Primitive:
    """A primitive of one flat output, made of a forward function that returns a tuple of them."""

    @functools.wraps(forward)
    def flat(*args: Any, **settings: Any) -> tuple[Array, Saved]:
        note = settings.pop(SHAPES)
        answer = forward(*args, **settings)
        if type(answer) is not tuple or len(answer) != 2 or not isinstance(answer[0], tuple):
            raise TypeError(f"its forward function must return (({', '.join(outputs)}), saved): a tuple, and a dict")
        found, saved = answer
        if len(found) != len(outputs):
            raise TypeError(f"its forward function returned {len(found)} outputs, not {', '.join(outputs)}")
        arrays = [returned(o, f"its output {name!r}:") for name, o in zip(outputs, found, strict=True)]
        note[:] = shapes = tuple([array.shape for array in arrays])
        whole = np.concatenate([array.reshape(-1) for array in arrays])
        return whole, {**saved, SHAPES: shapes, "out": whole}

    def back(rule: Rule) -> Rule:
        return lambda g, saved, *k: rule(tuple(cut_up(g, saved[SHAPES])), saved, *k)

    def along(rule: Callable[..., Any]) -> Rule:
        return lambda t, saved, *k: np.concatenate([np.reshape(each, -1) for each in rule(t, saved, *k)])

    def by_name(k: int) -> Callable[[Saved], Any]:
        return lambda saved: cut_up(saved["out"], saved[SHAPES])[k]

    return Primitive(
        flat,
        {name: back(rule) for name, rule in rules.items()},
        tangents={name: along(rule) for name, rule in (tangents or {}).items()},
        derived={**{name: by_name(k) for k, name in enumerate(outputs)}, **(derived or {})},
        **more,
    )


def cut_up(whole: Any, shapes: Sequence[Shape]) -> list[Any]:
    """The outputs, or their cotangents, out of one flat array or tensor."""
    return [whole[a:b].reshape(shape) for a, b, shape in places(shapes)]


def places(shapes: Sequence[Shape]) -> list[tuple[int, int, Shape]]:
    """Where each output begins and ends in the flat one, and its shape."""
    ends = [0, *accumulate([math.prod(shape) for shape in shapes])]
    return [(a, b, shape) for (a, b), shape in zip(pairwise(ends), shapes, strict=True)]


def handed_out(of: Primitive, inputs: Sequence[Any], settings: dict[str, Any], vjp: VJP) -> tuple[Tensor, ...]:
    """Call a primitive of `joined_outputs`; its outputs, each a tensor of its own."""
    shapes: list[Shape] = []
    whole = record(of, inputs, {**settings, SHAPES: shapes}, vjp)
    return tuple([record(PART, (whole,), {"start": a, "stop": b, "shape": shape}) for a, b, shape in places(shapes)])


def _part(x: Array, start: int, stop: int, shape: Shape) -> tuple[Array, Saved]:
    return x[start:stop].reshape(shape), {"size": x.size, "place": slice(start, stop)}


def _part_x(g: Array, saved: Saved) -> Array:
    out = np.zeros(saved["size"], g.dtype)
    out[saved["place"]] = g.reshape(-1)
    return out


PART = Primitive(_part, {"x": _part_x}, kind="linear", as_is=True)
