"""Odd input to the pictures: each raises an error that says what to do, or is drawn sensibly."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure

import minigrad as mg
from minigrad import plot


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


def painted(ax):
    """Paint everything; warnings are errors."""
    ax.figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize("picture", [plot.estimate_histogram, plot.running_mean])
@pytest.mark.parametrize(
    "values, exact, words",
    [
        ([1, np.nan], 1, r"1 of 2 estimates are NaN or infinite, values\[1\] = nan"),
        ([1, np.inf], 1, r"values\[1\] = inf"),
        ([], 1, "at least one"),
        (3.0, 1, r"shape \(\)"),
        ([1.0], np.nan, "exact=nan"),
    ],
)
def test_estimates(picture, values, exact, words, ax):
    with pytest.raises(ValueError, match=f"{picture.__name__}.*{words}"):
        picture(values, exact, ax)
    assert not ax.has_data()


def test_inclusion_probabilities(ax):
    for arguments, words in (
        ({"p": [0.5, 0.5], "kept": [True]}, r"kept has shape \(1,\)"),
        ({"p": [0.5, 0.5], "frequencies": [0.1]}, r"frequencies has shape \(1,\)"),
        ({"p": 0.5}, "one number for each unit"),
        ({"p": np.ones((2, 2, 2))}, "one number for each unit"),
    ):
        with pytest.raises(ValueError, match=words):
            plot.inclusion_probabilities(**arguments, ax=ax)


def test_nothing_to_draw(ax):
    for shape in ((0, 3), (3, 0), (0,)):
        with pytest.raises(ValueError, match="no entry"):
            plot.cotangent_heatmap(np.zeros(shape), ax)
    with pytest.raises(ValueError, match="nothing to draw"):
        plot.distortion_by_budget(ax=ax)


def test_what_is_left_out_can_be_said(ax):
    plot.cotangent_heatmap(np.zeros((1, 2)), ax, left_out=[[True, False]])
    assert np.ma.getmaskarray(ax.images[0].get_array()).tolist() == [[True, False]]


@pytest.mark.parametrize("smallest", [1.0, 0.6, 0.25, 0.05, 0.02, 0.01, 3e-3, 1e-4, 1e-9, 1e-30])
def test_the_ticks_of_budgets_have_room(smallest, ax):
    plot.distortion_by_budget(([smallest, 1.0], [1.0, 0.0]), ax=ax)
    ticks = ax.get_xticks()
    assert 1 <= len(ticks) <= 6 and ticks.max() == 1 and ticks.min() >= smallest * (1 - 1e-9)
    painted(ax)


def test_a_dollar_in_a_name():
    w = mg.Tensor(np.eye(2), requires_grad=True, name=r"$\bad{$")
    with mg.Tape() as tape:
        _ = mg.ops.linear(np.ones((1, 2)), w).sum()
    ax = plot.tape_graph(tape, Figure().subplots())
    assert ax.texts[0].get_text().startswith(r"$\bad{$")
    painted(ax)


def test_runs_at_other_x_are_not_averaged_unasked(ax):
    runs = {"a": [([1, 2, 3], [1.0, 1.0, 1.0]), ([1, 20], [3.0, 3.0])]}
    with pytest.raises(ValueError, match=r"runs 0 and 1 of 'a'.* x\[1\] is 2 and 20"):
        plot.curves(runs, ax)
    plot.curves(runs, ax, average_x=True)
    assert ax.lines[0].get_xdata().tolist() == [1, 11]
    with pytest.raises(ValueError, match="has 2 x and 1 y"):
        plot.curves({"a": [([1, 2], [1.0])]}, ax)


def test_a_text_is_one_method_that_is_crossed(ax):
    plot.curves({"a": [([1], [1.0])], "ab": [([1], [2.0])]}, ax, crossed="ab")
    assert [line.get_ydata()[0] for line in ax.lines if line.get_marker() == "x"] == [2.0]
