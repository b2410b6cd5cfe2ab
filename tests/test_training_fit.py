"""fit: what it does, what it counts, and how it stops."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, ops, optim, training
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask

RNG = np.random.default_rng(7)
X = RNG.normal(size=(40, 5)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0)
DATA = (X, Y)
WITH_TEST = (X, Y, X[:12], Y[:12])


def model(vjp=None, sizes=(5, 8, 6, 3)):
    out = nn.mlp(sizes, rng=0)
    if vjp is not None:
        nn.set_vjp(out, vjp)
    return out


def fit(subject, data=WITH_TEST, **options):
    options = {"epochs": 2, "batch_size": 8, "rng": 0, "optimizer": optim.SGD(subject, lr=0.1), **options}
    return training.fit(subject, data, **options)


def test_it_learns_and_says_so():
    """Over 40 seeds: accuracy at most 0.58 in the first epoch, at least 0.95 in the last, and 0.08 of the loss."""
    subject = model()
    history = fit(subject, epochs=100, optimizer=optim.Adam(subject, lr=0.01))
    assert history.last.accuracy > 0.8 > 0.7 > history.epochs[0].accuracy
    assert history.last.loss < 0.5 * history.epochs[0].loss
    loss, accuracy = training.evaluate(subject, *WITH_TEST[2:])
    assert (history.last.test_loss, history.last.test_accuracy) == (loss, accuracy)
    assert subject.training


def test_the_loop_is_plain_gradient_descent():
    # The same by hand: batches, tape, update.
    subject, by_hand = model(), model()
    fit(subject, epochs=2, optimizer=optim.SGD(subject, lr=0.5))
    parameters = list(by_hand.parameters())
    batches = training.Batches(40, 8, 0)
    for step in range(10):
        chosen = batches[step]
        with mg.Tape() as tape:
            loss = ops.cross_entropy(by_hand(X[chosen]), Y[chosen])
        for parameter, gradient in zip(parameters, tape.gradients(loss, parameters), strict=True):
            parameter.data[...] -= np.float32(0.5) * gradient
            parameter.version += 1
    for one, other in zip(subject.parameters(), by_hand.parameters(), strict=True):
        np.testing.assert_allclose(one.data, other.data, rtol=1e-5, atol=1e-6)


def test_the_schedule_sets_each_step():
    subject = model()
    asked = []
    history = fit(subject, schedule=lambda step: asked.append(step) or 0.1 / (1 + step), steps_per_epoch=3)
    assert asked == list(range(6))
    assert history["lr"] == [0.1 / 3, 0.1 / 6] and history["step"] == [3, 6]


def linear_flops(batch, inputs, outputs, *, first):
    """2Bmn for ∂W, 2Bmn for ∂x unless the input is data, Bm for ∂b."""
    return (2 if first else 4) * batch * inputs * outputs + batch * outputs


def others(subject, batch):
    """Operations of everything but the linear nodes, as the primitives state them."""
    with mg.Tape() as tape:
        ops.cross_entropy(subject(X[:batch]), Y[:batch])
    nodes = [node for node in training.loop.cost(tape).nodes if "linear" not in node.name]
    assert len(nodes) == 3  # two activations and the loss
    return sum(node.forward for node in nodes), sum(node.backward_exact for node in nodes)


def test_flops_equal_a_count_by_hand():
    subject = model()
    shapes = [(5, 8), (8, 6), (6, 3)]
    history = fit(subject, epochs=2, batch_size=10)
    forward, backward = others(subject, 10)
    forward += sum(2 * 10 * n * m + 10 * m for n, m in shapes)
    backward += sum(linear_flops(10, n, m, first=k == 0) for k, (n, m) in enumerate(shapes))
    assert history["forward_flops"] == [4 * forward, 8 * forward]
    assert history["backward_flops"] == [4 * backward, 8 * backward]


@pytest.mark.parametrize("vjp", [Mask(0.25), Mask(0.25, axis="row"), Mask(0.25, axis="sample"), DiagonalSketch(0.25)])
def test_flops_with_sketches_equal_a_count_by_hand(vjp):
    subject = model(vjp)
    shapes = [(5, 8), (8, 6), (6, 3)]
    history = fit(subject, epochs=1, batch_size=10)
    backward = others(subject, 10)[1]
    if vjp.axis != "column":  # the two activations work on the kept rows alone
        backward -= 0.75 * 10 * (8 + 6)
    for k, (n, m) in enumerate(shapes):
        backward += 0.25 * linear_flops(10, n, m, first=k == 0) + vjp.overhead((10, m))
    assert history.last.backward_flops == pytest.approx(4 * backward, rel=1e-12)


def test_flops_of_low_rank_factors():
    # Rank r = ρ·min(B, m) on average: G = LR gives 2r(B + m)n for each of the two products instead of 2Bmn.
    vjp = LowRankSketch(0.5)
    subject = model(vjp)
    history = fit(subject, epochs=1, batch_size=10)
    backward = others(subject, 10)[1]
    for k, (n, m) in enumerate([(5, 8), (8, 6), (6, 3)]):
        rank = 0.5 * min(10, m)
        backward += (1 if k == 0 else 2) * 2 * rank * (10 + m) * n + 0.5 * 10 * m + vjp.overhead((10, m))
    assert history.last.backward_flops == pytest.approx(4 * backward, rel=1e-12)


class Fresh(nn.Module):
    """A model that makes its estimators anew in each forward pass, with a budget that grows."""

    def __init__(self):
        self.w = mg.Tensor(np.ones((3, 5), np.float32), requires_grad=True)
        self.budgets = []

    def forward(self, x):
        self.budgets.append(0.1 * (1 + len(self.budgets)))
        return ops.linear(x, self.w, vjp={"w": Mask(self.budgets[-1])})


def test_flops_follow_estimators_that_change_from_step_to_step():
    # Their ids may repeat, for each is thrown away after its step.
    subject = Fresh()
    history = fit(subject, DATA, epochs=1, batch_size=8)
    expected = 0.0
    for budget in subject.budgets:
        with mg.Tape() as tape:
            ops.cross_entropy(ops.linear(X[:8], subject.w, vjp={"w": Mask(budget)}), Y[:8])
        expected += training.loop.cost(tape).backward
    assert len(subject.budgets) == 5 and history.last.backward_flops == pytest.approx(expected, rel=1e-12)


def test_frozen_parameters_stay():
    subject = model()
    optimizer = optim.SGD(subject, lr=0.1, momentum=0.9)
    first = next(iter(subject.parameters()))
    before = first.data.copy()
    first.requires_grad = False
    fit(subject, optimizer=optimizer, max_norm=1.0)
    assert np.array_equal(first.data, before)
    assert not np.array_equal(list(subject.parameters())[1].data, list(model().parameters())[1].data)


def test_clipping_bounds_the_step():
    subject, start = model(), model()
    fit(subject, epochs=1, steps_per_epoch=1, max_norm=1e-3, optimizer=optim.SGD(subject, lr=1.0))
    moved = [a.data - b.data for a, b in zip(subject.parameters(), start.parameters(), strict=True)]
    assert math.sqrt(sum(float((part**2).sum()) for part in moved)) == pytest.approx(1e-3, rel=1e-3)


def test_probabilities_as_labels():
    fit(model(), (X, np.eye(3, dtype=np.float32)[Y]))


# What stops it


def test_a_loss_that_is_not_finite_names_the_step_and_keeps_the_checkpoint(tmp_path):
    seen = []

    def loss(logits, labels):
        seen.append(1)
        return ops.cross_entropy(logits, labels) * (np.nan if len(seen) == 14 else 1.0)

    loss.fingerprint = "NaN in step 13"  # what it has seen is no part of it
    subject, path = model(), tmp_path / "run.npz"
    fit(subject, (X, Y), epochs=2, checkpoint=path, loss=loss)
    good = subject.state_dict()
    with pytest.raises(training.DivergenceError, match=r"the loss is nan at step 13 \(epoch 3\)") as caught:
        fit(model(), (X, Y), epochs=4, checkpoint=path, loss=loss)
    assert caught.value.step == 13 and len(caught.value.history) == 2
    restored = model()
    assert len(fit(restored, (X, Y), epochs=2, checkpoint=path, loss=loss)) == 2
    assert all(np.array_equal(a, b) for a, b in zip(good.values(), restored.state_dict().values(), strict=True))


def test_a_parameter_that_is_not_finite_is_named():
    subject = model()
    large = optim.SGD(subject, lr=1e20)
    with pytest.raises(training.DivergenceError, match=r"the parameter '.*' holds a value .* at step 1 \(epoch 1\)"):
        # The loss of the only step is finite; the step is not.
        fit(subject, steps_per_epoch=1, epochs=1, optimizer=large, loss=lambda z, y: (z * np.float32(1e30)).sum())


def test_a_huge_learning_rate_warns_nobody():
    # warnings are errors here: overflow on the way is expected, and found afterwards
    subject = model()
    with pytest.raises(training.DivergenceError):
        fit(subject, epochs=50, optimizer=optim.SGD(subject, lr=1e12))
    survivor = model()
    fit(survivor, epochs=1, steps_per_epoch=1, optimizer=optim.SGD(survivor, lr=1e18))  # evaluation overflows


def test_the_progress_bar_is_quiet_when_not_on_a_terminal(capsys):
    fit(model())
    assert capsys.readouterr() == ("", "")
    fit(model(), progress=True)
    assert "step" in capsys.readouterr().err
    assert not sys.stderr.isatty()


# Bad arguments


@pytest.mark.parametrize("name", ["epochs", "steps_per_epoch"])
def test_counts(name):
    for value in (0, -1):
        with pytest.raises(ValueError, match=f"{name}={value} must be at least 1"):
            fit(model(), **{name: value})
    with pytest.raises(TypeError, match=rf"{name}=1\.5 must be a whole number"):
        fit(model(), **{name: 1.5})


def test_bad_data():
    for data in [(X,), (X, Y[:-1]), (X, Y, X), (X, Y, X, Y[:-1])]:
        with pytest.raises(ValueError, match="fit: data is"):
            fit(model(), data)
    with pytest.raises(ValueError, match=r"batch_size=41 must lie in 1 … 40"):
        fit(model(), batch_size=41)
    with pytest.raises(ValueError, match="no samples"):
        training.evaluate(model(), X[:0], Y[:0])


def test_the_optimiser_of_another_model():
    with pytest.raises(ValueError, match="no parameter of this model"):
        fit(model(), optimizer=optim.SGD(model(), lr=0.1))


def test_a_loss_that_is_no_scalar():
    with pytest.raises(ValueError, match="item"):
        fit(model(), loss=lambda logits, labels: ops.cross_entropy(logits, labels, reduction="none"))
