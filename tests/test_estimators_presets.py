"""Presets: each as unbiased as it says, with the variance of its formula, on a node, a layer and a model in one line.

By enumeration, where chance plays no part. Tests by draws have a false-alarm rate of 1e-6 each, and fixed seeds.
"""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import LINEAR, assert_unbiased, bilinear, moments, network, normal, passes
from test_residuals import mean_over_sketches, tiny

import minigrad as mg
from minigrad import datasets, estimators, inspect, nn, ops, optim, theory, training
from minigrad.estimators import DiagonalSketch, WinnerTakeAll, parse, presets, with_budget

B, M, N = 4, 3, 3
G, X, W = normal(1, B, M), normal(2, B, N), normal(3, M, N)

COTANGENTS = {
    "column_row": presets.column_row(0.5),
    "winner_take_all": presets.winner_take_all(0.5, where="vjp"),
    "vcas": presets.vcas(0.5),
    "vcas, two budgets": presets.vcas(0.6, 0.4),
    "sparsification": presets.sparsification(0.4),
    "qsgd": presets.qsgd(2),
    "terngrad": presets.terngrad(),
    "natural_compression": presets.natural_compression(),
}
RESIDUALS = {
    "rad": presets.rad(0.5),
    "rad, entries": presets.rad(0.5, kind="entries"),
    "rad, projection": presets.rad(0.5, kind="projection"),
    "winner_take_all": presets.winner_take_all(0.5),
    "actnn": presets.actnn(1),
}


# Unbiased, or marked as biased.


@pytest.mark.parametrize("name", COTANGENTS)
def test_sketches_of_the_cotangent_are_unbiased(name):
    vjp = COTANGENTS[name]["vjp"]
    for node in LINEAR:
        tape, y, leaves, g = bilinear(node, vjp)
        assert_unbiased(tape, y, leaves, g)
    assert_unbiased(*network(vjp))
    assert all(e.unbiased for e in (vjp.values() if isinstance(vjp, dict) else [vjp]))


@pytest.mark.parametrize("name", RESIDUALS)
@pytest.mark.parametrize("node", ["linear", "conv2d, one pixel"])
def test_sketches_of_residuals_are_unbiased(name, node):
    sketch, build = RESIDUALS[name]["save"], tiny(node)
    tape, y, leaves, g = build(None)
    for got, exact in zip(mean_over_sketches(build, sketch, ("x",)), tape.gradients(y, leaves, g), strict=True):
        np.testing.assert_allclose(got, exact, rtol=0, atol=1e-12 * max(1, np.abs(exact).max()))
    assert sketch.unbiased


def test_meprop_is_biased_and_says_so():
    preset = presets.meprop(0.4)
    assert preset["vjp"].unbiased is False
    tape, y, leaves, g = bilinear("linear", **preset)
    with pytest.raises(AssertionError):
        assert_unbiased(tape, y, leaves, g)


def conv_net():
    model = nn.Sequential(nn.Conv2d(2, 3, 3, rng=0), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 4 * 4, 4, rng=1))
    images, labels = normal(4, 6, 6, 6, 2, dtype=np.float32), np.arange(6) % 4

    def record(rng=None):
        with mg.Tape(rng=rng) as tape:
            loss = ops.cross_entropy(model(images), labels)
        return tape, loss

    return model, record


@pytest.mark.parametrize("name", ["column_row", "winner_take_all", "vcas", "sparsification"])
def test_a_whole_model_with_sketched_cotangents(name):
    model, record = conv_net()
    assert nn.set_vjp(model, **COTANGENTS[name]) == ["0", "3"]
    tape, loss = record()
    assert inspect.unbiasedness(tape, loss, draws=800, rng=0, limit=1).verdict == "passed"


@pytest.mark.parametrize("name", ["rad", "rad, entries", "winner_take_all"])
def test_a_whole_model_with_sketched_residuals(name):
    model, record = conv_net()
    assert nn.set_save(model, **RESIDUALS[name]) == ["0", "3"]
    report = inspect.unbiasedness(draws=800, rng=0, record=record)
    assert report.verdict == "passed"
    nn.set_save(model, **{"save": with_budget(RESIDUALS[name]["save"], 0.2)})
    exact = sum(array.nbytes for array in stored(*conv_net()))
    assert sum(array.nbytes for array in stored(model, record)) < 0.7 * exact


