"""Inspection of what the forward pass draws: a network that is recorded afresh for every draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from minigrad.engine.node import Node
from minigrad.engine.residuals import saving
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.inspect.leaves import InspectionTarget
from minigrad.structure import share
from minigrad.typing import Array

__all__ = ["Record", "Recorded", "inspection_target"]

Record: TypeAlias = Callable[[int], "tuple[Tape, Tensor]"]
"""``record(rng) -> (tape, loss)``: compute the loss inside ``with Tape(rng=rng) as tape:``."""


class Recorded(InspectionTarget):
    """The tensors whose gradients are inspected, on a tape that is recorded afresh for each draw.

    As a `InspectionTarget` it is the exact reference, recorded with every ``save=`` off.

    Parameters
    ----------
    record : callable
        ``record(rng) -> (tape, loss)``. It must read the same leaves and data each time, and pass ``rng`` to its Tape.
        What else is random in the forward pass (dropout) must be off: it would be taken for noise of the sketches.
    wrt : sequence of Tensor, optional
        Leaves; default: every leaf that the tape read.
    cotangent : ndarray, optional
        Of the shape of the loss, unless that is a scalar.

    Raises
    ------
    TypeError
        If ``record`` does not return a tape and a tensor.
    ValueError
        If a tensor of ``wrt`` is no leaf, or the forward pass is random when no residual is sketched.
    """

    def __init__(self, record: Record, wrt: Sequence[Tensor] | None = None, cotangent: Array | None = None):
        self.record = record
        with saving(False):
            tape, loss = self._call(0)
            again = self._call(1)[1]
        if not np.array_equal(loss.data, again.data, equal_nan=True):
            raise ValueError(
                "record= gave two different losses with residual sketches off. It must compute the same loss on the "
                "same data each time: fix the batch, and switch dropout off (model.eval())"
            )
        if any(tensor.node is not None for tensor in wrt or ()):
            raise ValueError("with record=, wrt= takes leaves: a tensor computed on a tape is another one on the next")
        super().__init__(tape, loss, wrt, cotangent)

    def _call(self, rng: int) -> tuple[Tape, Tensor]:
        out = self.record(rng)
        if not (isinstance(out, tuple) and len(out) == 2 and isinstance(out[0], Tape) and isinstance(out[1], Tensor)):
            raise TypeError(f"record= must return (tape, loss), a Tape and a Tensor recorded on it, got {out!r}")
        return out

    def fresh(self, key: int) -> InspectionTarget:
        """A new recording, with sketches drawn from ``key``."""
        tape, loss = self._call(key)
        self.least = min([self.least, *(_kept(node, name) for node in tape.nodes for name in node.save)])
        return InspectionTarget(tape, loss, self.tensors, self.cotangent, fixed=True)


def _kept(node: Node, name: str) -> float:
    """The share that is kept of a saved input: the budget, or where it follows the array, what this draw kept."""
    estimator = node.save[name]
    return share(node.saved[name]) if estimator.adapts else estimator.budget


def inspection_target(
    tape: Tape | None,
    loss: Tensor | None,
    wrt: Sequence[Tensor] | None,
    cotangent: Array | None,
    record: Record | None,
) -> InspectionTarget:
    """The target of an inspection: the given tape, or with ``record=`` one that is made afresh for each draw."""
    if record is not None:
        return Recorded(record, wrt, cotangent)
    if tape is None or loss is None:
        raise TypeError("pass a tape and the loss recorded on it, or record=, a function that records them afresh")
    return InspectionTarget(tape, loss, wrt, cotangent)
