"""Error gains: what an error at an edge makes of the gradient, against all outcomes; and the price that follows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import minigrad as mg
from minigrad import datasets, inspect, nn, ops, optim, training
from minigrad.estimators import Mask, Priced
from minigrad.inspect.gain_sweeps import chain_squares, is_chain, sweep_with
from minigrad.inspect.leaves import InspectionTarget
from minigrad.inspect.priced_edges import edges_of
from minigrad.nn.sketch import chosen_layers
from minigrad.streams import draw_key

RNG = np.random.default_rng(5)
X, LABELS = RNG.standard_normal((5, 4)), RNG.integers(0, 3, 5)
DATA = datasets.digits().flat()


class Skip(nn.Module):
    """Three layers and a skip connection, of float64."""

    def __init__(self):
        self.a, self.b, self.c = (
            nn.Linear(n, m, rng=k, dtype=np.float64) for k, (n, m) in enumerate(((4, 6), (6, 6), (6, 3)))
        )

    def forward(self, x):
        h = ops.tanh(self.a(x))
        return self.c(h + ops.tanh(self.b(h)))


def recorded(model):
    with mg.Tape(rng=0) as tape:
        loss = ops.cross_entropy(model(X), LABELS)
    target = InspectionTarget(tape, loss, [p for p in model.parameters() if p.requires_grad])
    return target, edges_of(tape, chosen_layers(model, "vjp"))


def variance_with(target, estimators):
    """V over all outcomes, with these estimators by layer."""
    for node in target.tape.nodes:
        node.vjp = estimators.get(node.layer)
    return inspect.exact_moments(target.tape, target.loss, target.tensors).total_variance


def trained(sizes=(64, 64, 64, 10), epochs=6):
    model = nn.mlp(sizes, rng=0)
    optimizer = optim.SGD(model, lr=0.2)
    training.fit(model, DATA, optimizer=optimizer, epochs=epochs, batch_size=64, rng=0, progress=False)
    return model


# The edges


def test_the_edges_and_what_a_row_of_them_costs():
    _, edges = recorded(Skip())
    assert [(e.name, e.kind, e.rows, e.cost, e.exact) for e in edges] == [
        ("a/w", "weight", 5, 48.0, 240.0),  # the data want no gradient
        ("b/x", "input", 5, 72.0, 360.0),
        ("b/w", "weight", 5, 72.0, 360.0),
        ("c/x", "input", 5, 36.0, 180.0),
        ("c/w", "weight", 5, 36.0, 180.0),
    ]


def test_frozen_weights_have_no_edge():
    model = Skip()
    model.b.weight.requires_grad = False
    assert [e.name for e in recorded(model)[1]] == ["a/w", "b/x", "c/x", "c/w"]


def test_frozen_weights_are_measured_around():
    model = nn.mlp((64, 32, 32, 10), rng=0)
    model[2].weight.requires_grad = False
    gains = inspect.error_gains(model, DATA, batch_size=32, rng=0)
    assert list(gains.gains) == ["0/w", "2/x", "4/x", "4/w"] and min(gains.gains.values()) > 0
    nn.set_vjp(model, Mask(0.5))
    assert inspect.gradient_noise(model, DATA, batch_size=32, batches=4, rng=0).estimator > 0


# Gains, against all outcomes


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["b", "c"])
def test_a_gain_is_the_variance_of_the_gradient_over_the_distortion(layer):
    """Σ V / Σ D over 4000 draws against V and D over all outcomes, with one edge random: within 5 %.

    The standard error is about 1.2 %, so a false alarm has a probability of 3e-5; the gain of the other edge, or one
    that forgets the skip connection, is off by more than a third.
    """
    model = Skip()
    target, edges = recorded(model)
    names = [e.name for e in edges]
    estimators = {layer: {"x": Mask(0.5, axis="row")}}
    v = variance_with(target, estimators)
    cotangents = {}
    for node in target.tape.nodes:
        node.vjp = {} if node.layer == layer and node.name == "linear" else None
    sweep = target.sweep()
    while (stop := sweep.advance()) is not None:
        cotangents[stop[0].layer] = stop[1]
        sweep.apply(stop[0], [stop[1]] * 3)
    d = Mask(0.5, axis="row").distortion(cotangents[layer])
    k = names.index(f"{layer}/x")
    found = [sweep_with(target, edges, estimators, draw_key(1, n), [k]) for n in range(4000)]
    gain = sum(each.added[k] for each in found) / sum(each.distortion[k] for each in found)
    assert gain == pytest.approx(v / d, rel=0.05)


@pytest.mark.slow
def test_the_variance_is_the_sum_over_edges():
    """Σ A_l D_l + Σ ∂W parts against the variance over all outcomes, with everything random but mildly: within 12 %.

    V is measured over 20,000 draws, to about 3 %. D and the scores are of exact cotangents, so noise that meets noise
    is left out, about 2 % of it. Without the gains of the ∂X edges a fifth of V would be missing, or more.
    """
    model = Skip()
    target, edges = recorded(model)
    mild = {layer: {"x": Mask(0.98, axis="row")} for layer in "bc"}
    everything = {layer: {**mild.get(layer, {}), "w": Mask(0.98, axis="row")} for layer in "bc"}
    v = variance_with_draws(target, everything, 20_000)
    exact = sweep_with(target, edges, {}, 0)
    predicted = 0.0
    for k, edge in enumerate(edges):
        if edge.layer == "a":
            continue
        if edge.kind == "weight":
            predicted += exact.scores[k].sum() * (1 / 0.98 - 1)
        else:
            alone = variance_with(target, {edge.layer: {"x": Mask(0.5, axis="row")}})
            predicted += alone * (1 / 0.98 - 1)  # of one mask, V is in proportion to 1/p − 1
    assert predicted == pytest.approx(v, rel=0.12)


def variance_with_draws(target, estimators, draws):
    for node in target.tape.nodes:
        node.vjp = estimators.get(node.layer)
    return inspect.variance(target.tape, target.loss, target.tensors, draws=draws, rng=3).total


def test_weight_edges_need_no_gain():
    """Over all outcomes, V of a row mask on a ∂W edge is (1/p − 1) Σ ‖G_i‖²‖X_i‖²."""
    model = Skip()
    target, edges = recorded(model)
    exact = sweep_with(target, edges, {}, 0)
    for k, edge in enumerate(edges):
        if edge.kind == "weight":
            v = variance_with(target, {edge.layer: {"w": Mask(0.25, axis="row")}})
            assert v == pytest.approx(3 * exact.scores[k].sum(), rel=1e-12)


def test_chains():
    model = nn.mlp((4, 6, 6, 3), rng=0, dtype=np.float64)
    target, edges = recorded(model)
    assert is_chain(target) and not is_chain(recorded(Skip())[0])
    top, bottom = chain_squares(target, edges)
    exact = sweep_with(target, edges, {}, 0)
    by_name = {e.name: exact.scores[k].sum() for k, e in enumerate(edges)}
    k = [e.name for e in edges].index("4/x")
    assert top[k] == pytest.approx(by_name["0/w"] + by_name["2/w"]) and bottom[k] == pytest.approx(by_name["4/x"])
    with pytest.raises(ValueError, match="no tensor is read twice"):
        inspect.error_gains(Skip(), (X, LABELS), batch_size=4, method="chain", rng=0)


def test_both_methods_agree_on_a_chain():
    """Within a factor of 1.6; the chain's is an estimate. With five seeds the factors were between 0.8 and 1.35."""
    model = trained()
    chain, pilot = (
        inspect.error_gains(model, DATA, batch_size=64, batches=8, method=m, rng=1) for m in ("chain", "pilot")
    )
    for name in ("2/x", "4/x"):
        assert 1 / 1.6 < chain.gains[name] / pilot.gains[name] < 1.6


