"""Axes of training runs: whole epochs, labels that do not collide, one colour a method."""

from __future__ import annotations

import itertools

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from minigrad.plot.budgets import accuracy_by_budget
from minigrad.plot.training import loss_and_accuracy


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()
    return figure


def collisions(axis) -> list[tuple[str, str]]:
    """Neighbouring tick labels of a drawn axis that overlap."""
    renderer = axis.figure.canvas.get_renderer()
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    shown = [t.label1 for t in ticks if t.label1.get_text() and low <= t.get_loc() <= high]
    boxes = sorted(((label.get_window_extent(renderer), label.get_text()) for label in shown), key=lambda b: b[0].x0)
    return [(a, b) for (one, a), (other, b) in itertools.pairwise(boxes) if one.x1 > other.x0]


def runs(epochs: int, methods: int, share: float):
    steps = range(1, epochs + 1)
    return {
        f"method {k}": [
            {
                "epochs": list(steps),
                "spent": [share * e for e in steps],
                "loss": [2.0 / e for e in steps],
                "accuracy": [90 - 50 / e for e in steps],
            }
        ]
        for k in range(methods)
    }


@pytest.mark.parametrize("epochs", [1, 2, 3, 5, 20, 150])
@pytest.mark.parametrize("share", [0.37, 1.0])
def test_epochs_are_whole_and_no_ticks_collide(epochs, share):
    figure = drawn(loss_and_accuracy(runs(epochs, 3, share), Figure(figsize=(10, 7.8), layout="constrained")))
    left, right = figure.axes[2], figure.axes[3]
    assert all(tick == round(tick) for tick in left.get_xticks())
    assert collisions(left.xaxis) == collisions(right.xaxis) == []
    assert "forward and backward" in right.get_xlabel()


def test_each_of_many_methods_has_a_colour():
    figure = loss_and_accuracy(runs(2, 20, 1.0), Figure(layout="constrained"))
    for ax in figure.axes:
        assert len({line.get_color() for line in ax.lines}) == len(ax.lines) == 20
    first, *others = [[line.get_color() for line in ax.lines] for ax in figure.axes]
    assert all(other == first for other in others)  # the same in each picture
    points = ([0.1, 0.5], [0.4, 0.7], [80.0, 90.0], [1.0, 0.5])
    figure = accuracy_by_budget({f"method {k}": points for k in range(20)}, [0.1, 0.5], Figure(), exact=92.0)
    for ax in figure.axes:
        assert len({c.lines[0].get_color() for c in ax.containers} | {"#000000"}) == 21


@pytest.mark.parametrize("budgets", [[0.1], [0.1, 0.11, 0.12, 0.5], [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9]])
@pytest.mark.parametrize("low", [0.02, 0.35, 0.9])
def test_budgets_and_operations_do_not_collide(budgets, low):
    operations = [low + (1 - low) * p for p in budgets]
    count = len(budgets)
    points = (budgets, operations, [80.0] * count, [1.0] * count)
    figure = drawn(accuracy_by_budget({"columns": points}, budgets, Figure(figsize=(11, 4.8), layout="constrained")))
    for ax in figure.axes:
        assert collisions(ax.xaxis) == []
    assert "forward and backward" in figure.axes[1].get_xlabel()
