"""Assignment 0: build it, and see the tests turn green (18 marks).

An engine of your own, in four steps; at the end it passes tests of the library. Write it with NumPy alone, without
minigrad and without another library that differentiates. Grade yourself with ``python -m pytest test_assignment0.py``.
"""

from __future__ import annotations

import numpy as np

SLOPE = 0.1  # of your class


def unbroadcast(g, shape):
    """Task 0a (2 marks): undo what broadcasting did, in the backward pass.

    NumPy repeats an array of shape (3,) to meet one of shape (4, 3), and one of shape (4, 1) likewise. What is used
    four times gets the sum of four cotangents.

    Parameters
    ----------
    g : ndarray
        The cotangent of the repeated array.
    shape : tuple of int
        That of the array before it was repeated. It can be broadcast to the shape of g.

    Returns
    -------
    ndarray, shape ``shape``
    """
    raise NotImplementedError("task 0a: write unbroadcast")


class Variable:
    """Task 0b (3 marks): a node of the tape, which knows its value and how it came about.

    Parameters
    ----------
    value : array_like
    inputs : tuple of Variable
        What it was computed from; nothing for a variable that you make yourself.
    vjp : callable, optional
        Takes the cotangent of ``value`` to a tuple with one cotangent for each of ``inputs``, each of the shape of
        the value of that input.

    Attributes
    ----------
    value : ndarray of float64
    inputs, vjp
    """

    def __init__(self, value, inputs=(), vjp=None):
        self.value = np.asarray(value, dtype=np.float64)
        self.inputs = inputs
        self.vjp = vjp

    def __add__(self, other):
        """Return the Variable of ``self.value + other.value``, which may broadcast."""
        raise NotImplementedError("task 0b: write Variable.__add__")

    def __mul__(self, other):
        """Return the Variable of ``self.value * other.value``, which may broadcast."""
        raise NotImplementedError("task 0b: write Variable.__mul__")

    def __matmul__(self, other):
        """Return the Variable of ``self.value @ other.value``, of two matrices."""
        raise NotImplementedError("task 0b: write Variable.__matmul__")

    def leaky(self):
        """Return the Variable of x where x > 0, and of SLOPE · x elsewhere."""
        raise NotImplementedError("task 0b: write Variable.leaky")

    def sum(self, axis=None, keepdims=False):
        """Return the Variable of ``self.value.sum(axis=axis, keepdims=keepdims)``; axis may be a tuple."""
        raise NotImplementedError("task 0b: write Variable.sum")


def gradients(loss, variables, g):
    """Task 0c (4 marks): the backward sweep.

    Parameters
    ----------
    loss : Variable
        Where the sweep begins. Tens of thousands of nodes may lie between it and the first.
    variables : list of Variable
    g : ndarray
        The cotangent of ``loss``, of its shape. It is the caller's: leave it as it is.

    Returns
    -------
    list of ndarray
        For each of ``variables`` its cotangent; zeros where ``loss`` does not depend on it.

    Notes
    -----
    *Hint*: there is no list of nodes, so the order is to be found: "Without a list of steps" in lesson 1. A function
    that calls itself would end near a depth of 1000.
    """
    raise NotImplementedError("task 0c: write gradients")


def column_mask(variable, p, rng):
    """Task 0d (4 marks): a node that changes nothing on the way forward, and estimates on the way back.

    Parameters
    ----------
    variable : Variable
        Its value has shape (rows, columns).
    p : float
        In (0, 1].
    rng : numpy.random.Generator
        Take all randomness from it.

    Returns
    -------
    Variable
        Its value is that of ``variable``. Its VJP keeps each column of the cotangent with probability p, as a whole
        and independently of the others, so that its mean over draws is the cotangent. A new draw for each call.
    """
    raise NotImplementedError("task 0d: write column_mask")


# Task 0e (5 marks) is to pass: for each of the five operations, the test by which minigrad checks its own, with your
# operation, your unbroadcast and your sweep. What they ask for is that each VJP agrees with central differences.
