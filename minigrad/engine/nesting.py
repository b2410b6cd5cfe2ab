"""Tapes within tapes: on which of them a tensor stands, and what would be lost between them.

An operation is recorded on every active tape on which one of its inputs stands. A tensor stands on the tapes that
recorded it. A leaf that a user made stands on all; the leaves that `minigrad.grad` makes stand on its own tape, as
leaves, and on each tape around it, as what they were there. For a block within another, what the other recorded before
is one more leaf. A gradient that is taken while another tape records is recorded there, and so has derivatives itself.

What cannot be recorded is refused, so that nothing is a constant without a word:

- a block reads what was recorded on a tape that is not active;
- a block goes on with what it has read, after its own tape was pulled back within it: that gradient is an array;
- a tape that was recorded before a block began is pulled back within the block, and both have read the same leaf.

Which blocks are active is known for each thread by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from minigrad.engine.context import CONTEXT, Recorder, TapeError
from minigrad.engine.tensor import Tensor
from minigrad.typing import Array

__all__ = [
    "Place", "active", "bound", "enter", "index_on", "known", "leave", "lend", "lost", "made", "place", "places_of",
    "standing", "stands_on", "suspended", "taken", "was_lent",
]  # fmt: skip

Place: TypeAlias = "int | Tensor | None"
"""Where a tensor stands on a tape: the index of its node, the leaf that it is, or None for a constant."""


def enter(tape: Recorder) -> None:
    """Let a tape record."""
    CONTEXT.tapes.append(tape)
    if len(CONTEXT.tapes) > 1:
        tapes = active()
        within = tapes.index(tape)
        for k, other in enumerate(tapes[:within]):
            other.within = max(other.within, within - k)


def leave(tape: Recorder) -> None:
    """Let a tape record no longer."""
    tapes = CONTEXT.tapes
    for k in range(len(tapes) - 1, -1, -1):  # the last entry: a tape may be entered again within itself
        if tapes[k] is tape:
            del tapes[k]
            tape.pulled = tape in tapes and tape.pulled
            return
    raise TapeError("this tape is left, but it was not entered in this thread")


def active() -> list[Recorder]:
    """The tapes that are recording, each once, from the outside in."""
    return list(dict.fromkeys(CONTEXT.tapes))


def taken() -> None:
    """Let the tapes that are recording know that a derivative is taken, which may be an array: a constant to them."""
    for tape in CONTEXT.tapes:
        tape.derived = True


@contextmanager
def suspended(tape: Recorder) -> Iterator[None]:
    """Let a tape record nothing within this block."""
    tapes = CONTEXT.tapes
    CONTEXT.tapes = [other for other in tapes if other is not tape]
    try:
        yield
    finally:
        CONTEXT.tapes = tapes


def made(data: Array, tape: Recorder | None, node: int | None) -> Tensor:
    """Make a tensor of what an operation computed, without the checks that one made by hand needs."""
    result = Tensor.__new__(Tensor)
    result.data = data
    result.grad = result.name = result.stands = None
    result.version = 0
    result.requires_grad = tape is not None
    result.tape, result.node = tape, node
    return result


def standing(data: Array, where: Mapping[Recorder, Place]) -> Tensor:
    """A value as a tensor that stands on tapes, from the outside in."""
    *_, (tape, index) = where.items()
    result = made(data, tape, index if type(index) is int else None)
    if type(index) is not int:
        result.tape = None
    if len(where) > 1 or type(index) is not int:
        result.stands = dict(where)
    return result


def bound(data: Array, value: Tensor | None, tape: Recorder) -> Tensor:
    """A leaf of one tape alone, of floats; on those around it it is what ``value`` is there, or a constant."""
    leaf = made(data, None, None)
    leaf.requires_grad = True
    leaf.stands = {tape: None}
    if value is not None and value.requires_grad and len(CONTEXT.tapes) > 1:
        for other in active():
            if other is not tape:
                where = place(value, other)
                if where is not None:
                    leaf.stands[other] = where
    return leaf


def known(value: Tensor) -> Mapping[Any, Any]:
    """Where a tensor stands, by tape; None where it is a leaf of its own."""
    alone: dict[Any, Any] = {value.tape: value.node}
    return value.stands or alone


def index_on(value: Tensor, tape: Recorder) -> int | None:
    """The node that computed a tensor on a tape; None where there is none."""
    if value.stands is None:
        return value.node if value.tape is tape else None
    found = value.stands.get(tape)
    return found if type(found) is int else None


def stands_on(value: Tensor) -> list[Recorder]:
    """The active tapes on which a tensor stands."""
    if not value.requires_grad:
        return []
    if value.stands is None and value.tape is None:
        return active()
    return [tape for tape in active() if tape in known(value)]


def place(value: Tensor, tape: Recorder, what: str = "this value") -> Place:
    """Where a tensor that requires a gradient stands on an active tape.

    Raises
    ------
    TapeError
        If the tape must not read it; ``what`` begins the message.
    """
    if value.stands is None and value.tape is None:  # a leaf that a user made
        if was_lent(value, tape) or (tape.pulled and any(value is leaf for leaf in tape.leaves)):
            raise lost(what, value, tape)
        return value
    places = known(value)
    if tape in places:
        if tape.pulled:
            raise lost(what, value, tape)
        found: Place = places[tape]
        return value if found is None else found
    tapes = active()
    for other in tapes:
        if other in places:
            # A block sees what was computed around it as a leaf; the blocks around it see its own leaves as constants.
            return value if tapes.index(other) < tapes.index(tape) else None
    raise lost(what, value, tape)


def lend(leaf: Tensor, tape: Recorder) -> None:
    """Let ``tape`` refuse a leaf, on which a gradient hangs that it has not recorded.

    Raises
    ------
    TapeError
        If it has read it already.
    """
    if any(leaf is other for other in tape.leaves):
        raise TapeError(
            f"the leaf {leaf.name or 'of shape ' + str(leaf.shape)} was read both in the block that is recording now "
            "and on the tape that is pulled back, which was recorded before this block: for the block this gradient "
            "would be a constant without a word. Record that tape within the block, or leave the block first"
        )
    if tape.lent is None:
        tape.lent = WeakValueDictionary()
    tape.lent[id(leaf)] = leaf


def was_lent(leaf: Tensor, tape: Recorder) -> bool:
    """True if a tape must not read a leaf, since a gradient that it has not recorded hangs on it."""
    return tape.lent is not None and tape.lent.get(id(leaf)) is leaf


def lost(what: str, value: Tensor, tape: Recorder) -> TapeError:
    """The error for a tensor that a tape must not read; ``what`` names it, as in ``multiply: input 'x'``."""
    if was_lent(value, tape):
        why = (
            "is a leaf of a tape that was recorded before this block and pulled back within it. Its part in that "
            "gradient would be missing here. Record that tape within the block"
        )
    elif tape.pulled and (value.tape is tape or tape in (value.stands or [tape])):
        why = (
            "is part of a block in which a gradient was taken already, as an array: its own dependence on this would "
            "be missing below. Take the gradient in a block within this one, `with minigrad.Tape() as inner:`, or by "
            "minigrad.grad, and it is recorded; or take it when the block has ended"
        )
    else:
        why = "was recorded on another tape. Compute it inside this `with Tape()` block"
    return TapeError(f"{what} {why}; or pass `.detach()` if no gradient shall flow through it")


def places_of(inputs: Sequence[Any], tape: Recorder, name: str, edge: Any) -> tuple[Place, ...]:
    """Where each input of an operation stands on a tape."""
    return tuple(
        [
            place(value, tape, f"{name}: input {edge(k)!r}")
            if isinstance(value, Tensor) and value.requires_grad
            else None
            for k, value in enumerate(inputs)
        ]
    )
