"""Tapes within tapes: whose leaf a tensor is, and what an inner block must not read.

The gradient of an inner tape is a plain array, so whatever an outer tape could have traced through it would be a
constant without a word. Four things are therefore refused, each whether or not the outer tape has met the tensor
by then:

- an inner block reads a leaf that was made before the block began: an outer tape may want its gradient;
- an outer tape reads a leaf that a block within it has read: that leaf's part in the inner gradient would be missing;
- any block reads what another tape recorded;
- a block goes on with what it has read, after its own tape was pulled back within it.

A leaf made within the inner block, and a constant (``.detach()``), are free. Which block is innermost is known for each
thread by itself.
"""

from __future__ import annotations

from weakref import WeakValueDictionary

from minigrad.engine.context import CLOCK, CONTEXT, Recorder, TapeError
from minigrad.engine.tensor import Tensor

__all__ = ["enter", "foreign", "is_foreign", "leave", "pull_inside", "was_lent"]


def enter(tape: Recorder) -> None:
    """Let a tape record; leaves older than this moment are not its own if another tape is recording already."""
    nested = any(other is not tape for other in CONTEXT.tapes)
    CONTEXT.tapes.append(tape)
    tape.since.append(next(CLOCK) if nested else 0)


def leave(tape: Recorder) -> None:
    """Let a tape record no longer, and tell the tapes around it which leaves it has read."""
    tapes = CONTEXT.tapes
    for k in range(len(tapes) - 1, -1, -1):  # the last entry: a tape may be entered again within itself
        if tapes[k] is tape:
            del tapes[k]
            tape.since.pop()
            tape.pulled = bool(tape.since) and tape.pulled
            for outer in tapes[:k]:
                lend(tape, outer)
            return
    raise TapeError("this tape is left, but it was not entered in this thread")


def pull_inside(tape: Recorder) -> None:
    """Tell the blocks that are recording which leaves a tape, about to be pulled back among them, has read.

    Raises
    ------
    TapeError
        If one of them has read the same leaf: it would take the gradient by it for a constant.
    """
    for outer in CONTEXT.tapes:
        if outer is tape:
            tape.pulled = True
            continue
        known = {id(leaf) for leaf in outer.leaves}
        for leaf in tape.leaves:
            if id(leaf) in known:
                raise TapeError(
                    f"the leaf {leaf.name or 'of shape ' + str(leaf.shape)} was read both on this tape and in the "
                    "block that is recording now, for which this gradient would be a constant without a word: a "
                    "derivative of a derivative is not supported. Leave the block first"
                )
        lend(tape, outer)


def lend(inner: Recorder, outer: Recorder) -> None:
    """Let ``outer`` refuse the leaves that ``inner`` has read."""
    if outer is inner:
        return
    leaves = [*inner.leaves, *(inner.lent or {}).values()]
    if leaves:
        if outer.lent is None:
            outer.lent = WeakValueDictionary()
        outer.lent.update({id(leaf): leaf for leaf in leaves})


def is_foreign(value: Tensor, tape: Recorder) -> bool:
    """Whether ``tape``, which is recording, must not read a tensor that requires a gradient."""
    if value.tape is not None:
        return value.tape is not tape or tape.pulled
    return value.born < tape.since[-1] or was_lent(value, tape) or was_pulled(value, tape)


def was_pulled(leaf: Tensor, tape: Recorder) -> bool:
    """Whether a gradient that was taken within the block may hang on a leaf."""
    return tape.pulled and any(leaf is other for other in tape.leaves)


def was_lent(leaf: Tensor, tape: Recorder) -> bool:
    """Whether a block within ``tape`` has read a leaf."""
    return tape.lent is not None and tape.lent.get(id(leaf)) is leaf


def foreign(what: str, value: Tensor, tape: Recorder) -> TapeError:
    """The error for a tensor of which `is_foreign` is true; ``what`` names it, as in ``multiply: input 'x'``."""
    remedy = "Leave the inner block first"
    if value.tape is tape or was_pulled(value, tape):
        why = (
            "is part of a block in which a gradient was taken already. Where that gradient is used below, its own "
            "dependence on this would be missing, for a derivative of a derivative is not supported"
        )
        remedy = "Take gradients when the block has ended, begin another `with Tape()` block"
    elif value.tape is None:
        if tape.since and value.born < tape.since[-1]:
            why = (
                "is a leaf that was made before this inner block began. An outer block is recording, and its gradient "
                "by this leaf would be wrong without a word, for a derivative of a derivative is not supported"
            )
        else:
            why = (
                "is a leaf that a block within this one has read. Its part in what that block's gradient was used for "
                "would be missing here, for a derivative of a derivative is not supported"
            )
            remedy = "Make another leaf of its `.data`"
    elif value.tape in CONTEXT.tapes:
        why = "was recorded on the outer tape, not on that of this inner block"
    else:
        why, remedy = "was recorded on another tape", "Compute it inside this `with Tape()` block"
    return TapeError(f"{what} {why}. {remedy}, or pass `.detach()` if no gradient shall flow through it")
