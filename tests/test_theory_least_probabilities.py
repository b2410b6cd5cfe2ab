"""The dual of optimal sampling: the fewest that hold a distortion, against KKT, SciPy and brute force."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from minigrad import theory

COMMON = settings(max_examples=150, deadline=None, derandomize=True)
WEIGHT = st.one_of(st.just(0.0), st.floats(1e-6, 1e6), st.sampled_from([1.0, 1.0, 4.0]))
COST = st.floats(1e-2, 1e2)
OMEGA = st.one_of(st.floats(1e-6, 1e3), st.sampled_from([0.1, 0.5, 1.0]))


def added(p, w):
    seen = w > 0
    return float(np.sum(w[seen] * (1 - p[seen]) / p[seen]))


def check(p, w, omega, c=None, floor=None, rtol=1e-9):
    """The KKT conditions: the distortion is used up, and √(w/c)/p is one number but at the ends."""
    c = np.ones(w.size) if c is None else c
    floor = np.zeros(w.size) if floor is None else floor
    assert np.all((p >= 0) & (p <= 1)) and np.all(p >= floor) and np.all((p > 0) | (w == 0))
    assert np.all(p[w == 0] == floor[w == 0])
    seen = w > 0
    free = seen & (p < 1) & (p > floor * (1 + 1e-12))
    allowed = omega * w.sum()
    assert added(p, w) <= allowed * (1 + rtol) + 1e-14 * w.sum()
    level = np.sqrt(w[seen] / c[seen]) / p[seen]
    if not free.any():  # as many as the bounds ask for, or between two of them
        return
    assert added(p, w) == pytest.approx(allowed, rel=rtol, abs=1e-14 * w.sum())
    tau = np.median(level[free[seen]])
    np.testing.assert_allclose(level[free[seen]], tau, rtol=rtol)
    assert np.all(level[(p == 1)[seen] & (floor[seen] < 1)] >= tau * (1 - rtol))
    resting = (p == floor)[seen] & (floor[seen] < 1)
    assert np.all(level[resting] <= tau * (1 + rtol))


@st.composite
def problems(draw, bounds=False):
    n = draw(st.integers(1, 12))
    w = np.array(draw(st.lists(WEIGHT, min_size=n, max_size=n)))
    c = np.array(draw(st.lists(COST, min_size=n, max_size=n)))
    each = st.sampled_from([0.0, 1e-3, 0.1, 0.5, 1.0]) if bounds else st.just(0.0)
    return w, draw(OMEGA), c, np.array(draw(st.lists(each, min_size=n, max_size=n)))


@COMMON
@given(problems(bounds=True), st.sampled_from([1e-6, 1e-3, 0.05, 0.1, 0.3, 0.9, 1.0]))
@example((np.ones(4), 1.0, np.ones(4), np.zeros(4)), 0.1)
@example((np.array([1.0, 4.0, 4.0]), 0.1, np.ones(3), np.zeros(3)), 0.5)
def test_kkt(problem, bound):
    w, omega, c, floor = problem
    check(theory.least_probabilities(w, omega), w, omega)
    check(theory.least_probabilities(w, omega, c), w, omega, c)
    check(theory.least_probabilities(w, omega, c, lower=floor), w, omega, c, floor)
    check(theory.least_probabilities(w, omega, lower=bound), w, omega, floor=np.where(w > 0, bound, 0.0))


@COMMON
@given(problems(), st.sampled_from([1e-3, 0.1, 0.5]))
def test_the_code_for_one_bound_agrees_with_that_for_many(problem, bound):
    w, omega, c, floor = problem
    fast = theory.least_probabilities(w, omega)
    np.testing.assert_allclose(theory.least_probabilities(w, omega, np.ones(w.size)), fast, rtol=1e-10)
    np.testing.assert_allclose(theory.least_probabilities(w, omega, lower=floor), fast, rtol=1e-10)
    many = theory.least_probabilities(w, omega, lower=np.where(w > 0, bound, 0.0))
    np.testing.assert_allclose(theory.least_probabilities(w, omega, lower=bound), many, rtol=1e-9)


@COMMON
@given(problems())
def test_it_is_the_dual(problem):
    """What the fewest cost, spent for the least distortion, reaches that distortion with the same probabilities."""
    w, omega, c, _ = problem
    if not w.any():
        return
    p = theory.least_probabilities(w, omega, c)
    back = theory.optimal_probabilities(w, float(c @ p), c)
    np.testing.assert_allclose(back, p, rtol=1e-7)
    assert theory.minimal_cost(w, omega, c) == pytest.approx(float(c @ p), rel=1e-12)
    assert theory.minimal_distortion(w, float(c @ p), c) == pytest.approx(omega * w.sum(), rel=1e-6, abs=1e-9 * w.sum())


@pytest.mark.parametrize("seed", range(6))
def test_no_other_probabilities_keep_fewer(seed):
    rng = np.random.default_rng(seed)
    n = 5
    w, c, omega = rng.gamma(0.5, size=n) + 1e-3, rng.uniform(0.2, 3.0, n), float(rng.uniform(0.05, 2.0))
    p = theory.least_probabilities(w, omega, c)
    bounded = {"type": "ineq", "fun": lambda q: (1 + omega) * w.sum() - np.sum(w / q), "jac": lambda q: w / q**2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of older SciPy, which clips its steps to the bounds
        found = minimize(
            lambda q: c @ q, np.full(n, 1 / (1 + omega)), jac=lambda q: c, bounds=[(1e-6, 1)] * n, method="SLSQP",
            constraints=bounded, options={"ftol": 1e-14, "maxiter": 500},
        )  # fmt: skip
    assert found.status in (0, 8)  # converged, or no step goes further down
    assert c @ p == pytest.approx(found.fun, rel=1e-6)
    grid = np.linspace(0.05, 1, 20)  # a brute force that knows nothing of the theory
    for q in itertools.product(grid, repeat=3):
        if np.sum(w[:3] / np.array(q)) <= (1 + omega) * w[:3].sum():
            assert c[:3] @ np.array(q) >= theory.minimal_cost(w[:3], omega, c[:3]) * (1 - 1e-12)


def test_ends():
    assert theory.least_probabilities([], 0.5).shape == (0,)
    assert theory.least_probabilities([0.0, 0.0], 0.5).tolist() == [0.0, 0.0]
    assert theory.least_probabilities([3.0, 0.0, 1e-300], 0.0).tolist() == [1.0, 0.0, 1.0]
    assert theory.least_probabilities([3.0, 2.0], 0.0, [1.0, 2.0]).tolist() == [1.0, 1.0]
    assert theory.least_probabilities([[2.0, 2.0]], 3.0).tolist() == [[0.25, 0.25]]
    assert theory.least_probabilities([0.0, 1.0], 9.0, lower=[0.5, 0.5]).tolist() == [0.5, 0.5]
    assert theory.least_probabilities([1.0, 1.0], 9.0, lower=0.25).tolist() == [0.25, 0.25]
    assert theory.least_probabilities([5.0], 1e300).tolist() == [1e-300]


@pytest.mark.parametrize("scale", [1e-290, 1e-30, 1.0, 1e30, 1e290])
def test_the_scale_of_the_weights_does_not_matter(scale):
    w = np.random.default_rng(0).gamma(0.3, size=50) + 1e-9
    for options in ({}, {"lower": 0.05}, {"costs": np.linspace(1, 2, 50)}):
        expected = theory.least_probabilities(w, 0.3, **options)
        np.testing.assert_allclose(theory.least_probabilities(w * scale, 0.3, **options), expected, rtol=1e-10)
    with np.errstate(under="ignore"):
        single = theory.least_probabilities((w * 1e-3).astype(np.float32), 0.3)
    assert single.dtype == np.float64 and np.isfinite(1 / single).all()


def test_never_more_than_the_uniform_mask():
    rng = np.random.default_rng(1)
    for omega in (0.01, 0.1, 1.0, 10.0):
        for spread in (0.0, 0.1, 1.0, 5.0):
            w = np.exp(spread * rng.normal(size=200))
            for lower in (None, 0.1 / (1 + omega)):
                kept = theory.least_probabilities(w, omega, lower=lower).sum()
                assert kept <= 200 / (1 + omega) * (1 + 1e-12)
                assert (kept == pytest.approx(200 / (1 + omega))) == (spread == 0.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1.0], -0.1), "must be ≥ 0 and finite.*0 keeps everything"),
        (([1.0], np.inf), "must be ≥ 0"),
        (([1.0], np.nan), "must be ≥ 0"),
        (([1.0, -1.0], 0.1), "least_probabilities: weight 1 is -1.0"),
        (([1.0], 0.1, [0.0]), "least_probabilities: cost 0"),
        (([1.0, 1.0], 0.1, [1.0]), "give one each"),
    ],
)
def test_what_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        theory.least_probabilities(*arguments)
    with pytest.raises(ValueError, match="lower bounds"):
        theory.least_probabilities([1.0], 0.1, lower=2.0)
