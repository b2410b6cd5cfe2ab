"""The grader of assignment 0: the parts of an engine one by one, and the library's gradient tests on its operations.

Each test looks at one thing, so that one slip costs the marks of one test; the operations are tried with a right
``unbroadcast``, and without the sweep, where yours are at fault.
"""

from __future__ import annotations

import numpy as np
import pytest
from gradient_elementwise import binary, unary  # the tables of the library's own tests
from gradient_points import points
from gradient_reductions import reduction
from grading import Sampled, array, check, check_generator, check_random, close
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from variant import constants, rng

import minigrad as mg
from minigrad import ops
from minigrad.testing import assert_gradients_close, assert_unbiased

ASSIGNMENT = "assignment0"
BLOCKED = ("minigrad",)
FOREIGN = ("autograd", "jax", "mygrad", "tensorflow", "tinygrad", "torch")
SLOPE = constants(0)["SLOPE"]
RNG = rng(0)
WIDE = RNG.normal(size=(4, 5)) * np.geomspace(3, 0.2, 5)
NUMPY = {
    "add": np.add,
    "multiply": np.multiply,
    "matmul": np.matmul,
    "leaky": lambda x: np.where(x > 0, x, SLOPE * x),
    "sum": np.sum,
}
"""What the operations compute."""


def unbroadcast(submission, shape, repeated):
    g = np.random.default_rng(1).normal(size=repeated)
    got = submission.call("call", "unbroadcast", g.copy(), shape)
    return array(got, shape, f"unbroadcast of shape {repeated} to {shape}"), g


@pytest.mark.task("0a", marks=1)
def test_axes_that_were_put_in_front(submission):
    for shape, repeated in (((3,), (4, 3)), ((), (2, 3)), ((2,), (5, 4, 2)), ((4, 3), (4, 3))):
        got, g = unbroadcast(submission, shape, repeated)
        expected = g.sum(axis=tuple(range(g.ndim - len(shape))))
        close(got, expected, f"unbroadcast of shape {repeated} to {shape} is the SUM over the axes put in front")


@pytest.mark.task("0a", marks=1)
def test_axes_of_length_one(submission):
    for shape, repeated in (((4, 1), (4, 3)), ((1, 3), (4, 3)), ((1, 1), (2, 3)), ((2, 1, 3), (2, 4, 3))):
        got, g = unbroadcast(submission, shape, repeated)
        axes = tuple(axis for axis, length in enumerate(shape) if length == 1)
        expected = g.sum(axis=axes, keepdims=True)
        close(got, expected, f"unbroadcast of shape {repeated} to {shape} is the SUM over the axes of length 1, kept")


CALLS = [
    *[("add", {}, shapes) for shapes in ([(2, 3), (2, 3)], [(2, 3), (3,)])],
    *[("multiply", {}, shapes) for shapes in ([(2, 3), (2, 3)], [(2, 1), (1, 3)])],
    ("matmul", {}, [(2, 3), (3, 4)]),
    ("leaky", {}, [(3, 4)]),
    *[("sum", options, [(2, 3)]) for options in ({}, {"axis": 0}, {"axis": 1, "keepdims": True})],
]


@pytest.mark.task("0b", marks=2)
def test_values(submission):
    for name, options, shapes in CALLS:
        arrays = [RNG.normal(size=shape) for shape in shapes]
        expected = NUMPY[name](*arrays, **options)
        got = array(submission.call("value", name, options, arrays), np.shape(expected), f"the value of {name}")
        given = f" with {options}" if options else ""
        close(got, expected, f"{name}{given} of shapes {shapes} has another value")


@pytest.mark.task("0b", marks=1)
def test_inputs(submission):
    for name, options, shapes in CALLS:
        inputs = submission.call("inputs", name, options, [np.ones(shape) for shape in shapes])
        wanted = list(range(len(shapes)))
        check(inputs == wanted, f"{name}: node.inputs should be the {len(wanted)} variables that it was computed from")


def swept(submission, graph, wrt):
    """A list of cotangents, each of shape (2,), for a cotangent (1, 2) of the last node."""
    found, left = submission.call("engine_sweep", graph, wrt, np.array([1.0, 2.0]))
    check(len(found) == len(wrt), f"gradients should return {len(wrt)} arrays, one for each variable asked for")
    check(np.array_equal(left, [1.0, 2.0]), "gradients changed the caller's g in place: a = a + b, not a += b")
    return found


def expect(found, expected, message):
    for number, (got, factor) in enumerate(zip(found, expected, strict=True)):
        close(array(got, (2,), f"cotangent {number}"), np.multiply(factor, [1.0, 2.0]), message)


@pytest.mark.task("0c", marks=1)
def test_fan_out(submission):
    """One node that uses another three times: in whatever order nodes are visited."""
    found = swept(submission, [((), None), ((0, 0, 0), (2.0, 3.0, 4.0))], [0])
    expect(found, [9.0], "a variable that is used several times gets the SUM of what comes back (2 + 3 + 4 here)")


