"""Budgets that follow the noise: the added variance is where it was asked to be, and a run can be interrupted."""

from __future__ import annotations

import json
import sys
import types
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import datasets, inspect, nn, ops, optim, training
from minigrad.estimators import DiagonalSketch, Mask, TopK
from minigrad.inspect.leaves import InspectionTarget
from minigrad.inspect.measured import SMALLEST, MeasuredBatches
from minigrad.theory import CompoundingNoise
from minigrad.training import AdaptiveBudget

ADAPTIVE = sys.modules["minigrad.training.adaptive"]
DATA = datasets.digits().flat().subset(train=256, test=50)


def build(seed=0, vjp="diagonal"):
    model = nn.mlp((64, 32, 24, 10), rng=seed)
    nn.set_vjp(model, DiagonalSketch(0.5) if vjp == "diagonal" else vjp, where=lambda path, _: path != "4")
    return model


def fit(model, adapt, epochs=1, lr=0.1, **options):
    options = {"batch_size": 32, "rng": 3, "progress": False, **options}
    callbacks = [] if adapt is None else [adapt]
    optimizer = optim.SGD(model, lr=lr, momentum=0.9)
    return training.fit(model, DATA, optimizer=optimizer, epochs=epochs, callbacks=callbacks, **options)


def budgets(model):
    return {path: module.vjp.budget for path, module in model.named_modules() if getattr(module, "vjp", None)}


# What it aims at


def test_the_added_variance_is_near_the_fraction_that_was_asked_for():
    """Measured afresh, on other batches and draws, at the parameters at which the budgets were chosen.

    The total cost is found up to a factor of about 1.15 and is too high rather than too low, so s²/σ² is expected below
    τ: by up to a half at budgets like these, where 1/p − 1 falls quickly. 16 batches of a measurement bring 15 % of
    noise. With twelve seeds and fractions the ratio to τ was between 0.55 and 1.24. The seeds are fixed, so there are
    no false alarms; budgets that forget τ add two to four times as much.
    """
    found = []
    for fraction, seed in ((0.5, 0), (0.5, 1), (0.25, 2)):
        model = build(seed)
        fit(model, None, lr=0.02)
        adapt = AdaptiveBudget(fraction, every=1000, batches=16)
        fit(model, adapt, lr=1e-12)  # measures, and does not move
        noise = inspect.gradient_noise(model, DATA, batch_size=32, batches=40, rng=100 + seed)
        found.append(noise.ratio / fraction)
        (line,) = adapt.log
        assert 0 < line["added"] < 1.5 * fraction * line["minibatch"] and line["sharing"] == "shared"
        assert all(SMALLEST <= p < 1 for p in line["budgets"].values())
    assert min(found) > 0.4 and max(found) < 1.4 and np.mean(found) > 0.6, found


class Still:
    """Stands for a loop that is about to take its first step."""

    def __init__(self, model, key):
        self.model, self.step, self.loss = model, 0, ops.cross_entropy
        self.x, self.y = DATA.x_train[:64], DATA.y_train[:64]
        self.batches = types.SimpleNamespace(batch_size=8)
        self.forward_flops = self.backward_flops = 0.0
        self.key = key


