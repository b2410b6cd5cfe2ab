"""Checks that the tapes which are recording can see all that a derivative of another tape hangs on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from minigrad.engine.context import CONTEXT, Recorder, TapeError
from minigrad.engine.nesting import active, known, lend, stands_on
from minigrad.engine.node import Node
from minigrad.engine.tensor import Tensor

__all__ = ["alone", "around", "check_complete", "check_seen", "others_record"]


def others_record(tape: Recorder) -> bool:
    """True if some other tape is recording."""
    tapes = CONTEXT.tapes
    return bool(tapes) and any(other is not tape for other in tapes)


def around(tape: Recorder) -> list[Recorder]:
    """The other tapes that are recording."""
    return [other for other in active() if other is not tape]


def alone(tape: Recorder) -> None:
    """Let the tapes that are recording know that a gradient is taken as an array, which they cannot see.

    Raises
    ------
    TapeError
        If one of them has read a leaf of this tape: it would take the gradient by it for a constant.
    """
    for other in active():
        if other is tape:
            tape.pulled = True
            continue
        for leaf in tape.leaves:
            if other in stands_on(leaf):
                lend(leaf, other)


def check_complete(tape: Recorder, start: int, wrt: Sequence[Tensor]) -> None:
    """Raise if the tapes that are recording could not see all that a gradient hangs on.

    Raises
    ------
    TapeError
        If a tape around has read a leaf of this one, which was recorded before; or if what was computed around this
        tape, and read on it, depends on one of ``wrt`` in its turn.
    """
    own = {id(leaf) for leaf in wrt}
    for leaf in check_seen(tape, tape.nodes[: start + 1]):
        places = known(leaf)
        if tape not in places and id(leaf) not in own:
            for other in around(tape):
                where = places.get(other)
                if id(where) in own or (type(where) is int and depends(other.nodes, where, own)):
                    raise TapeError(
                        "gradients: this tape has read what was computed before its block began from one of wrt, whose "
                        "gradient would lack that part. Compute all of it within the block, or `.detach()` that"
                    )


def check_seen(tape: Recorder, nodes: Sequence[Node]) -> list[Tensor]:
    """The leaves that nodes read; raise if a tape around has read one of them but did not record the node."""
    seen: dict[int, Tensor] = {}
    for node in nodes:
        twins = () if node.around is None else node.around.twins
        for parent in node.parents:
            if isinstance(parent, Tensor):
                seen[id(parent)] = parent
                for other in around(tape):
                    if other not in twins and other in stands_on(parent):
                        lend(parent, other)
    return list(seen.values())


def depends(nodes: Sequence[Node], index: int, leaves: Collection[int]) -> bool:
    """True if a node was computed from one of these leaves."""
    todo, seen = [index], {index}
    while todo:
        for parent in nodes[todo.pop()].parents:
            if type(parent) is int:
                if parent not in seen:
                    seen.add(parent)
                    todo.append(parent)
            elif id(parent) in leaves:
                return True
    return False
