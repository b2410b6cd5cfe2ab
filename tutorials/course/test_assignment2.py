"""The grader of assignment 2: means and variances, by draws and by enumeration.

Tests by draws are made at a false-alarm rate of 1e-6 each, with fixed seeds.
"""

from __future__ import annotations

import numpy as np
import pytest
from grading import Sampled, array, check, check_random, close

import minigrad as mg
from minigrad import inspect, ops
from minigrad.estimators import Mask
from minigrad.testing import assert_unbiased, assert_variance_close

ASSIGNMENT = "assignment2"
RNG = np.random.default_rng(3)
G, X = RNG.normal(size=(4, 3)) * np.array([3.0, 1.0, 0.2]), RNG.normal(size=(4, 5)) * RNG.random((4, 1))


def mask(submission, p):
    return Sampled(submission.ColumnMask(p).sample, f"ColumnMask({p:g})")


@pytest.mark.task("2a", marks=2)
def test_mask_is_unbiased(submission):
    """With p = 0.2 and 3 columns half of the draws are empty, so that what is done with these shows."""
    assert_unbiased(mask(submission, 0.2), G)
    check_random(mask(submission, 0.5), G)
    assert_unbiased(mask(submission, 0.5), RNG.normal(size=(2, 2, 4)))


@pytest.mark.task("2a", marks=1)
def test_mask_keeps_whole_columns(submission):
    rng, estimator = np.random.default_rng(0), mask(submission, 0.5)
    patterns = {tuple(map(tuple, estimator.sample(np.ones((3, 4)), None, rng) != 0)) for _ in range(200)}
    check(
        all(len(set(rows)) == 1 for rows in patterns),
        "a column is kept or left out as a whole: one coin for each column, not for each entry",
    )
    check(
        len(patterns) == 16,
        f"4 independent columns have 16 patterns of kept ones, and 200 draws showed {len(patterns)}",
    )


@pytest.mark.task("2a", marks=1)
def test_mask_has_the_variance_of_a_mask(submission):
    assert_variance_close(mask(submission, 0.25), G, expected=3 * np.sum(G**2), draws=8000)


def by_enumeration(p, axis):
    w = mg.Tensor(np.zeros((3, 5)), requires_grad=True, name="W")
    with mg.Tape() as tape:
        y = ops.linear(mg.Tensor(X), w, vjp=Mask(p, axis=axis))
    return inspect.exact_moments(tape, y, [w], cotangent=G).total_variance


@pytest.mark.task("2b", marks=1)
@pytest.mark.parametrize("axis", ["column", "row", "element"])
def test_variance_of_the_weight_gradient(submission, axis):
    for p in (0.5, 0.2):
        got = array(submission.weight_variance(G.copy(), X.copy(), p, axis), (), "weight_variance")
        expected = by_enumeration(p, axis)
        hint = {
            "column": "leaving out column j of G leaves out row j of GᵀX, so nothing but GᵀX counts",
            "row": "GᵀX is a sum over rows i of outer products of size ‖G_i‖‖X_i‖; each is kept or left out",
            "element": "entry G_ij brings G_ij X_i into row j of GᵀX; sum its square over i and j",
        }[axis]
        factor = "" if expected == 0 else f" (you have {float(got) / expected:.4g} times that)"
        close(
            got,
            expected,
            f'axis="{axis}", p = {p}: not what all outcomes together give{factor}.\n'
            f"  {hint}; a kept/p coin has variance κ = 1/p - 1",
        )


@pytest.mark.task("2b", marks=1)
def test_variance_at_p_1(submission):
    for axis in ("column", "row", "element"):
        masked = array(submission.weight_variance(G.copy(), X.copy(), 0.5, axis), (), "weight_variance")
        check(masked > 0, f'axis="{axis}": at p = 0.5 the gradient is random, so it has a variance')
        got = array(submission.weight_variance(G.copy(), X.copy(), 1.0, axis), (), "weight_variance")
        close(got, 0.0, f'axis="{axis}": at p = 1 everything is kept and nothing is random, so the variance is 0')


def through_rotations(submission, p):
    """With orthogonal weights, pulling back what was rotated forward gives the cotangent itself, in the mean."""
    rng = np.random.default_rng(5)
    weights = [np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(2)]

    def sample(g, node, rng):
        start = g @ weights[1].T @ weights[0].T
        return submission.pull_back(start, [w.copy() for w in weights], p, rng)

    return Sampled(sample, f"pull_back through 2 layers at p = {p:g}")


@pytest.mark.task("2c", marks=2)
def test_pull_back_is_unbiased(submission):
    g = RNG.normal(size=(3, 4))
    assert_unbiased(through_rotations(submission, 0.5), g)
    check_random(through_rotations(submission, 0.5), g)


@pytest.mark.task("2c", marks=1)
def test_pull_back_has_compound_noise(submission):
    """Each mask multiplies the mean square by 1/p, and rotations leave it: (1/p)² − 1 for two."""
    g = RNG.normal(size=(3, 4))
    assert_variance_close(through_rotations(submission, 0.5), g, expected=3 * np.sum(g**2), draws=8000)


@pytest.mark.task("2c", marks=1)
def test_pull_back_of_other_shapes(submission):
    weights = [RNG.normal(size=(4, 6)), RNG.normal(size=(6, 2)), RNG.normal(size=(2, 3))]
    g, rng = RNG.normal(size=(5, 4)), np.random.default_rng(0)
    exact = array(submission.pull_back(g, weights, 1.0, rng), (5, 3), "pull_back")
    close(exact, g @ weights[0] @ weights[1] @ weights[2], "at p = 1 pull_back is the exact VJP")
    draws = {array(submission.pull_back(g, weights, 0.5, rng), (5, 3), "pull_back").tobytes() for _ in range(50)}
    check(
        len(draws) > 10,
        f"50 draws gave {len(draws)} different results: take randomness from the `rng` that is "
        "handed in, and make no generator inside",
    )
