"""One price: it solves the minimisation that it is made for, by KKT, SciPy and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from minigrad import theory

COMMON = settings(max_examples=150, deadline=None, derandomize=True)


@st.composite
def problems(draw):
    n = draw(st.integers(1, 12))
    v = np.array(draw(st.lists(st.one_of(st.just(0.0), st.floats(1e-4, 1e4)), min_size=n, max_size=n)))
    c = np.array(draw(st.lists(st.floats(1e-2, 1e2), min_size=n, max_size=n)))
    return v, c, draw(st.floats(1e-3, 1e5)), draw(st.floats(1e-2, 1e3))


def total(p, v, c, minibatch, fixed):
    seen = v > 0
    variance = np.sum(v[seen] * (1 - p[seen]) / p[seen])
    return (minibatch + variance) * (fixed + c[seen] @ p[seen])


@COMMON
@given(problems(), st.floats(1e-3, 1e3))
def test_a_price_minimises_variance_plus_price_times_cost(problem, tau):
    v, c, _, _ = problem
    p = theory.priced_probabilities(v, tau, c)
    assert np.all((p >= 0) & (p <= 1)) and np.all((p > 0) == (v > 0))
    cost, variance = theory.spent_at_price(v, tau, c)
    assert cost == pytest.approx(c @ p)
    seen = v > 0
    if seen.any():
        assert variance == pytest.approx(np.sum(v[seen] * (1 / p[seen] - 1)), rel=1e-6, abs=1e-9 * v.sum())
        for factor in (0.9, 0.99, 1.01, 1.1):  # each probability by itself
            other = np.clip(p[seen] * factor, 1e-300, 1)
            assert np.all(v[seen] / p[seen] + tau**2 * c[seen] * p[seen]
                          <= (v[seen] / other + tau**2 * c[seen] * other) * (1 + 1e-12))  # fmt: skip
        # and it is the optimum at its own cost
        back = theory.optimal_probabilities(v, cost, c) if cost > 0 else p
        np.testing.assert_allclose(back, p, rtol=1e-6)


@COMMON
@given(problems())
def test_the_best_price_is_its_own_ratio_of_variance_to_cost(problem):
    v, c, minibatch, fixed = problem
    best = theory.optimal_price(v, minibatch, fixed, c)
    if not v.any():
        assert best.tau == 0 and best.kept == 0
        return
    cost, variance = theory.spent_at_price(v, best.tau, c)
    assert best.variance == pytest.approx(variance) and best.kept * c.sum() == pytest.approx(cost)
    assert best.ratio == pytest.approx(theory.cost_of_precision(variance, minibatch, fixed, cost, c.sum()))
    assert best.ratio <= 1 + 1e-12
    p = theory.priced_probabilities(v, best.tau, c)
    if np.any((p > 0) & (p < 1 - 1e-9)):
        assert best.tau**2 == pytest.approx((minibatch + variance) / (fixed + cost), rel=1e-6)
    for tau in np.geomspace(1e-4, 1e5, 60):  # no other price is better
        cost, variance = theory.spent_at_price(v, tau, c)
        assert best.ratio <= theory.cost_of_precision(variance, minibatch, fixed, cost, c.sum()) * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_scipy_finds_nothing_better(seed):
    """Over all probabilities at once, from several starts, where J has one minimum and where it may have several."""
    rng = np.random.default_rng(seed)
    n = 6
    v, c = rng.gamma(0.5, size=n) * 10 + 1e-3, rng.uniform(0.3, 3.0, n)
    minibatch = float(v.sum()) * (3.0 if seed % 2 else 0.3)
    fixed = float(rng.uniform(0.5, 3.0))
    best = theory.optimal_price(v, minibatch, fixed, c)
    found = []
    for start in (0.9, 0.5, 0.1):

        def log_cost(u):
            return float(np.log(total(np.exp(u), v, c, minibatch, fixed)))

        out = minimize(log_cost, np.full(n, np.log(start)), bounds=[(np.log(1e-4), 0.0)] * n, method="L-BFGS-B",
                       options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000})  # fmt: skip
        found.append(np.exp(out.fun))
    ours = best.ratio * minibatch * (fixed + c.sum())
    assert ours <= min(found) * (1 + 1e-9)
    assert ours == pytest.approx(min(found), rel=1e-5)


def test_nothing_pays_where_the_noise_of_sketches_is_all_there_is():
    best = theory.optimal_price(np.ones(10), minibatch=1e-6, fixed=10.0)
    assert best.ratio == pytest.approx(1) and best.kept == pytest.approx(1) and best.variance == 0


def test_iterating_the_formula_finds_it():
    v = np.random.default_rng(0).gamma(0.2, size=400)
    best = theory.optimal_price(v, minibatch=2 * v.sum(), fixed=150.0)
    tau = 1.0
    for _ in range(60):
        cost, variance = theory.spent_at_price(v, tau)
        tau = np.sqrt((2 * v.sum() + variance) / (150.0 + cost))
    assert tau == pytest.approx(best.tau, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.priced_probabilities([1.0], 0.0), "priced_probabilities: tau must be positive"),
        (lambda: theory.priced_probabilities([-1.0], 1.0), "weight 0"),
        (lambda: theory.priced_probabilities([1.0], 1.0, [0.0]), "cost 0"),
        (lambda: theory.optimal_price([1.0], 0.0, 1.0), "minibatch must be positive"),
        (lambda: theory.optimal_price([1.0], 1.0, 0.0), "fixed must be positive"),
        (lambda: theory.cost_of_precision(0.0, np.nan, 1.0, 1.0, 1.0), "minibatch must be positive"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_shapes_and_ends():
    assert theory.priced_probabilities([[4.0, 1e-320]], 1.0).shape == (1, 2)
    assert np.isfinite(1 / theory.priced_probabilities([1e-300], 1e200)).all()
    assert theory.optimal_price([], 1.0, 1.0).to_dict()["kept"] == 0