@pytest.mark.slow
def test_the_logged_variance_is_not_optimistic(monkeypatch):
    """In the mean over 150 seeds it is the true variance of the budget that was set: (1/p − 1) E‖∂W‖² of one mask.

    E‖g_B‖² of batches of 8 out of 64 is known from all samples. Within 4.5 standard errors: false alarms 7e-6. The
    variance by which the budgets were chosen is smaller by more than 2: on the draws of the choice it is at its aim.
    """
    by_choice = []
    choose = ADAPTIVE.cheapest

    def watched(*arguments):
        found = choose(*arguments)
        by_choice.append(found[1])
        return found

    monkeypatch.setattr(ADAPTIVE, "cheapest", watched)
    model = nn.mlp((64, 6, 10), rng=1)
    model[0].vjp = Mask(0.5)
    layer = list(model[0].parameters())
    samples = []
    for k in range(64):
        with mg.Tape() as tape:
            loss = ops.cross_entropy(model(DATA.x_train[k : k + 1]), DATA.y_train[k : k + 1])
        samples.append(
            np.concatenate([g.ravel() for g in InspectionTarget(tape, loss, layer).exact_gradient()]).astype(float)
        )
    mean = np.mean(samples, axis=0)
    spread = np.square(samples - mean).sum(axis=1).mean() / 8 * (64 - 8) / 63
    square = np.square(mean).sum() + spread
    logged, errors, truth = [], [], []
    for seed in range(150):
        adapt, loop = AdaptiveBudget(1.0, batches=2), Still(model, seed)
        adapt(loop)
        (line,) = adapt.log
        if line["sharing"] == "exact":  # nothing is added, and nothing is measured
            assert line["added"] == line["added_error"] == 0.0 == by_choice.pop()
            continue
        logged.append(line["added"])
        errors.append(line["added_error"])
        truth.append((1 / line["budgets"]["0"] - 1) * square)
    assert len(logged) > 100
    off, optimistic = np.subtract(logged, truth), np.subtract(by_choice, truth)
    assert abs(np.mean(off)) < 4.5 * np.std(off, ddof=1) / np.sqrt(len(off))
    assert np.mean(optimistic) < -2 * np.std(optimistic, ddof=1) / np.sqrt(len(off))
    # The errors of two batches are right in the mean of their squares: relative to the truth, here to 35 %.
    stated, found = np.divide(errors, truth), np.divide(off, truth)
    assert np.sqrt(np.mean(np.square(stated))) == pytest.approx(np.sqrt(np.mean(np.square(found))), rel=0.35)


def test_more_is_saved_where_more_noise_is_allowed():
    costs = []
    for fraction in (0.05, 1.0, 20.0):
        model, adapt = build(), AdaptiveBudget(fraction, every=1000)
        fit(model, adapt)
        costs.append(sum(adapt.log[0]["budgets"].values()))
    assert costs[0] > 1.1 * costs[1] > 1.1**2 * costs[2]  # with eight seeds at least 1.3 and 2.8


def test_exact_where_hardly_any_noise_is_allowed():
    model, adapt = build(), AdaptiveBudget(1e-9, every=4)
    fit(model, adapt)
    assert budgets(model) == {"0": 1.0, "2": 1.0}
    assert [(line["sharing"], line["added"]) for line in adapt.log] == [("exact", 0.0)] * 2
    same = build(vjp=DiagonalSketch(1.0))
    fit(same, None)
    assert all((a == b).all() for a, b in zip(model.state_dict().values(), same.state_dict().values(), strict=True))


def test_a_fraction_that_the_smallest_budgets_reach_easily():
    model, adapt = build(), AdaptiveBudget(1e9, every=1000)
    fit(model, adapt)
    assert max(budgets(model).values()) < 2 * SMALLEST


class Told:
    """Stands for measured batches: the variance is Σ w_l (1/p_l − 1), and measures ``worse`` times as large."""

    def __init__(self, weights, costs, worse=1.0):
        self.names = tuple("abc"[: len(weights)])
        self.weights, self.costs, self.worse = np.array(weights, float), np.array(costs, float), worse

    def variance(self, budgets):
        p = np.array([budgets[name] for name in self.names])
        return self.worse * float(self.weights @ (1 / p - 1))

    def noise(self, budgets):
        return CompoundingNoise(self.weights, np.zeros((len(self.weights),) * 2))


START = {"a": 0.25, "b": 0.25}


