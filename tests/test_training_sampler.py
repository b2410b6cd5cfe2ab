"""Samplers of one's own, and what is refused where samples have weights."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from minigrad import nn, ops, optim, training
from minigrad.training.evaluate import accuracy
from minigrad.training.weighing import norms

X = np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32)
Y = np.arange(24) % 3


class Weighing(training.Sampler):
    """The first samples alone, some of them counted more often."""

    weighs = wants_scores = True

    def __init__(self, weights):
        self.given = np.asarray(weights, float)
        self.seen = []

    def draw(self, step):
        return np.arange(len(self.given)), self.given

    def visited(self, step, indices, scores):
        self.seen.append((step, indices, scores))


def fit(model, sampler, **options):
    return training.fit(
        model, (X, Y), optimizer=optim.SGD(model, lr=0.1), epochs=1, batch_size=8, rng=0, sampler=sampler, **options
    )


def test_weights_are_as_good_as_seeing_a_sample_more_often():
    found = []
    for weights in ([2.0, 1.0, 1.0, 0.0], None):
        model, sampler = nn.mlp((6, 3), rng=0), Weighing(weights or np.ones(4))
        if weights is None:
            sampler.draw = lambda step: (np.array([0, 0, 1, 2]), None)
        history = fit(model, sampler, max_norm=1e6)
        found.append((history.last.loss, history.last.accuracy, *model.state_dict().values()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_scores_are_those_without_weights():
    model, weighed, plain = nn.mlp((6, 3), rng=0), Weighing([4.0, 0.25, 1.0]), Weighing([1.0, 1.0, 1.0])
    for sampler in (weighed, plain):
        fit(nn.mlp((6, 3), rng=0), sampler, steps_per_epoch=1)
    (step, indices, scores), (_, _, expected) = weighed.seen[0], plain.seen[0]
    assert step == 0 and indices.tolist() == [0, 1, 2]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    p = ops.softmax(model(X[:3])).data
    np.testing.assert_allclose(scores, np.linalg.norm(p - np.eye(3)[Y[:3]], axis=1), rtol=1e-5)


def test_norms():
    g = np.arange(12.0).reshape(2, 3, 2)
    expected = [2 * np.linalg.norm(each) for each in g]
    np.testing.assert_allclose(norms(g, None), expected)
    found = norms(g, np.array([0.0, 2.0]))
    assert np.isnan(found[0]) and found[1] == pytest.approx(expected[1] / 2)


def test_weighted_accuracy():
    logits, labels = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([0, 1, 1])
    assert accuracy(logits, labels) == pytest.approx(2 / 3)
    assert accuracy(logits, labels, np.array([1.0, 3.0, 1.0])) == pytest.approx(0.4)
    sequence = accuracy(np.stack([logits, logits]), np.stack([labels, labels]), np.array([1.0, 3.0]))
    assert sequence == pytest.approx(2 / 3)


def weightless(logits, labels):
    return ops.cross_entropy(logits, labels)


def forgiving(logits, labels, **settings):
    return ops.cross_entropy(logits, labels, **settings)


def test_a_loss_that_takes_no_weights_is_refused_before_the_first_step():
    sampler = Weighing(np.ones(4))
    with pytest.raises(
        ValueError, match=r"Weighing gives each sample a weight, and the loss weightless takes none.*weights=None"
    ):
        fit(nn.mlp((6, 3), rng=0), sampler, loss=weightless)
    assert not sampler.seen
    for loss in (forgiving, functools.partial(ops.cross_entropy, label_smoothing=0.1)):
        fit(nn.mlp((6, 3), rng=0), sampler, loss=loss)
    fit(nn.mlp((6, 3), rng=0), training.Sampler(), loss=weightless)


class Functional(nn.Module):
    """Normalises by the batch without a layer that says so."""

    def __init__(self):
        self.inner = nn.Linear(6, 3, rng=0)

    def forward(self, x):
        return ops.batch_norm(self.inner(x), np.ones(3, np.float32), np.zeros(3, np.float32))


@pytest.mark.parametrize(
    "model", [lambda: nn.Sequential(nn.Linear(6, 6, rng=0), nn.BatchNorm(6), nn.Linear(6, 3, rng=1)), Functional]
)
def test_statistics_of_the_batch_are_refused(model):
    for sampler in (training.ImportanceSampler(), Weighing(np.ones(4))):
        before = model().state_dict()
        made = model()
        with pytest.raises(ValueError, match=r"normalises by the mean and the variance of the batch.*nn\.GroupNorm"):
            fit(made, sampler)
        names = [name for name, _ in made.named_parameters()]
        assert all(np.array_equal(before[name], made.state_dict()[name]) for name in names)  # no step was taken
    fit(model(), training.Sampler())
    fit(model(), None)


def test_other_normalisation_is_not():
    for norm in (nn.LayerNorm(6), nn.GroupNorm(2, 6)):
        fit(nn.Sequential(nn.Linear(6, 6, rng=0), norm, nn.Linear(6, 3, rng=1)), Weighing(np.ones(4)))


def test_each_step_has_a_generator_of_its_own():
    sampler = training.Sampler()
    sampler.begin(training.Batches(8, 2, seed=3))
    first = [sampler.generator(step).random() for step in (0, 1, 0)]
    assert first[0] == first[2] != first[1]