def stored(model, record):
    """The inputs that layers keep for their weights."""
    return [node.saved["x"] for node in record(0)[0].nodes if node.name in ("linear", "conv2d")]


def test_the_tests_of_whole_models_can_fail():
    model, record = conv_net()
    nn.set_vjp(model, **presets.meprop(0.5))
    assert inspect.unbiasedness(*record(), draws=800, rng=0).verdict == "failed"


# The formulas of their docstrings.


def linear_moments(edge, vjp=None, g=G):
    """Mean and variance of ∂X or ∂W over all outcomes."""
    leaves = [mg.Tensor(X, requires_grad=True), mg.Tensor(W, requires_grad=True)]
    with mg.Tape() as tape:
        y = ops.linear(*leaves, vjp=vjp)
    _, mean, variance = moments(passes(tape, y, [leaves["xw".index(edge)]], g))
    return mean, variance


def saved_variance(sketch):
    """The variance of GᵀX̂ over all outcomes of X̂."""
    return moments((p, G.T @ x.dense()) for p, x in sketch.outcomes(X))[2]


def test_the_variance_of_rad():
    p, own = 0.5, np.sum((G.T @ X) ** 2)
    assert saved_variance(presets.rad(p)["save"]) == pytest.approx((1 / p - 1) * own, rel=1e-12)
    entries = (1 / p - 1) * np.sum(X**2 * np.sum(G**2, axis=1)[:, None])
    assert saved_variance(presets.rad(p, "entries")["save"]) == pytest.approx(entries, rel=1e-12)
    r = round(p * N)
    assert saved_variance(presets.rad(p, "projection")["save"]) == pytest.approx((N - 1) / r * own, rel=1e-12)


def test_the_variance_of_column_row_sampling():
    vjp = presets.column_row(0.5)["vjp"]
    r = round(0.5 * M)
    s = np.linalg.norm(G, axis=0) * np.linalg.norm(W, axis=1)
    assert linear_moments("x", vjp)[1] == pytest.approx((s.sum() ** 2 - np.sum((G @ W) ** 2)) / r, rel=1e-10)
    r = round(0.5 * B)
    s = np.linalg.norm(G, axis=1) * np.linalg.norm(X, axis=1)
    assert linear_moments("w", vjp)[1] == pytest.approx((s.sum() ** 2 - np.sum((G.T @ X) ** 2)) / r, rel=1e-10)


def test_the_variance_of_winner_take_all():
    g = G * np.array([6.0, 1.0, 1.0, 1.0])[:, None]
    s = np.linalg.norm(g, axis=1) * np.linalg.norm(X, axis=1)
    certain, _, draws = WinnerTakeAll(0.5, "row", "weight").plan(g, bilinear_node())
    tail = np.delete(np.arange(B), certain)
    expected = (s[tail].sum() ** 2 - np.sum((g[tail].T @ X[tail]) ** 2)) / draws
    assert len(certain) == 1 and draws == 1
    found = linear_moments("w", presets.winner_take_all(0.5, where="vjp")["vjp"], g)[1]
    assert found == pytest.approx(expected, rel=1e-10)


def bilinear_node():
    with mg.Tape() as tape:
        ops.linear(mg.Tensor(X, requires_grad=True), mg.Tensor(W, requires_grad=True))
    return tape.nodes[0]


def test_the_probabilities_of_vcas_and_of_sparsification():
    vjp, node = presets.vcas(0.5, 0.75)["vjp"], bilinear_node()
    samples = theory.optimal_probabilities(np.sum(G**2, axis=1), 0.5 * B)
    np.testing.assert_allclose(vjp["x"].probabilities(G, node), samples, rtol=1e-12)
    leverage = np.sum(G**2, axis=1) * np.sum(X**2, axis=1)
    rows = theory.optimal_probabilities(leverage, 0.75 * B, lower=0.075)
    np.testing.assert_allclose(vjp["w"].probabilities(G, node), rows, rtol=1e-12)
    entries = presets.sparsification(0.4)["vjp"]
    wanted = theory.optimal_probabilities(G.ravel() ** 2, 0.4 * G.size, lower=0.04)
    np.testing.assert_allclose(entries.probabilities(G), wanted, rtol=1e-12)


def test_the_bias_of_meprop():
    norms = np.sort(np.sum(G**2, axis=0))
    assert presets.meprop(1 / 3)["vjp"].distortion(G) == pytest.approx(norms[:-1].sum(), rel=1e-12)