def test_the_cheapest_budgets_of_additive_noise():
    """w = (16, 1), c = (1, 4): p ∝ √(w/c) = 4 : 0.5, so p = (8q, q) and 2/q + 1/q − 17 = 13 at q = 1/10."""
    found, added, sharing = ADAPTIVE.cheapest(Told([16, 1], [1, 4]), 13.000001, START)
    assert sharing == "shared" and added == pytest.approx(13)
    assert found == pytest.approx({"a": 0.8, "b": 0.1}, rel=1e-5)


def test_more_is_kept_where_budgets_measure_worse_than_predicted():
    found, added, sharing = ADAPTIVE.cheapest(Told([16, 1], [1, 4], worse=2.0), 26.0, START)
    assert sharing == "shared" and 20 < added <= 26 and found["a"] == pytest.approx(8 * found["b"], rel=1e-4)
    assert found["b"] >= 0.0999


def test_what_saves_hardly_anything_is_not_worth_it():
    told = Told([1, 1], [1, 1])
    assert ADAPTIVE.cheapest(told, 0.05, START) == ({"a": 1.0, "b": 1.0}, 0.0, "exact")  # p = 0.976
    assert ADAPTIVE.cheapest(told, 1.0, START)[2] != "exact"  # p = 2/3
    assert ADAPTIVE.cheapest(Told([np.inf, 1], [1, 1]), 1.0, START)[2] == "exact"
    assert ADAPTIVE.cheapest(Told([np.nan, 1], [1, 1]), 1.0, START)[2] == "exact"


def test_each_measurement_of_the_minibatch_counts_for_half(monkeypatch):
    seen = []

    class Watched(MeasuredBatches):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            if self.first == 0:
                seen.append(self.minibatch)

    monkeypatch.setattr(ADAPTIVE, "MeasuredBatches", Watched)
    adapt = AdaptiveBudget(0.25, every=3)
    fit(build(), adapt)
    assert [line["step"] for line in adapt.log] == [0, 3, 6] and len(set(seen)) == 3
    believed = [seen[0], (seen[0] + seen[1]) / 2, (seen[0] + seen[1]) / 4 + seen[2] / 2]
    assert [line["minibatch"] for line in adapt.log] == pytest.approx(believed)


# What it costs, and what it leaves as it was


def test_what_measuring_costs_is_in_the_history(monkeypatch):
    seen = []

    class Watched(MeasuredBatches):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            seen.append(self)

    monkeypatch.setattr(ADAPTIVE, "MeasuredBatches", Watched)
    model, adapt = build(), AdaptiveBudget(0.25, every=1000)
    last = fit(model, adapt).last
    plain = build()
    nn.set_budgets(plain, adapt.log[0]["budgets"])
    without = fit(plain, None).last
    measured, fresh = seen
    assert measured.forward_flops == fresh.forward_flops > 0
    assert measured.backward_flops > 10 * measured.forward_flops and fresh.backward_flops > 0
    forward, backward = (sum(getattr(one, name) for one in seen) for name in ("forward_flops", "backward_flops"))
    assert last.forward_flops == pytest.approx(without.forward_flops + forward)
    assert last.backward_flops == pytest.approx(without.backward_flops + backward)
    for a, b in zip(model.state_dict().values(), plain.state_dict().values(), strict=True):
        assert (a == b).all()  # measuring draws nothing from the stream of the training


def test_measuring_leaves_running_statistics_alone():
    x = DATA.x_train.reshape(-1, 8, 8, 1)

    def network():
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, rng=0, vjp=Mask(0.5)), nn.BatchNorm(4), nn.ReLU(), nn.Flatten(),
            nn.Linear(144, 10, rng=1),
        )  # fmt: skip

    seen = []

    class Looking(AdaptiveBudget):
        def __call__(self, loop):
            before = {name: array.copy() for name, array in loop.model.named_buffers()}
            super().__call__(loop)
            after = dict(loop.model.named_buffers())
            assert before and all((before[name] == after[name]).all() for name in before)
            seen.append(before)

    model = network()
    fitting = {"optimizer": optim.SGD(model, lr=0.1), "epochs": 1, "batch_size": 64, "rng": 0}
    training.fit(model, (x, DATA.y_train), **fitting, callbacks=[Looking(0.25, every=2)])
    assert len(seen) == 4 and any((seen[0][name] != seen[2][name]).any() for name in seen[0])  # the steps do move them


