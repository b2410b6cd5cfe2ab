"""Designs: how units go together when they are drawn, each with a probability of its own.

Index conventions: j runs over n units (columns, rows, …), p_j inclusion probability.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from minigrad.engine.estimator import LISTABLE_BITS, TooManyOutcomes
from minigrad.estimators.systematic import draw_systematic, systematic_outcomes
from minigrad.theory.joint_probabilities import DesignName
from minigrad.typing import Array

__all__ = ["DESIGNS", "Design", "DesignName", "on_grid"]

GRID = np.float32(2**24)


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

    Probabilities of float32 are those of `on_grid`, for the random numbers are multiples of 2⁻²⁴ then.

    Examples
    --------
    >>> draw_poisson(np.array([1.0, 0.0, 1.0]), np.random.default_rng(0)).tolist()
    [0, 2]
    """
    if p.dtype == np.float32:
        return (rng.random(p.size, np.float32) < p).nonzero()[0]
    return (rng.random(p.size) < p).nonzero()[0]


def on_grid(p: Array) -> Array:
    """Probabilities of float32, rounded up to the multiples of 2⁻²⁴: what a comparison with 24 random bits keeps.

    NumPy's uniform numbers of float32 are k/2²⁴ with k from 0 to 2²⁴ − 1. So many of them are below p as p·2²⁴ has when
    it is rounded up, and this is exactly how often the unit is kept: dividing it by that is unbiased.

    Examples
    --------
    >>> p = on_grid(np.array([0.1, 1e-9, 0.5, 0.0, 1.0], np.float32))
    >>> (p * 2**24).tolist()
    [1677722.0, 1.0, 8388608.0, 0.0, 16777216.0]
    """
    p = p * GRID
    np.ceil(p, out=p)
    p /= GRID
    return p


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


DESIGNS = {
    "poisson": Design(draw_poisson, poisson_outcomes),
    "systematic": Design(draw_systematic, systematic_outcomes),
}
