"""Minibatch noise and estimators' noise, against all batches of a tiny data set, listed."""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys

import numpy as np
import pytest
from estimator_cases import normal

import minigrad as mg
from minigrad import datasets, inspect, nn
from minigrad.estimators import Mask, TopK
from minigrad.inspect.leaves import InspectionTarget

Z = 5.4
"""A normal variable is further out with probability 7e-8; there are ten comparisons."""

X, Y = normal(1, 6, 3), normal(2, 6, 2)
CONFIGURATIONS = [2, 3, 5]


def mean_square(out, y):
    return (out - y).square().sum() / len(y)


def model(vjp=None):
    return nn.mlp((3, 3, 2), vjp=vjp, rng=0)


def all_batches(net, size):
    """(exact gradient, variance that the estimators add) of every batch."""
    found = []
    for chosen in itertools.combinations(range(6), size):
        rows = list(chosen)
        with mg.Tape() as tape:
            loss = mean_square(net(X[rows]), Y[rows])
        report = inspect.exact_moments(tape, loss, list(net.parameters()))
        found.append((np.concatenate([g.ravel() for g in report.exact]), report.total_variance))
    return np.array([g for g, _ in found]), np.array([s for _, s in found])


@pytest.mark.parametrize("size", CONFIGURATIONS)
def test_both_noises_against_all_batches(size):
    net = model(Mask(0.5))
    gradients, added = all_batches(net, size)
    noise = inspect.gradient_noise(net, (X, Y), batch_size=size, batches=400, draws=2, loss=mean_square, rng=0)
    minibatch = np.square(gradients - gradients.mean(axis=0)).sum(axis=1).mean()
    assert abs(noise.minibatch - minibatch) < Z * noise.minibatch_error
    assert abs(noise.estimator - added.mean()) < Z * noise.estimator_error
    assert noise.minibatch_error < 0.15 * minibatch and noise.estimator_error < 0.15 * added.mean()  # power
    assert noise.norm_squared == pytest.approx(np.square(gradients.mean(axis=0)).sum(), rel=0.3)
    assert noise.ratio == noise.estimator / noise.minibatch


def test_the_minibatch_noise_follows_the_law_of_sampling_without_replacement():
    """σ_1²/b (N − b)/(N − 1), which the docstring states: exactly so for the population of all batches."""
    single, _ = all_batches(model(), 1)
    variance = np.square(single - single.mean(axis=0)).sum(axis=1).mean()
    for size in CONFIGURATIONS:
        gradients, _ = all_batches(model(), size)
        listed = np.square(gradients - gradients.mean(axis=0)).sum(axis=1).mean()
        assert listed == pytest.approx(variance / size * (6 - size) / 5, rel=1e-5)


def test_the_minibatch_noise_is_unbiased_even_from_two_batches():
    """The mean over 300 seeds is within 5.4 standard errors; without Bessel's correction it would be half as large."""
    gradients, _ = all_batches(model(), 2)
    minibatch = np.square(gradients - gradients.mean(axis=0)).sum(axis=1).mean()
    options = {"batch_size": 2, "batches": 2, "draws": 1, "loss": mean_square}
    found = [inspect.gradient_noise(model(), (X, Y), **options, rng=seed).minibatch for seed in range(300)]
    error = np.std(found) / np.sqrt(300)
    assert abs(np.mean(found) - minibatch) < Z * error < 0.5 * minibatch


def test_the_squared_norm_is_without_the_bias_of_noise(monkeypatch):
    """All 36 pairs of batches of five, listed: in the mean it is that of the gradient, and ‖ḡ‖² has σ²/2 more."""
    net = model()
    targets = []
    for left_out in range(6):
        rows = [i for i in range(6) if i != left_out]
        with mg.Tape() as tape:
            loss = mean_square(net(X[rows]), Y[rows])
        targets.append(InspectionTarget(tape, loss, list(net.parameters())))

    class Listed:
        def __init__(self, *arguments):
            self.key = 0

        def __getitem__(self, number):
            return targets[pair[number]]

    monkeypatch.setattr(sys.modules["minigrad.inspect.noise"], "RecordedBatches", Listed)
    found = []
    for pair in itertools.product(range(6), repeat=2):  # noqa: B007 - Listed reads it
        found.append(inspect.gradient_noise(net, (X, Y), batch_size=5, batches=2, draws=1, loss=mean_square))
    gradients, _ = all_batches(net, 5)
    expected = np.square(gradients.mean(axis=0)).sum()
    minibatch = np.square(gradients - gradients.mean(axis=0)).sum(axis=1).mean()
    assert min(noise.norm_squared for noise in found) > 0  # none is cut off
    assert np.mean([noise.norm_squared for noise in found]) == pytest.approx(expected, rel=1e-6)
    assert np.mean([noise.minibatch for noise in found]) == pytest.approx(minibatch, rel=1e-6)
    assert minibatch / 2 > 0.01 * expected


