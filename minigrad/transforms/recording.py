"""Call a function of arrays on a tape of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.arrays import plain
from minigrad.engine.define import primitive
from minigrad.engine.nesting import foreign, is_foreign
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor, traced
from minigrad.typing import Array


@primitive(as_is=True, x=lambda g, saved: g)
def identity(x: Array) -> tuple[Array, dict[str, Any]]:
    """The input itself, as something that was computed."""
    return x, {}


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
    with Tape() as tape:
        for position in positions:
            call[position] = _leaf(call[position], f"{what}: argument {position}")
            leaves.append(call[position])
        out = fn(*call, **kwargs)
        if not isinstance(out, Tensor):
            raise TypeError(
                f"{what}: the function must return a Tensor, but returned a {type(out).__name__}; compute with tensors "
                "and the functions of minigrad.ops"
            )
        if any(out is leaf for leaf in leaves):
            out = identity(out)
        elif out.requires_grad and is_foreign(out, tape):
            raise foreign(f"{what}: the value of the function", out, tape)
    return tape, leaves, out


def _leaf(value: Any, what: str) -> Tensor:
    """A leaf with the values of an array or a tensor; ``what`` names it, for messages.

    It must be made while the tape is recording: within another block, a leaf that is older than this one is refused.
    """
    if isinstance(value, Tensor):
        if traced(value):
            raise TypeError(
                f"{what} is being differentiated on another tape; derivatives of derivatives are not supported. Pass "
                "its `.data` if its values alone are meant"
            )
        value = value.data
    if isinstance(value, dict) or (
        isinstance(value, (list, tuple)) and any(isinstance(part, (np.ndarray, Tensor, dict)) for part in value)
    ):
        raise TypeError(
            f"{what} is a {type(value).__name__} of arrays, and derivatives by these are not there yet. Give each "
            f"array as an argument of its own, as in {structure_hint(what, value)}"
        )
    array = plain(value, what)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    return Tensor(array, requires_grad=True)


def structure_hint(what: str, value: Any) -> str:
    """Advice on how to differentiate by the arrays of a dict or a list today."""
    call = "vjp(" if what.startswith("vjp") else "grad("
    end = ", a, b)" if what.startswith("vjp") else ", argnums=(0, 1))(a, b)"
    inside = "{'a': a, 'b': b}" if isinstance(value, dict) else "[a, b]"
    return f"{call}lambda a, b: fn({inside}){end}"
