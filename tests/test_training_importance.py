"""Importance sampling: unbiased by enumeration, two-phase too; bounded, warmed up by its rule, resumable."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import minigrad as mg
from minigrad import inspect, nn, ops, theory, training
from minigrad.estimators import DiagonalSketch
from minigrad.training import Batches, ImportanceSampler
from minigrad.training.importance import drawn_visits

X = np.random.default_rng(1).normal(size=(4, 3))
Y = np.array([0, 1, 1, 0])
SCORES = np.array([5.0, 1.0, 0.0, 2.0])
"""With a mixture of 0.5: π = 0.4375, 0.1875, 0.125, 0.25, all of them multiples of 1/16."""


class Scripted:
    """A generator whose permutations and random number are given."""

    def __init__(self, first, start, second):
        self.permutations, self.start = iter((first, second)), start

    def permutation(self, of):
        order = np.array(next(self.permutations))
        return order if isinstance(of, int) else of[order]

    def random(self):
        return self.start


def scripts(samples, visits, denominator):
    """All ways to draw a pass, alike in probability, where what is expected are multiples of 1/denominator."""
    for first in itertools.permutations(range(samples)):
        for k in range(denominator):
            for second in itertools.permutations(range(visits)):
                yield Scripted(first, (k + 0.5) / denominator, second)


class Enumerated(ImportanceSampler):
    """Takes its next generator from a script."""

    script = None

    def generator(self, step):
        return self.script


def passes():
    """For each way in which a pass of two batches of two can be drawn: its batches, indices and weights."""
    for script in scripts(4, 4, 4):
        sampler = Enumerated(mixture=0.5, share=1.0)
        sampler.begin(Batches(4, 2, seed=0))
        sampler.visited(0, np.arange(4), SCORES)
        sampler.script = script
        yield sampler.draw(2), sampler.draw(3)


@pytest.fixture(scope="module")
def batches():
    """The probability and the weights of each batch that can be drawn, in the first and the second step of a pass."""
    found = [{}, {}]
    drawn = list(passes())
    for pair in drawn:
        for which, (indices, weights) in zip(found, pair, strict=True):
            key = tuple(indices.tolist())
            which.setdefault(key, [Fraction(0), weights])[0] += Fraction(1, len(drawn))
    return [{key: (float(p), weights) for key, (p, weights) in which.items()} for which in found]


def network(vjp=None):
    model = nn.mlp((3, 5, 2), rng=0, dtype=np.float64)
    if vjp is not None:
        nn.set_vjp(model, vjp, where=lambda path, module: path == "2")
    return model


def full(model):
    parameters = list(model.parameters())
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(X), Y)
    return loss.item(), tape.gradients(loss, parameters)


def recorded(model, indices, weights):
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(X[list(indices)]), Y[list(indices)], weights=weights)
    return tape, loss


def mean_over(batches, each):
    total = None
    for indices, (probability, weights) in batches.items():
        found = [probability * np.asarray(part) for part in each(indices, weights)]
        total = found if total is None else [a + b for a, b in zip(total, found, strict=True)]
    return total


def test_how_often_a_sample_is_drawn_has_the_mean_that_was_asked_for():
    expected = np.array([1.75, 0.75, 0.5, 1.0])
    counts = [np.bincount(drawn_visits(expected, s), minlength=4) for s in scripts(4, 4, 4)]
    np.testing.assert_allclose(np.mean(counts, axis=0), expected, rtol=1e-12)
    assert all(c.sum() == 4 for c in counts)
    assert all(((np.floor(expected) <= c) & (c <= np.ceil(expected))).all() for c in counts)


def test_each_place_of_a_pass_sees_each_sample_alike():
    """Also in the middle, and for samples of several visits: else the steps of a pass would have means of their own."""
    expected = np.array([1.75, 0.75, 0.5])
    visits = np.array([drawn_visits(expected, s) for s in scripts(3, 3, 4)])
    for place in visits.T:
        np.testing.assert_allclose(np.bincount(place, minlength=3) / len(visits), expected / 3, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("samples, visits", [(7, 7), (1000, 1024), (60_000, 60_032)])
def test_a_pass_has_its_length_whatever_is_rounded(samples, visits, seed):
    rng = np.random.default_rng(seed)
    for scores in (np.ones(samples), rng.random(samples) ** 8, np.arange(samples) == 3):
        visited = drawn_visits(theory.defensive_mixture(scores, 0.1) * visits, rng)
        assert visited.shape == (visits,)


def test_each_step_has_the_mean_loss_and_gradient_of_the_data(batches):
    model = network()
    loss, gradient = full(model)

    def each(indices, weights):
        tape, out = recorded(model, indices, weights)
        return [out.item(), *tape.gradients(out, list(model.parameters()))]

    for step in batches:  # of a pass
        assert sum(probability for probability, _ in step.values()) == pytest.approx(1)
        found = mean_over(step, each)
        assert found[0] == pytest.approx(loss, rel=1e-12)
        for a, b in zip(found[1:], gradient, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)
        unweighted = mean_over(step, lambda indices, weights: each(indices, None))
        assert abs(unweighted[0] - loss) > 0.05 * loss  # the enumeration sees what is missing without weights


@pytest.mark.parametrize("sketch", [DiagonalSketch(0.5, axis="sample"), DiagonalSketch(distortion=0.5, axis="sample")])
def test_two_phases_have_the_gradient_of_the_data(batches, sketch):
    """The weights of the draw and of a sketch at the logits multiply: all batches times all that is kept of them."""
    model = network(sketch)
    _, gradient = full(network())
    parameters = list(model.parameters())

    def each(indices, weights):
        tape, loss = recorded(model, indices, weights)
        moments = inspect.exact_moments(tape, loss, parameters)
        return [moments.total_variance, *moments.mean]

    variance, *found = mean_over(batches[0], each)
    assert variance > 1e-4  # the sketch does draw
    for a, b in zip(found, gradient, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)


def test_a_sketch_at_the_logits_sees_the_weights():
    """Two samples alike, one of weight 8: of a budget of one it gets 8/9, and is kept as what it counts."""
    with mg.Tape() as tape:
        logits = network(DiagonalSketch(0.5, axis="sample"))(X[[0, 0]])
        loss = ops.cross_entropy(logits, Y[[0, 0]], weights=[8.0, 1.0])
    (g,) = tape.gradients(loss, [logits])
    (node,) = [node for node in tape.nodes if node.layer == "2"]
    np.testing.assert_allclose(node.vjp.probabilities(g, node), [8 / 9, 1 / 9], rtol=1e-12)


def fit(model=None, sampler=None, epochs=6, data=None, **options):
    from minigrad import datasets, optim

    data = data or datasets.digits().flat().subset(train=320, test=40)
    model = model or nn.mlp((64, 24, 10), rng=0)
    optimizer = optim.SGD(model, lr=0.2)
    options = {"batch_size": 32, "rng": 0, **options}
    return model, training.fit(model, data, optimizer=optimizer, epochs=epochs, sampler=sampler, **options)


def test_scores_are_the_norms_of_the_gradient_at_the_logits():
    """After a pass at a rate of 0, softmax − one-hot of each sample, whatever the weights were."""
    from minigrad import datasets, optim

    data = datasets.digits().flat().subset(train=90, test=1)
    model = nn.mlp((64, 16, 10), rng=0)
    sampler = ImportanceSampler(0.3, share=1.0)
    training.fit(model, data, optimizer=optim.SGD(model, lr=1e-12), epochs=4, batch_size=32, rng=0, sampler=sampler)
    assert [line["drawn"] for line in sampler.log] == ["uniform", "score", "score", "score"]
    p = ops.softmax(model(data.x_train)).data
    expected = np.linalg.norm(p - np.eye(10)[data.y_train], axis=1)
    np.testing.assert_allclose(sampler.state_dict()["scores"], expected, rtol=1e-4)


def test_uniform_until_the_share_is_low_and_then_by_score():
    sampler = ImportanceSampler(0.25, share=0.5)
    fit(sampler=sampler, epochs=20)
    assert len(sampler.log) == 20 and sampler.log[0]["share"] is None
    for line in sampler.log:
        assert line["drawn"] == ("score" if line["share"] is not None and line["share"] <= 0.5 else "uniform")
        assert line["largest_weight"] <= 1 / 0.25 * (1 + 1e-12)
        if line["drawn"] == "score":
            assert line["share"] <= line["left"] < 1
    assert {line["drawn"] for line in sampler.log} == {"uniform", "score"}
    assert "share" in str(sampler.table())


def test_while_uniform_it_is_a_run_without_a_sampler():
    found = [fit(sampler=sampler, epochs=3) for sampler in (None, training.Sampler(), ImportanceSampler(share=1e-9))]
    states = [model.state_dict() for model, _ in found]
    for state in states[1:]:
        assert all(np.array_equal(states[0][name], value) for name, value in state.items())
    assert [h.last.loss for _, h in found[1:]] == [found[0][1].last.loss] * 2


def test_equal_scores_see_each_sample_once_in_a_pass():
    sampler = ImportanceSampler(0.5, share=1.0)
    sampler.begin(Batches(12, 4, seed=0))
    sampler.visited(0, np.arange(12), np.ones(12))
    drawn = [sampler.draw(step) for step in (3, 4, 5)]
    assert sorted(np.concatenate([indices for indices, _ in drawn]).tolist()) == list(range(12))
    assert all((weights == 1).all() for _, weights in drawn)


@pytest.mark.parametrize("scores", [np.zeros(12), np.full(12, np.inf), np.full(12, np.nan)])
def test_scores_that_say_nothing_leave_the_batches_as_they_are(scores):
    sampler = ImportanceSampler(0.5, share=0.9)
    sampler.begin(Batches(12, 4, seed=0))
    sampler.visited(0, np.arange(12), scores)
    indices, weights = sampler.draw(3)
    assert weights is None and np.array_equal(indices, Batches(12, 4, seed=0)[3])


@pytest.mark.parametrize("sampler", [ImportanceSampler(0.2, share=1.0), ImportanceSampler(0.2, share=0.3)])
@pytest.mark.parametrize("steps", [None, 7])
def test_resumed_bit_for_bit(tmp_path, sampler, steps):
    """Also where an epoch ends in the middle of a pass; the log goes on, too."""

    def run(epochs, **options):
        mine = ImportanceSampler(sampler.mixture, sampler.share)
        model, history = fit(
            nn.mlp((64, 24, 10), vjp=DiagonalSketch(0.5), rng=0), mine, epochs, steps_per_epoch=steps, **options
        )
        return {k: v.tobytes() for k, v in model.state_dict().items()}, history["loss"], mine.log

    whole = run(8)
    assert any(line["drawn"] == "score" for line in whole[2]) == (sampler.share > 0.5)
    for k in (1, 3, 6):
        path = tmp_path / f"{k}.npz"
        run(k, checkpoint=path)
        assert run(8, checkpoint=path) == whole


def test_a_checkpoint_of_another_sampler_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    fit(sampler=ImportanceSampler(0.2), epochs=1, checkpoint=path)
    for other, message in (
        (ImportanceSampler(0.3), "sampler.mixture: the checkpoint has 0.2, this run 0.3"),
        (None, "sampler"),
    ):
        with pytest.raises(training.OtherRunError, match=message):
            fit(sampler=other, epochs=2, checkpoint=path)


@pytest.mark.parametrize("arguments", [{"mixture": 0.0}, {"mixture": 1.1}, {"share": 0.0}, {"share": math.nan}])
def test_arguments_out_of_range(arguments):
    with pytest.raises(ValueError, match=rf"ImportanceSampler: {next(iter(arguments))}=.* must lie in \(0, 1\]"):
        ImportanceSampler(**arguments)
