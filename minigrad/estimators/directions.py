"""Random directions with E vvᵀ = I: draws of them, and lists of all where the law is finite."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from minigrad.engine.estimator import TooManyOutcomes
from minigrad.theory.direction_moments import DirectionLaw
from minigrad.typing import Array

__all__ = ["drawn_directions", "listed_directions", "shown"]

LISTED = 4096
"""Up to so many outcomes are listed: each takes evaluations of the loss."""


def drawn_directions(
    law: DirectionLaw, d: int, number: int, orthogonal: bool, rng: np.random.Generator
) -> Iterator[Array]:
    """Draw directions of d entries each, independent of each other or orthogonal to each other."""
    if orthogonal and number > d:
        raise ValueError(f"{number} orthogonal directions were asked for, but the parameters have {d} entries in all")
    if orthogonal and law == "coordinate":
        for index in rng.choice(d, number, replace=False):
            yield _coordinate(d, int(index))
    elif orthogonal:
        q, r = np.linalg.qr(rng.standard_normal((d, number)))
        # The signs make it uniform; those of the QR algorithm are not random (Mezzadri 2007).
        yield from (q * np.where(np.diagonal(r) < 0, -math.sqrt(d), math.sqrt(d))).T
    else:
        for _ in range(number):
            yield _one(law, d, rng)


def _one(law: DirectionLaw, d: int, rng: np.random.Generator) -> Array:
    if law == "rademacher":
        return np.asarray(2.0 * rng.integers(2, size=d) - 1)
    if law == "coordinate":
        return _coordinate(d, int(rng.integers(d)))
    z = rng.standard_normal(d)
    return z if law == "gaussian" else z * (math.sqrt(d) / float(np.linalg.norm(z)))


def _coordinate(d: int, index: int) -> Array:
    v = np.zeros(d)
    v[index] = math.sqrt(d)
    return v


def listed_directions(
    law: DirectionLaw, d: int, number: int, orthogonal: bool
) -> Iterator[tuple[float, tuple[Array, ...]]]:
    """Every choice of directions with its probability, for "rademacher" and "coordinate" in few dimensions.

    Raises
    ------
    NotImplementedError
        If there are infinitely many.
    TooManyOutcomes
        If there are more than 4096.
    """
    if law in ("gaussian", "sphere"):
        raise NotImplementedError(
            f"directions of law {law!r} have infinitely many outcomes; use draws, or law='rademacher' or 'coordinate'"
        )
    each = 2**d if law == "rademacher" and d <= LISTED else d if law == "coordinate" else LISTED + 1
    count = math.comb(d, number) if orthogonal else each**number
    if count > LISTED:
        raise TooManyOutcomes(
            f"{number} directions of law {law!r} for {d} entries have more than {LISTED:,} outcomes, too many to list; "
            "use draws, or fewer parameters (wrt=)"
        )
    if law == "rademacher":
        vectors = [np.array(signs) for signs in itertools.product((-1.0, 1.0), repeat=d)]
    else:
        vectors = [_coordinate(d, index) for index in range(d)]
    chosen = itertools.combinations(vectors, number) if orthogonal else itertools.product(vectors, repeat=number)
    for choice in chosen:
        yield 1 / count, choice


def shown(law: DirectionLaw, d: int, number: int, orthogonal: bool) -> float:
    """The probability that the directions show a given entry of the gradient."""
    if law != "coordinate":
        return 1.0
    return number / d if orthogonal else -math.expm1(number * math.log1p(-1 / d)) if d > 1 else 1.0
