"""Heat maps, probabilities, estimates, distortions and the trade-off: the numbers that are drawn, on given axes."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from minigrad import inspect, plot, theory
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, RandomProjection
from minigrad.plot.heatmap import COLOUR_MAP, not_held
from minigrad.plot.style import plain_log
from minigrad.structure import Columns, Dense, Entries, Factors, Rows, dense

G = np.random.default_rng(0).standard_normal((4, 3, 5))


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


def painted(ax):
    """Paint everything; warnings are errors."""
    ax.figure.savefig(io.BytesIO(), format="png")


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def lightness(colours):
    """What a grey printer makes of colours."""
    return np.asarray(colours)[..., :3] @ [0.2126, 0.7152, 0.0722]


# --- heat map


STRUCTURES = {
    "array": G,
    "dense": Dense(G),
    "columns": Mask(0.5).sample(G, None, 0),
    "rows": Mask(0.5, axis="row").sample(G, None, 0),
    "samples": Mask(0.5, axis="sample").sample(G, None, 0),
    "entries": Mask(0.5, axis="element").sample(G, None, 0),
    "low rank": LowRankSketch(0.5).sample(G, None, 0),
    "projection": RandomProjection(0.5).sample(G, None, 0),
}


@pytest.mark.parametrize("kind", STRUCTURES)
def test_heat_map(kind, ax):
    g = STRUCTURES[kind]
    assert plot.cotangent_heatmap(g, ax, title="G") is ax
    shown = ax.images[0].get_array()
    np.testing.assert_array_equal(shown.filled(0), dense(g).reshape(12, 5))
    if isinstance(g, (Columns, Rows, Entries)):
        np.testing.assert_array_equal(shown.mask, dense(g).reshape(12, 5) == 0)  # G itself has no zero
    else:
        assert not shown.mask.any()
    top = np.abs(dense(g)).max()
    assert ax.images[0].get_clim() == pytest.approx((-top, top))
    assert ax.images[0].colorbar.extend == "neither"
    (lines,) = ax.collections  # between samples of three rows
    assert [segment[0, 1] for segment in lines.get_segments()] == [2.5, 5.5, 8.5]
    assert ax.patches[0].get_hatch() and ax.get_title() == "G"
    assert ax.get_xlabel() == "column (feature)" and "∂ loss" in ax.images[0].colorbar.ax.get_ylabel()
    painted(ax)


def test_zeros_that_are_held_differ_from_what_is_left_out(ax):
    plot.cotangent_heatmap(Columns(np.zeros((2, 1)), np.array([1]), (2, 3)), ax)
    assert ax.images[0].get_array().mask.tolist() == [[True, False, True]] * 2
    painted(ax)


def test_the_limit_and_the_arrows(ax):
    plot.cotangent_heatmap(np.array([[-3.0, 1.0]]), ax, limit=2.0)
    assert ax.images[0].get_clim() == (-2, 2) and ax.images[0].colorbar.extend == "min"
    plot.cotangent_heatmap(np.array([[-3.0, 4.0]]), ax, limit=2.0)
    assert ax.images[1].colorbar.extend == "both"
    plot.cotangent_heatmap(np.array([[0.0, 4.0]]), ax, limit=2.0)
    assert ax.images[2].colorbar.extend == "max"
    plot.cotangent_heatmap(np.array([[-3.0]]), ax, colorbar=False)
    assert ax.images[3].colorbar is None


@pytest.mark.parametrize("g", [np.zeros((2, 3)), np.array(2.0), np.ones(4), np.array([[np.nan, 1.0], [np.inf, -1.0]])])
def test_odd_cotangents(g, ax):
    plot.cotangent_heatmap(g.astype(np.float32), ax)
    assert all(math.isfinite(limit) and limit for limit in ax.images[0].get_clim())
    assert not ax.collections
    painted(ax)


def test_samples_are_not_mistaken_for_rows():
    one_sample = Rows(np.ones((1, 3, 5)), np.array([1]), G.shape)
    one_row = Rows(np.ones((1, 5)), np.array([1]), G.shape)
    assert np.flatnonzero(~not_held(one_sample).all(axis=1)).tolist() == [3, 4, 5]
    assert np.flatnonzero(~not_held(one_row).all(axis=1)).tolist() == [1]
    assert not not_held(Factors(np.ones((2, 1)), np.zeros((1, 2)), (2, 2))).any()


def test_the_sign_can_be_read_in_grey():
    import matplotlib

    grey = lightness(matplotlib.colormaps[COLOUR_MAP](np.linspace(0, 1, 64)))
    assert (np.diff(grey) > 0).all() and grey[-1] - grey[0] > 0.6


# --- inclusion probabilities


def test_probabilities(ax):
    p = DiagonalSketch(0.4).probabilities(G)
    kept = np.array([True, False, True, False, False])
    frequencies = np.linspace(0, 1, 5)
    assert plot.inclusion_probabilities(p, ax, frequencies=frequencies, kept=kept) is ax
    np.testing.assert_array_equal([bar.get_height() for bar in ax.patches], p)
    assert [bool(bar.get_hatch()) for bar in ax.patches] == kept.tolist()  # told apart without colour
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), frequencies)
    assert ax.lines[1].get_ydata()[0] == pytest.approx(p.mean())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("column", "inclusion probability")
    assert labels(ax) == ["kept in this draw", "how often kept", f"mean {p.mean():.3g}"]
    assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > 1
    painted(ax)


def test_probabilities_of_entries_are_a_heat_map(ax):
    p = DiagonalSketch(0.4, axis="element").probabilities(G).reshape(12, 5)
    kept = np.random.default_rng(0).random(p.shape) < p
    plot.inclusion_probabilities(p, ax, kept=kept, unit="entry")
    np.testing.assert_array_equal(ax.images[0].get_array(), p)
    assert ax.images[0].get_clim() == (0, 1) and "entry" in ax.images[0].colorbar.ax.get_ylabel()
    np.testing.assert_array_equal(np.argwhere(kept)[:, ::-1], ax.lines[0].get_xydata())
    painted(ax)


def test_frequencies_alone(ax):
    plot.inclusion_probabilities(None, ax, frequencies=[0.5, 0.25], unit="row")
    assert [bar.get_height() for bar in ax.patches] == [0.5, 0.25] and "fraction of draws" in ax.get_ylabel()
    with pytest.raises(ValueError, match="give p, frequencies, or both"):
        plot.inclusion_probabilities(None, ax)


@pytest.mark.parametrize("size", [0, 1, 500])
def test_few_and_many_units(size, ax):
    plot.inclusion_probabilities(np.full(size, 0.5), ax, kept=np.arange(size) % 2 == 0, frequencies=np.zeros(size))
    assert len(ax.patches) == size
    painted(ax)


# --- estimates


def test_histogram(ax):
    z = np.random.default_rng(0).gamma(1.0, size=400)
    assert plot.estimate_histogram(z, 1.0, ax, shown=z[3], xlabel="entry (loss / unit)") is ax
    assert sum(bar.get_height() for bar in ax.patches) == 400
    exact, mean, shown = ax.lines
    assert exact.get_xdata()[0] == 1 and mean.get_xdata()[0] == pytest.approx(z.mean())
    assert shown.get_xdata()[0] == z[3] and shown.get_marker() == "^"
    assert exact.get_linestyle() != mean.get_linestyle()
    error = z.std(ddof=1) / 20
    assert labels(ax) == ["exact 1", f"mean {z.mean():.4g} ± {error:.2g}", f"this draw {z[3]:.4g}"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("entry (loss / unit)", "draws")
    painted(ax)


@pytest.mark.parametrize("values, exact", [([0.5] * 9, 1.0), ([1.0] * 9, 1.0), ([0.0] * 3, 0.0), ([2.0], -1.0)])
def test_estimates_that_do_not_vary(values, exact, ax):
    plot.estimate_histogram(values, exact, ax)
    low, high = ax.get_xlim()
    assert low < min(*values, exact) and high > max(*values, exact)  # how far off they are is in the picture
    assert sum(bar.get_height() for bar in ax.patches) == len(values)
    painted(ax)
    other = Figure().subplots()
    plot.running_mean(values, exact, other)
    low, high = other.get_ylim()
    assert low < min(*values, exact) and high > max(*values, exact)
    painted(other)


def test_running_mean(ax):
    z = np.random.default_rng(0).standard_normal(300) + 5
    assert plot.running_mean(z, 5.0, ax, shown=9, ylabel="mean (nats)") is ax
    means, exact, shown = ax.lines
    np.testing.assert_allclose(means.get_ydata(), [z[: n + 1].mean() for n in range(300)])
    assert means.get_xdata().tolist() == list(range(1, 301)) and exact.get_ydata()[0] == 5
    assert shown.get_xydata().tolist() == [[10, pytest.approx(z[:10].mean())]]
    edge = ax.collections[0].get_paths()[0].vertices
    last = edge[edge[:, 0] == 300, 1]
    assert (last.min(), last.max()) == pytest.approx(
        (5 - 2 * z.std(ddof=1) / 300**0.5, 5 + 2 * z.std(ddof=1) / 300**0.5)
    )
    assert (ax.get_xscale(), ax.get_ylabel()) == ("log", "mean (nats)")
    painted(ax)


def test_negative_numbers_have_the_sign_of_the_axes(ax):
    plot.estimate_histogram([-1.0, -3.0], -2.0, ax)
    assert labels(ax)[0] == "exact −2"


# --- distortion and cost against budget


def test_distortion_by_budget(ax):
    budgets = np.array([0.1, 0.5, 1.0])
    closed = np.array([Mask(p).distortion(G) for p in budgets]) / np.square(G).sum()
    measured = (budgets[:2], closed[:2] * 1.1, np.array([0.2, 0.05]))
    assert plot.distortion_by_budget((budgets, closed), measured, ax, current=(0.5, 1.1, 0.05)) is ax
    np.testing.assert_allclose(ax.lines[0].get_xydata(), np.stack([budgets, closed], axis=1))
    dots, stars = (container for container in ax.containers)
    np.testing.assert_allclose(dots[0].get_ydata(), measured[1])
    bars = dots[2][0].get_segments()
    np.testing.assert_allclose([bar[:, 1] for bar in bars], [[8.9 + 0.6, 10.3], [1.0, 1.2]], rtol=1e-9)
    assert stars[0].get_marker() == "*" and stars[0].get_xydata().tolist() == [[0.5, 1.1]]
    assert ax.get_ylim()[0] == 0 and closed[-1] == 0  # the exact VJP has a place in the picture
    assert "budget" in ax.get_xlabel() and "‖G‖²" in ax.get_ylabel()
    assert labels(ax) == ["closed form", "draws", "now"]
    painted(ax)


def test_distortion_without_a_closed_form(ax):
    plot.distortion_by_budget(None, ([0.5], [1.0], [0.1]), ax)
    assert labels(ax) == ["draws"]
    painted(ax)


@pytest.mark.parametrize(
    "given", [(1, 4, 4, 1), (1, 1, 1, 2), (0, 1, 1, 1), (1, 4, 4, 0), (1, 0, 1, 1), (1, 2, -1, 3), (1, 2, -1, 1)]
)
def test_cost_by_budget(given, ax):
    advice = theory.optimal_budget(*map(float, given))
    assert advice.plot(ax) is ax
    total, star, cost, variance = ax.lines[:4]
    p = total.get_xdata()
    exact = (advice.c0 + advice.c1) * (advice.a + advice.b)
    if exact:
        np.testing.assert_allclose(total.get_ydata(), theory.total_cost(p, *map(float, given)) / exact)
        np.testing.assert_allclose(cost.get_ydata() * variance.get_ydata(), total.get_ydata())
        assert star.get_ydata()[0] <= total.get_ydata().min() * (1 + 1e-9)
    assert len({str(line.get_linestyle()) for line in (total, cost, variance)}) == 3
    assert "budget" in ax.get_xlabel() and "exact" in ax.get_ylabel()
    painted(ax)


def test_the_advice_of_the_theory_draws_itself(ax):
    advice = theory.optimal_budget(1, 4, 4, 1)
    assert advice.plot(ax) is ax
    assert ax.lines[1].get_xydata().tolist() == [[0.25, pytest.approx(0.64)]]


def test_budget_tradeoff_has_plain_ticks(ax):
    advice = inspect.BudgetTradeoff(
        budget=0.5, ratio=0.8, ratio_error=0.1, budgets=(1.0, 0.5, 0.25), step_cost=(4.0, 3.0, 2.5),
        variance=(1.0, 1.1, 1.6), variance_error=(0.1, 0.1, 0.1), cost_ratio=(1.0, 3.3 / 4, 4.0 / 4),
        cost_ratio_error=(0.0, 0.1, 0.1), effective=(5.0, 5.0, 5.0), minibatch=1.0, fixed_cost=2.0,
        sketchable_cost=2.0, batch_size=8, batches=9,
    )  # fmt: skip
    assert advice.plot(ax) is ax
    np.testing.assert_allclose(ax.containers[0][0].get_ydata(), [1.0, 3.3 / 4, 4.0 / 4])
    painted(ax)
    assert not [text.get_text() for text in ax.get_yticklabels() if "10^" in text.get_text()]


def test_plain_log(ax):
    ax.plot([0.01, 1.0], [1.0, 2000.0])
    plain_log(ax.xaxis)
    plain_log(ax.yaxis)
    painted(ax)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    shown = {tick.get_text() for tick in ax.get_yticklabels()}
    assert {"1", "2", "5", "10", "1000", "2000"} <= shown


# --- all of them


def test_axes_are_made_where_none_are_given():
    import matplotlib.pyplot as plt

    made = [
        plot.cotangent_heatmap(G),
        plot.inclusion_probabilities([0.5]),
        plot.estimate_histogram([1.0, 2.0], 1.5),
        plot.running_mean([1.0, 2.0], 1.5),
        plot.distortion_by_budget(([0.5], [1.0])),
        plot.cost_by_budget([0.5, 1.0], [0.6, 1.0], [1.2, 1.0], optimum=(0.5, 0.72)),
        plot.noise_by_node(["0: linear"], ["Mask(0.5)"], [1.0], [0.1], [0.0]),
        plot.kept_by_node(["0: linear"], ["Mask(0.5)"], [[0.5]], [[3]]),
        plot.budget_tradeoff(([1.0, 0.5], [1.0, 0.8], [0.0, 0.1]), ([0.4, 0.5], [0.9, 0.8])),
    ]
    assert len({id(ax.figure) for ax in made}) == len(made) == len(plt.get_fignums())
    for ax in made:
        plt.close(ax.figure)
