"""The grader of assignment 1: VJPs against central differences, a sweep against gradients known by hand.

Each test looks at one thing, so that one slip costs the marks of one test.
"""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from grading import array, check, close
from variant import constants, rng

import minigrad as mg
from minigrad.testing import assert_gradients_close

ASSIGNMENT = "assignment1"
BLOCKED = ("minigrad",)
FOREIGN = ("autograd", "jax", "mygrad", "tensorflow", "tinygrad", "torch")
SHIFT, TEMPERATURE = constants(1)["SHIFT"], constants(1)["TEMPERATURE"]
RNG = rng(1)
X, A, B = RNG.normal(size=(4, 3)), RNG.normal(size=3), RNG.normal(size=3)
MANY = 100_000
"""Entries of a call whose answer has to be derived: a difference for each of them takes minutes."""
NAMES = ("x", "a", "b")


def pieces(submission, g, x, a, b):
    """The three cotangents of the student's rule, as they come."""
    found = submission.call("call", "scale_shift_vjp", g.copy(), x.copy(), a.copy(), b.copy())
    check(isinstance(found, tuple) and len(found) == 3, "scale_shift_vjp should return a tuple of three arrays")
    return found


@contextlib.contextmanager
def at_once():
    """Say of a call with many entries that did not come to its end what it is about."""
    try:
        yield
    except AssertionError as error:
        hint = f"for {MANY} entries a rule that is derived takes milliseconds; differences entry by entry take minutes"
        raise AssertionError(f"{error}\n{hint}" if "stopped after" in str(error) else str(error)) from None


def values(piece, name, shape):
    """The entries of a piece, whatever its axes of length 1."""
    check(
        type(piece) is np.ndarray and piece.size == np.prod(shape),
        f"the cotangent of {name} should be an array of {np.prod(shape)} entries",
    )
    return array(piece.reshape(shape), shape, f"the cotangent of {name}")


def differentiated(submission, k):
    """The rule for a single row, where nothing is summed, as a primitive of minigrad with one input."""
    inputs = [X[:1], A, B]

    def pull(g, saved):
        now = [saved["v"] if j == k else other for j, other in enumerate(inputs)]
        return values(pieces(submission, g, *now)[k], NAMES[k], inputs[k].shape)

    @mg.primitive(v=pull)
    def scale_shift(v):
        x, a, b = (v if j == k else other for j, other in enumerate(inputs))
        return (x + SHIFT) * a + b, {"v": v}

    assert_gradients_close(scale_shift, inputs[k], name=f"scale_shift, by {NAMES[k]}")


@pytest.mark.task("1a", marks=1)
def test_scale_shift_by_x(submission):
    differentiated(submission, 0)


@pytest.mark.task("1a", marks=1)
def test_scale_shift_by_a_and_b_in_one_row(submission):
    differentiated(submission, 1)
    differentiated(submission, 2)


@pytest.mark.task("1a", marks=1)
def test_scale_shift_of_several_rows(submission):
    """What several rows bring is judged by what the same rule gives for each row alone, and many columns likewise."""
    g = np.random.default_rng(1).normal(size=X.shape)
    rows = [pieces(submission, g[i : i + 1], X[i : i + 1], A, B) for i in range(len(X))]
    together = pieces(submission, g, X, A, B)
    for k, name in ((1, "a"), (2, "b")):
        got = array(together[k], (3,), f"the cotangent of {name}")
        expected = np.sum([values(row[k], name, (3,)) for row in rows], axis=0)
        check(np.abs(expected).max() > 0, f"the cotangent of {name} is 0 everywhere")
        ratio = float(np.sum(got * expected) / np.sum(expected**2))
        message = f"the cotangent of {name} for 4 rows should be the sum of those for each row; yours"
        close(got, expected, f"{message} is {ratio:.4g} times what it should be (all entries together)")
    times = MANY // X.size
    with at_once():
        wide = pieces(submission, *(np.tile(array, times) for array in (g, X, A, B)))
    for k, name in enumerate(NAMES):
        close(wide[k], np.tile(together[k], times), f"{MANY} entries: each column should get what it gets among few")
        check(np.shape(wide[k])[-1] == 3 * times, f"the cotangent of {name} should have as many columns as its input")


def log_softmax(submission):
    def pull(g, saved):
        found = submission.call("call", "log_softmax_vjp", g.copy(), saved["y"].copy())
        return array(found, g.shape, "the cotangent of x")

    @mg.primitive(x=pull)
    def op(x):
        shifted = (x - x.max(axis=-1, keepdims=True)) / TEMPERATURE
        y = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
        return y, {"y": y}

    return op


@pytest.mark.task("1b", marks=2)
def test_log_softmax(submission):
    """Of one vector, where there is one axis only."""
    assert_gradients_close(log_softmax(submission), RNG.normal(size=5), name="log_softmax")


