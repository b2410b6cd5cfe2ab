"""What the explorer says of budgets: one that is written as text, and of estimators that have none."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

import minigrad as mg
from minigrad import ops
from minigrad.estimators import DiagonalSketch, Mask
from minigrad.explore import Exploration, Subject, example, explore
from minigrad.explore.example import EXAMPLE_NODE


def canvas():
    """A figure without a window, which is not painted unless one asks for it."""
    return Figure(figsize=(12.8, 8))


class Coin(mg.Estimator):
    """Keep the whole cotangent, doubled, or nothing; it has no budget."""

    def sample(self, g, node, rng):
        return 2 * g if rng.random() < 0.5 else 0 * g


class Skip(mg.Estimator):
    """Everything, untouched or doubled, or nothing: some draws are the cotangent itself."""

    def __init__(self, p=None):
        self.p = p

    def sample(self, g, node, rng):
        return rng.integers(3) * g

    def probabilities(self, g, node=None):
        return np.full(g.shape[-1], 2 / 3)


class LastColumn(mg.Estimator):
    """All but the last column, without saying so."""

    def sample(self, g, node, rng):
        g = g.copy()
        g[..., -1] = 0
        return g


@pytest.fixture(scope="module")
def subject():
    return Subject(*example(), EXAMPLE_NODE)


def test_an_estimator_without_a_budget_is_counted_and_not_taken_for_exact(subject):
    exploration = Exploration.of(subject, Coin(), draws=64, rng=0)
    assert exploration.budget is None
    whole = np.array([np.any(subject.draw(Coin(), k, exploration.key)) for k in range(64)])
    assert 0 < whole.mean() < 1
    # Columns that are zero in G as well cannot be told; the others were kept as often as the coin says.
    alive = subject.cotangent.reshape(-1, 20).any(axis=0)
    np.testing.assert_array_equal(exploration.frequencies[alive], whole.mean())
    nothing = exploration.show_draw(int(np.argmin(whole)))
    assert not nothing.kept.any()
    axes = nothing.plot(canvas()).axes
    assert "an array, 0% kept" in axes[1].get_title()
    assert axes[1].images[0].get_array().mask.reshape(-1, 20)[:, alive].any(axis=0).all()  # hatched
    assert [tick.get_text() for tick in axes[5].get_xticklabels()] == ["no budget"]


def test_probabilities_of_an_estimator_without_a_budget_are_its_own(subject):
    exploration = Exploration.of(subject, Skip(), draws=30, rng=0)
    for number in range(30):
        shown = exploration.show_draw(number)
        np.testing.assert_array_equal(shown.probabilities, 2 / 3)
        if shown.estimates["along the gradient"].values[number] == 0:
            assert not shown.kept.any()
    shown = Exploration.of(subject, Skip, 0.5, draws=5, rng=0)
    assert shown.budget == 0.5  # the budget that it was made with


def test_a_zero_column_of_a_dense_draw_is_hatched_and_one_of_the_cotangent_is_not():
    w = mg.Tensor(np.ones((4, 3)), requires_grad=True, name="w")
    with mg.Tape() as tape:
        loss = (ops.linear(np.ones((2, 3)), w) * np.array([0.0, 1.0, 1.0, 1.0])).sum()
    exploration = Exploration.of(Subject(tape, loss, 0), LastColumn(), draws=2, rng=0)
    before, after = exploration.plot(canvas()).axes[:2]
    assert not np.ma.getmaskarray(before.images[0].get_array()).any()
    assert np.ma.getmaskarray(after.images[0].get_array()).tolist() == [[False, False, False, True]] * 2
    assert exploration.kept.tolist() == [False, True, True, False]


def test_the_window_says_that_there_is_no_budget():
    explorer = explore(estimators=[Coin(), "mask"], draws=8, figure=canvas())
    assert explorer.budget_slider.ax.get_title("left") == "no budget"
    assert explorer.budget_slider.val == 0.25
    explorer.set(estimator="Mask")
    assert explorer.budget_slider.ax.get_title("left") == "budget 0.25"
    explorer = explore(estimator=Coin(), draws=8, figure=canvas())
    assert explorer.budget_slider.val == 0.25


def test_a_budget_that_is_written_in_text(subject):
    assert Exploration.of(subject, "mask(0.1)", draws=2).estimator == Mask(0.1)
    assert Exploration.of(subject, "mask", draws=2).estimator == Mask(0.25)
    assert Exploration.of(subject, "mask(0.1)", 0.5, draws=2).estimator == Mask(0.5)
    explorer = explore(estimator="diagonal(0.1, target=both)", draws=2, figure=canvas())
    assert explorer.exploration.estimator == DiagonalSketch(0.1, target="both")
    assert len(explorer.choices) == 11 and explorer.budget_slider.val == 0.1


@pytest.mark.parametrize("budgets", [[], [0, 0.5], [0.5, 2.0]])
def test_budgets_of_a_curve_that_cannot_be(budgets, subject):
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\]"):
        Exploration.of(subject, Mask(0.5), draws=2, budgets=budgets)


def test_a_budget_beyond_the_slider_is_on_it_and_on_the_curve():
    explorer = explore(estimator="mask: columns", draws=4, figure=canvas())
    explorer.set(budget=0.01)
    slider = explorer.budget_slider
    assert slider.val == slider.valmin == slider.ax.get_xlim()[0] == 0.01
    curve = explorer.exploration.curve
    assert curve.budgets[0] == 0.01 and curve.closed_form[0] == pytest.approx(99)
    slider.set_val(0.5)
    assert explorer.exploration.estimator == Mask(0.5) and explorer.exploration.curve.budgets[0] == 0.05


def test_an_estimator_for_each_input_is_explored_in_parts():
    w = mg.Tensor(np.ones((4, 3)), requires_grad=True, name="w")
    with mg.Tape() as tape:
        loss = ops.linear(np.ones((5, 3)), w, vjp={"x": Mask(0.5), "w": Mask(0.3, axis="row")}).tanh().sum()
    with pytest.warns(UserWarning, match="an estimator for each input.*w: Mask"):
        explorer = explore(tape, loss, draws=4, figure=canvas())
    assert [choice.label for choice in explorer.choices[:2]] == ["x: Mask", "w: Mask(axis='row')"]
    assert explorer.exploration.estimator == Mask(0.3, axis="row")
    explorer.set(estimator="x: Mask", budget=0.5)
    assert explorer.exploration.estimator == Mask(0.5)
    explorer = explore(tape, loss, estimator="low rank", draws=4, figure=canvas())  # asked for: no warning
    assert explorer.exploration.estimator.budget == 0.25
