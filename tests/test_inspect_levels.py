"""Noise at a few budgets: estimates that are right in the mean over all samples, and errors of quotients."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minigrad.inspect.cost_of_precision import Tradeoff, scatter
from minigrad.inspect.levels import Levels


def levels(gradients, added=None, budgets=(0.5, 0.25)):
    centred = gradients - gradients.mean(axis=0)
    added = np.random.default_rng(4).exponential(size=(len(budgets), len(gradients))) if added is None else added
    return Levels(budgets, centred @ centred.T, added, (5.0, 3.0, 2.0), 1.0, 1)


@pytest.mark.parametrize("n", [2, 3])
def test_the_minibatch_variance_is_unbiased_over_all_samples(n):
    """All 5ⁿ samples with replacement of five gradients, listed: without n/(n − 1) it would be (n − 1)/n as large."""
    rng = np.random.default_rng(3)
    population = rng.normal(size=(5, 3))
    found = [levels(population[list(chosen)]).minibatch().value for chosen in itertools.product(range(5), repeat=n)]
    assert np.mean(found) == pytest.approx(population.var(axis=0).sum(), rel=1e-12)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_resamples_have_the_variance_of_the_sample_in_the_mean(n):
    """All nⁿ of them, listed: without the second n/(n − 1) they would be smaller."""
    rng = np.random.default_rng(3)
    measured = levels(rng.normal(size=(n, 3)))
    found = [measured.resampled(np.bincount(chosen, minlength=n)) for chosen in itertools.product(range(n), repeat=n)]
    assert np.mean([sigma2 for sigma2, _ in found]) == pytest.approx(measured.minibatch().value, rel=1e-12)
    np.testing.assert_allclose(np.mean([s2 for _, s2 in found], axis=0), measured.mean_added(), rtol=1e-12)


def test_a_resample_is_what_its_batches_would_give():
    rng = np.random.default_rng(3)
    gradients = rng.normal(size=(6, 4))
    measured, chosen = levels(gradients), [0, 0, 3, 5, 5, 5]
    sigma2, s2 = measured.resampled(np.bincount(chosen, minlength=6))
    again = levels(gradients[chosen], measured.added[:, chosen])
    assert sigma2 == pytest.approx(again.minibatch().value * 6 / 5, rel=1e-12)
    np.testing.assert_allclose(s2, again.mean_added(), rtol=1e-12)


def test_the_error_of_a_quotient_is_that_of_the_jackknife():
    """Leaving out one batch after the other: the two agree to terms of order 1/n, and 5 % more would be seen."""
    rng = np.random.default_rng(3)
    n = 500
    gradients = rng.normal(size=(n, 6))
    added = (np.square(gradients).sum(axis=1) * rng.exponential(size=n))[None]  # they go together
    measured = levels(gradients, added, (0.5,))
    ratio, error = measured.ratio(0)
    assert ratio == added.mean() / measured.minibatch().value
    without = []
    for i in range(n):
        kept = np.delete(np.arange(n), i)
        without.append(added[0, kept].mean() / gradients[kept].var(axis=0, ddof=1).sum())
    jackknife = np.sqrt((n - 1) / n * np.square(without - np.mean(without)).sum())
    assert error == pytest.approx(jackknife, rel=0.01)
    assert levels(gradients, 0 * added, (0.5,)).ratio(0) == (0.0, 0.0)


def test_the_errors_of_a_quotient_cover_over_repeats():
    """σ² and s² of the same batches; of 400 intervals of two errors 360 or more cover (coverage 0.94: 2e-4)."""
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        gradients = rng.normal(size=(40, 4))
        added = (np.square(gradients).sum(axis=1) * rng.uniform(0.5, 1.5, size=40))[None]
        ratio, error = levels(gradients, added, (0.5,)).ratio(0)
        covered += abs(ratio - 1.0) <= 2 * error
    assert 360 <= covered < 400


def test_scatter_by_choice_by_hand():
    """The same resamples, one by one: the best budget of each, priced by the curve of all; 1 where it does not pay."""
    rng = np.random.default_rng(3)
    gradients = rng.normal(size=(7, 3))
    p = np.array([0.5, 0.25])
    measured = levels(gradients, rng.exponential(size=(2, 7)) * 0.6 * (1 / p - 1)[:, None])
    curve = Tradeoff(p, measured.minibatch().value, measured.mean_added(), 5.0, 1.0, 4.0)
    grid = np.geomspace(0.25, 0.5, 400)
    again, found = np.random.default_rng(8), []
    for _ in range(200):
        chosen = again.integers(7, size=7)
        sigma2 = gradients[chosen].var(axis=0, ddof=1).sum() * 7 / 6
        other = Tradeoff(p, sigma2, measured.added[:, chosen].mean(axis=1), 5.0, 1.0, 4.0)
        k = np.argmin(other.predicted(grid))
        found.append(curve.predicted(grid[k]) if other.predicted(grid[k]) <= 0.98 else 1.0)
    assert len({float(ratio) for ratio in found}) > 5 and 1.0 in found
    got = scatter(curve, measured, 0.98, np.random.default_rng(8))
    assert got == pytest.approx(np.std(found, ddof=1), rel=1e-6)
