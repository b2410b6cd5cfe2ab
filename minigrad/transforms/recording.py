"""Call a function of arrays, or of containers of arrays, on a tape of its own."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.arrays import plain
from minigrad.engine.context import CONTEXT
from minigrad.engine.define import primitive
from minigrad.engine.nesting import bound, index_on, place, stands_on, taken
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.ops.joining import concatenate
from minigrad.pytrees import Tree, flatten
from minigrad.typing import Array, Seed

__all__ = ["Recorded", "joined", "positions_of"]


@primitive(kind="linear", as_is=True, x=lambda g, saved: g)
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

    def pull(self, cotangent: Any, rng: Seed, beside: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The gradients by the arguments, in their structures, for a cotangent of ``total``.

        ``beside`` are cotangents of outputs that do not depend on the arguments.
        """
        if index_on(self.total, self.tape) is None:
            found: Sequence[Any] = [np.zeros_like(leaf.data) for leaf in self.leaves]
        else:
            found = self.tape.gradients(self.total, self.leaves, cotangent=cotangent, rng=rng)
        return self.per_argument(self.along(found, (cotangent, *beside)))

    def push(self, tangents: Sequence[Any]) -> Sequence[Any]:
        """The tangents of the outputs, for those of the leaves."""
        seeds = dict(zip(map(id, self.leaves), tangents, strict=True))
        nodes = self.tape.pushforward(list(zip(self.leaves, tangents, strict=True)))
        found = []
        for out in self.outputs.leaves:
            index = index_on(out, self.tape)
            if index is not None:
                found.append(nodes[index])
            else:
                found.append(seeds[id(out)] if id(out) in seeds else np.zeros_like(out.data))
        return self.along(found, tangents)

    def along(self, found: Sequence[Any], directions: Sequence[Any]) -> Sequence[Any]:
        """Results of cotangents or tangents, as they are handed out: tensors where these are recorded, zeros too."""
        if not CONTEXT.tapes:
            return found
        taken()
        inside = self.inside or any([isinstance(d, Tensor) and stands_on(d) for d in (*directions, *found)])
        return [self.given(each, inside) for each in found]

    def per_argument(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """Things that belong to the leaves, such as gradients, in the structures of the arguments."""
        for tree in self.arguments:
            if tree.root is not None:
                break
        else:
            return tuple(leaves)
        found, start = [], 0
        for tree in self.arguments:
            found.append(tree.rebuild(leaves[start : start + len(tree.leaves)]))
            start += len(tree.leaves)
        return tuple(found)

    def value(self) -> Any:
        """The value of the function, as arrays."""
        if self.outputs.is_leaf:
            return self.given(self.outputs.leaves[0])
        return self.outputs.rebuild([self.given(out) for out in self.outputs.leaves])

    def given_aux(self) -> Any:
        """The auxiliary output, with its tensors as arrays; what it holds besides stays as it is."""
        tree = flatten(self.aux, "aux", numbers=False)
        if not any(isinstance(part, Tensor) for part in tree.leaves):
            return self.aux
        return tree.rebuild([self.given(part) if isinstance(part, Tensor) else part for part in tree.leaves])

    def given(self, x: Any, inside: bool | None = None) -> Any:
        """A value as it is handed out: an array, or a tensor where a tape that records may want its gradient.

        Of arguments that are recorded there, all results are tensors, constants too.
        """
        if not CONTEXT.tapes:
            return x.data if isinstance(x, Tensor) else x
        if inside is None:
            inside = self.inside
        if isinstance(x, Tensor):
            return x if inside or stands_on(x) else x.data
        return Tensor(x) if inside else x

    @property
    def inside(self) -> bool:
        """True if an argument is recorded on a tape that is still recording."""
        return any([stands_on(leaf) for leaf in self.leaves])


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
            if tree.root is None:
                call[position] = leaf = _leaf(tree.leaves[0], tree.paths[0], tape)
                leaves.append(leaf)
            else:
                new = [_leaf(value, path, tape) for value, path in zip(tree.leaves, tree.paths, strict=True)]
                call[position] = tree.rebuild(new)
                leaves += new
            arguments.append(tree)
        out = fn(*call, **kwargs)
        aux = None
        if has_aux:
            out, aux = _with_aux(out, what)
        outputs = _outputs(out, tape, what)
        total = _joined(outputs.leaves, leaves)
    taken()
    return Recorded(tape, leaves, arguments, outputs, total, aux)


def _leaf(value: Any, what: str, tape: Tape) -> Tensor:
    """A leaf of this tape with the values of an array or a tensor; ``what`` names it, for messages.

    On the tapes around, it is what the tensor is there.
    """
    origin = None
    if isinstance(value, Tensor):
        origin, value = value, value.data
    array = plain(value, what)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        kind = f"an array of dtype {array.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        raise TypeError(
            f"{what} is {kind}, and derivatives are with respect to real numbers. Where it is no parameter, pass it as "
            "an argument of its own that is not differentiated, or let the function read it from outside"
        )
    return bound(array, origin, tape)


