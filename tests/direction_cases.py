"""Finite stand-ins for the laws of random directions in three dimensions: the same moments up to degree 9, exactly.

The normal law has the nodes of Gauss and Hermite in each coordinate. A sphere has those of Gauss and Legendre for its
height and equal angles round its axis; an orthogonal pair is turned by equal angles in the plane at right angles to a
point of the sphere. They owe nothing to the closed forms that are tested with them.
"""

from __future__ import annotations

import itertools

import numpy as np

D = 3


def gaussian():
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    weights = weights / weights.sum()
    for index in itertools.product(range(5), repeat=D):
        yield float(np.prod(weights[list(index)])), [nodes[list(index)]]


def circle(number=12):
    angles = 2 * np.pi * np.arange(number) / number
    return list(zip(np.cos(angles), np.sin(angles), strict=True))


def points():
    """Points of the unit sphere, with weights."""
    heights, weights = np.polynomial.legendre.leggauss(6)
    for z, weight in zip(heights, weights / 2, strict=True):
        for x, y in circle():
            yield weight / 12, np.array([x * np.sqrt(1 - z * z), y * np.sqrt(1 - z * z), z])


def sphere():
    for weight, n in points():
        yield weight, [np.sqrt(D) * n]


def pairs():
    """Two orthogonal directions."""
    for weight, n in points():
        first, second = np.linalg.svd(n[None])[2][1:]  # a basis of the plane at right angles to n
        for c, s in circle():
            yield weight / 12, [np.sqrt(D) * (c * first + s * second), np.sqrt(D) * (c * second - s * first)]


def rademacher():
    for signs in itertools.product((-1.0, 1.0), repeat=D):
        yield 2.0**-D, [np.array(signs)]


def coordinate():
    for row in np.eye(D):
        yield 1 / D, [np.sqrt(D) * row]


def coordinate_pairs():
    for a, b in itertools.combinations(np.eye(D), 2):
        yield 1 / D, [np.sqrt(D) * a, np.sqrt(D) * b]


ONE = {"gaussian": gaussian, "rademacher": rademacher, "sphere": sphere, "coordinate": coordinate}
TWO = {"sphere": pairs, "coordinate": coordinate_pairs}


def law_of(law, directions, orthogonal):
    """(probability, directions) of one choice of directions: up to two, or orthogonal ones up to two."""
    if directions == 1:
        return list(ONE[law]())
    if orthogonal:
        return list(TWO[law]())
    return [(p * q, [*a, *b]) for (p, a), (q, b) in itertools.product(ONE[law](), repeat=2)]
