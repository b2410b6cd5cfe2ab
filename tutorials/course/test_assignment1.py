"""The grader of assignment 1: VJPs against central differences, a sweep against gradients known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from grading import array, check, close

import minigrad as mg
from minigrad.testing import assert_gradients_close

ASSIGNMENT = "assignment1"
RNG = np.random.default_rng(1)
X, A, B = RNG.normal(size=(4, 3)), RNG.normal(size=3), RNG.normal(size=3)


def one_by_one(function):
    """The student's rule for three inputs, as a primitive of minigrad."""

    def rule(k, shape_of):
        def pull(g, saved):
            pieces = function(g.copy(), saved["x"].copy(), saved["a"].copy(), saved["b"].copy())
            check(
                isinstance(pieces, tuple) and len(pieces) == 3, "scale_shift_vjp should return a tuple of three arrays"
            )
            return array(pieces[k], saved[shape_of].shape, f"the cotangent of {shape_of}")

        return pull

    @mg.primitive(x=rule(0, "x"), a=rule(1, "a"), b=rule(2, "b"))
    def scale_shift(x, a, b):
        return x * a + b, {"x": x, "a": a, "b": b}

    return scale_shift


@pytest.mark.task("1a", marks=1)
def test_scale_shift_by_x(submission):
    op = one_by_one(submission.scale_shift_vjp)
    assert_gradients_close(lambda x: op(x, A, B), X, name="scale_shift, by x")


@pytest.mark.task("1a", marks=1)
def test_scale_shift_by_a(submission):
    op = one_by_one(submission.scale_shift_vjp)
    assert_gradients_close(lambda a: op(X, a, B), A, name="scale_shift, by a")


@pytest.mark.task("1a", marks=1)
def test_scale_shift_by_b(submission):
    op = one_by_one(submission.scale_shift_vjp)
    assert_gradients_close(lambda b: op(X, A, b), B, name="scale_shift, by b")


def log_softmax(function):
    @mg.primitive(x=lambda g, saved: array(function(g.copy(), saved["y"].copy()), g.shape, "the cotangent of x"))
    def op(x):
        shifted = x - x.max(axis=-1, keepdims=True)
        y = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
        return y, {"y": y}

    return op


@pytest.mark.task("1b", marks=2)
def test_log_softmax(submission):
    assert_gradients_close(log_softmax(submission.log_softmax_vjp), X, name="log_softmax")


@pytest.mark.task("1b", marks=1)
def test_log_softmax_of_three_axes(submission):
    x = np.random.default_rng(2).normal(size=(2, 3, 4))
    assert_gradients_close(log_softmax(submission.log_softmax_vjp), x, name="log_softmax of shape (2, 3, 4)")


def swept(submission, tape, out, g):
    found = submission.sweep(list(tape), out, g)
    check(isinstance(found, dict), f"sweep should return a dict, got a {type(found).__name__}")
    return found


@pytest.mark.task("1c", marks=1)
def test_a_chain(submission):
    tape = [(1, (0,), lambda g: (2 * g,)), (2, (1,), lambda g: (3 * g,)), (3, (2,), lambda g: (5 * g,))]
    found = swept(submission, tape, 3, np.array([1.0]))
    check(
        set(found) == {0, 1, 2, 3},
        f"values 0, 1, 2 and 3 should have a cotangent, got {sorted(found)}: is the tape read backwards?",
    )
    for number, expected in enumerate((30.0, 15.0, 5.0, 1.0)):
        close(array(found[number], (1,), f"cotangent {number}"), expected, f"the cotangent of value {number} is wrong")


@pytest.mark.task("1c", marks=1)
def test_fan_out(submission):
    """Value 0 is used by three operations, once twice by the same one."""
    tape = [
        (1, (0,), lambda g: (2 * g,)),
        (2, (0, 0), lambda g: (3 * g, 4 * g)),
        (3, (0, 1, 2), lambda g: (g, g, g)),
    ]
    found = swept(submission, tape, 3, np.array([1.0]))
    check(
        set(found) == {0, 1, 2, 3},
        f"values 0, 1, 2 and 3 should have a cotangent, got {sorted(found)}: is the tape read backwards?",
    )
    message = "a value that is used several times gets the SUM of what comes back from each use (1 + 2 + 3 + 4 here)"
    close(array(found[0], (1,), "cotangent 0"), 10.0, message)


@pytest.mark.task("1c", marks=1)
def test_what_out_does_not_depend_on(submission):
    def never(g):
        raise AssertionError("sweep called the VJP of an operation that `out` does not depend on")

    tape = [(1, (0,), lambda g: (2 * g,)), (2, (1,), never), (3, (1,), lambda g: (g,)), (4, (3,), never)]
    found = swept(submission, tape, 3, np.array([1.0]))
    check(2 not in found and 4 not in found, "values that `out` does not depend on have no cotangent: leave them out")
    close(array(found.get(0), (1,), "cotangent 0"), 2.0, "the cotangent of value 0 is wrong")


@pytest.mark.task("1c", marks=1)
def test_nothing_is_changed_in_place(submission):
    """An identity hands on the very array that it got; adding to it in place spoils that of another."""
    tape = [(1, (0,), lambda g: (g,)), (2, (0, 1), lambda g: (g, g))]
    g = np.array([1.0, 2.0])
    found = swept(submission, tape, 2, g)
    check(
        np.array_equal(g, [1.0, 2.0]), "sweep changed the caller's g in place; make a new array: a = a + b, not a += b"
    )
    close(
        array(found.get(1), (2,), "cotangent 1"),
        [1.0, 2.0],
        "the cotangent of value 1 was changed in place by the sum for another value",
    )
    close(
        array(found.get(0), (2,), "cotangent 0"),
        [2.0, 4.0],
        "a value that is used several times gets the SUM of what comes back",
    )