# The price


def share_of(model, part):
    """Operations of a step over those of an exact one."""
    with mg.Tape(rng=0) as tape:
        loss = ops.cross_entropy(model(DATA.x_train[part]), DATA.y_train[part])
    counted = inspect.cost(tape, loss, rng=0)
    return (counted.forward + counted.backward) / (counted.forward + counted.backward_exact)


def test_what_is_predicted_is_what_is_measured():
    """V and operations at the best price, half and twice of it, on other batches.

    V within a factor of 1.5, as σ² and V differ by a fifth between halves of the data; operations within 8 %.
    """
    model = trained()
    gains = inspect.error_gains(model, DATA, batch_size=64, batches=16, rng=1)
    measured = {}
    for factor in (0.5, 1.0, 2.0):
        at = gains.at(factor * gains.best.tau)
        assert gains.set_on(model, at.tau) == ["0", "2", "4"]
        noise = inspect.gradient_noise(model, DATA, batch_size=64, batches=32, rng=2)
        assert 1 / 1.5 < at.added / noise.estimator < 1.5
        share = np.mean([share_of(model, slice(64 * k, 64 * k + 64)) for k in range(8)])
        assert at.cost / gains.step == pytest.approx(share, rel=0.08)
        measured[factor] = (1 + noise.ratio) * share
    assert measured[1.0] < 0.75 and measured[1.0] < min(measured[0.5], measured[2.0]) + 0.01
    assert gains.best.ratio <= min(gains.at(f * gains.best.tau).ratio for f in (0.5, 0.8, 1.25, 2.0))


