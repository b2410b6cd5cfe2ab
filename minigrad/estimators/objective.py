"""A loss as a function of its leaves: its values near where they are, and its derivatives in one direction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from minigrad.engine.nesting import index_on
from minigrad.engine.sweep import start_cotangent, starting
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.typing import Array

__all__ = ["Objective"]


class Objective:
    """A loss, as far as an estimate of its whole gradient may ask for it.

    Parameters
    ----------
    leaves : sequence of Tensor
        θ; a direction has one array for each of them.
    recorded : tuple of Tape and Tensor, optional
        The loss as it stands; default: it is recorded when it is needed.
    record : callable, optional
        Takes nothing; returns the same pair, recorded afresh. Without it there are no values but the one recorded.
    cotangent : ndarray, optional
        Of the shape of the loss, unless that is a scalar: f is then its inner product with it.

    Raises
    ------
    TypeError
        If there is neither ``recorded`` nor ``record``.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad.estimators import Objective
    >>> w = mg.Tensor([1.0, 2.0], requires_grad=True)
    >>> def record():
    ...     with mg.Tape() as tape:
    ...         loss = (w * w).sum()
    ...     return tape, loss
    >>> objective = Objective([w], record=record)
    >>> objective.value(), objective.value([np.array([1.0, 0.0])]), objective.slope([np.array([1.0, 0.0])])
    (5.0, 8.0, 2.0)
    """

    def __init__(
        self,
        leaves: Sequence[Tensor],
        recorded: tuple[Tape, Tensor] | None = None,
        record: Callable[[], tuple[Tape, Tensor]] | None = None,
        cotangent: Array | None = None,
    ):
        if recorded is None and record is None:
            raise TypeError("Objective: pass recorded=, a tape and the loss on it, or record=, which records them")
        self.leaves = list(leaves)
        self._recorded, self._record, self._cotangent = recorded, record, cotangent

    @property
    def size(self) -> int:
        """The number of entries of all leaves together."""
        return sum(leaf.size for leaf in self.leaves)

    def split(self, flat: Array) -> list[Array]:
        """A vector of all entries as one array for each leaf, in its shape and dtype."""
        out, start = [], 0
        for leaf in self.leaves:
            out.append(flat[start : start + leaf.size].reshape(leaf.shape).astype(leaf.dtype, copy=False))
            start += leaf.size
        return out

    def slope(self, direction: Sequence[Array]) -> float:
        """⟨∇f, v⟩ at θ, by forward mode: one pass over the tape, and none back."""
        if self._recorded is None:
            assert self._record is not None
            self._recorded = self._record()
        tape, loss = self._recorded
        start_cotangent(loss, self._cotangent, "the loss")
        starting(tape, loss)
        tangents = tape.pushforward(list(zip(self.leaves, direction, strict=True)))
        return self._scalar(tangents[index_on(loss, tape) or 0])

    def value(self, step: Sequence[Array] | None = None) -> float:
        """f(θ + step); the leaves are θ again afterwards, bit for bit, whatever happens.

        Raises
        ------
        ValueError
            If there is a tape only, which cannot be computed again at another place.
        """
        if step is None and self._recorded is not None:
            return self._of(self._recorded[1])
        if self._record is None:
            raise ValueError(
                "the loss is needed at other values of the parameters, and a tape is the record of one. Pass record=, "
                "a function `record(rng) -> (tape, loss)` that computes it afresh"
            )
        if step is None:
            self._recorded = self._record()
            return self._of(self._recorded[1])
        with self._moved(step):
            return self._of(self._record()[1])

    @contextmanager
    def _moved(self, step: Sequence[Array]) -> Iterator[None]:
        kept = [leaf.data for leaf in self.leaves]
        try:
            for leaf, part in zip(self.leaves, step, strict=True):
                leaf.data = np.asarray(leaf.data + part, leaf.dtype)
            yield
        finally:
            for leaf, data in zip(self.leaves, kept, strict=True):
                leaf.data = data

    def _of(self, loss: Tensor) -> float:
        start_cotangent(loss, self._cotangent, "the loss")
        return self._scalar(loss.data)

    def _scalar(self, value: Array) -> float:
        if self._cotangent is None:
            return float(np.asarray(value).reshape(()))
        return float(np.vdot(np.asarray(self._cotangent, np.float64), np.asarray(value, np.float64)))
