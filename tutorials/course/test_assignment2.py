"""The grader of assignment 2: means and variances, by draws and by enumeration.

Tests by draws are made at a false-alarm rate of 1e-6 each, with fixed seeds. Each test looks at one thing, so that one
slip costs the marks of one test.
"""

from __future__ import annotations

import numpy as np
import pytest
from grading import Sampled, array, check, check_generator, check_random, close
from variant import constants, rng

import minigrad as mg
from minigrad import inspect, ops
from minigrad.estimators import Mask
from minigrad.testing import assert_unbiased

ASSIGNMENT = "assignment2"
LIBRARY = ("estimators", "experiments", "extras", "inspect", "ops", "testing", "theory", "training", "transforms")
BLOCKED = tuple(f"minigrad.{name}" for name in LIBRARY)
FOREIGN = ()
BLOCK = constants(2)["BLOCK"]
RNG = rng(2)
G, X = RNG.normal(size=(4, 3)) * np.array([3.0, 1.0, 0.2]), RNG.normal(size=(4, 5)) * RNG.uniform(0.2, 1, (4, 1))
WIDE = RNG.normal(size=(4, 2 * BLOCK + 1)) * np.geomspace(3, 0.2, 2 * BLOCK + 1)


def mask(submission, p):
    def draw(g, seeds):
        return submission.call("draw", "ColumnMask", [p], g, seeds=seeds)

    return Sampled(draw, f"ColumnMask({p:g})")


def patterns(estimator, shape, draws):
    """Which entries of ones are kept, in each of the draws."""
    rng = np.random.default_rng(0)
    return np.array([estimator.sample(np.ones(shape), None, rng) != 0 for _ in range(draws)])


def check_probability(estimator, kept, p, units):
    """Units are kept with probability p: so they are on average, or at least in those draws that keep neither all nor
    nothing. What is done with an empty draw, and what is a unit, is the business of other tests.
    """
    share = kept.reshape(len(kept), -1).mean(axis=1)
    mixed = share[(share > 0) & (share < 1)]
    expected = (p - p**units) / (1 - p**units - (1 - p) ** units)
    near = [  # within 5 standard deviations: not by a chance of 6e-7
        abs(found.mean() - wanted) < 5 * found.std() / np.sqrt(len(found))
        for found, wanted in ((share, p), (mixed, expected))
        if len(found) > 100
    ]
    check(any(near), f"{estimator!r} keeps a share of {share.mean():.3f}; {p:.3g} if each unit is kept with p = {p:g}")


@pytest.mark.task("2a", marks=2)
def test_mask_is_unbiased(submission):
    """With p = 0.2 and 3 blocks half of the draws are empty, so that what is done with these shows."""
    check_random(mask(submission, 0.5), WIDE)
    assert_unbiased(mask(submission, 0.2), WIDE)
    assert_unbiased(mask(submission, 0.5), np.random.default_rng(5).normal(size=(2, 2, 4)))


@pytest.mark.task("2a", marks=1)
def test_mask_keeps_whole_blocks(submission):
    """Of the 16 patterns of 4 blocks 300 draws miss more than two by a chance below 1e-12."""
    kept = patterns(mask(submission, 0.5), (3, 4 * BLOCK), 300)
    whole = kept.reshape(len(kept), 3, 4, BLOCK)
    check(
        (whole == whole[:, :1, :, :1]).all(),
        f"a block of {BLOCK} columns is kept or left out as a whole: one coin for each block, not for each entry"
        + (" or column" if BLOCK > 1 else ""),
    )
    several = len({draw.tobytes() for draw in kept})
    check(several >= 14, f"4 independent blocks have 16 patterns of kept ones, and 300 draws showed {several}")


@pytest.mark.task("2a", marks=1)
def test_mask_keeps_with_probability_p(submission):
    for p in (0.25, 0.6):
        estimator = mask(submission, p)
        check_probability(estimator, patterns(estimator, (2, 5 * BLOCK), 800), p, 5)


@pytest.mark.task("2a", marks=1)
def test_mask_takes_all_randomness_from_rng(submission):
    check_generator(mask(submission, 0.5), np.random.default_rng(6).normal(size=(2, 5 * BLOCK)))


def by_enumeration(p, axis):
    w = mg.Tensor(np.zeros((3, 5)), requires_grad=True, name="W")
    with mg.Tape() as tape:
        y = ops.linear(mg.Tensor(X), w, vjp=Mask(p, axis=axis))
    return inspect.exact_moments(tape, y, [w], cotangent=G).total_variance


