"""Sampling designs: which units to keep, when each is to be kept with a given inclusion probability.

Index conventions: j runs over n units (columns, rows, …), p_j inclusion probability. A design is a way to draw
a set of units in which each has its probability; designs differ in how units go together.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from minigrad.engine.estimator import TooManyOutcomes
from minigrad.theory.designs import DesignName
from minigrad.typing import Array

__all__ = ["DESIGNS", "LISTABLE_BITS", "Design", "DesignName"]

LISTABLE_BITS = 20
"""Two to this power are the most outcomes that are listed; so many units of uncertain fate have as many outcomes."""


@dataclass(frozen=True)
class Design:
    """A way to draw units.

    Parameters
    ----------
    draw : callable
        ``draw(p, rng) -> indices``: the units that are kept, increasing.
    outcomes : callable
        ``outcomes(p) -> iterator of (probability, indices)``.
    """

    draw: Callable[[Array, np.random.Generator], Array]
    outcomes: Callable[[Array], Iterator[tuple[float, Array]]]


def draw_poisson(p: Array, rng: np.random.Generator) -> Array:
    """Keep each unit independently of the others; the number kept is random.

    Examples
    --------
    >>> draw_poisson(np.array([1.0, 0.0, 1.0]), np.random.default_rng(0)).tolist()
    [0, 2]
    """
    return np.flatnonzero(rng.random(p.size) < p)


def poisson_outcomes(p: Array) -> Iterator[tuple[float, Array]]:
    """All 2ᵏ sets for k units that are neither certain nor impossible.

    Raises
    ------
    TooManyOutcomes
        If k is more than 20.

    Examples
    --------
    >>> [(probability, kept.tolist()) for probability, kept in poisson_outcomes(np.array([0.25, 1.0]))]
    [(0.75, [1]), (0.25, [0, 1])]
    """
    certain = p >= 1
    uncertain = np.flatnonzero((p > 0) & ~certain)
    if uncertain.size > LISTABLE_BITS:
        raise TooManyOutcomes(
            f"independent draws of {uncertain.size} units have 2^{uncertain.size} outcomes, too many to list; "
            'use fewer units, design="systematic", or draws'
        )
    for choice in itertools.product((False, True), repeat=uncertain.size):
        kept = certain.copy()
        kept[uncertain] = choice
        chances = np.where(choice, p[uncertain], 1 - p[uncertain])
        yield float(chances.prod()), np.flatnonzero(kept)


def _cumulative(p: Array) -> tuple[Array, Array]:
    """Units that are not certain, and their cumulative probabilities, with an integer total kept an integer."""
    units = np.flatnonzero(p < 1)  # a certain unit takes up exactly one whole step and changes nothing for the others
    steps = np.cumsum(p[units])
    if steps.size:
        whole = round(float(steps[-1]))
        if whole and abs(steps[-1] - whole) <= 4 * np.finfo(np.float64).eps * p.size * whole:  # rounding, no more
            steps *= whole / steps[-1]
            steps[-1] = whole
    return units, steps


def _systematic(p: Array, units: Array, steps: Array, u: float) -> Array:
    passed = np.ceil(steps - u)
    kept = p >= 1
    kept[units] = np.diff(passed, prepend=0.0) > 0
    return np.flatnonzero(kept)


def draw_systematic(p: Array, rng: np.random.Generator) -> Array:
    """Walk along the cumulative probabilities in equal steps from one random start (Madow 1949).

    Keeps ⌊Σp⌋ or ⌈Σp⌉ units, so always the same number where Σp is an integer.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> {len(draw_systematic(np.array([0.5, 0.25, 0.25]), rng)) for _ in range(20)}
    {1}
    """
    units, steps = _cumulative(p)
    return _systematic(p, units, steps, rng.random())


def systematic_outcomes(p: Array) -> Iterator[tuple[float, Array]]:
    """The at most n + 1 sets that a random start can give.

    Examples
    --------
    >>> [(probability, kept.tolist()) for probability, kept in systematic_outcomes(np.array([0.5, 0.25, 0.25]))]
    [(0.5, [0]), (0.25, [1]), (0.25, [2])]
    """
    units, steps = _cumulative(p)
    cuts = np.unique(np.concatenate([[0.0, 1.0], steps % 1.0]))
    for a, b in itertools.pairwise(cuts.tolist()):
        yield b - a, _systematic(p, units, steps, a)  # the set is the same for all u in [a, b)


DESIGNS = {
    "poisson": Design(draw_poisson, poisson_outcomes),
    "systematic": Design(draw_systematic, systematic_outcomes),
}