@pytest.mark.task("1b", marks=1)
def test_log_softmax_of_several_axes(submission):
    """Judged by what the same rule gives for each vector alone, and for many classes by what it gives for few."""
    draws = np.random.default_rng(2)
    for shape in ((4, 3), (2, 3, 4)):
        g, y = draws.normal(size=shape), np.log(draws.dirichlet(np.ones(shape[-1]), size=shape[:-1]))
        got = array(submission.call("call", "log_softmax_vjp", g.copy(), y.copy()), shape, "the cotangent of x")
        alone = np.empty(shape)
        for place in np.ndindex(*shape[:-1]):
            found = submission.call("call", "log_softmax_vjp", g[place].copy(), y[place].copy())
            alone[place] = array(found, shape[-1:], "the cotangent of x")
        check(np.abs(alone).max() > 0, "the cotangent of x is 0 everywhere")
        message = f"log_softmax of shape {shape}: each vector along the LAST axis should get what it gets alone"
        close(got, alone, message)
    many_classes(submission, draws)


def many_classes(submission, draws):
    """Classes without probability count by the sum of their cotangents alone: one of them can stand for all."""
    g, y = draws.normal(size=MANY), np.full(MANY, -800.0)
    y[:4] = np.log(draws.dirichlet(np.ones(4)))
    with at_once():
        got = array(submission.call("call", "log_softmax_vjp", g.copy(), y.copy()), g.shape, "the cotangent of x")
    few = np.append(g[:5], g[5:].sum()), y[:6]
    alone = array(submission.call("call", "log_softmax_vjp", *few), (6,), "the cotangent of x")
    close(got[:5], alone[:5], f"{MANY} classes, all but 4 without probability: not what 6 of them get", rtol=1e-6)


CHAIN = [(1, (0,), (2.0,)), (2, (1,), (3.0,)), (3, (2,), (5.0,))]


def swept(submission, tape, out, g):
    """What the sweep found, and g as it left it."""
    found, g = submission.call("sweep", tape, out, g)
    check(isinstance(found, dict), f"sweep should return a dict, got {type(found).__name__}")
    return found, g


def in_its_order(submission, tape):
    """The tape as the student's sweep wants to have it: which way it should be read costs marks in one test only."""
    try:
        forwards = set(swept(submission, CHAIN[::-1], 3, np.ones(1))[0]) == {0, 1, 2, 3}
        backwards = set(swept(submission, CHAIN, 3, np.ones(1))[0]) == {0, 1, 2, 3}
    except AssertionError:
        return tape
    return tape[::-1] if forwards and not backwards else tape


@pytest.mark.task("1c", marks=1)
def test_a_chain(submission):
    found, _ = swept(submission, CHAIN, 3, np.array([1.0]))
    check(
        set(found) == {0, 1, 2, 3},
        f"values 0, 1, 2 and 3 should have a cotangent, got {sorted(found)}: is the tape read backwards?",
    )
    for number, expected in enumerate((30.0, 15.0, 5.0, 1.0)):
        close(array(found[number], (1,), f"cotangent {number}"), expected, f"the cotangent of value {number} is wrong")


@pytest.mark.task("1c", marks=1)
def test_fan_out(submission):
    """Value 0 is used by three operations, once twice by the same one."""
    tape = [(1, (0,), (2.0,)), (2, (0, 0), (3.0, 4.0)), (3, (0, 1, 2), (1.0, 1.0, 1.0))]
    found, _ = swept(submission, in_its_order(submission, tape), 3, np.array([1.0]))
    message = "a value that is used several times gets the SUM of what comes back from each use (1 + 2 + 3 + 4 here)"
    close(array(found.get(0), (1,), "cotangent 0"), 10.0, message)


@pytest.mark.task("1c", marks=1)
def test_what_out_does_not_depend_on(submission):
    tape = [(1, (0,), (2.0,)), (2, (1,), "never"), (3, (1,), (7.0,)), (4, (3,), "never")]
    found, _ = swept(submission, in_its_order(submission, tape), 3, np.array([1.0]))
    check(2 not in found and 4 not in found, "values that `out` does not depend on have no cotangent: leave them out")
    check({0, 1, 3} <= set(found), f"values 0, 1 and 3 should have a cotangent, got {sorted(found)}")


@pytest.mark.task("1c", marks=1)
def test_nothing_is_changed_in_place(submission):
    """An identity hands on the very array that it got; adding to it in place spoils that of another."""
    tape = in_its_order(submission, [(1, (0,), (None,)), (2, (0, 1), (None, None))])
    found, left = swept(submission, tape, 2, np.array([1.0, 2.0]))
    check(
        np.array_equal(left, [1.0, 2.0]),
        "sweep changed the caller's g in place; make a new array: a = a + b, not a += b",
    )
    close(
        array(found.get(1), (2,), "cotangent 1"),
        [1.0, 2.0],
        "the cotangent of value 1 was changed in place by the sum for another value",
    )
