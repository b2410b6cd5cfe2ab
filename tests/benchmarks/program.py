"""What a benchmark is made of: cases, each with several programs that do the same work."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["KEPT", "Case", "Held", "Program", "Target", "held_by", "seed_that_keeps"]

KEPT = ", memory kept"
"""Programs with this behind their name run where the C library keeps the memory that is given back to it."""


@dataclass(frozen=True)
class Held:
    """What the tape of one step holds: bytes of activations, and bytes that a ReLU saves for each of its entries."""

    activations: int
    relu: float


@dataclass(frozen=True)
class Program:
    """One way to do the work of a case.

    Parameters
    ----------
    step : callable
        Does it once.
    result : callable or None
        ``result() -> list of ndarray``: the loss and the gradients at the start, in an order and layout that all
        programs of the case share. None where there is nothing to compare.
    held : callable or None
        ``held() -> Held``, of the tape of one step, where there is a tape.
    """

    step: Callable[[], Any]
    result: Callable[[], list[np.ndarray]] | None = None
    held: Callable[[], Held] | None = None


@dataclass(frozen=True)
class Target:
    """``program`` shall take at most ``limit`` times the seconds (or bytes) of ``against``."""

    program: str
    against: str
    limit: float


@dataclass(frozen=True)
class Case:
    """Programs that are compared.

    Parameters
    ----------
    title : str
        What is done, with its sizes.
    programs : dict
        Name -> ``make(tiny)``, a function that prepares a Program; ``tiny`` is for tests. A program with
        the name of another library is a peer, which runs only when asked for.
    base : str
        The program whose seconds are 1.
    targets : sequence of Target
    apart : bool
        Whether each program runs in a process of its own; else they take turns in one, for cases with many programs.
    operations : int
        By how many operations seconds are divided when they are shown.
    memory : bool
        Whether peak resident memory of the programs is compared as well.
    held : sequence of Target
        Of bytes of activations on the tape.
    """

    title: str
    programs: dict[str, Callable[[bool], Program]]
    base: str
    targets: Sequence[Target] = ()
    apart: bool = True
    operations: int = 1
    memory: bool = False
    held: Sequence[Target] = ()


def held_by(tape: Any, x: np.ndarray) -> Held:
    """What a tape holds beside the parameters and the batch itself, which are there anyway."""
    given = {id(x), *(id(leaf.data) for leaf in tape.leaves)}
    saved: dict[int, np.ndarray] = {}
    for node in tape.nodes:
        saved.update(node.saved_arrays())
    relus = [node.nbytes / math.prod(node.shape) for node in tape.nodes if node.name == "relu"]
    return Held(sum(array.nbytes for key, array in saved.items() if key not in given), max(relus, default=0.0))


def seed_that_keeps(count: Callable[[int], int], wanted: int) -> int:
    """A seed for which a sketch keeps the expected number of units, or as near as some seeds come.

    The minimum over random draws would belong to the draw that kept least.
    """
    return min(range(60), key=lambda seed: abs(count(seed) - wanted))
