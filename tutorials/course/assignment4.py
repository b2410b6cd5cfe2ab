"""Assignment 4: noise, cost and a budget (14 marks).

Write everything with NumPy; ``minigrad.inspect`` and ``theory`` have these already, and are for comparing only.

Grade yourself with ``python -m pytest test_assignment4.py``.
"""

from __future__ import annotations

EXACT = 1  # of your class


def minibatch_variance(gradients, b):
    """Task 4a (3 marks): the variance E‖g_B − ∇f‖² of the gradient on a random batch.

    Parameters
    ----------
    gradients : ndarray, shape (N, d)
        The gradient of each sample; ∇f is their mean.
    b : int
        The size of a batch B, 1 to N: drawn *without* replacement, and g_B is the mean over it.

    Returns
    -------
    float
        Exact; no draws are needed.

    Notes
    -----
    *Hint*: take the mean away from the gradients. Two different samples of a batch are any two of the N with equal
    probability, and what is left sums to 0 over all N: what is the mean of their inner product?
    """
    raise NotImplementedError("task 4a: write minibatch_variance")


def step_cost(widths, batch):
    """Task 4b (4 marks): the operations of a step of a multi-layer perceptron, as c0 + c1·p.

    Count products of matrices only, at 2·B·n·m for (B, n) by (n, m); activations, biases and the loss are free. The
    last EXACT layers are exact. In each of the others a fraction p of the columns of the cotangent is kept.

    Parameters
    ----------
    widths : sequence of int
        As (784, 256, 10): inputs, hidden features, outputs. At least one layer is not exact.
    batch : int

    Returns
    -------
    c0, c1 : float
        What a step costs at any budget (forward pass and exact layers), and what the sketched part costs at p = 1.
        Nobody needs the gradient with respect to the input of the network.
    """
    raise NotImplementedError("task 4b: write step_cost")


def best_budget(c0, c1, a, b):
    """Task 4c (4 marks): the budget p in (0, 1] for which (c0 + c1·p)·(a + b/p) is smallest.

    Parameters
    ----------
    c0, c1 : float
        Positive: a step costs c0 + c1·p.
    a, b : float
        Its gradient has variance a + b/p; b > 0, a + b > 0, and a may be negative.

    Returns
    -------
    p : float
    ratio : float
        The total cost at p over the total cost at budget 1.
    """
    raise NotImplementedError("task 4c: write best_budget")


def added_variance(tape, loss, wrt, exact, draws, rng):
    """Task 4d (3 marks): estimate E‖ĝ − g‖², over all parameters together, from draws of one tape.

    Parameters
    ----------
    tape : minigrad.Tape
        With estimators on some nodes; ``tape.gradients(loss, wrt, rng=rng)`` draws once.
    loss : minigrad.Tensor
    wrt : list of minigrad.Tensor
    exact : list of ndarray
        The exact gradient g.
    draws : int
    rng : numpy.random.Generator
        Take all randomness from it.

    Returns
    -------
    float
        The mean over the draws.
    """
    raise NotImplementedError("task 4d: write added_variance")
