"""Convergence curves: what is drawn where, on the axes that were given."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from minigrad.plot import curves
from minigrad.plot.style import COLOURS, MARKERS, STYLES, axes_or_new


@pytest.fixture
def ax():
    return Figure().subplots()


def drawn(ax):
    """Draw everything; warnings are errors."""
    ax.figure.savefig(io.BytesIO(), format="png")


def band(ax, which=0):
    """The lowest and highest y of a band."""
    y = ax.collections[which].get_paths()[0].vertices[:, 1]
    return y.min(), y.max()


def test_mean_and_band(ax):
    assert curves({"a": [([1, 2], [1.0, 2.0]), ([1, 2], [3.0, 2.0])]}, ax, xlabel="epoch", ylabel="loss (nats)") is ax
    assert ax.lines[0].get_xydata().tolist() == [[1, 2], [2, 2]]
    assert band(ax) == pytest.approx((2 - 2**0.5, 2 + 2**0.5))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss (nats)")
    drawn(ax)


def test_on_a_logarithmic_axis_mean_and_band_are_geometric(ax):
    curves({"a": [([1], [1.0]), ([1], [100.0])]}, ax, log_x=True, log_y=True)
    assert ax.lines[0].get_ydata() == pytest.approx([10])
    spread = np.exp(np.std(np.log([1, 100]), ddof=1))
    assert band(ax) == pytest.approx((10 / spread, 10 * spread))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    drawn(ax)


def test_the_shortest_run_decides_the_length(ax):
    curves({"a": [([1, 2, 3], [1, 1, 1]), ([1, 2], [3, 3])]}, ax)
    assert ax.lines[0].get_xydata().tolist() == [[1, 2], [2, 2]]


def test_a_method_without_runs_stands_in_the_legend(ax):
    curves({"a": [], "b": [([], [])], "c": [([1], [1.0])]}, ax, crossed=["a"])
    assert ax.get_legend_handles_labels()[1] == ["a", "b", "c"]
    drawn(ax)


def test_a_cross_where_a_method_went_no_further(ax):
    curves({"a": [([1, 2], [1.0, 5.0])], "b": [([1], [1.0])]}, ax, crossed=["a"])
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert [line.get_xydata().tolist() for line in crosses] == [[[2, 5]]]
    assert ax.get_legend_handles_labels()[1] == ["a", "b"]


@pytest.mark.parametrize("values", [[0.0, 1.0], [-1.0, 2.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_values_that_no_logarithm_takes(ax, values):
    curves({"a": [([1, 2], values), ([1, 2], [1.0, 1.0])]}, ax, log_y=True)
    drawn(ax)


def test_a_single_epoch_can_be_seen(ax):
    curves({"a": [([1], [1.0])]}, ax)
    assert ax.lines[0].get_marker() in MARKERS  # for a line of one point is no line


def test_methods_are_told_apart_without_colour(ax):
    curves({str(k): [([1, 2], [k, k])] for k in range(8)}, ax)
    assert len({(line.get_linestyle(), line.get_marker()) for line in ax.lines}) == 8
    assert len(set(COLOURS)) == len(set(map(str, STYLES))) == len(set(MARKERS)) == 8
    curves({str(k): [([1, 2], [k, k])] for k in range(20)}, Figure().subplots())  # and more than there are


def test_axes_are_made_only_where_none_are_given(ax):
    import matplotlib.pyplot as plt

    assert axes_or_new(ax) is ax and not plt.get_fignums()
    plt.switch_backend("agg")
    new = axes_or_new()
    assert plt.get_fignums() and new is not ax
    plt.close("all")