def test_few_effective_batches_are_warned_of():
    """One sample of forty has most of the gradient: most batches of four do not see it."""
    x = np.concatenate([normal(1, 39, 3), 100 * normal(3, 1, 3)])
    y = normal(2, 40, 2)
    options = {"batch_size": 4, "batches": 20, "loss": mean_square, "rng": 0}
    noise = inspect.gradient_noise(model(Mask(0.5)), (x, y), **options)
    assert noise.minibatch_effective < 12 and noise.estimator_effective < 12
    assert len(noise.warnings) == 2 and "the minibatch's noise" in noise.warnings[0]
    assert all(text in " ".join(str(noise).split()) for text in noise.warnings)
    assert noise.to_dict()["warnings"] == list(noise.warnings)
    even = inspect.gradient_noise(model(Mask(0.5)), (X, Y), **{**options, "batches": 300})
    assert even.warnings == () and even.minibatch_effective > 150


def test_the_whole_data_set_has_no_minibatch_noise():
    noise = inspect.gradient_noise(model(Mask(0.5)), (X, Y), batch_size=6, batches=20, loss=mean_square, rng=0)
    assert noise.minibatch < 1e-10 * noise.norm_squared < noise.estimator
    full, _ = all_batches(model(), 6)
    assert noise.norm_squared == pytest.approx(np.square(full).sum(), rel=1e-5)


def test_without_estimators_nothing_is_added():
    noise = inspect.gradient_noise(model(), (X, Y), batch_size=2, batches=5, loss=mean_square, rng=0)
    assert noise.estimator == noise.estimator_error == noise.ratio == 0 < noise.minibatch


def test_a_biased_estimator_adds_its_squared_error():
    net = model(TopK(0.34))
    noise = inspect.gradient_noise(net, (X, Y), batch_size=6, batches=2, loss=mean_square, rng=0)
    with mg.Tape() as tape:
        loss = mean_square(net(X), Y)
    assert noise.estimator == pytest.approx(
        inspect.exact_moments(tape, loss, list(net.parameters())).bias ** 2, rel=1e-4
    )


def test_standard_errors_are_honest():
    """Of 100 intervals of two standard errors at least 78 cover σ² and s² (fewer with probability about 1e-7 if the
    coverage is 0.93; with errors half as large about 66 would)."""
    net = model(Mask(0.5))
    gradients, added = all_batches(net, 3)
    minibatch = np.square(gradients - gradients.mean(axis=0)).sum(axis=1).mean()
    covered = np.zeros(2)
    for seed in range(100):
        noise = inspect.gradient_noise(net, (X, Y), batch_size=3, batches=30, draws=1, loss=mean_square, rng=seed)
        covered += [
            abs(noise.minibatch - minibatch) < 2 * noise.minibatch_error,
            abs(noise.estimator - added.mean()) < 2 * noise.estimator_error,
        ]
    assert covered.min() >= 78


def test_numbers_are_checked_and_the_report_shows_itself():
    for wrong in ({"batches": 1}, {"draws": 0}, {"batch_size": 7}, {"batch_size": 0}):
        with pytest.raises(ValueError):
            inspect.gradient_noise(model(), (X, Y), loss=mean_square, **{"batch_size": 2, **wrong})
    noise = inspect.gradient_noise(model(Mask(0.5)), (X, Y), batch_size=2, batches=3, loss=mean_square, rng=1)
    assert noise == inspect.gradient_noise(model(Mask(0.5)), (X, Y), batch_size=2, batches=3, loss=mean_square, rng=1)
    assert "s²/σ²" in str(noise) and "<table>" in noise._repr_html_()
    json.dumps(noise.to_dict(), allow_nan=False)


def test_the_ratio_where_the_batches_have_no_noise():
    """Infinite where estimators add some, and 0 where they add none, too."""
    model = nn.mlp((64, 10), rng=0)
    report = inspect.gradient_noise(model, datasets.digits().flat(), batch_size=8, batches=3, rng=0)
    assert dataclasses.replace(report, minibatch=0.0, estimator=1.0).ratio == np.inf
    assert dataclasses.replace(report, minibatch=0.0, estimator=0.0).ratio == 0.0
    assert dataclasses.replace(report, minibatch=4.0, estimator=1.0).ratio == 0.25
