"""Bounds and plateaus against gradient descent on quadratics, whose second moments follow an exact recursion.

With f = ½ Σ h_i x_i² and ĝ_i = (s_i/q)(h_i x_i + ξ_i), s_i kept with probability q = 1/(1 + ω) and ξ_i of variance
σ_i², one step takes m_i = E x_i² to (1 − 2ηh_i) m_i + η²(1 + ω)(h_i² m_i + σ_i²). No draw is needed.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad import theory

COMMON = settings(max_examples=100, deadline=None)


def average_squared_gradient(h, s2, start, eta, steps, omega=0.0):
    """(1/T) Σ_{t<T} E‖∇f(x_t)‖² in closed form: m_t − m_∞ shrinks by the same factor at each step."""
    factor = 1 - 2 * eta * h + eta**2 * (1 + omega) * h**2
    settled = eta**2 * (1 + omega) * s2 / (1 - factor)
    mean = settled + (start**2 - settled) * (1 - factor**steps) / (steps * (1 - factor))
    return float(np.sum(h**2 * mean))


@st.composite
def quadratics(draw):
    n = draw(st.integers(1, 6))
    numbers = st.floats(0.01, 10.0)
    h = np.array(draw(st.lists(numbers, min_size=n, max_size=n)))
    s2 = np.array(draw(st.lists(st.just(0.0) | numbers, min_size=n, max_size=n)))
    start = np.array(draw(st.lists(st.floats(-10, 10).filter(lambda v: abs(v) > 0.01), min_size=n, max_size=n)))
    omega = draw(st.sampled_from([0.0, 1.0, 9.0]))
    return h, s2, start, omega


def test_the_closed_form_of_the_average_is_the_recursion():
    h, s2, m = np.array([0.5, 3.0]), np.array([1.0, 0.2]), np.array([4.0, 1.0])
    eta, omega, total = 0.05, 2.0, 0.0
    for _ in range(40):
        total += float(np.sum(h**2 * m)) / 40
        m = (1 - 2 * eta * h) * m + eta**2 * (1 + omega) * (h**2 * m + s2)
    assert average_squared_gradient(h, s2, np.array([2.0, 1.0]), eta, 40, omega) == pytest.approx(total, rel=1e-12)


@COMMON
@given(quadratics(), st.integers(1, 100_000))
def test_the_bound_holds_on_quadratics(problem, steps):
    h, s2, start, omega = problem
    L, delta, v = h.max(), 0.5 * float(np.sum(h * start**2)), s2.sum()
    eta = theory.step_size(L, delta, v, steps, omega=omega)
    truth = average_squared_gradient(h, s2, start, eta, steps, omega)
    tight = theory.descent_bound(L, delta, v, steps, step=eta, omega=omega)
    loose = theory.descent_bound(L, delta, v, steps, omega=omega)
    larger_term = max(4 * L * (1 + omega) * delta / steps, 2 * math.sqrt(2 * delta * L * (1 + omega) * v / steps))
    assert truth <= tight * (1 + 1e-9)
    assert tight <= larger_term * (1 + 1e-9)  # the claim of the notes
    assert larger_term <= loose


@COMMON
@given(quadratics(), st.integers(1, 1000), st.floats(0.01, 1.0))
def test_the_bound_holds_at_any_allowed_step(problem, steps, share):
    h, s2, start, omega = problem
    L, delta, v = h.max(), 0.5 * float(np.sum(h * start**2)), s2.sum()
    eta = share / (L * (1 + omega))
    truth = average_squared_gradient(h, s2, start, eta, steps, omega)
    assert truth <= theory.descent_bound(L, delta, v, steps, step=eta, omega=omega) * (1 + 1e-9)


@COMMON
@given(quadratics(), st.floats(1e-3, 10.0))
def test_that_many_steps_reach_the_precision(problem, epsilon):
    h, s2, start, omega = problem
    L, delta, v = h.max(), 0.5 * float(np.sum(h * start**2)), s2.sum()
    enough = theory.steps_to_precision(L, delta, v, epsilon, omega=omega)
    assert theory.descent_bound(L, delta, v, enough, omega=omega) <= epsilon * (1 + 1e-9)
    steps = math.ceil(enough)
    eta = theory.step_size(L, delta, v, steps, omega=omega)
    assert average_squared_gradient(h, s2, start, eta, steps, omega) <= epsilon
    scaled = L * (1 + omega)
    fewer = math.ceil(max(4 * scaled * delta / epsilon, 8 * delta * scaled * v / epsilon**2))
    eta = theory.step_size(L, delta, v, fewer, omega=omega)
    assert average_squared_gradient(h, s2, start, eta, fewer, omega) <= epsilon * (1 + 1e-9)  # as the notes say


def test_the_constants_of_the_reference():
    assert theory.steps_to_precision(2.0, 3.0, 5.0, 0.1) == pytest.approx(max(8 * 6 / 0.1, 32 * 30 / 0.01))
    assert theory.steps_to_precision(2.0, 3.0, 0.0, 0.1) == pytest.approx(480)
    assert theory.descent_bound(2.0, 3.0, 5.0, 10) == pytest.approx(4 * 6 / 10 + 2 * math.sqrt(2 * 30 / 10))
    assert theory.step_size(2.0, 3.0, 0.0, 10) == 0.5
    assert theory.step_size(2.0, 3.0, 0.0, 10, omega=1.0) == 0.25
    assert theory.step_size(2.0, 3.0, 100.0, 1000) == pytest.approx(math.sqrt(6 / 200_000))


def test_a_bound_without_its_noise_term_is_caught():
    h, s2, start = np.array([1.0]), np.array([1.0]), np.array([0.1])
    truth = average_squared_gradient(h, s2, start, 0.5, 10_000)
    assert truth <= theory.descent_bound(1.0, 0.005, 1.0, 10_000, step=0.5)
    assert truth > theory.descent_bound(1.0, 0.005, 0.0, 10_000, step=0.5)
    # ω left out: at the step size 1/L, which is then too large, the iteration does not even contract.
    assert average_squared_gradient(h, s2, start, 1.0, 100, omega=9.0) > theory.descent_bound(1.0, 0.005, 1.0, 100)


# --- the plateau


def test_a_run_lands_on_the_plateau():
    # 40,000 chains, 400 steps from 0. The transient has died out ((1 − ηh)^800 < 1e-15) and the noise is Gaussian, so
    # each coordinate is N(0, m_i): the mean of f over the chains has standard error √(½ Σ h_i² m_i² / chains), 0.5 %
    # of the plateau. |z| < 5.5 alarms falsely with probability 4e-8. Dropping the ηh_i of the denominator moves the
    # plateau by more than 20 %: 40 standard errors.
    rng = np.random.default_rng(0)
    h, s2, eta, chains = np.array([0.5, 1.0, 4.0]), np.array([2.0, 1.0, 0.5]), 0.3, 40_000
    x = np.zeros((chains, 3))
    for _ in range(400):
        x -= eta * (h * x + np.sqrt(s2) * rng.standard_normal(x.shape))
    m = theory.stationary_second_moment(h, s2, eta)
    plateau = theory.quadratic_plateau(h, s2, eta)
    standard_error = math.sqrt(0.5 * np.sum(h**2 * m**2) / chains)
    landed = float(np.mean(0.5 * np.sum(h * x**2, axis=1)))
    assert standard_error < 0.006 * plateau
    assert abs(landed - plateau) < 5.5 * standard_error
    forgot = float(np.sum(eta * s2 / 4))
    assert abs(landed - forgot) > 5.5 * standard_error
    # Coordinate by coordinate: E x_i² has standard error m_i √(2/chains); three more tests at |z| < 5.5.
    np.testing.assert_array_less(np.abs(np.mean(x**2, axis=0) - m), 5.5 * m * math.sqrt(2 / chains))


@COMMON
@given(quadratics(), st.floats(0.01, 0.99))
def test_the_stationary_moment_is_a_fixed_point(problem, share):
    h, s2, _, _ = problem
    eta = share * 2 / h.max()
    m = theory.stationary_second_moment(h, s2, eta)
    np.testing.assert_allclose((1 - eta * h) ** 2 * m + eta**2 * s2, m, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(theory.quadratic_plateau(h, s2, eta), np.sum(eta * s2 / (2 * (2 - eta * h))), rtol=1e-12)


def test_plateau_ends():
    assert theory.quadratic_plateau([1.0, 2.0], 0.0, 0.1) == 0.0
    assert theory.quadratic_plateau([], [], 0.1) == 0.0
    assert theory.quadratic_plateau(2.0, 3.0, 0.1) == pytest.approx(0.3 / (2 * 1.8))
    one = theory.quadratic_plateau(np.float32([1, 2]), 1.0, 0.1)
    assert one == theory.quadratic_plateau([1.0, 2.0], [1.0, 1.0], 0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 4.0], 1.0, 0.5), r"must lie in \(0, 2/max\(curvatures\)\) = \(0, 0.5\)"),
        (([1.0], 1.0, 0.0), "must lie in"),
        (([1.0], 1.0, math.nan), "must lie in"),
        (([1.0, 0.0], 1.0, 0.1), "flat direction"),
        (([1.0, math.nan], 1.0, 0.1), "must be positive and finite"),
        (([1.0], [-1.0], 0.1), "noise_variances must be"),
        (([1.0, 2.0], [1.0], 0.1), r"noise_variances of shape \(1,\)"),
    ],
)
def test_plateau_errors(arguments, message):
    for function in (theory.quadratic_plateau, theory.stationary_second_moment):
        with pytest.raises(ValueError, match=message):
            function(*arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"L": 0.0}, "L=0.0 must be positive"),
        ({"delta": -1.0}, "delta=-1.0 must be"),
        ({"variance": math.nan}, "variance=nan must be"),
        ({"omega": -0.5}, "omega=-0.5 must be"),
        ({"steps": 0}, "steps=0 must be positive"),
    ],
)
def test_bound_errors(change, message):
    fine = {"L": 1.0, "delta": 1.0, "variance": 1.0, "steps": 10, "omega": 0.0}
    for function in (theory.descent_bound, theory.step_size):
        with pytest.raises(ValueError, match=message):
            function(**{**fine, **change})


def test_more_bound_errors():
    with pytest.raises(ValueError, match="epsilon=0 must be positive"):
        theory.steps_to_precision(1.0, 1.0, 1.0, 0)
    with pytest.raises(ValueError, match="larger than 1/"):
        theory.descent_bound(1.0, 1.0, 1.0, 10, step=1.0, omega=1.0)
