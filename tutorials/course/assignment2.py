"""Assignment 2: unbiased masks and their variance (14 marks).

Write everything with NumPy; ``minigrad.estimators``, ``theory`` and ``inspect`` have these already, and are for
comparing only. Grade yourself with ``python -m pytest test_assignment2.py``.
"""

from __future__ import annotations

import minigrad as mg

BLOCK = 2  # of your class


class ColumnMask(mg.Estimator):
    """Task 2a (5 marks): keep each block of columns with probability p, and stay unbiased.

    The columns go in blocks of BLOCK that lie side by side; the last block may have fewer.

    Parameters
    ----------
    p : float
        In (0, 1].
    """

    def __init__(self, p):
        self.p = p

    def sample(self, g, node, rng):
        """One draw.

        Parameters
        ----------
        g : ndarray, shape (..., columns)
            The cotangent.
        node
            Not needed here.
        rng : numpy.random.Generator
            Take all randomness from it.

        Returns
        -------
        ndarray
            Of the shape of g. Whole blocks are kept or left out, independently of each other, and the mean over
            draws is g.
        """
        raise NotImplementedError("task 2a: write ColumnMask.sample")


def weight_variance(G, X, p, axis):
    """Task 2b (4 marks): E‖ĜᵀX − GᵀX‖² in closed form, where Ĝ is a uniform mask of G with probability p.

    Parameters
    ----------
    G : ndarray, shape (rows, columns)
    X : ndarray, shape (rows, inputs)
    p : float
        In (0, 1].
    axis : {"column", "row", "element"}
        What is kept or left out as one.

    Returns
    -------
    float
    """
    raise NotImplementedError("task 2b: write weight_variance")


def pull_back(g, weights, p, rng):
    """Task 2c (5 marks): pull a cotangent back through several linear layers, with a column mask at each.

    Parameters
    ----------
    g : ndarray, shape (rows, columns)
        The cotangent of the output of the last layer.
    weights : list of ndarray
        In the order in which the backward sweep meets them: first that of the last layer. The exact VJP of each is
        ``g @ w``.
    p : float
        Before each product, the columns of what arrives are masked, each by itself, kept with probability p.
    rng : numpy.random.Generator
        Take all randomness from it.

    Returns
    -------
    ndarray
        A draw with mean ``g @ weights[0] @ weights[1] @ ...``.
    """
    raise NotImplementedError("task 2c: write pull_back")