@pytest.mark.task("0c", marks=1)
def test_order(submission):
    """Both ways from the last node to the first lead through node 1, one of them by way of node 2."""
    graph = [((), None), ((0,), (2.0,)), ((1,), (3.0,)), ((1, 2), (5.0, 7.0))]
    for wiring in (graph, [*graph[:3], ((2, 1), (7.0, 5.0))]):
        found = swept(submission, wiring, [1])
        if np.allclose(found[0], [5.0, 10.0]) or np.allclose(found[0], [21.0, 42.0]):
            continue  # the last use overwrote the other: that is for the test of fan-out
        expect(found, [26.0], "the VJP of a node may be called when ALL that use it have been: is there an order?")
        found = swept(submission, wiring, [0])
        expect(found, [52.0], "the VJP of a node may be called when ALL that use it have been: is there an order?")


@pytest.mark.task("0c", marks=1)
def test_what_is_not_reached(submission):
    found = swept(submission, [((), None), ((), None), ((0,), (2.0,))], [0, 1])
    expect(found, [2.0, 0.0], "a variable that the loss does not depend on has a gradient of ZEROS")


@pytest.mark.task("0c", marks=1)
def test_a_long_chain(submission):
    """Longer than Python's limit for functions that call themselves."""
    length = 3000
    found = swept(submission, [((), None), *[((k,), (1.0,)) for k in range(length)]], [0])
    expect(found, [1.0], f"a chain of {length} nodes")


def mask(submission, p):
    def draw(g, seeds):
        return [drawn for _, drawn in submission.call("masked", np.zeros_like(g), p, g, seeds=seeds)]

    return Sampled(draw, f"the VJP of column_mask at p = {p:g}")


@pytest.mark.task("0d", marks=2)
def test_the_estimator_is_unbiased(submission):
    """With p = 0.2 and 5 columns a third of the draws are empty, so that what is done with these shows."""
    check_random(mask(submission, 0.5), WIDE)
    assert_unbiased(mask(submission, 0.2), WIDE)


@pytest.mark.task("0d", marks=1)
def test_the_estimator_keeps_whole_columns(submission):
    x, draws = RNG.normal(size=(3, 4)), []
    for value, drawn in submission.call("masked", x, 0.5, np.ones((3, 4)), seeds=[(k, k) for k in range(300)]):
        close(array(value, (3, 4), "the value of column_mask"), x, "column_mask leaves the value as it is")
        draws.append(array(drawn, (3, 4), "the VJP of column_mask") != 0)
    kept = np.array(draws)
    check((kept == kept[:, :1]).all(), "a column is kept or left out as a whole: one coin for each, not for each entry")
    # 300 draws of 4 coins: within 5 standard deviations.
    check(abs(kept.mean() - 0.5) < 0.073, f"at p = 0.5 a share of {kept.mean():.3f} of the columns is kept")


@pytest.mark.task("0d", marks=1)
def test_the_estimator_takes_all_randomness_from_rng(submission):
    check_generator(mask(submission, 0.5), RNG.normal(size=(2, 8)))


@st.composite
def product(draw, op):
    n, k, m = (draw(st.integers(1, 3)) for _ in range(3))
    return op, [draw(points((n, k))), draw(points((k, m)))]


LIBRARY = {"add": binary, "multiply": binary, "matmul": product, "leaky": unary, "sum": reduction}
FEW = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # a smaller example of a fault would take longer than it helps
    suppress_health_check=list(HealthCheck),
)


def on_engine(submission, name, how, helpers):
    """An operation of the library with the VJP of the student's."""

    def cotangents(g, options, arrays):
        found = submission.call(how, name, options, [a.copy() for a in arrays], g.copy(), helpers=helpers)
        check(len(found) == len(arrays), f"the VJP of {name} should return {len(arrays)} cotangents")
        return [array(piece, a.shape, f"the VJP of {name}") for piece, a in zip(found, arrays, strict=True)]

    def op(*inputs, **options):
        @mg.primitive(x=lambda g, saved: cotangents(g, options, [saved["x"]])[0])
        def of_one(x):
            return NUMPY[name](x, **options), {"x": x}

        @mg.primitive(
            x=lambda g, saved: cotangents(g, options, [saved["x"], saved["y"]])[0],
            y=lambda g, saved: cotangents(g, options, [saved["x"], saved["y"]])[1],
        )
        def of_two(x, y):
            return NUMPY[name](x, y), {"x": x, "y": y}

        return (of_one if len(inputs) == 1 else of_two)(*inputs)

    return op


def summed(g, shape):
    """A right ``unbroadcast``, of the library."""
    return mg.vjp(lambda x: ops.broadcast_to(x, np.shape(g)), np.zeros(shape))[1](np.asarray(g, float))[0]


@pytest.mark.task("0e", marks=1)
@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_gradients_of_the_library(submission, name):
    """The whole engine; where it fails, without its sweep and with a right ``unbroadcast``."""

    def tried(how, helpers):
        @FEW
        @given(case=LIBRARY[name](on_engine(submission, name, how, helpers)))
        def check_case(case):
            assert_gradients_close(case[0], *case[1], name=name)

        check_case()

    try:
        tried("own_gradients", None)
    except AssertionError as first:
        try:
            tried("own_vjp", {"unbroadcast": summed})
        except AssertionError:
            raise first from None
