"""Units that are worth their price: unbiased by enumeration, as many as the theory says, on each edge by itself."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from estimator_cases import exact, moments, normal, passes

import minigrad as mg
from minigrad import inspect, nn, ops, theory
from minigrad.estimators import Priced, parse

G = normal(3, 4, 3) * np.array([4.0, 1.0, 0.3, 0.0])[:, None]


def recorded(vjp):
    leaves = [mg.Tensor(normal(1, 4, 2), requires_grad=True), mg.Tensor(normal(2, 3, 2), requires_grad=True)]
    with mg.Tape() as tape:
        y = ops.linear(*leaves, vjp=vjp)
    return tape, y, leaves


@pytest.mark.parametrize("axis", ["row", "column", "sample", "element"])
@pytest.mark.parametrize("tau", [0.5, 2.0, 1e3])
def test_enumerated(axis, tau):
    sketch = Priced(tau, gain=1.5, axis=axis)
    total, mean, variance = moments(sketch.outcomes(G))
    assert total == pytest.approx(1) and variance == pytest.approx(sketch.distortion(G), rel=1e-10, abs=1e-12)
    np.testing.assert_allclose(mean, G, atol=1e-11)


@pytest.mark.parametrize("tau", [0.5, 3.0])
def test_one_price_on_both_edges(tau):
    """By enumeration: each gradient is unbiased, and its variance is that of the theory."""
    x_edge, w_edge = Priced(tau, gain=2.0), Priced(tau, target="weight")
    tape, y, leaves = recorded({"x": x_edge, "w": w_edge})
    node = tape.nodes[0]
    total, mean, _ = moments(passes(tape, y, leaves, G))
    np.testing.assert_allclose(mean, exact(tape, y, leaves, G), atol=1e-11)
    squares, operand = np.square(G).sum(1), np.square(leaves[0].data).sum(1)
    for sketch, v in ((x_edge, 2.0 * squares), (w_edge, squares * operand)):
        p = sketch.probabilities(G, node)
        wanted = theory.priced_probabilities(v, tau)
        np.testing.assert_allclose(p, np.where(v > 0, np.maximum(wanted, 0.1 * wanted.mean()), 0), rtol=1e-12)
    p = w_edge.probabilities(G, node)
    seen = p > 0
    _, _, of_w = moments(passes(tape, y, leaves[1:], G))
    assert of_w == pytest.approx(np.sum((1 / p[seen] - 1) * (squares * operand)[seen]))


def test_the_price_has_a_scale_and_the_cost_divides():
    np.testing.assert_allclose(Priced(2.0).probabilities(2 * G), Priced(1.0).probabilities(G))
    np.testing.assert_allclose(Priced(1.0, cost=4.0).probabilities(G), Priced(2.0).probabilities(G))
    assert Priced(1e-9).probabilities(G).tolist() == [1, 1, 1, 0]


def test_a_vanishing_cotangent_is_not_lost_and_a_huge_one_is_kept():
    g = normal(0, 200, 3)
    assert Priced(1e9).probabilities(g).mean() == pytest.approx(0.01, rel=0.1)
    assert Priced(1e9, least=0.2).probabilities(g).mean() == pytest.approx(0.2, rel=0.05)
    for scale in (1e-170, 1e-100):
        p = Priced(1.0).probabilities(g * scale)
        assert p.min() >= 0.001 and p.mean() < 0.05
    assert Priced(1.0).probabilities(g * 1e200).tolist() == [1.0] * 200
    bad = g.copy()
    bad[0, 0] = np.nan
    assert Priced(1.0).sample(bad, None, 0) is bad
    assert Priced(1.0).probabilities(np.zeros((3, 2))).tolist() == [0, 0, 0]


def test_free_is_exact_to_the_bit():
    assert Priced(0.0).budget == 1 and not Priced(0.0).adapts
    assert Priced(0).sample(G, None, 0) is G


def test_text_and_copies():
    one = parse("priced(0.5, gain=2.0, target=weight)")
    assert one == Priced(0.5, gain=2.0, target="weight") and parse(repr(one)) == one
    assert repr(Priced(0.5)) == "Priced(0.5)" and "priced(tau, gain=1.0" in mg.estimators.describe()["priced"]
    for other in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert other == one and other.budget == one.budget < 1


def test_its_cost_is_measured():
    model = nn.mlp((6, 16, 3), rng=0)
    nn.set_vjp(model, {"x": Priced(3.0), "w": Priced(3.0, target="weight")})
    with mg.Tape() as tape:
        loss = model(normal(0, 20, 6).astype(np.float32)).square().sum()
    most, measured = inspect.cost(tape), inspect.cost(tape, loss, rng=0)
    assert most.bound and not measured.bound and measured.backward < most.backward
    assert inspect.unbiasedness(tape, loss, draws=300, rng=0).passed


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"tau": -1}, ValueError, "tau=-1 must be finite and ≥ 0; 0 is exact"),
        ({"tau": np.inf}, ValueError, "tau=inf must be finite"),
        ({"tau": np.nan}, ValueError, "tau=nan must be finite"),
        ({"tau": "1"}, TypeError, "tau must be a number"),
        ({"tau": 1, "gain": 0}, ValueError, "gain=0 must be finite and > 0"),
        ({"tau": 1, "cost": -1}, ValueError, "cost=-1 must be finite and > 0"),
        ({"tau": 1, "least": 2}, ValueError, r"least=2 must be finite and in \(0, 1\]"),
        ({"tau": 1, "target": "input"}, ValueError, "unknown target"),
        ({"tau": 1, "axis": "rows"}, ValueError, "did you mean 'row'"),
    ],
)
def test_what_is_refused(arguments, error, words):
    with pytest.raises(error, match=f"Priced: .*{words}"):
        Priced(**arguments)


@pytest.mark.parametrize("target", ["cotangent", "weight", "both"])
def test_rows_of_zeros_are_never_drawn(target):
    """At a price at which nearly everything is worth keeping, and with a bound that would keep what is zero."""
    g = np.random.default_rng(0).standard_normal((40, 3))
    g[::2] = 0
    estimator = Priced(0.5, target=target, least=0.9)
    for seed in range(20):
        kept = estimator.sample(g, None, seed)
        assert len(kept.indices) > 10 and (kept.indices % 2 == 1).all()
