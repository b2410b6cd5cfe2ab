"""Call a function of arrays, or of containers of arrays, on a tape of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.arrays import plain
from minigrad.engine.context import CONTEXT
from minigrad.engine.define import primitive
from minigrad.engine.nesting import foreign, is_foreign
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor, traced
from minigrad.ops.joining import concatenate
from minigrad.pytrees import Tree, flatten
from minigrad.typing import Array, Seed

__all__ = ["Recorded"]


@primitive(as_is=True, x=lambda g, saved: g)
def identity(x: Array) -> tuple[Array, dict[str, Any]]:
    """The input itself, as something that was computed."""
    return x, {}


@dataclass(eq=False, slots=True)
class Recorded:
    """A call of a function on a tape of its own, with all that came of it."""

    tape: Tape
    leaves: list[Tensor]
    """Those of all arguments that are differentiated, one after the other."""
    arguments: list[Tree]
    """The structure of each of these arguments."""
    outputs: Tree
    """The tensors that the function returned."""
    total: Tensor
    """All outputs that depend on the leaves as one tensor, so that one sweep goes back from them."""
    aux: Any
    """The second part of what the function returned, with ``has_aux``."""

    def pull(self, cotangent: Any, rng: Seed) -> tuple[Any, ...]:
        """The gradients by the arguments, in their structures, for a cotangent of ``total``."""
        if self.total.tape is None:
            return self.per_argument([np.zeros_like(leaf.data) for leaf in self.leaves])
        return self.per_argument(self.tape.gradients(self.total, self.leaves, cotangent=cotangent, rng=rng))

    def per_argument(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """Things that belong to the leaves, such as gradients, in the structures of the arguments."""
        if len(leaves) == len(self.arguments) and all([tree.is_leaf for tree in self.arguments]):
            return tuple(leaves)
        found, start = [], 0
        for tree in self.arguments:
            found.append(tree.rebuild(leaves[start : start + len(tree.leaves)]))
            start += len(tree.leaves)
        return tuple(found)

    def value(self) -> Any:
        """The value of the function, as arrays."""
        given = [self._given(out) for out in self.outputs.leaves]
        return given[0] if self.outputs.is_leaf else self.outputs.rebuild(given)

    def given_aux(self) -> Any:
        """The auxiliary output, with its tensors as arrays; what it holds besides stays as it is."""
        tree = flatten(self.aux, "aux", numbers=False)
        if not any(isinstance(part, Tensor) for part in tree.leaves):
            return self.aux
        return tree.rebuild([self._given(part) if isinstance(part, Tensor) else part for part in tree.leaves])

    def _given(self, x: Tensor) -> Any:
        """A tensor as it is handed out: an array, unless a tape that is not this one may want its gradient."""
        mine = x.tape is self.tape or any([x is leaf for leaf in self.leaves])
        return x.data if mine or not traced(x) else x


def _record(
    fn: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    positions: Sequence[int],
    what: str,
    has_aux: bool = False,
) -> Recorded:
    """Call ``fn`` on a tape of its own, with leaves in the arguments at the given positions."""
    call = list(args)
    seen = set()
    for position in positions:
        if not -len(call) <= position < len(call):
            raise IndexError(f"{what}: argument number {position} of a call with {len(call)} positional arguments")
        if position % len(call) in seen:
            raise ValueError(f"{what}: argument number {position} is given twice in argnums={tuple(positions)}")
        seen.add(position % len(call))
    leaves: list[Tensor] = []
    arguments = []
    with Tape() as tape:
        for position in positions:
            tree = flatten(call[position], f"{what}: argument {position % len(call)}")
            new = list(map(_leaf, tree.leaves, tree.paths))
            call[position] = new[0] if tree.is_leaf else tree.rebuild(new)
            leaves += new
            arguments.append(tree)
        out = fn(*call, **kwargs)
        aux = None
        if has_aux:
            out, aux = _with_aux(out, what)
        outputs = _outputs(out, leaves, tape, what)
        total = _joined(outputs.leaves, leaves)
    return Recorded(tape, leaves, arguments, outputs, total, aux)


def _leaf(value: Any, what: str) -> Tensor:
    """A leaf with the values of an array or a tensor; ``what`` names it, for messages.

    It must be made while the tape of its own is recording: within another block, a leaf that is older than the tape is
    refused.
    """
    if isinstance(value, Tensor):
        if value.requires_grad and (value.tape is not None or len(CONTEXT.tapes) > 1):
            raise TypeError(
                f"{what} is being differentiated on another tape; derivatives of derivatives are not supported. Pass "
                "its `.data` if its values alone are meant"
            )
        value = value.data
    array = plain(value, what)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        kind = f"an array of dtype {array.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        raise TypeError(
            f"{what} is {kind}, and derivatives are with respect to real numbers. Where it is no parameter, pass it as "
            "an argument of its own that is not differentiated, or let the function read it from outside"
        )
    return Tensor(array, requires_grad=True)


def _with_aux(out: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(out, tuple) or len(out) != 2:
        raise TypeError(
            f"{what}: with has_aux=True the function must return a pair (value, aux), but returned a "
            f"{type(out).__name__}" + (f" of {len(out)}" if isinstance(out, tuple) else "")
        )
    return out[0], out[1]


def _outputs(value: Any, leaves: Sequence[Tensor], tape: Tape, what: str) -> Tree:
    """The value of the function, with every number and array in a container as a constant tensor."""
    if isinstance(value, Tensor):  # most calls
        _check_own(value, leaves, tape, f"{what}: the value of the function")
        return Tree(None, [value], [what])
    tree = flatten(value, f"{what}: the value of the function")
    if not any([isinstance(part, Tensor) for part in tree.leaves]):
        raise TypeError(
            f"{what}: the function must return a Tensor, but returned a {type(value).__name__}"
            f"{'' if tree.is_leaf else ' without any'}; compute with tensors and the functions of minigrad.ops"
        )
    tensors = []
    for part, path in zip(tree.leaves, tree.paths, strict=True):
        if not isinstance(part, Tensor):
            array = plain(part, path)
            if array.dtype.kind not in "fiub":
                raise TypeError(
                    f"{path} is a {type(part).__name__}, and the value of the function holds tensors, arrays and "
                    "numbers. Return what else there is beside the value, with has_aux=True"
                )
            part = Tensor(array)
        _check_own(part, leaves, tape, path)
        tensors.append(part)
    return Tree(tree.root, tensors, tree.paths)


def _check_own(out: Tensor, leaves: Sequence[Tensor], tape: Tape, what: str) -> None:
    """Raise if a gradient would be lost with an output, for it hangs on another tape."""
    if out.requires_grad and is_foreign(out, tape) and not any([out is leaf for leaf in leaves]):
        raise foreign(what, out, tape)


def _joined(outputs: Sequence[Tensor], leaves: Sequence[Tensor]) -> Tensor:
    """The outputs that depend on the leaves, one after the other; a single one as it is."""
    if len(outputs) > 1:
        depend = [out for out in outputs if out.requires_grad]
        return concatenate(depend, axis=None) if depend else Tensor(np.zeros(0))
    (out,) = outputs
    return identity(out) if any([out is leaf for leaf in leaves]) else out
