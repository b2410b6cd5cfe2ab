"""Counts: whatever is done many times takes a whole number that can be meant, and says so of any other."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import inspect, nn, ops, optim, testing, training
from minigrad.estimators import Mask
from minigrad.extras import equal_cost

X, Y = np.random.default_rng(0).random((8, 4)), np.arange(8) % 2


def model():
    return nn.mlp(4, 3, 2, rng=0, vjp=Mask(0.5))


def taped():
    w = mg.Tensor(np.ones((2, 3)), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.linear(np.ones((4, 3)), w, vjp=Mask(0.5)).sum()
    return tape, loss


def fit(**settings):
    network = model()
    settings = {"epochs": 1, **settings}
    training.fit(network, (X, Y), optimizer=optim.SGD(network, lr=0.1), batch_size=4, rng=0, progress=False, **settings)


def gradient_noise(**settings):
    inspect.gradient_noise(model(), (X, Y), batch_size=4, rng=0, **settings)


# By function and argument: a call with one value for that argument, and the least that is taken.
COUNTS = {
    "unbiasedness: draws": (lambda n: inspect.unbiasedness(*taped(), draws=n, rng=0), 100),
    "variance: draws": (lambda n: inspect.variance(*taped(), draws=n, rng=0), 2),
    "sparsity: draws": (lambda n: inspect.sparsity(*taped(), draws=n, rng=0), 1),
    "gradient_noise: draws": (lambda n: gradient_noise(batches=2, draws=n), 1),
    "gradient_noise: batches": (lambda n: gradient_noise(batches=n, draws=1), 2),
    "tradeoff: batches": (lambda n: inspect.tradeoff(model(), (X, Y), batch_size=4, batches=n, rng=0), 2),
    "allocate: batches": (lambda n: inspect.allocate(model(), (X, Y), budget=0.5, batch_size=4, batches=n, rng=0), 2),
    "AdaptiveBudget: every": (lambda n: training.AdaptiveBudget(every=n), 1),
    "AdaptiveBudget: batches": (lambda n: training.AdaptiveBudget(batches=n), 2),
    "fit: epochs": (lambda n: fit(epochs=n), 1),
    "fit: steps_per_epoch": (lambda n: fit(steps_per_epoch=n), 1),
    "assert_variance_close: draws": (lambda n: testing.assert_variance_close(Mask(0.5), draws=n), 2),
    "equal_cost: draws": (lambda n: equal_cost(None, 0.25, draws=n), 2),
}


@pytest.mark.parametrize("what", COUNTS)
@pytest.mark.parametrize("value", [10**9, 10**23, 10**400])
def test_a_slip_of_the_pen_is_refused_at_once(what, value):
    """``draws=10**400`` drew for ever."""
    call, _ = COUNTS[what]
    with pytest.raises(ValueError, match=f"{what}=.* must be at most"):
        call(value)


@pytest.mark.parametrize("what", COUNTS)
def test_too_few_are_refused_and_the_least_is_not(what):
    call, least = COUNTS[what]
    for value in (least - 1, 0, -1):
        with pytest.raises(ValueError, match=f"{what}={value} must be at least {least}"):
            call(value)
    if "equal_cost" not in what:  # which trains a network
        call(least)
        call(np.int64(least))


@pytest.mark.parametrize("what", COUNTS)
@pytest.mark.parametrize("value", [200.0, 200.5, float("nan"), "200", [200]])
def test_what_is_no_whole_number_is_refused_and_not_cut_off(what, value):
    """``AdaptiveBudget(batches=2.5)`` measured on 2."""
    call, _ = COUNTS[what]
    with pytest.raises(TypeError, match=rf"{what}=.* must be a whole number"):
        call(value)
