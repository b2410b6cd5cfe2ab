"""Estimators that fail, choices that look alike, and tensors without a name, in the explorer."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pytest
from matplotlib.figure import Figure

import minigrad as mg
from minigrad import ops
from minigrad.estimators import Mask
from minigrad.explore import Choice, Exploration, Explorer, Subject, explore


def canvas():
    """A figure without a window, which is not painted unless one asks for it."""
    return Figure(figsize=(12.8, 8))


class Picky(mg.Estimator):
    """None of its budgets but those from 0.2 on are to its taste."""

    def __init__(self, budget):
        self.budget = budget

    def sample(self, g, node, rng):
        if self.budget < 0.2:
            raise ArithmeticError("not below 0.2")
        return g / self.budget if rng.random() < self.budget else 0 * g


class Sour(mg.Estimator):
    """A tenth of its draws are NaN."""

    def __init__(self, budget):
        self.budget = budget

    def sample(self, g, node, rng):
        return g * np.nan if rng.random() < 0.1 else g


@dataclass(frozen=True)
class Late(mg.Estimator):
    kind: str
    budget: float = 0.5

    def sample(self, g, node, rng):
        return g


@dataclass(frozen=True)
class Between(mg.Estimator):
    kind: str
    budget: float
    scale: float = 0.5

    def sample(self, g, node, rng):
        return g


def own_tape(name="w"):
    w = mg.Tensor(np.random.default_rng(0).standard_normal((4, 3)), requires_grad=True, name=name)
    with mg.Tape() as tape:
        loss = ops.linear(np.random.default_rng(1).standard_normal((5, 3)), w).tanh().square().sum()
    return tape, loss


def message(explorer):
    (text,) = explorer.figure.subfigs[1].texts
    return text.get_text()


# --- what fails


def test_a_failure_is_remembered_until_something_else_is_shown():
    tape, loss = own_tape()
    explorer = explore(tape, loss, estimators=["mask", Picky], budgets=[0.25, 1.0], draws=10, figure=canvas())
    explorer.set(estimator="Picky")
    with pytest.raises(ArithmeticError):
        explorer.set(budget=0.1)
    assert explorer.budget_slider.ax.get_title("left") == "budget 0.1"
    for again in (explorer.new_draw, lambda: explorer.set(budget=0.1), lambda: explorer.set(view="one entry")):
        with pytest.raises(ArithmeticError):
            again()
        assert "Picky at budget 0.1" in message(explorer)
        assert not [ax for ax in explorer.figure.axes if ax.get_title().startswith("draw ")]  # of another estimator
    with pytest.raises(RuntimeError, match="Picky at budget 0.1 failed with ArithmeticError"):
        explorer.exploration  # noqa: B018
    assert "Picky at budget 0.1" in repr(explorer)
    explorer.set(budget=0.5)
    assert explorer.exploration.estimator.budget == 0.5 and "Error" not in message(explorer)
    explorer.new_draw()


def test_draws_that_are_not_finite_are_told_of():
    tape, loss = own_tape()
    subject = Subject(tape, loss)
    with pytest.raises(ValueError, match=r"Sour\(budget=0.25\) at node 0 \(linear\): draw \d+ holds NaN or infinity"):
        Exploration.of(subject, Sour, draws=100, rng=0)
    explorer = explore(tape, loss, estimators=["mask", Sour], draws=100, figure=canvas())
    with pytest.raises(ValueError, match="holds NaN"):
        explorer.set(estimator="Sour")
    assert "Sour at budget 0.25" in message(explorer)
    explorer.set(estimator="Mask")
    assert explorer.exploration.estimator == Mask(0.25)


def test_a_cotangent_without_entries():
    w = mg.Tensor(np.ones((4, 3)), requires_grad=True, name="w")
    with mg.Tape() as tape:
        loss = ops.linear(np.ones((0, 3)), w).sum()
    with pytest.raises(ValueError, match=r"shape \(0, 4\), without any entry"):
        Subject(tape, loss, 0)


def test_a_budget_so_small_that_nothing_is_kept_is_said():
    tape, loss = own_tape()
    subject = Subject(tape, loss)
    assert "no draw kept anything" in str(Exploration.of(subject, Mask(1e-9), draws=5, rng=0))
    assert "no draw kept anything" not in str(Exploration.of(subject, Mask(0.9), draws=5, rng=0))


# --- what looks alike


def test_the_same_estimator_is_offered_once():
    tape, loss = own_tape()
    explorer = explore(tape, loss, estimators=["mask"], estimator="mask", draws=5, figure=canvas())
    assert [choice.label for choice in explorer.choices] == ["Mask"]


def test_two_of_one_name_are_refused():
    tape, loss = own_tape()

    def mine(budget):
        return Mask(budget)

    first = mine

    def mine(budget):
        return Mask(budget, axis="row")

    with pytest.raises(ValueError, match="two estimators have the label 'mine'"):
        explore(tape, loss, estimators=[first], estimator=mine, draws=5, figure=canvas())
    with pytest.raises(ValueError, match="two estimators have the label 'mine'"):
        Explorer(Subject(tape, loss), [Choice.of(first), Choice.of(mine)], draws=5, figure=canvas())
    tape.nodes[0].vjp = Mask(0.5)
    explorer = explore(tape, loss, estimators={"Mask": first, "b": "mask(axis=row)"}, draws=5, figure=canvas())
    assert explorer.exploration.estimator == Mask(0.5)


def test_a_label_has_no_budget_wherever_it_stands():
    labels = [Choice.of(e).label for e in (Late("a"), Late("a", 0.25), Between("a", 0.5), Mask(0.5, axis="row"))]
    assert labels == ["Late(kind='a')", "Late(kind='a')", "Between(kind='a', scale=0.5)", "Mask(axis='row')"]


# --- names


def test_leaves_without_a_name_are_told_apart_by_their_shape():
    tape, loss = own_tape(name="")
    subject = Subject(tape, loss)
    assert subject.name == "leaf (4, 3)"
    exploration = Exploration.of(subject, "mask", draws=3, rng=0)
    assert exploration.estimates["along the gradient"].label.startswith("∂ loss / ∂ leaf (4, 3)")


def test_a_dollar_in_the_name_of_a_tensor():
    tape, loss = own_tape(r"$\bad{$")
    figure = Exploration.of(Subject(tape, loss), "mask", draws=3, rng=0).plot(canvas())
    figure.savefig(io.BytesIO(), dpi=20)
