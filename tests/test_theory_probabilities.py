"""Water-filling: the KKT conditions as properties, two independent optimisers, and every end of the range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize

from minigrad import theory
from minigrad.theory import water_filling

WEIGHT = st.one_of(st.just(0.0), st.floats(1e-12, 1e12), st.floats(1e-300, 1e300))
COST = st.floats(1e-3, 1e3)
COMMON = settings(max_examples=200, deadline=None)


def check_kkt(p, w, total, c=None, lower=None, rtol=1e-9):
    """Fail unless p satisfies the KKT conditions, which are sufficient: the problem is convex."""
    p, w = np.asarray(p, float).ravel(), np.asarray(w, float).ravel()
    c = np.ones(w.size) if c is None else np.broadcast_to(c, w.shape).astype(float)
    seen = w > 0
    floor = np.zeros(w.size) if lower is None else np.asarray(lower, float)
    assert p.dtype == np.float64
    assert np.all(p[seen] > 0) and np.all(p <= 1) and np.all(p >= floor * (1 - 1e-12))
    np.testing.assert_array_equal(p[~seen], floor[~seen])
    full = float(c @ np.where(seen, 1.0, floor))
    if total >= full * (1 - 1e-12):
        np.testing.assert_allclose(p, np.where(seen, 1.0, floor), rtol=rtol)
        return
    np.testing.assert_allclose(c @ p, total, rtol=rtol)
    # √(w/c)/p is the level τ in the tail, at least τ where p = 1 and at most τ where p rests on its bound.
    with np.errstate(over="ignore"):
        level = np.sqrt(w[seen]) / np.sqrt(c[seen]) / p[seen]
    resting = p[seen] <= floor[seen] * (1 + 1e-12)
    at_one = (p[seen] >= 1) & ~resting  # a bound of 1 is no choice, so it tells nothing
    lifted = p[seen] <= 1e-307  # held up at the smallest normal number
    tail = ~at_one & ~resting & ~lifted
    if tail.any():
        tau = np.median(level[tail])
        np.testing.assert_allclose(level[tail], tau, rtol=rtol)
        assert np.all(level[at_one] >= tau * (1 - rtol))
        assert np.all(level[resting & (floor[seen] < 1)] <= tau * (1 + rtol))
    elif at_one.any() and resting.any():
        free = resting & (floor[seen] < 1)
        assert level[at_one].min() >= level[free].max(initial=0) * (1 - rtol)


@st.composite
def problems(draw, costs=False, bounds=False):
    n = draw(st.integers(1, 12))
    w = np.array(draw(st.lists(WEIGHT, min_size=n, max_size=n)))
    c = np.array(draw(st.lists(COST, min_size=n, max_size=n))) if costs else np.ones(n)
    floor = np.zeros(n)
    if bounds:
        floor = np.array(draw(st.lists(st.sampled_from([0.0, 1e-3, 0.1, 0.5, 1.0]), min_size=n, max_size=n)))
    share = draw(st.floats(1e-3, 1.2))
    total = float(c @ floor + share * (c @ (1 - floor)) + 1e-3 * c.min())
    return w, total, c, floor


@COMMON
@given(problems())
@example((np.array([1e300, 1e-300]), 1.0, np.ones(2), np.zeros(2)))
@example((np.array([1e300, 1e-300, 1e-300]), 1.5, np.ones(3), np.zeros(3)))
@example((np.array([1e-300] * 3), 2.0, np.ones(3), np.zeros(3)))
def test_kkt_with_unit_costs(problem):
    w, total, _, _ = problem
    check_kkt(theory.optimal_probabilities(w, total), w, total)


@COMMON
@given(problems(costs=True))
def test_kkt_with_costs(problem):
    w, total, c, _ = problem
    check_kkt(theory.optimal_probabilities(w, total, c), w, total, c)


@COMMON
@given(problems(costs=True, bounds=True))
def test_kkt_with_costs_and_lower_bounds(problem):
    w, total, c, floor = problem
    check_kkt(theory.optimal_probabilities(w, total, c, lower=floor), w, total, c, floor)


@COMMON
@given(problems())
def test_both_code_paths_agree(problem):
    w, total, c, floor = problem
    fast = theory.optimal_probabilities(w, total)
    np.testing.assert_allclose(theory.optimal_probabilities(w, total, c), fast, rtol=1e-12)
    np.testing.assert_allclose(theory.optimal_probabilities(w, total, lower=floor), fast, rtol=1e-12)


@COMMON
@given(problems(), st.sampled_from([1e-6, 1e-3, 0.05, 0.1, 0.3, 0.9]), st.floats(1e-3, 0.999))
@example((np.ones(4), 1.0, np.ones(4), np.zeros(4)), 0.1, 0.5)
def test_kkt_with_one_lower_bound_for_all(problem, bound, share):
    """The bound is a scalar, which has code of its own: Σ p_j is the total to rounding, not to a few digits."""
    w = problem[0]
    seen = w > 0
    if not seen.any():
        return
    total = float(seen.sum()) * (bound + share * (1 - bound))
    p = theory.optimal_probabilities(w, total, lower=bound)
    check_kkt(p, w, total, lower=np.where(seen, bound, 0.0), rtol=1e-11)


@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("n", [3, 30, 1000])
def test_one_lower_bound_spends_the_total_to_rounding(n, spread):
    """As `test_kkt_with_one_lower_bound_for_all`, at sizes at which the search for the level takes several passes."""
    rng = np.random.default_rng([n, 7])
    for bound, share in ((1e-3, 0.02), (0.01, 0.2), (0.1, 0.3), (0.3, 0.9)):
        w = rng.lognormal(sigma=spread, size=n)
        total = n * (bound + share * (1 - bound))
        p = theory.optimal_probabilities(w, total, lower=bound)
        assert abs(p.sum() - total) <= 1e-12 * total
        check_kkt(p, w, total, lower=np.full(n, bound), rtol=1e-11)
        np.testing.assert_allclose(p, theory.optimal_probabilities(w, total, lower=np.full(n, bound)), rtol=1e-11)


@pytest.mark.filterwarnings("ignore:Values in x were outside bounds")  # SLSQP of SciPy 1.11, which then clips them
@pytest.mark.parametrize("seed", range(8))
def test_a_general_optimiser_finds_nothing_better(seed):
    rng = np.random.default_rng(seed)
    n = 6
    w, c = rng.lognormal(sigma=1.5, size=n), rng.lognormal(sigma=0.7, size=n)
    floor = rng.choice([0.0, 0.1, 0.4], size=n)
    total = float(c @ floor) + rng.uniform(0.1, 0.9) * float(c @ (1 - floor))
    p = theory.optimal_probabilities(w, total, c, lower=floor)
    found = minimize(
        lambda q: np.sum(w / q),
        np.clip(floor + 0.1, 0.01, 1.0),
        jac=lambda q: -w / q**2,
        bounds=[(max(l, 1e-3), 1.0) for l in floor],
        constraints={"type": "ineq", "fun": lambda q: total - c @ q, "jac": lambda q: -c},
        method="SLSQP",
        options={"maxiter": 1000, "ftol": 1e-10},
    )
    assert found.success
    assert np.sum(w / p) <= found.fun * (1 + 1e-8)
    np.testing.assert_allclose(p, found.x, atol=1e-4)


@pytest.mark.parametrize("n", [3, 50, 2000])
@pytest.mark.parametrize("seed", range(5))
def test_the_level_that_bisection_finds(n, seed):
    rng = np.random.default_rng([n, seed])
    w, c = rng.lognormal(sigma=3, size=n), rng.lognormal(size=n)
    total = rng.uniform(0.01, 0.99) * c.sum()
    q = np.sqrt(w / c)
    log_tau = brentq(lambda t: c @ np.minimum(1, q / np.exp(t)) - total, -60, 60, xtol=1e-13)
    p = theory.optimal_probabilities(w, total, c)
    np.testing.assert_allclose(p, np.minimum(1, q / np.exp(log_tau)), rtol=1e-9)


@COMMON
@given(problems(costs=True, bounds=True), st.integers(-300, 300), st.randoms(use_true_random=False))
def test_scale_and_permutation(problem, exponent, random):
    w, total, c, floor = problem
    w = np.where(w > 0, np.clip(w, 1e-100, 1e100), 0.0)
    p = theory.optimal_probabilities(w, total, c, lower=floor)
    # A power of 4 scales every square root by a power of 2, which rounds nothing. Costs: any currency.
    np.testing.assert_array_equal(theory.optimal_probabilities(w * 4.0**exponent, total, c, lower=floor), p)
    np.testing.assert_array_equal(theory.optimal_probabilities(w, total * 4, c * 4, lower=floor), p)
    order = list(range(w.size))
    random.shuffle(order)
    shuffled = theory.optimal_probabilities(w[order], total, c[order], lower=floor[order])
    np.testing.assert_allclose(shuffled, p[order], rtol=1e-9)


# --- the ends


def test_all_weights_zero():
    np.testing.assert_array_equal(theory.optimal_probabilities(np.zeros(5), 2), np.zeros(5))
    np.testing.assert_array_equal(theory.optimal_probabilities(np.zeros(5), 2, lower=0.3), np.zeros(5))
    np.testing.assert_array_equal(theory.optimal_probabilities(np.zeros(2), 2, lower=[0.3, 0.0]), [0.3, 0.0])
    assert theory.minimal_distortion(np.zeros(5), 2) == 0.0


def test_no_weights_at_all():
    assert theory.optimal_probabilities([], 1).shape == (0,)
    assert theory.minimal_distortion([], 1) == 0.0


@pytest.mark.parametrize("total", [3, 3.5, 100, np.inf])
def test_more_than_the_positive_weights_can_use(total):
    w = [0.0, 4.0, 0.0, 1e-9, 7.0]
    np.testing.assert_array_equal(theory.optimal_probabilities(w, total), [0, 1, 0, 1, 1])
    np.testing.assert_array_equal(theory.optimal_probabilities(w, total, np.ones(5)), [0, 1, 0, 1, 1])
    assert theory.minimal_distortion(w, total) == 0.0


@pytest.mark.parametrize("costs", [None, 1.0])
def test_one_weight_dwarfs_the_rest(costs):
    p = theory.optimal_probabilities([1e300, 1e-300, 1e-300], 1.5, costs)
    np.testing.assert_allclose(p, [1.0, 0.25, 0.25], rtol=1e-14)
    p = theory.optimal_probabilities([1e300, 1e-300], 1.0, costs)  # the light one must still be seen
    np.testing.assert_allclose(p, [1.0, 1e-300], rtol=1e-12)
    p = theory.optimal_probabilities([1e308, 5e-324], 0.5, costs)
    assert p[1] > 0 and np.isfinite(1 / p[1])


def test_weights_at_both_ends_of_the_floats():
    for scale in (1e-300, 1e-150, 1.0, 1e300):
        p = theory.optimal_probabilities(np.array([9.0, 4.0, 1.0]) * scale, 1.0)
        np.testing.assert_allclose(p, [1 / 2, 1 / 3, 1 / 6], rtol=1e-14)
        with_costs = theory.optimal_probabilities(np.array([9.0, 4.0, 1.0]) * scale, 2.0, [1.0, 4.0, 1.0])
        np.testing.assert_allclose(with_costs, [0.75, 0.25, 0.25], rtol=1e-14)  # τ = (3 + 4 + 1)/2


def test_equal_weights_give_the_uniform_mask():
    for n in (3, 7, 1000):
        np.testing.assert_allclose(theory.optimal_probabilities(np.full(n, 0.1), 0.3 * n), 0.3, rtol=1e-14)


def test_float32_is_computed_in_float64():
    w = np.random.default_rng(0).random((4, 5)).astype(np.float32)
    p = theory.optimal_probabilities(w, 7.0)
    assert p.dtype == np.float64 and p.shape == (4, 5)
    np.testing.assert_array_equal(p, theory.optimal_probabilities(w.astype(np.float64), 7.0))
    np.testing.assert_allclose(p.sum(), 7.0, rtol=1e-14)


def test_arguments_are_left_alone():
    w, c, l = np.array([0.0, 1e-310, 4.0]), np.ones(3), np.array([0.1, 0.1, 0.0])
    kept = w.copy(), c.copy(), l.copy()
    theory.optimal_probabilities(w, 1.0, c, lower=l)
    theory.optimal_probabilities(w, 1.0)
    for before, after in zip(kept, (w, c, l), strict=True):
        np.testing.assert_array_equal(before, after)


def test_lower_bounds():
    w = np.array([100.0, 4.0, 1.0, 0.0])
    # A scalar bounds only what has weight; an array bounds every item.
    np.testing.assert_allclose(theory.optimal_probabilities(w, 2, lower=0.4), [1, 0.6, 0.4, 0])
    np.testing.assert_allclose(theory.optimal_probabilities(w, 2, lower=[0, 0, 0.4, 0.4]), [1, 0.2, 0.4, 0.4])
    # The bounds cost exactly the total: everything rests on them.
    np.testing.assert_allclose(theory.optimal_probabilities(np.ones(3), 0.3, lower=0.1), 0.1, rtol=1e-12)
    # A gap without a tail: two saturated, two resting, and a whole range of levels is right.
    np.testing.assert_allclose(
        theory.optimal_probabilities([1e8, 1e8, 1, 1], 2.2, lower=0.1), [1, 1, 0.1, 0.1], rtol=1e-12
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, -1.0], 1), "weight 1 is -1.0"),
        (([1.0, np.nan], 1), "weight 1 is nan"),
        (([np.inf, 1.0], 1), "weight 0 is inf"),
        (([1.0], 0), "total=0 must be positive"),
        (([1.0], np.nan), "must be positive"),
        (([1.0, 1.0], 1, [1.0]), r"costs of shape \(1,\)"),
        (([1.0, 1.0], 1, [1.0, 0.0]), "cost 1 is 0.0"),
    ],
)
def test_errors_say_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        theory.optimal_probabilities(*arguments)


@pytest.mark.parametrize(
    ("lower", "message"),
    [
        (1.5, r"must lie in \[0, 1\]"),
        (np.nan, r"must lie in \[0, 1\]"),
        ([0.1], r"lower of shape \(1,\)"),
        (0.6, "lower bounds alone cost 1.2"),
        ([1.0, 0.0], "lower bounds alone cost 1 "),
    ],
)
def test_errors_about_lower_bounds(lower, message):
    with pytest.raises(ValueError, match=message):
        theory.optimal_probabilities([1.0, 1.0], 1.0, lower=lower)


# --- the checker is checked: each planted fault must be caught


def unclipped(w, total):
    return np.sqrt(w) * total / np.sqrt(w).sum()


def clipped_and_not_refilled(w, total):
    return np.minimum(1.0, unclipped(w, total))


def proportional_to_the_weights(w, total):
    return w * total / w.sum()


def uniform(w, total):
    return np.full(w.size, total / w.size)


def a_shade_off(w, total):
    p = theory.optimal_probabilities(w, total)
    p[-2:] += [1e-6, -1e-6]
    return p


@pytest.mark.parametrize(
    "fault", [unclipped, clipped_and_not_refilled, proportional_to_the_weights, uniform, a_shade_off]
)
def test_planted_faults_fail_the_check(fault):
    w = np.array([100.0, 4.0, 1.0, 1.0])
    check_kkt(theory.optimal_probabilities(w, 2.0), w, 2.0)
    with pytest.raises(AssertionError):
        check_kkt(fault(w, 2.0), w, 2.0)


# --- minimal distortion


@COMMON
@given(problems(costs=True))
def test_minimal_distortion_is_the_closed_form(problem):
    w, total, c, _ = problem
    w = np.where(w > 0, np.clip(w, 1e-6, 1e6), 0.0)
    p = theory.optimal_probabilities(w, total, c)
    tail = (p < 1) & (w > 0)
    expected = 0.0
    if tail.any():
        s = np.sum(np.sqrt(w * c)[tail])
        expected = s**2 / (total - c[p >= 1].sum()) - w[tail].sum()
    got = theory.minimal_distortion(w, total, c)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6 * w.sum())


def test_minimal_distortion_known_by_hand():
    np.testing.assert_allclose(theory.minimal_distortion(np.ones(6), 2), 6 * (6 / 2 - 1))
    np.testing.assert_allclose(theory.minimal_distortion([1e307, 1e307], 1), 2e307)  # no early overflow


@pytest.mark.parametrize("floor, share", [(0.0, 0.02), (1e-3, 0.02), (1e-3, 0.1), (0.05, 0.1), (0.05, 0.7)])
def test_many_weights_are_filled_as_few_are(floor, share, monkeypatch):
    """Many items are counted at each level, few are sorted once; among them zeros and equal ones."""
    rng = np.random.default_rng(0)
    q = np.concatenate([rng.lognormal(0, 2, 3000), np.zeros(50), np.full(50, 0.5)])
    total = share * np.count_nonzero(q)
    counted = water_filling.fill_floor(q, total, floor)
    monkeypatch.setattr(water_filling, "_counted", water_filling._ordered)
    np.testing.assert_allclose(counted, water_filling.fill_floor(q, total, floor), rtol=1e-13)
    assert counted.sum() == pytest.approx(total, rel=1e-12) and (counted[q > 0] >= floor).all()
