"""Draws with replacement, and winner-take-all: the closed forms of column-row sampling, merged draws, exact cases.

Unbiasedness, extremes and text are tested with all estimators together, from the lists of `estimator_cases`.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from estimator_cases import AXES, DRAWN, assert_unbiased, moments, normal, passes
from hypothesis import example, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import ops, testing
from minigrad.estimators import DiagonalSketch, WinnerTakeAll, WithReplacement
from minigrad.structure import dense

B, M, N = 3, 5, 4
G, X, W = normal(1, B, M), normal(2, B, N), normal(3, M, N)


def linear_node(vjp, x=X, w=W):
    leaves = [mg.Tensor(x, requires_grad=True), mg.Tensor(w, requires_grad=True)]
    with mg.Tape() as tape:
        y = ops.linear(*leaves, vjp=vjp)
    return tape, y, leaves


def column_row(terms, r):
    """((Σ_j ‖term j‖)² − ‖Σ_j term j‖²)/r for the terms of a matrix product (Drineas, Kannan, Mahoney 2006)."""
    return (np.linalg.norm(terms, axis=(1, 2)).sum() ** 2 - np.sum(terms.sum(axis=0) ** 2)) / r


def winner_take_all(terms, r):
    """The same for the tail, by the t of the smallest bound, tried one by one."""
    s = np.linalg.norm(terms, axis=(1, 2))
    order = np.argsort(-s, kind="stable")
    best = min(range(r), key=lambda t: s[order[t:]].sum() ** 2 / (r - t))
    return column_row(terms[order[best:]], r - best)


PRODUCTS = {
    # For ∂X = GW the terms are columns of G times rows of W, for ∂W = GᵀX rows of G times rows of X.
    ("column", "input"): (0, np.einsum("bm,mn->mbn", G, W)),
    ("row", "weight"): (1, np.einsum("bm,bn->bmn", G, X)),
}


@pytest.mark.parametrize("budget", [0.3, 0.5, 0.7])
@pytest.mark.parametrize(("axis", "target"), PRODUCTS)
def test_the_variance_of_a_product_is_that_of_the_paper(axis, target, budget):
    which, terms = PRODUCTS[axis, target]
    r = max(1, round(budget * len(terms)))
    for cls, formula in ((WithReplacement, column_row), (WinnerTakeAll, winner_take_all)):
        tape, y, leaves = linear_node(cls(budget, axis, target))
        _, mean, variance = moments(passes(tape, y, [leaves[which]], G))
        np.testing.assert_allclose(mean, terms.sum(axis=0).ravel(), rtol=0, atol=1e-12)
        assert variance == pytest.approx(formula(terms, r), rel=1e-10)


def test_five_terms():
    """The numbers of lesson 14: sizes 4, 1, 1, 1, 1 and three draws."""
    g = np.diag([4.0, 1, 1, 1, 1])
    assert WithReplacement(0.6).distortion(g) == pytest.approx(44 / 3, rel=1e-14)
    assert WinnerTakeAll(0.6).distortion(g) == 6
    assert DiagonalSketch(0.6).distortion(g) == 4


@pytest.mark.parametrize("axis", AXES)
def test_repeated_draws_are_one_unit_with_their_count(axis):
    """The kept units increase strictly, and each is G_j times a whole number over r·q_j; the numbers sum to r."""
    g, rng = normal(4, 6, 5), np.random.default_rng(0)
    sketch = WithReplacement(0.8, axis)
    _, q, r = sketch.plan(g)
    units = {"column": g.T, "row": g, "sample": g, "element": g.reshape(-1, 1)}[axis]
    largest = 0
    for _ in range(20):
        drawn = sketch.sample(g, None, rng)
        assert (np.diff(drawn.indices) > 0).all()
        kept = {"column": drawn.values.T, "element": drawn.values[:, None]}.get(axis, drawn.values)
        whole = units[drawn.indices]
        counts = r * q[drawn.indices] * np.sum(kept * whole, axis=1) / np.sum(whole * whole, axis=1)
        np.testing.assert_allclose(counts, np.round(counts), rtol=1e-12)
        assert sum(counts) == pytest.approx(r, rel=1e-12)
        largest = max(largest, int(np.round(counts).max()))
    assert largest >= 2


@pytest.mark.parametrize("axis", AXES)
def test_the_number_of_draws(axis):
    g, rng = normal(5, 20, 40), np.random.default_rng(0)
    units = {"column": 40, "row": 20, "sample": 20, "element": 800}[axis]
    for cls, budget in itertools.product(DRAWN, (1e-9, 0.1, 0.3, 0.7)):
        sketch = cls(budget, axis)
        r = max(1, round(budget * units))
        certain, q, draws = sketch.plan(g)
        assert len(certain) + draws == r == sketch.draws(g.shape)
        assert q.sum() == pytest.approx(1, rel=1e-12)
        assert not q[certain].any()
        assert 1 <= len(sketch.sample(g, None, rng).indices) <= r
        assert sketch.kept(g.shape).fraction == r / units


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from([0.2, 0.5, 0.8]), st.sampled_from([0.3, 1.0, 3.0]), st.booleans())
@example(0, 0.5, 0.0, True)  # all alike
def test_winners_are_the_largest_and_as_many_as_make_the_bound_smallest(seed, budget, spread, ties):
    """With ties, no order among equals is taken for granted but the one that is documented: the first of them wins."""
    g = normal(seed, 3, 9) * np.exp(spread * normal(seed + 1, 9))
    if ties:  # columns of entries ±1, times one of few powers of 2: their squares are summed without rounding
        g = np.sign(g) * np.exp2(np.round(spread * normal(seed + 2, 9)))
    certain, q, draws = WinnerTakeAll(budget).plan(g)
    one = WithReplacement(budget).plan(g).chances
    rest = np.setdiff1d(np.arange(9), certain)
    assert len(set(certain)) == len(certain) and one[certain].min(initial=1) >= one[rest].max()
    level = one[rest].max()
    assert certain[one[certain] == level].max(initial=-1) < rest[one[rest] == level].min()
    r = WinnerTakeAll(budget).draws(g.shape)
    falling = np.sort(one)[::-1]
    bounds = [falling[t:].sum() ** 2 / (r - t) for t in range(r)]
    assert bounds[len(certain)] <= min(bounds) * (1 + 1e-12)
    np.testing.assert_allclose(q[rest], one[rest] / one[rest].sum(), rtol=1e-12)


def test_winner_take_all_is_exact_where_no_more_units_than_draws_are_not_zero():
    g = np.zeros((3, 10))
    g[:, [1, 4, 7]] = normal(6, 3, 3)
    ((probability, only),) = WinnerTakeAll(0.3).outcomes(g)
    assert probability == 1
    np.testing.assert_array_equal(dense(only), g)
    assert WinnerTakeAll(0.3).distortion(g) == 0
    assert WithReplacement(0.3).distortion(g) > 1  # one of the three may be drawn three times


def test_winners_alone_leave_nothing_to_draw():
    """Two units that are not zero, and three draws: both are kept for certain, and no chance is 0/0."""
    g = np.zeros((2, 10))
    g[:, [3, 8]] = normal(7, 2, 2)
    plan = WinnerTakeAll(0.3).plan(g)
    assert sorted(plan.certain.tolist()) == [3, 8] and plan.draws == 0 and not plan.chances.any()


@pytest.mark.parametrize("cls", DRAWN)
def test_the_floor(cls):
    """Units that are useless for one input, or whose squares vanish, keep a tenth of the mean chance."""
    w = W.copy()
    w[1] = 0
    tape, y, leaves = linear_node(cls(0.4, target="input"), w=w)
    assert_unbiased(tape, y, leaves, G)
    g = np.array([[1.0, 1e-200, 0.0, 1.0]])
    _, q, _ = WithReplacement(0.5).plan(g)
    assert q[1] == pytest.approx(0.1 / 4, rel=1e-12)
    assert q[2] == 0


def test_as_many_outcomes_as_may_be_listed_are_listed(monkeypatch):
    """One draw from 8 units has 8 outcomes, which is the most; from 9 units it has one more."""
    monkeypatch.setattr("minigrad.estimators.replacement.LISTABLE_BITS", 3)
    one = WithReplacement(0.1)
    assert len(list(one.outcomes(np.ones((1, 8))))) == 8
    with pytest.raises(mg.inspect.TooManyOutcomes, match="1 draws with replacement from 9 units"):
        list(one.outcomes(np.ones((1, 9))))


def test_one_unit_has_one_outcome_however_many_draws(monkeypatch):
    monkeypatch.setattr("minigrad.estimators.replacement.LISTABLE_BITS", 2)
    g = np.eye(1, 8)
    ((probability, only),) = WithReplacement(0.5).outcomes(g)
    assert WithReplacement(0.5).draws(g.shape) == 4 and probability == 1 and dense(only).tolist() == g.tolist()


def test_what_is_rare_is_what_all_draws_together_seldom_show():
    """Two draws with the chances 1/10 and 9/10 show the first with 1 − .9² = .19, and the second with .99."""
    g = np.array([[1.0, 9.0]])
    two = WithReplacement(0.75)
    assert two.plan(g).chances.tolist() == [0.1, 0.9] and two.draws(g.shape) == 2
    for level, rare in ((0.18, [0.0, 0.0]), (0.2, [1.0, 0.0]), (0.98, [1.0, 0.0]), (0.995, [1.0, 9.0])):
        assert two.rare(g, level).tolist() == [rare]


# Planted faults: each is caught by the enumeration, or by the law of the draws.


class Forgetful(WithReplacement):
    """Merges repeated draws without counting them."""

    def _gather(self, g, plan, drawn, counts):
        return super()._gather(g, plan, drawn, np.ones_like(counts))


class NotRenormalised(WinnerTakeAll):
    """Draws the tail with the chances it had beside the winners."""

    def _gather(self, g, plan, drawn, counts):
        one = WithReplacement(self.budget, self.axis, self.target).plan(g).chances
        return super()._gather(g, plan._replace(chances=one), drawn, counts)


@pytest.mark.parametrize("cls", [Forgetful, NotRenormalised])
def test_planted_faults_are_caught(cls):
    uneven = G * [5.0, 1.0, 1.0, 1.0, 1.0]
    _, mean, _ = moments(cls(0.6).outcomes(uneven))
    assert np.abs(mean - uneven).max() > 0.01
    with pytest.raises(AssertionError, match="is biased"):
        testing.assert_unbiased(cls(0.6), uneven, draws=500)