# Interruptions


@pytest.mark.slow
def test_a_resumed_run_is_the_same_bit_for_bit(tmp_path):
    """The budgets, what is believed of σ², and the log all come back; measurements fall into both parts."""

    def run(epochs, checkpoint=None):
        model, adapt = build(), AdaptiveBudget(0.25, every=5)
        history = fit(model, adapt, epochs, checkpoint=checkpoint)
        epochs = [{k: v for k, v in e.items() if "seconds" not in k} for e in history.to_dict()["epochs"]]
        return {k: v.tobytes() for k, v in model.state_dict().items()}, epochs, adapt.log, budgets(model)

    whole = run(4)
    run(2, tmp_path / "a.npz")
    assert run(4, tmp_path / "a.npz") == whole
    assert [line["step"] for line in whole[2]] == [0, 5, 10, 15, 20, 25, 30]
    assert whole[2] == json.loads(json.dumps(whole[2], allow_nan=False))
    assert whole[2][0]["budgets"] != whole[2][-1]["budgets"]


@pytest.mark.parametrize("other", [AdaptiveBudget(0.3, 5), AdaptiveBudget(0.25, 6), AdaptiveBudget(0.25, 5, 3), None])
def test_a_checkpoint_of_other_adaptation_is_refused(other, tmp_path):
    fit(build(), AdaptiveBudget(0.25, 5), checkpoint=tmp_path / "a.npz")
    with pytest.raises(training.CheckpointError, match=r"another run:\n  callbacks.*: the checkpoint has"):
        fit(build(), other, 2, checkpoint=tmp_path / "a.npz")


def test_the_state_is_that_of_the_run():
    adapt, model = AdaptiveBudget(0.25, every=4), build()
    assert adapt.state_dict() == {"log": [], "minibatch": None}
    fit(model, adapt)
    state = json.loads(json.dumps(adapt.state_dict(), allow_nan=False))
    other, fresh = AdaptiveBudget(0.25, every=4), build()

    class Loop:
        pass

    loop = Loop()
    loop.model = fresh
    other.load_state_dict(state, loop)
    assert other.state_dict() == state and budgets(fresh) == budgets(model)


# Reports and mistakes


def test_the_table():
    adapt = AdaptiveBudget(0.25, every=4)
    fit(build(), adapt)
    lines = str(adapt.table()).splitlines()
    assert "aiming at added/σ² = 0.25" in lines[0] and max(map(len, lines)) <= 80
    assert repr(adapt) == "AdaptiveBudget(0.25, every=4, batches=4)"


@pytest.mark.parametrize(
    "arguments, what",
    [((0,), "fraction=0"), ((-1,), "fraction=-1"), ((float("nan"),), "fraction=nan"), ((float("inf"),), "fraction=inf"),
     ((0.1, 0), "every=0"), ((0.1, 5, 1), "batches=1")],
)  # fmt: skip
def test_arguments_out_of_range(arguments, what):
    with pytest.raises(ValueError, match=what):
        AdaptiveBudget(*arguments)


@pytest.mark.parametrize("vjp, what", [(None, r"nn\.set_vjp"), (TopK(0.5), r"TopK\(0\.5\) in .* is biased")])
def test_models_that_it_cannot_adapt(vjp, what):
    with pytest.raises(ValueError, match=what):
        fit(build(vjp=vjp), AdaptiveBudget(0.25))


def test_a_diverging_run_is_told_as_one():
    """The measurement meets what is not finite first, and leaves it to the loop to say so."""
    with warnings.catch_warnings(), pytest.raises(training.DivergenceError):
        fit(build(), AdaptiveBudget(0.25, every=1), lr=1e6)
