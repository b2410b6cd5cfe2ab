"""Assignment 3: optimal sketches (15 marks).

Write everything with NumPy; ``minigrad.theory`` and ``minigrad.estimators`` have these already, and are for comparing
only. Grade yourself with ``python -m pytest test_assignment3.py``.
"""

from __future__ import annotations

import minigrad as mg

CAP = 1.0  # of your class


def water_fill(weights, total):
    """Task 3a (5 marks): the probabilities p that minimise Σ w_j / p_j subject to Σ p_j ≤ total and p_j ≤ CAP.

    Parameters
    ----------
    weights : ndarray, shape (n,)
        w_j ≥ 0.
    total : float
        Positive.

    Returns
    -------
    ndarray, shape (n,)
        p_j = min(CAP, √w_j / τ), with the τ for which they sum to ``total``; 0 where w_j = 0. If ``total`` is more than
        the positive weights can use, they all have CAP.
    """
    raise NotImplementedError("task 3a: write water_fill")


class ColumnSketch(mg.Estimator):
    """Task 3b (5 marks): the unbiased sketch of r columns, on average, with the smallest E‖Ĝ − G‖².

    No column is kept with a probability above CAP.

    Parameters
    ----------
    r : float
        The expected number of columns kept.
    """

    def __init__(self, r):
        self.r = r

    def sample(self, g, node, rng):
        """One draw: an array of the shape of g, which has two axes and may have columns of zeros.

        Take all randomness from rng.
        """
        raise NotImplementedError("task 3b: write ColumnSketch.sample")


class LowRankSketch(mg.Estimator):
    """Task 3c (5 marks): the unbiased sketch of rank r, on average, with the smallest E‖Ĝ − G‖².

    No direction is kept with a probability above CAP.

    Parameters
    ----------
    r : float
        The expected rank.
    """

    def __init__(self, r):
        self.r = r

    def sample(self, g, node, rng):
        """One draw: an array of the shape of g, which has two axes. Take all randomness from rng."""
        raise NotImplementedError("task 3c: write LowRankSketch.sample")
