"""The operations of a backward pass as a function of what was kept in it."""

from __future__ import annotations

from minigrad.engine.tape import Tape
from minigrad.inspect.cost import cost
from minigrad.inspect.shares import Shares, adapting

__all__ = ["BackwardFlops"]


class BackwardFlops:
    """The operations of backward passes over tapes that look like one: to be counted at every step of training.

    `minigrad.inspect.cost` is affine in the share that each estimator keeps, so a few counts make it cheap.

    Parameters
    ----------
    tape : Tape
    """

    def __init__(self, tape: Tape):
        none = dict.fromkeys(adapting(tape), 0.0)
        self.fixed = cost(tape, shares=none).backward
        self.slopes = {key: cost(tape, shares={**none, key: 1.0}).backward - self.fixed for key in none}
        self.most = {(i, k): tape.nodes[i].draws()[k][0].kept(tape.nodes[i].shape).fraction for i, k in none}

    def __call__(self, shares: Shares) -> float:
        """The operations with these shares kept; the upper bound of one that is missing."""
        return self.fixed + sum(slope * shares.get(key, self.most[key]) for key, slope in self.slopes.items())