def test_a_fresh_network_is_left_exact_and_small_layers_always():
    gains = inspect.error_gains(nn.mlp((64, 64, 64, 10), rng=0), DATA, batch_size=64, rng=0)
    assert gains.best.tau == 0 and gains.estimators() == {} and gains.best.ratio == 1.0
    narrow = trained((64, 1, 10))
    chosen = inspect.error_gains(narrow, DATA, batch_size=64, rng=0).estimators(1e9)
    assert "2" not in chosen and "w" in chosen["0"]  # a row of one feature costs less than its norm


def test_estimators_carry_their_gains_and_costs():
    gains = inspect.error_gains(trained(), DATA, batch_size=64, rng=0)
    found = gains.estimators(least=0.05)
    assert found["2"]["w"] == Priced(gains.best.tau, target="weight", cost=2.0 * 64 * 64, least=0.05)
    assert found["2"]["x"] == Priced(gains.best.tau, gain=gains.gains["2/x"], cost=2.0 * 64 * 64, least=0.05)
    assert "x" not in found["0"]


def test_edges_in_turn_cost_less_and_have_no_error():
    model = Skip()
    data = X.repeat(4, axis=0), LABELS.repeat(4)
    whole, turn = (inspect.error_gains(model, data, batch_size=8, batches=2, in_turn=t, rng=0) for t in (False, True))
    assert turn.spent[1] < whole.spent[1] and turn.spent[0] == whole.spent[0]
    assert all(turn.gains[name] > 0 for name in turn.gains)
    assert np.isnan(turn.gain_errors["b/x"]) and whole.gain_errors["b/x"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batches": 1}, "batches"),
        ({"method": "guess"}, "unknown method 'guess'"),
        ({"where": nn.Conv2d}, "Conv2d"),
        ({"where": lambda path, module: False}, "no layer"),
    ],
)
def test_refusals(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        inspect.error_gains(nn.mlp((4, 3), rng=0), (X, LABELS), **{"batch_size": 4, "rng": 0, **options})


def test_seconds_of_an_earlier_report_are_taken_over():
    data, model = datasets.digits().flat(), nn.mlp((64, 16, 16, 10), rng=0)
    options = {"batch_size": 16, "batches": 2, "rng": 0}
    timed = inspect.error_gains(model, data, cost="seconds", **options)
    again = inspect.error_gains(model, data, cost=timed.seconds, **options)
    assert again.seconds is timed.seconds and again.step == timed.step
    assert [edge.cost for edge in again.edges] == [edge.cost for edge in timed.edges]
    some = inspect.error_gains(model, data, cost="seconds", where=lambda path, module: path == "2", **options)
    with pytest.raises(ValueError, match=r"holds no seconds of 0/w, 4/x, 4/w; .* other layers"):
        inspect.error_gains(model, data, cost=some.seconds, **options)


def test_a_chain_spends_what_its_passes_take():
    """A forward pass of each batch; backward one for the gains, one for the gradient, and two at prices."""
    gains = inspect.error_gains(nn.mlp((64, 16, 10), rng=0), DATA, batch_size=32, batches=3, rng=0)
    with mg.Tape() as tape:
        ops.cross_entropy(nn.mlp((64, 16, 10), rng=0)(DATA.x_train[:32]), DATA.y_train[:32])
    counted = inspect.cost(tape)
    assert gains.method == "chain" and gains.spent == (3 * counted.forward, 4 * 3 * counted.backward_exact)


def test_a_gain_of_nothing_is_next_to_nothing():
    """Beside the greatest: an input edge that adds no error still has a price."""
    gains = inspect.error_gains(nn.mlp((64, 16, 10), rng=0), DATA, batch_size=32, batches=2, rng=0)
    planted = dataclasses.replace(gains, gains={name: 0.0 for name in gains.gains} | {"0/w": 4.0})
    for edge in planted.edges:
        assert planted.gain(edge) == (1.0 if edge.kind == "weight" else 4e-12)
