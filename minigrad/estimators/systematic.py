"""Systematic sampling: one random number draws a fixed number of units.

Index conventions: j runs over n units (columns, rows, …), p_j inclusion probability.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from minigrad.typing import Array

__all__ = ["draw_systematic", "systematic_outcomes"]


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