def variance(submission, g, x, p, axis):
    return float(array(submission.call("call", "weight_variance", g, x, p, axis), (), "weight_variance"))


def check_geometry(submission, axis, hint):
    """What the formula makes of G and X, relative to what the same formula gives for one entry of 1."""
    for p in (0.5, 0.2):
        one = variance(submission, np.ones((1, 1)), np.ones((1, 1)), p, axis)
        check(one > 0, f'axis="{axis}": at p = {p:g} the gradient is random, so it has a variance')
        got = variance(submission, G.copy(), X.copy(), p, axis) / one
        expected = by_enumeration(p, axis) / (1 / p - 1)
        close(
            got,
            expected,
            f'axis="{axis}", p = {p:g}: not what all outcomes together give (relative to G = X = 1 you have '
            f"{got / expected:.4g} times that).\n  {hint}",
        )


@pytest.mark.task("2b", marks=1)
def test_variance_of_one_entry(submission):
    for axis in ("column", "row", "element"):
        for p in (0.5, 0.2, 1.0):
            got = variance(submission, np.ones((1, 1)), np.ones((1, 1)), p, axis)
            message = f'axis="{axis}", p = {p:g}, G = X = 1: a kept/p coin has variance κ = 1/p - 1, and at p = 1 none'
            close(got, 1 / p - 1, message)


@pytest.mark.task("2b", marks=1)
def test_variance_of_columns(submission):
    check_geometry(submission, "column", "leaving out column j of G leaves out row j of GᵀX, so nothing but GᵀX counts")


@pytest.mark.task("2b", marks=2)
def test_variance_of_rows_and_elements(submission):
    row = "GᵀX is a sum over rows i of outer products of size ‖G_i‖‖X_i‖; each is kept or left out"
    check_geometry(submission, "row", row)
    element = "entry G_ij brings G_ij X_i into row j of GᵀX; sum its square over i and j"
    check_geometry(submission, "element", element)


def pulled(submission, weights, p, name, start=None):
    """The draws of ``pull_back``, from ``start(g)``."""

    def draw(g, seeds):
        g = g if start is None else start(g)
        return submission.call("pull_back", g, weights, p, seeds=seeds)

    return Sampled(draw, name)


def through_rotations(submission, p):
    """With orthogonal weights, pulling back what was rotated forward gives the cotangent itself, in the mean."""
    rng = np.random.default_rng(5)
    weights = [np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(2)]
    name = f"pull_back through 2 layers at p = {p:g}"
    return pulled(submission, weights, p, name, lambda g: g @ weights[1].T @ weights[0].T)


@pytest.mark.task("2c", marks=2)
def test_pull_back_is_unbiased(submission):
    g = RNG.normal(size=(3, 4))
    check_random(through_rotations(submission, 0.5), g)
    assert_unbiased(through_rotations(submission, 0.5), g)


@pytest.mark.task("2c", marks=1)
def test_pull_back_masks_columns(submission):
    """Through one layer that does nothing, what is kept shows."""
    estimator = pulled(submission, [np.eye(5)], 0.5, "pull_back through the identity at p = 0.5")
    kept = patterns(estimator, (3, 5), 600)
    check((kept == kept[:, :1]).all(), "a column is kept or left out as a whole: one coin for each, not for each entry")
    check_probability(estimator, kept, 0.5, 5)


@pytest.mark.task("2c", marks=1)
def test_pull_back_of_other_shapes(submission):
    weights = [RNG.normal(size=(4, 6)), RNG.normal(size=(6, 2)), RNG.normal(size=(2, 3))]
    g = RNG.normal(size=(5, 4))
    exact = array(submission.call("pull_back", g, weights, 1.0, 0), (5, 3), "pull_back")
    close(exact, g @ weights[0] @ weights[1] @ weights[2], "at p = 1 pull_back is the exact VJP")
    found = submission.call("pull_back", g, weights, 0.5, seeds=[(k, k) for k in range(50)])
    draws = {array(draw, (5, 3), "pull_back").tobytes() for draw in found}
    check(len(draws) > 10, f"50 draws at p = 0.5 gave {len(draws)} different results: what is kept should be drawn")


@pytest.mark.task("2c", marks=1)
def test_pull_back_takes_all_randomness_from_rng(submission):
    check_generator(through_rotations(submission, 0.5), RNG.normal(size=(3, 4)))