def _with_aux(out: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(out, tuple) or len(out) != 2:
        raise TypeError(
            f"{what}: with has_aux=True the function must return a pair (value, aux), but returned a "
            f"{type(out).__name__}" + (f" of {len(out)}" if isinstance(out, tuple) else "")
        )
    return out[0], out[1]


def _outputs(value: Any, tape: Tape, what: str) -> Tree:
    """The value of the function, with every number and array in a container as a constant tensor."""
    if isinstance(value, Tensor):  # most calls
        _check_here(value, tape, f"{what}: the value of the function")
        return Tree(None, [value], [what])
    tree = flatten(value, f"{what}: the value of the function")
    # A derivative that was taken within the function may be an array, and a constant; other arrays are a mistake.
    if not tree.leaves or not (tape.derived or any([isinstance(part, Tensor) for part in tree.leaves])):
        raise TypeError(
            f"{what}: the function must return a Tensor, but returned a {type(value).__name__}"
            f"{'' if tree.is_leaf else ' without any'}, whose derivative would be 0 everywhere. Compute with tensors "
            "and functions of NumPy or minigrad.ops, not with `.data` or `.item()`; a constant that is meant is "
            "minigrad.Tensor(c)"
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
        _check_here(part, tape, path)
        tensors.append(part)
    return Tree(tree.root, tensors, tree.paths)


def _check_here(out: Tensor, tape: Tape, what: str) -> None:
    """Raise if a gradient would be lost with an output, for it hangs on a tape that does not record."""
    if out.requires_grad and out.tape is not tape:
        place(out, tape, what)


def positions_of(argnums: int | Sequence[int], what: str) -> tuple[tuple[int, ...], bool]:
    """The argument numbers, and whether they were given as a sequence."""
    several = not hasattr(argnums, "__index__") or np.ndim(argnums) > 0
    try:
        return tuple([operator.index(n) for n in (argnums if several else (argnums,))]), several  # type: ignore[arg-type, union-attr]
    except TypeError:
        raise TypeError(f"{what}: argnums= takes an int or a sequence of ints, got {argnums!r}") from None


def joined(parts: Sequence[Any]) -> Any:
    """Values one after the other, as one tensor; as an array where none is a tensor."""
    if any([isinstance(part, Tensor) for part in parts]):
        return concatenate(list(parts), axis=None)
    return np.concatenate([part.reshape(-1) for part in parts]) if parts else np.zeros(0)


def _joined(outputs: Sequence[Tensor], leaves: Sequence[Tensor]) -> Tensor:
    """The outputs that depend on the leaves, one after the other; a single one as it is."""
    if len(outputs) > 1:
        joint: Any = joined([out for out in outputs if out.requires_grad])
        return joint if isinstance(joint, Tensor) else Tensor(joint)
    (out,) = outputs
    return identity(out) if out.node is None and any([out is leaf for leaf in leaves]) else out
