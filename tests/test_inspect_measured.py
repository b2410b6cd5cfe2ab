"""Recorded batches that are pulled back again and again: what they measure, and the count of what that costs."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import normal

from minigrad import inspect, nn, ops
from minigrad.estimators import Exact, Mask, TopK
from minigrad.inspect.measured import MeasuredBatches
from minigrad.inspect.recorded_batches import RecordedBatches

X, Y = normal(1, 40, 6, dtype=np.float32), normal(2, 40, 3, dtype=np.float32)
HALF = {"0": 0.5, "2": 0.5}
MASKS = (Mask(0.5), Mask(0.5))


def mean_square(out, y):
    return (out - y).square().sum() / len(y)


def measure(vjps=MASKS, batches=5, batch_size=10, seed=0):
    net = nn.Sequential(nn.Linear(6, 8, rng=0, vjp=vjps[0]), nn.Tanh(), nn.Linear(8, 3, rng=1, vjp=vjps[1]))
    return MeasuredBatches(RecordedBatches(net, (X, Y), batch_size, mean_square, seed), batches)


@pytest.mark.slow
def test_the_variance_is_that_of_exact_enumeration():
    """One draw on each of 400 batches, against all outcomes at each: its standard error is about 3 %; 15 % are five."""
    measured = measure(batches=400, batch_size=4)
    exact = [
        inspect.exact_moments(target.tape, target.loss, target.tensors).total_variance
        for target in measured.targets[:20]
    ]
    assert np.std(exact) < 0.6 * np.mean(exact)  # so the mean over twenty batches is good to 13 %
    assert measured.variance(HALF) == pytest.approx(np.mean(exact), rel=0.3)


def test_budget_one_adds_nothing_and_the_same_draws_serve_all_budgets():
    measured = measure()
    assert measured.variance({"0": 1.0, "2": 1.0}) == 0
    first = measured.variance(HALF)
    assert measured.variance({"0": 0.25, "2": 0.25}) > first > 0
    assert measured.variance(HALF) == first == measure().variance(HALF) != measure(seed=1).variance(HALF)


def test_the_minibatch_variance():
    """By hand from the exact gradients; and, over many batches, that of `gradient_noise`, up to six standard errors."""
    measured = measure(batches=7)
    gradients = np.array([target.exact() for target in measured.targets])
    assert measured.minibatch == pytest.approx(gradients.var(axis=0, ddof=1).sum())
    many = measure(batches=300)
    noise = inspect.gradient_noise(
        nn.Sequential(nn.Linear(6, 8, rng=0), nn.Tanh(), nn.Linear(8, 3, rng=1)), (X, Y),
        batch_size=10, batches=300, loss=mean_square, rng=5,
    )  # fmt: skip
    assert many.minibatch == pytest.approx(noise.minibatch, abs=6 * noise.minibatch_error)


def test_layers_and_their_costs():
    measured = measure()
    count = inspect.cost(measured.targets[0].tape)
    linear = [node for node in measured.targets[0].tape.nodes if node.layer in ("0", "2")]
    assert measured.names == ("0", "2")
    assert measured.costs.tolist() == [count.nodes[node.index].backward_exact for node in linear]
    assert measured.costs[1] >= 2 * (2 * 10 * 8 * 3)  # ∂input and ∂weight: two products of 2·B·in·out


def test_a_layer_that_is_met_twice_is_one_layer():
    layer = nn.Linear(6, 6, rng=0, vjp=Mask(0.5))
    net = nn.Sequential(layer, nn.Tanh(), layer, nn.Linear(6, 3, rng=1))
    measured = MeasuredBatches(RecordedBatches(net, (X, Y), 10, mean_square, 0), 2)
    nodes = [node for node in measured.targets[0].tape.nodes if node.vjp is not None]
    names = {node.layer for node in nodes}
    count = inspect.cost(measured.targets[0].tape)
    assert len(nodes) == 2 and set(measured.names) == names
    assert measured.costs.sum() == sum(count.nodes[node.index].backward_exact for node in nodes)


def test_an_operation_outside_of_any_layer_goes_by_its_index():
    weight = nn.Linear(6, 3, rng=0).weight

    class Plain:
        def __call__(self, x):
            return ops.linear(x, weight, vjp=Mask(0.5))

        def parameters(self):
            return [weight]

    measured = MeasuredBatches(RecordedBatches(Plain(), (X, Y), 10, mean_square, 0), 2)
    assert measured.names == ("#0",) and measured.variance({"#0": 0.5}) > 0


def test_every_operation_is_counted():
    """By hand: one forward and one exact sweep for each batch; then what each measurement says it does."""
    batches = 5
    measured = measure(batches=batches)
    count = inspect.cost(measured.targets[0].tape)
    assert measured.forward_flops == batches * count.forward
    assert measured.backward_flops == batches * count.backward_exact
    before = measured.backward_flops
    measured.variance(HALF)
    assert measured.backward_flops - before == batches * count.backward
    before = measured.backward_flops
    measured.variance({"0": 1.0, "2": 1.0})
    assert measured.backward_flops - before > batches * count.backward
    before = measured.backward_flops
    measured.noise(HALF)  # a random sweep, an exact one, one below each of two nodes, and scores; those of a mask
    assert measured.backward_flops - before >= batches * (count.backward + 3 * count.backward_exact)


def test_the_pilot_is_at_no_more_than_a_half():
    """At budget 1 nothing is added, and the gain would be 0/0."""
    at_one, at_half = measure().noise({"0": 1.0, "2": 1.0}), measure().noise(HALF)
    assert at_one.gains.tolist() == at_half.gains.tolist() and (at_half.gains > 0).all()


def test_an_exact_layer_is_left_out():
    measured = measure((Mask(0.5), Exact()))
    assert measured.names == ("0",) and measured.variance({"0": 0.5}) > 0


@pytest.mark.parametrize(
    "vjps, what",
    [((None, None), r"nn\.set_vjp"), ((Exact(), Exact()), r"nn\.set_vjp"), ((Mask(0.5), TopK(0.5)), "is biased"),
     (({"x": Mask(0.5), "w": TopK(0.5)}, None), "is biased")],
)  # fmt: skip
def test_models_that_cannot_be_measured(vjps, what):
    with pytest.raises(ValueError, match=what):
        measure(vjps)
