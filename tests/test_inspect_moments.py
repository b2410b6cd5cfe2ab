"""Exact moments against sums over outcomes written out by hand, and against the closed forms of a linear node."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from estimator_cases import DRAWN, finite, normal

import minigrad as mg
from minigrad import inspect, ops, theory
from minigrad.estimators import DiagonalSketch, Exact, LowRankSketch, Mask, RandomProjection, StratifiedMask, TopK

X, T = normal(1, 2, 2), normal(2, 2, 2)
W1, W2 = normal(3, 3, 2), normal(4, 2, 3)
P1, P2 = 0.3, 0.6


def two_layers(first=None, second=None):
    """loss = ½‖tanh(X W1ᵀ) W2ᵀ − T‖²; returns the tape, the loss, the weights and the hidden tensor."""
    w1 = mg.Tensor(W1, requires_grad=True, name="w1")
    w2 = mg.Tensor(W2, requires_grad=True, name="w2")
    with mg.Tape() as tape:
        h = ops.linear(X, w1, vjp=first).tanh()
        y = ops.linear(h, w2, vjp=second)
        loss = ((y - T) * (y - T) * 0.5).sum()
    return tape, loss, [w1, w2], h


def by_hand():
    """Every (probability, ∂h, ∂W1, ∂W2) under column masks, in plain NumPy, and the exact three."""
    h = np.tanh(X @ W1.T)
    g2 = h @ W2.T - T
    found = []
    for m2 in itertools.product((0, 1), repeat=2):
        for m1 in itertools.product((0, 1), repeat=3):
            chance = np.prod(np.where(m2, P2, 1 - P2)) * np.prod(np.where(m1, P1, 1 - P1))
            g2_hat = g2 * np.array(m2) / P2
            dh = g2_hat @ W2
            g1_hat = dh * (1 - h**2) * np.array(m1) / P1
            found.append((chance, [dh, g1_hat.T @ X, g2_hat.T @ h]))
    dh = g2 @ W2
    return found, [dh, (dh * (1 - h**2)).T @ X, g2.T @ h]


def test_two_layers_against_every_mask_by_hand():
    tape, loss, (w1, w2), h = two_layers(Mask(P1), Mask(P2))
    found, exact = by_hand()
    report = inspect.exact_moments(tape, loss, [h, w1, w2])  # h is no leaf: an intermediate tensor
    assert report.outcomes == len(found) == 32
    for k in range(3):
        mean = sum(p * arrays[k] for p, arrays in found)
        np.testing.assert_allclose(report.mean[k], mean, rtol=1e-12)
        np.testing.assert_allclose(report.exact[k], exact[k], rtol=1e-12)
        np.testing.assert_allclose(mean, exact[k], rtol=1e-12)
        spread = sum(p * np.sum((arrays[k] - mean) ** 2) for p, arrays in found)
        assert list(report.by_parameter.values())[k] == pytest.approx(spread, rel=1e-12)
    assert list(report.by_parameter) == ["wrt[0]", "w1", "w2"]
    assert sum(report.by_parameter.values()) == pytest.approx(report.total_variance, rel=1e-12)
    assert report.bias < 1e-13


def test_the_bias_of_a_biased_estimator_is_reported():
    tape, loss, (w1, _), _ = two_layers(TopK(0.34), None)
    report = inspect.exact_moments(tape, loss, [w1])
    _, exact = by_hand()
    assert report.outcomes == 1 and report.total_variance == 0
    assert report.bias == pytest.approx(np.linalg.norm(report.mean[0] - exact[1]), rel=1e-12)
    assert report.bias > 0.1 * report.norm


def stratified_forms(estimator, g, x, w):
    """Σ_h n_h Σ_{j∈h} ‖a_j − ā_h‖² for ∂X and ∂W, with a_j what unit j alone gives (Cochran 1977, ch. 5)."""
    rows, columns = np.indices(g.shape)
    unit = {"column": columns, "element": g.shape[1] * rows + columns}.get(estimator.axis, rows)
    alone = [np.where(unit == j, g, 0) for j in range(unit.max() + 1)]
    order, sizes = estimator.strata(g)
    found = []
    for a in (np.array([part @ w for part in alone]), np.array([part.T @ x for part in alone])):
        strata = [a[members] for members in np.split(order, np.cumsum(sizes)[:-1])]
        found.append(sum(len(part) * np.sum((part - part.mean(axis=0)) ** 2) for part in strata))
    return found


def closed_forms(estimator, g, tape):
    """E‖∂X̂ − ∂X‖² and E‖∂Ŵ − ∂W‖² of one linear node, by `theory`."""
    x, w = normal(5, 2, 3), normal(6, 3, 3)
    if isinstance(estimator, StratifiedMask):
        return stratified_forms(estimator, g, x, w)
    if isinstance(estimator, RandomProjection):
        options = {"kind": estimator.kind, "r": max(1, round(estimator.budget * g.shape[-1]))}
    elif isinstance(estimator, LowRankSketch):
        squares = np.linalg.svd(g, compute_uv=False) ** 2
        p = theory.optimal_probabilities(squares, estimator.budget * squares.size)
        if estimator.adapts:
            p = theory.least_probabilities(squares, estimator.relative_distortion)
        options = {"kind": "lowrank", "p": p, "design": estimator.design}
    else:
        kind = "row" if estimator.axis == "sample" else estimator.axis
        p = estimator.probabilities(g, tape.nodes[0])
        options = {"kind": kind, "p": p.reshape(g.shape) if kind == "element" else p, "design": estimator.design}
    return theory.input_distortion(g, w, **options), theory.weight_distortion(g, x, **options)


# The systematic low-rank sketch orders its directions as the eigensolver does, increasing; theory's are decreasing.
# Its cross terms depend on the order, and have a test of their own in test_estimators_distortion.
# Draws with replacement have closed forms of their own, in test_estimators_replacement.
ONE_NODE = [
    e
    for e in finite(0.4)
    if not (isinstance(e, LowRankSketch) and e.design == "systematic") and not isinstance(e, DRAWN)
]


@pytest.mark.parametrize("estimator", ONE_NODE, ids=repr)
def test_one_linear_node_against_the_closed_forms(estimator):
    x = mg.Tensor(normal(5, 2, 3), requires_grad=True, name="x")
    w = mg.Tensor(normal(6, 3, 3), requires_grad=True, name="w")
    g = normal(7, 2, 3)
    with mg.Tape() as tape:
        y = ops.linear(x, w, vjp=estimator)
    report = inspect.exact_moments(tape, y, cotangent=g)
    of_x, of_w = closed_forms(estimator, g, tape)
    assert report.by_parameter["x"] == pytest.approx(of_x, rel=1e-9, abs=1e-12)
    assert report.by_parameter["w"] == pytest.approx(of_w, rel=1e-9, abs=1e-12)
    assert report.bias < 1e-12


def test_one_estimator_for_each_edge_is_drawn_apart():
    a, b = normal(8, 2, 2), normal(9, 2, 2)
    ta, tb = (mg.Tensor(v, requires_grad=True, name=n) for v, n in ((a, "a"), (b, "b")))
    g = normal(10, 2, 2)
    with mg.Tape() as tape:
        y = ops.matmul(ta, tb, vjp={"a": Mask(0.5), "b": Mask(0.25, "row")})
    report = inspect.exact_moments(tape, y, cotangent=g)
    assert report.outcomes == 16
    # ∂a = G bᵀ loses columns of G, ∂b = aᵀ G loses rows of it.
    of_a = sum(np.sum(np.outer(g[:, j], b[:, j]) ** 2) for j in range(2)) * (1 / 0.5 - 1)
    of_b = sum(np.sum(np.outer(a[i], g[i]) ** 2) for i in range(2)) * (1 / 0.25 - 1)
    assert report.by_parameter["a"] == pytest.approx(of_a, rel=1e-12)
    assert report.by_parameter["b"] == pytest.approx(of_b, rel=1e-12)
    # The edge of a constant needs no draw.
    with mg.Tape() as tape:
        y = ops.matmul(ta, b, vjp={"a": Mask(0.5), "b": Mask(0.25, "row")})
    assert inspect.exact_moments(tape, y, cotangent=g).outcomes == 4


def test_fan_out_adds_independent_draws():
    """w meets two nodes: variances add, and a tensor used twice by one node shares its draw."""
    w = mg.Tensor(normal(11, 2), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.multiply(w, 3.0, vjp=Mask(0.5, "element")) + ops.multiply(w, 5.0, vjp=Mask(0.25, "element"))
        loss = y.sum()
    # κ = 1 and 3; two entries each.
    assert inspect.exact_moments(tape, loss).total_variance == pytest.approx(2 * (9 * 1 + 25 * 3), rel=1e-12)
    with mg.Tape() as tape:
        loss = ops.multiply(w, w, vjp=Mask(0.5, "element")).sum()
    assert inspect.exact_moments(tape, loss).total_variance == pytest.approx(np.sum((2 * w.data) ** 2), rel=1e-12)


def test_a_tape_without_estimators_has_one_outcome():
    tape, loss, leaves, _ = two_layers()
    report = inspect.exact_moments(tape, loss, leaves)
    assert (report.outcomes, report.total_variance, report.bias) == (1, 0.0, 0.0)
    tape, loss, leaves, _ = two_layers(Exact(), Exact())
    assert inspect.exact_moments(tape, loss, leaves).outcomes == 1


def test_the_limit_counts_joint_outcomes():
    tape, loss, leaves, _ = two_layers(Mask(P1), Mask(P2))
    assert inspect.exact_moments(tape, loss, leaves, limit=32).outcomes == 32
    with pytest.raises(inspect.TooManyOutcomes, match="more than 31 joint outcomes"):
        inspect.exact_moments(tape, loss, leaves, limit=31)


def test_one_node_with_too_many_outcomes_is_refused_before_any_sweep():
    calls = []

    class Many(mg.Estimator):
        def outcomes(self, g, node=None):
            for k in range(10**9):
                calls.append(k)
                yield 1e-9, g

    w = mg.Tensor(np.ones(2), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.multiply(w, 1.0, vjp=Many()).sum()
    with pytest.raises(inspect.TooManyOutcomes):
        inspect.exact_moments(tape, loss, limit=100)
    assert len(calls) == 101


def test_outcomes_are_made_one_at_a_time():
    """No more than one outcome of a node is held at once, so that long lists of large arrays fit in memory."""
    alive, most = [0], [0]

    class Counted(np.ndarray):
        def __array_finalize__(self, obj):
            alive[0] += 1
            most[0] = max(most[0], alive[0])

        def __del__(self):
            alive[0] -= 1

    class Listed(mg.Estimator):
        def outcomes(self, g, node=None):
            for _ in range(64):
                yield 1 / 64, np.array(g).view(Counted)

    w = mg.Tensor(np.ones(2), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.multiply(w, 1.0, vjp=Listed()).sum()
    assert inspect.exact_moments(tape, loss).outcomes == 64
    assert most[0] < 16


@pytest.mark.parametrize(
    ("chances", "says"),
    [((0.5, 0.25), "sum to 0.75"), ((0.75, 0.75), "sum to 1.5"), ((1.5, -0.5), "probability 1.5")],
)
def test_wrong_probabilities_of_a_list_are_reported(chances, says):
    class Wrong(mg.Estimator):
        def sample(self, g, node, rng):
            rng.random()  # of what draws nothing no outcomes are asked
            return g

        def outcomes(self, g, node=None):
            for chance in chances:
                yield chance, g

    w = mg.Tensor(np.ones(2), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.multiply(w, 1.0, vjp=Wrong()).sum()
    for look in (inspect.exact_moments, inspect.unbiasedness):
        with pytest.raises(ValueError, match=says):
            look(tape, loss)


def test_an_estimator_that_lists_nothing_is_named():
    class Silent(mg.Estimator):
        def sample(self, g, node, rng):
            return g

    tape, loss, leaves, _ = two_layers(Silent())
    with pytest.raises(NotImplementedError, match="Silent does not list its outcomes"):
        inspect.exact_moments(tape, loss, leaves)


def test_a_vector_needs_a_cotangent_and_wrt_must_not_be_empty():
    w = mg.Tensor(np.ones(2), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.multiply(w, 2.0, vjp=Mask(0.5, "element"))
    with pytest.raises(mg.TapeError, match="pass cotangent="):
        inspect.exact_moments(tape, y)
    report = inspect.exact_moments(tape, y, cotangent=np.array([1.0, 10.0]))
    assert report.total_variance == pytest.approx(4 + 400)
    with pytest.raises(ValueError, match="nothing to inspect"):
        inspect.exact_moments(tape, y, [], cotangent=np.ones(2))


def test_the_report_shows_itself():
    tape, loss, leaves, _ = two_layers(DiagonalSketch(0.5), Mask(0.5))
    report = inspect.exact_moments(tape, loss, leaves)
    assert str(report).splitlines()[0] == f"exact moments over {report.outcomes} outcomes"
    assert "<table>" in report._repr_html_()
    assert json.loads(json.dumps(report.to_dict()))["total_variance"] == report.total_variance
