"""Assignment 1: VJPs and a tape (10 marks).

Write the three functions with NumPy alone: without minigrad, and without another library that differentiates. Derive
the rules: 1a and 1b are also tried on arrays of 100 000 entries in one call, which has a limit of time (20 seconds);
differences entry by entry take minutes. Grade yourself with ``python -m pytest test_assignment1.py``.
"""

from __future__ import annotations

SHIFT = 1.0  # of your class
TEMPERATURE = 2.0  # of your class


def scale_shift_vjp(g, x, a, b):
    """Task 1a (3 marks): the VJP of ``y = (x + SHIFT) * a + b``.

    Parameters
    ----------
    g : ndarray, shape (rows, columns)
        The cotangent of y.
    x : ndarray, shape (rows, columns)
    a, b : ndarray, shape (columns,)
        Each row of x + SHIFT is multiplied by a, entry by entry, and b is added.

    Returns
    -------
    tuple of ndarray
        The cotangents of x, a and b, each of the shape of its input. For 100 000 entries in well under a second.
    """
    raise NotImplementedError("task 1a: write scale_shift_vjp")


def log_softmax_vjp(g, y):
    """Task 1b (3 marks): the VJP of ``y = z - log(sum(exp(z)))``, over the last axis, with ``z = x / TEMPERATURE``.

    Parameters
    ----------
    g : ndarray, shape (..., classes)
        The cotangent of y, any numbers.
    y : ndarray, shape (..., classes)
        The *output*; x is not needed.

    Returns
    -------
    ndarray
        The cotangent of x. For 100 000 classes in well under a second.
    """
    raise NotImplementedError("task 1b: write log_softmax_vjp")


def sweep(tape, out, g):
    """Task 1c (4 marks): the backward sweep over a tape.

    Parameters
    ----------
    tape : list of (output, inputs, vjp)
        In the order in which things were computed. Values are known by a number: ``output`` is the number of the
        value that was computed, ``inputs`` a tuple with the numbers of those that it was computed from, and ``vjp(g)``
        takes the cotangent of the output to a tuple of cotangents, one for each input.
    out : int
        The number of the value that we differentiate.
    g : ndarray
        Its cotangent. It is the caller's: leave it as it is.

    Returns
    -------
    dict from int to ndarray
        The cotangent of every value that ``out`` depends on, ``out`` itself included.
    """
    raise NotImplementedError("task 1c: write sweep")
