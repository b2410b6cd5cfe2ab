"""The advised budget, where theory knows the answer."""

from __future__ import annotations

import json

import numpy as np
import pytest
from estimator_cases import normal

from minigrad import inspect, nn, theory
from minigrad.estimators import Mask, TopK
from minigrad.inspect.advice import _interpolated
from minigrad.inspect.batches import RecordedBatches

X, Y = normal(1, 200, 16, dtype=np.float32), normal(2, 200, 2, dtype=np.float32)


def mean_square(out, y):
    return (out - y).square().sum() / len(y)


def one_masked_layer(scale=0.05):
    """The first layer is dear and its gradient small; most minibatch noise comes of the second, which is exact."""
    net = nn.Sequential(nn.Linear(16, 64, rng=0, vjp=Mask(0.5)), nn.Tanh(), nn.Linear(64, 2, rng=1))
    net[2].weight.data *= scale
    return net


def slope(net, batch_size, batches, seed):
    """b of V = a + b/p: the mean of ‖∂W‖² + ‖∂b‖² of the masked layer, column masks being exactly so noisy."""
    recorded = RecordedBatches(net, (X, Y), batch_size, mean_square, seed)
    found = []
    for number in range(batches):
        wanted = recorded[number]
        first = wanted.split(wanted.exact())[:2]
        found.append(sum(np.square(g).sum() for g in first))
    return float(np.mean(found))


def test_one_masked_node_gets_the_budget_of_the_theory():
    """V is measured to about 3 %, so the root is to about 2 %, and the grid has steps of 0.6 %."""
    net = one_masked_layer(0.25)
    advice = inspect.advise(net, (X, Y), batch_size=20, batches=300, loss=mean_square, rng=0)
    b = slope(net, 20, 300, 0)
    theirs = theory.optimal_budget(advice.fixed_cost, advice.sketchable_cost, advice.minibatch - b, b)
    assert 0.06 < theirs.budget < 0.45  # inside what was measured
    assert advice.worth_it and advice.budget == pytest.approx(theirs.budget, rel=0.1)
    for p, v, error in zip(advice.budgets[1:], advice.variance[1:], advice.variance_error[1:], strict=True):
        # 5.4 standard errors: false alarm below 1e-6.
        assert abs(v - advice.minibatch - b * (1 / p - 1)) < 5.4 * error
    best = min(advice.predicted(advice.budgets[1:]))
    assert advice.ratio <= best + 1e-12 and advice.ratio == pytest.approx(
        float(advice.predicted(advice.budget)), rel=1e-12
    )
    measured = theory.total_cost(advice.budget, theirs.c0, theirs.c1, theirs.a, theirs.b)
    assert advice.ratio == pytest.approx(float(measured) / (advice.step_cost[0] * advice.minibatch), rel=0.05)
    assert f"budget {advice.budget:.2g}" in advice.sentence


def test_where_the_mask_adds_more_than_the_batch_has_it_says_do_not_sketch():
    """All of the gradient masked by columns: b = E‖g_B‖² ≥ σ², so a ≤ 0, and theory's budget is 1."""
    net = nn.Linear(16, 2, rng=0, vjp=Mask(0.5))
    advice = inspect.advise(net, (X, Y), batch_size=20, batches=20, loss=mean_square, rng=0)
    b = slope(net, 20, 20, 0)
    assert theory.optimal_budget(advice.fixed_cost, advice.sketchable_cost, advice.minibatch - b, b).budget == 1
    assert (advice.budget, advice.ratio, advice.worth_it) == (1.0, 1.0, False)
    assert "do not sketch" in str(advice)


def test_advice_stays_within_what_was_measured():
    net = one_masked_layer(0.01)  # so little noise that less would be better still
    advice = inspect.advise(net, (X, Y), budgets=(0.5, 0.3), batch_size=20, batches=10, loss=mean_square, rng=0)
    assert advice.budget == pytest.approx(0.3) and advice.budgets == (1.0, 0.5, 0.3)
    one = inspect.advise(net, (X, Y), budgets=(0.3,), batch_size=20, batches=10, loss=mean_square, rng=0)
    assert one.budget == pytest.approx(0.3)


