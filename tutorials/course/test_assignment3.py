"""The grader of assignment 3: probabilities against the optimum, sketches by draws.

Tests by draws are made at a false-alarm rate of 1e-6 each, with fixed seeds.
"""

from __future__ import annotations

import numpy as np
import pytest
from grading import Sampled, array, check, check_random, close

from minigrad import theory
from minigrad.testing import assert_unbiased, assert_variance_close

ASSIGNMENT = "assignment3"
RNG = np.random.default_rng(4)
CASES = [
    (np.array([16.0, 9.0, 4.0, 1.0]), 2.0),  # nobody is saturated
    (np.array([100.0, 4.0, 1.0, 1.0]), 2.0),  # one is
    (np.array([400.0, 81.0, 4.0, 1.0, 1.0]), 3.0),  # the second is, once the first is capped
    (RNG.random(30) ** 6, 11.0),
]


def filled(submission, weights, total):
    return array(submission.water_fill(weights.copy(), total), weights.shape, "water_fill")


@pytest.mark.task("3a", marks=1)
def test_probabilities_spend_the_total(submission):
    for weights, total in CASES:
        p = filled(submission, weights, total)
        check(
            p.min() >= 0 and p.max() <= 1 + 1e-12,
            f"probabilities lie between 0 and 1; for weights {weights[:5]} yours go from "
            f"{p.min():.4g} to {p.max():.4g}: cap at 1",
        )
        close(
            p.sum(),
            total,
            f"for weights {weights[:5]} the probabilities should sum to {total:g}: "
            "what is cut off at 1 is shared among the others, with a new τ",
        )


@pytest.mark.task("3a", marks=2)
def test_probabilities_are_optimal(submission):
    for weights, total in CASES:
        p, best = filled(submission, weights, total), theory.optimal_probabilities(weights, total)
        check(
            p.min() > 0,
            f"for weights {weights[:5]} a column of positive weight has probability 0: it would never be seen",
        )
        got, least = np.sum(weights / p), np.sum(weights / best)
        close(
            p,
            best,
            f"for weights {weights[:5]} and total {total:g} the objective Σ w/p is {got / least:.4f} times the "
            "least; p_j goes with the ROOT of w_j",
            rtol=1e-7,
        )


@pytest.mark.task("3a", marks=1)
def test_probabilities_at_the_ends(submission):
    with np.errstate(all="ignore"):
        p = filled(submission, np.array([4.0, 0.0, 1.0, 0.0]), 1.0)
        close(p, [2 / 3, 0, 1 / 3, 0], "a weight of 0 gets probability 0, and takes nothing from the others")
        p = filled(submission, np.array([4.0, 0.0, 1.0, 0.0]), 3.0)
        close(p, [1, 0, 1, 0], "total = 3 is more than two positive weights can use: they get 1, the others 0")
        close(filled(submission, np.zeros(3), 1.0), np.zeros(3), "with all weights 0 all probabilities are 0")


G = RNG.normal(size=(5, 6)) * np.array([8.0, 3.0, 1.0, 1.0, 0.0, 0.5])


def columns(submission, r):
    return Sampled(submission.ColumnSketch(r).sample, f"ColumnSketch({r:g})")


@pytest.mark.task("3b", marks=2)
def test_columns_unbiased(submission):
    assert_unbiased(columns(submission, 3.0), G, draws=4000)
    check_random(columns(submission, 3.0), G)


@pytest.mark.task("3b", marks=1)
def test_columns_kept(submission):
    rng, sketch = np.random.default_rng(0), columns(submission, 3.0)
    counts = [int(np.any(sketch.sample(G, None, rng) != 0, axis=0).sum()) for _ in range(2000)]
    # The number kept has a standard deviation below 1, so that its mean over 2000 draws is within 0.12 (5 sigma).
    check(
        abs(np.mean(counts) - 3) < 0.12,
        f"ColumnSketch(3) should keep 3 columns on average, and kept {np.mean(counts):.2f}",
    )


@pytest.mark.task("3b", marks=1)
def test_columns_optimal(submission):
    assert_variance_close(
        columns(submission, 3.0), G, expected=theory.minimal_distortion(np.sum(G**2, axis=0), 3), draws=8000
    )


U, V = np.linalg.qr(RNG.normal(size=(6, 5)))[0], np.linalg.qr(RNG.normal(size=(5, 5)))[0]
SIGMA = np.array([10.0, 3.0, 1.5, 1.0, 0.5])
M = (U * SIGMA) @ V.T


def low_rank(submission, r):
    return Sampled(submission.LowRankSketch(r).sample, f"LowRankSketch({r:g})")


@pytest.mark.task("3c", marks=2)
def test_low_rank_unbiased(submission):
    assert_unbiased(low_rank(submission, 2.0), M, draws=4000)
    check_random(low_rank(submission, 2.0), M)


@pytest.mark.task("3c", marks=1)
def test_low_rank_has_low_rank(submission):
    rng, sketch = np.random.default_rng(0), low_rank(submission, 2.0)
    ranks = [int(np.linalg.matrix_rank(sketch.sample(M, None, rng), tol=1e-8)) for _ in range(1000)]
    # The rank has a standard deviation below 1: the mean of 1000 draws is within 0.16 (5 sigma).
    check(
        abs(np.mean(ranks) - 2) < 0.16, f"LowRankSketch(2) should have rank 2 on average, and had {np.mean(ranks):.2f}"
    )


@pytest.mark.task("3c", marks=1)
def test_low_rank_optimal(submission):
    assert_variance_close(low_rank(submission, 2.0), M, expected=theory.minimal_distortion(SIGMA**2, 2), draws=8000)
