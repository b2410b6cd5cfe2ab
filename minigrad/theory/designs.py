"""Sampling designs: how often two items are kept together.

Index conventions: j, k run over the items in the order given; p_j inclusion probability, p_jk the probability
that j and k are both kept.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from minigrad.typing import Array

__all__ = ["DesignName", "systematic_joint_probabilities"]

DesignName: TypeAlias = Literal["poisson", "systematic"]
"""How a set of items is drawn: independently, or with one number for all."""


def systematic_joint_probabilities(p: ArrayLike) -> Array:
    """Return the matrix p_jk of systematic sampling in the given order.

    With the cumulative sums c_j = p_1 + … + p_j and one uniform u in [0, 1), item j is kept when some u +
    integer falls in [c_{j−1}, c_j). So u, on a circle of length 1, must fall in an arc of length p_j, and j
    and k are both kept where their arcs overlap: p_jk is the length of that overlap. (Independent keeps have
    p_jk = p_j p_k.)

    Parameters
    ----------
    p : array_like of shape (m,)
        Inclusion probabilities in [0, 1]; their sum need not be an integer. Where it is, exactly that many
        items are kept, always.

    Returns
    -------
    ndarray of float64, shape (m, m)
        Symmetric, with p on the diagonal; exact to rounding (an absolute error of about 1e-16·m).

    Raises
    ------
    ValueError
        If p is not a vector of numbers in [0, 1].

    Notes
    -----
    Two items that are never kept together (p_jk = 0) are common: neighbours with p_j + p_k ≤ 1 are such a
    pair. Madow (1949), Ann. Math. Statist. 20(3); Tillé (2006), *Sampling Algorithms*.

    Examples
    --------
    Four items at 1/2: u < 1/2 keeps the first and the third, u ≥ 1/2 the other two.

    >>> from minigrad import theory
    >>> theory.systematic_joint_probabilities([0.5, 0.5, 0.5, 0.5])
    array([[0.5, 0. , 0.5, 0. ],
           [0. , 0.5, 0. , 0.5],
           [0.5, 0. , 0.5, 0. ],
           [0. , 0.5, 0. , 0.5]])
    """
    q = np.asarray(p, dtype=np.float64)
    if q.ndim != 1 or not (q.size == 0 or (q.min() >= 0.0 and q.max() <= 1.0)):
        raise ValueError(
            f"systematic_joint_probabilities: p of shape {q.shape} must be a vector of probabilities in [0, "
            "1], in the order in which the items are sampled."
        )
    return overlaps(arc_starts(q), q)


def arc_starts(p: Array) -> Array:
    """Return where on the circle of length 1 each arc starts: the sum of the p before it, modulo 1."""
    start: Array = np.zeros(p.shape)
    np.cumsum(p[:-1], out=start[1:])
    return start % 1.0


def overlaps(start: Array, length: Array) -> Array:
    """Return the lengths of the pairwise overlaps of arcs on the circle of length 1."""
    ahead = (start[None, :] - start[:, None]) % 1.0  # from the start of arc j forward to that of arc k
    end = ahead + length[None, :]
    straight = np.minimum(length[:, None], end) - ahead
    wrapped = np.minimum(length[:, None], end - 1.0)  # the part of arc k beyond a full turn
    joint: Array = np.maximum(straight, 0.0) + np.maximum(wrapped, 0.0)
    joint = (joint + joint.T) / 2.0  # equal but for rounding
    np.fill_diagonal(joint, length)
    return joint
