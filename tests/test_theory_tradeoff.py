"""The optimal budget: against a grid search, its closed form, and every end of the range."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minigrad import theory

COMMON = settings(max_examples=200, deadline=None)
POSITIVE = st.floats(1e-3, 1e3)
GRID = np.geomspace(1e-8, 1.0, 4001)


@COMMON
@given(POSITIVE, POSITIVE, st.floats(-1e3, 1e3), POSITIVE)
def test_a_grid_search_agrees(c0, c1, a, b):
    a = max(a, -b)
    advice = theory.optimal_budget(c0, c1, a, b)
    costs = theory.total_cost(GRID, c0, c1, a, b)
    best = int(np.argmin(costs))
    exact = float(theory.total_cost(1.0, c0, c1, a, b))
    assert advice.cost_ratio * exact <= costs[best] * (1 + 1e-9)
    # The cost is convex in log p, so the optimum lies between the neighbours of the best grid point; a cost that is
    # flat to rounding may be won by another point, which must then be as good.
    between = GRID[max(best - 1, 0)] <= advice.budget <= GRID[min(best + 1, GRID.size - 1)]
    assert between or np.isclose(float(theory.total_cost(advice.budget, c0, c1, a, b)), costs[best], rtol=1e-12)


@COMMON
@given(POSITIVE, POSITIVE, POSITIVE, POSITIVE)
@example(1.0, 1.0, 1.0, 1.0 - 1e-9)
@example(3.0, 0.7, 10.0, 7.0 / 3.0 * (1.0 - 1e-12))
def test_the_closed_form(c0, c1, a, b):
    advice = theory.optimal_budget(c0, c1, a, b)
    root = math.sqrt(c0 * b / (c1 * a))
    if root < 1 and advice.budget == 1:
        assert root > 1 - 1e-6  # the gain, of the order (1 − root)², is lost in rounding
    else:
        assert advice.budget == pytest.approx(min(root, 1.0), rel=1e-12)
    if advice.budget < 1:
        expected = (math.sqrt(c0 * a) + math.sqrt(c1 * b)) ** 2 / ((c0 + c1) * (a + b))
        assert advice.cost_ratio == pytest.approx(expected, rel=1e-12)
        assert advice.cost_ratio < 1 and advice.worth_it
    else:
        assert advice.cost_ratio == 1.0 and not advice.worth_it
    assert advice.advice.startswith("Sketch" if advice.worth_it else "Do not sketch")


@COMMON
@given(POSITIVE, POSITIVE, POSITIVE, POSITIVE, st.integers(-20, 20), st.integers(-20, 20))
def test_units_do_not_matter(c0, c1, a, b, i, j):
    one = theory.optimal_budget(c0, c1, a, b)
    other = theory.optimal_budget(c0 * 2.0**i, c1 * 2.0**i, a * 2.0**j, b * 2.0**j)
    assert other.budget == pytest.approx(one.budget, rel=1e-12)
    assert other.cost_ratio == pytest.approx(one.cost_ratio, rel=1e-12)


def test_the_budget_that_the_steps_of_a_quadratic_confirm():
    # Steps to reach ε in the noise-dominated regime times the cost of a step, from the bound itself.
    c0, c1, a, b, epsilon = 1.0, 4.0, 4.0, 1.0, 1e-6
    total = [theory.steps_to_precision(1.0, 1.0, a + b / p, epsilon) * (c0 + c1 * p) for p in GRID]
    advice = theory.optimal_budget(c0, c1, a, b)
    assert GRID[int(np.argmin(total))] == pytest.approx(advice.budget, rel=GRID[1] / GRID[0] - 1)
    assert min(total) / total[-1] == pytest.approx(advice.cost_ratio, rel=1e-5)


# --- the ends


@pytest.mark.parametrize("a", [0.0, -1.0, -2.0])
def test_noise_of_the_sketch_at_least_that_of_the_minibatch(a):
    advice = theory.optimal_budget(1.0, 10.0, a, 2.0)
    assert (advice.budget, advice.cost_ratio, advice.worth_it) == (1.0, 1.0, False)
    assert "at least as large as that of the minibatch" in advice.advice


def test_no_noise_at_all():
    advice = theory.optimal_budget(1.0, 1.0, 0.0, 0.0)
    assert (advice.budget, advice.cost_ratio, advice.worth_it) == (1.0, 1.0, False)


def test_a_sketch_without_noise():
    advice = theory.optimal_budget(1.0, 3.0, 2.0, 0.0)
    assert 0.0 < advice.budget < 1e-300
    assert advice.cost_ratio == pytest.approx(0.25)
    assert advice.worth_it and "adds no noise" in advice.advice and "→ 0" in str(advice)
    kept = theory.optimal_budget(1.0, 3.0, 2.0, 0.0, smallest=0.1)
    assert kept.budget == 0.1 and kept.cost_ratio == pytest.approx(1.3 / 4)


def test_no_fixed_cost():
    advice = theory.optimal_budget(0.0, 3.0, 2.0, 1.0)
    assert 0.0 < advice.budget < 1e-300
    assert advice.cost_ratio == pytest.approx(1 / 3)  # b/(a + b)
    assert advice.worth_it and "no part of a step has a fixed cost" in advice.advice
    kept = theory.optimal_budget(0.0, 3.0, 2.0, 1.0, smallest=0.5)
    half, exact = theory.total_cost([0.5, 1.0], 0.0, 3.0, 2.0, 1.0)
    assert kept.cost_ratio == pytest.approx(half / exact)


@pytest.mark.parametrize("b", [0.0, 1.0])
def test_nothing_to_sketch(b):
    advice = theory.optimal_budget(2.0, 0.0, 1.0, b)
    assert (advice.budget, advice.cost_ratio, advice.worth_it) == (1.0, 1.0, False)
    assert "no part of a step gets cheaper" in advice.advice


def test_neither_noise_nor_fixed_cost():
    advice = theory.optimal_budget(0.0, 1.0, 1.0, 0.0)
    assert advice.worth_it and 0.0 <= advice.cost_ratio < 1e-300


def test_a_root_of_one_exactly():
    advice = theory.optimal_budget(1.0, 1.0, 1.0, 1.0)
    assert (advice.budget, advice.cost_ratio, advice.worth_it) == (1.0, 1.0, False)
    assert "saves less per step" in advice.advice


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1.0, 1.0, 1.0, 1.0), "c0=-1.0 must be"),
        ((1.0, math.inf, 1.0, 1.0), "c1=inf must be"),
        ((1.0, 1.0, 1.0, -0.1), "b=-0.1 must be"),
        ((1.0, 1.0, math.nan, 0.1), "a [+] b = nan"),
        ((1.0, 1.0, -2.0, 1.0), "a [+] b = -1.0"),
        ((0.0, 0.0, 1.0, 1.0), "c0 and c1 are both 0"),
    ],
)
def test_errors_say_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        theory.optimal_budget(*arguments)


def test_more_errors():
    with pytest.raises(ValueError, match=r"smallest=0\.0 must be a budget"):
        theory.optimal_budget(1.0, 1.0, 1.0, 1.0, smallest=0.0)
    for p in (0.0, 1.5, math.nan):
        with pytest.raises(ValueError, match=r"a budget lies in \(0, 1\]"):
            theory.total_cost([0.5, p], 1.0, 1.0, 1.0, 1.0)


# --- the report


def test_the_report():
    advice = theory.optimal_budget(1, 4, 4, 1)
    assert str(advice).splitlines()[2:4] == ["optimal budget   0.25", "cost ratio       0.64"]
    page = advice._repr_html_()
    assert page.startswith("<table>") and "0.64" in page and advice.advice in page
    loaded = json.loads(json.dumps(advice.to_dict()))
    assert loaded["budget"] == 0.25 and loaded["worth_it"] is True and loaded["advice"] == advice.advice
    assert isinstance(advice.c0, float)
    with pytest.raises(dataclasses.FrozenInstanceError):
        advice.budget = 0.5  # type: ignore[misc]


def test_the_plot_draws_on_the_axes_it_is_given():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    ax = figure.subplots()
    for advice in (theory.optimal_budget(1, 4, 4, 1), theory.optimal_budget(1, 4, 4, 0)):
        ax.clear()
        assert advice.plot(ax) is ax
        curve, mark = ax.lines[0], ax.lines[1]
        assert curve.get_ydata()[-1] == pytest.approx(1.0)
        assert mark.get_ydata()[0] == pytest.approx(min(curve.get_ydata()), rel=0.05)