def test_the_interpolation_is_exact_for_one_masked_node():
    p = np.array([0.5, 0.25, 0.1])
    at = np.array([0.9, 0.5, 0.3, 0.2, 0.1])
    np.testing.assert_allclose(_interpolated(p, 7 * (1 / p - 1), at), 7 * (1 / at - 1), rtol=1e-12)
    np.testing.assert_allclose(_interpolated(p[:1], np.array([7.0]), at), 7 * (1 / at - 1), rtol=1e-12)
    assert np.all(np.diff(_interpolated(p, np.array([2.0, 1.0, 3.0]), np.geomspace(0.1, 0.5, 50))) <= 1e-12)
    assert np.all(_interpolated(p, np.zeros(3), at) < 1e-300)


def test_noise_that_compounds_is_named():
    """One draw for the whole network against one in each layer: only the latter grows faster than 1/p − 1.

    Over seeds the former is 1.02 ± 0.05, the latter 8.4 ± 0.8 (standard deviations): six of them lie within the bounds.
    """
    layers = [layer for k in range(4) for layer in (nn.Linear(16, 16, rng=k), nn.Tanh())]
    net = nn.Sequential(*layers, nn.Linear(16, 2, rng=9))
    options = {"budgets": (0.5, 0.25), "batch_size": 20, "batches": 160, "loss": mean_square, "rng": 0}
    nn.set_vjp(net, Mask(0.5, axis="element"))
    many = inspect.advise(net, (X, Y), **options)
    assert many.sketched == 5 and many.compounding > 3
    assert "noise compounds: with 5 sketched nodes" in many.warning and many.warning in many.table().notes
    nn.set_vjp(net, None)
    net[-1].vjp = Mask(0.5, axis="sample")
    one = inspect.advise(net, (X, Y), **options)
    # Exactly proportional to 1/p − 1 for one mask; measured on 160 batches, by two independent sets of draws.
    assert one.sketched == 1 and 0.5 < one.compounding < 2
    assert one.warning is None
    # At a budget next to 1 hardly any draw leaves something out, and what was measured says nothing.
    nn.set_vjp(net, Mask(0.5))
    assert inspect.advise(net, (X, Y), **{**options, "budgets": (0.9999999, 0.5)}).compounding == 1.0


def test_nothing_to_advise():
    for budgets in ((), (1.0,), (0.5, 0.0), (1.5,)):
        with pytest.raises(ValueError, match="must lie in"):
            inspect.advise(one_masked_layer(), (X, Y), budgets=budgets, loss=mean_square)
    with pytest.raises(ValueError, match="at least 2"):
        inspect.advise(one_masked_layer(), (X, Y), batches=1, loss=mean_square)
    with pytest.raises(ValueError, match=r"nn\.set_vjp"):
        inspect.advise(nn.Linear(16, 2, rng=0), (X, Y), loss=mean_square, batch_size=20)
    with pytest.raises(ValueError, match="is biased"):
        inspect.advise(nn.Linear(16, 2, rng=0, vjp=TopK(0.5)), (X, Y), loss=mean_square, batch_size=20)
    with pytest.raises(ValueError, match="no minibatch noise"):
        inspect.advise(one_masked_layer(), (X, Y), batch_size=200, batches=3, loss=mean_square, rng=0)


def test_the_report_shows_itself():
    import matplotlib.pyplot as plt

    options = {"batch_size": 20, "batches": 4, "loss": mean_square, "rng": 3}
    for net in (one_masked_layer(), nn.Linear(16, 2, rng=0, vjp=Mask(0.5))):
        advice = inspect.advise(net, (X, Y), **options)
        assert advice == inspect.advise(net, (X, Y), **options)
        assert "cost ratio" in str(advice) and "<table>" in advice._repr_html_()
        json.dumps(advice.to_dict(), allow_nan=False)
        ax = advice.plot()
        stars = [line for line in ax.get_lines() if line.get_marker() == "*"]
        assert len(stars) == advice.worth_it
        plt.close(ax.figure)