# Where they are put.


def test_one_line_on_a_node_a_layer_and_a_model():
    x, w = mg.Tensor(X, requires_grad=True), mg.Tensor(W, requires_grad=True)
    with mg.Tape(rng=0) as tape:
        ops.linear(x, w, **presets.vcas(0.5))
        ops.linear(x, w, **presets.rad(0.5), **presets.meprop(0.5))
    assert set(tape.nodes[0].vjp) == {"x", "w"} and list(tape.nodes[1].save) == ["x"]
    layer = nn.Linear(3, 2, rng=0, **presets.rad(0.25, "projection"))
    assert layer.save == presets.rad(0.25, "projection")["save"] and layer.vjp is None
    model = nn.mlp((4, 3, 2), rng=0, **presets.column_row(0.5))
    assert model[0].vjp == model[2].vjp == presets.column_row(0.5)["vjp"]
    nn.set_save(model, **presets.winner_take_all(0.5), where=nn.Linear)
    assert model[2].save == WinnerTakeAll(0.5, axis="row")
    with pytest.raises(TypeError, match="save"):
        nn.set_vjp(model, **presets.rad(0.5))


def test_every_estimator_of_a_preset_has_a_text():
    for preset in [*COTANGENTS.values(), *RESIDUALS.values(), presets.meprop(0.5)]:
        (chosen,) = preset.values()
        for estimator in chosen.values() if isinstance(chosen, dict) else [chosen]:
            assert parse(repr(estimator)) == estimator
    assert estimators.presets is presets


@pytest.mark.slow
def test_vcas_is_adapted_by_the_controller():
    """Both budgets of a layer move together, and where more noise is allowed less work is done."""
    data, spent = datasets.digits().flat().subset(train=512, test=50), []
    for fraction in (0.02, 5.0):
        model = nn.mlp((64, 32, 32, 10), rng=0)
        nn.set_vjp(model, **presets.vcas(0.5))
        adapt = training.AdaptiveBudget(fraction, every=8)
        optimizer = optim.SGD(model, lr=0.1)
        training.fit(model, data, optimizer=optimizer, epochs=2, batch_size=32, rng=0, callbacks=[adapt])
        last = adapt.log[-1]
        for path, budget in last["budgets"].items():
            vjp = dict(model.named_modules())[path].vjp
            assert vjp == {"x": DiagonalSketch(budget, "sample"), "w": DiagonalSketch(budget, "row", "weight")}
        spent.append(sum(last["budgets"].values()))
    assert spent[1] < 0.9 * spent[0]  # with eight seeds from 0.16 to 0.64 of it


def test_what_is_refused_and_why():
    with pytest.raises(ValueError, match=r"presets\.rad: unknown kind 'feature'; did you mean 'features'"):
        presets.rad(0.1, kind="feature")
    with pytest.raises(ValueError, match=r"presets\.winner_take_all: unknown where 'saved'; did you mean 'save'"):
        presets.winner_take_all(0.1, where="saved")
    for name in ("actnn", "qsgd"):
        with pytest.raises(ValueError, match="bits=12 must be 1 to 8"):
            getattr(presets, name)(12)
    for name in set(presets.__all__) - {"actnn", "natural_compression", "qsgd", "terngrad"}:
        with pytest.raises(ValueError, match=r"outside \(0, 1\]"):
            getattr(presets, name)(0.0)
    with pytest.raises(ValueError, match=r"outside \(0, 1\]"):
        presets.vcas(0.5, 2.0)


def test_the_grids_of_qsgd_and_terngrad():
    """Multiples of ‖G_i‖/s; 0 or ± the largest value; with the variance of the papers, by enumeration."""
    ternary = presets.terngrad()["vjp"]
    values = {round(float(abs(v)), 9) for _, out in ternary.outcomes(G) for v in out.ravel()}
    assert values == {0.0, round(float(np.abs(G).max()), 9)}
    assert ternary.distortion(G) == pytest.approx(float((np.abs(G).max() * np.abs(G) - G**2).sum()), rel=1e-9)
    for _, out in presets.qsgd(3)["vjp"].outcomes(G[:1]):
        multiples = 3 * out / np.linalg.norm(G[0])
        np.testing.assert_allclose(multiples, np.round(multiples), atol=1e-4)
    assert presets.qsgd(4)["vjp"].distortion(G) > estimators.StochasticRounding(4).distortion(G)
