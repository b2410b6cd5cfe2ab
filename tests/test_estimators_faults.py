"""Biases that published code has had, planted: each is caught by enumeration, and is as large as theory says.

The checker is `estimator_cases.assert_unbiased`; beside each fault stands the sound version, which passes it.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from estimator_cases import assert_unbiased, exact, moments, network, normal, passes

import minigrad as mg
from minigrad import ops
from minigrad.estimators import LowRankSketch, Mask, RandomProjection, TopK
from minigrad.structure import dense


def linear_tape(vjp, rows=3, m=4):
    x = mg.Tensor(normal(1, rows, 2), requires_grad=True)
    w = mg.Tensor(normal(2, m, 2), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.linear(x, w, vjp=vjp)
    return tape, y, [x, w], normal(3, rows, m)


def assert_caught(vjp, factor=None):
    """The checker refuses it through one node and through a network; its mean through one node is `factor` · exact."""
    tape, y, leaves, g = linear_tape(vjp)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_unbiased(tape, y, leaves, g)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_unbiased(*network(vjp, widths=(2, 3, 2, 2)))
    if factor is not None:
        mean = moments(passes(tape, y, leaves, g))[1]
        np.testing.assert_allclose(mean, factor * exact(tape, y, leaves, g), rtol=1e-12)


class Listed(mg.Estimator):
    """An estimator that is known by its outcomes."""

    def sample(self, g, node, rng):
        chances, values = zip(*self.outcomes(g, node), strict=True)
        return values[rng.choice(len(chances), p=chances)]


class ExactWhenEmpty(Mask):
    """Returns the exact cotangent when the mask happens to be empty: E = (1 + P(empty))·g."""

    def _gather(self, g, p, kept):
        return super()._gather(g, p, kept) if kept.size else g


@pytest.mark.parametrize("axis", ["column", "row"])
def test_the_exact_gradient_on_an_empty_mask(axis):
    units = {"column": 4, "row": 3}[axis]
    assert_caught(ExactWhenEmpty(1 / units, axis), 1 + (1 - 1 / units) ** units)
    # A fixed size that is at least 1 is never empty, and there the fault does nothing.
    tape, y, leaves, g = linear_tape(ExactWhenEmpty(1 / units, axis, "systematic"))
    assert_unbiased(tape, y, leaves, g)


def test_the_exact_gradient_on_an_empty_mask_at_one_expected_row_of_twenty():
    """E = 1.36 g, from the number of rows kept: all masks of one size weigh the same, and g has equal rows."""
    g, p = np.ones((20, 1)), 1 / 20
    mean = 0.0
    for k in range(21):
        kept = np.arange(k)  # one mask of this size; by symmetry its rows share the mean evenly
        cotangent = dense(ExactWhenEmpty(p, "row")._gather(g, np.full(20, p), kept))
        mean += math.comb(20, k) * p**k * (1 - p) ** (20 - k) * cotangent.mean()
    assert mean == pytest.approx(1 + 0.95**20, rel=1e-12)
    assert round(mean, 2) == 1.36


class ByNormNotRescaled(Listed):
    """Draws two columns without replacement, by norm, and rescales as if with replacement, or not at all."""

    def __init__(self, rescale):
        self.rescale = rescale

    def outcomes(self, g, node=None):
        norms = np.linalg.norm(g.reshape(-1, g.shape[-1]), axis=0)
        q = norms / norms.sum()
        if q.size < 3:
            yield 1.0, g
            return
        for first, second in itertools.permutations(range(q.size), 2):
            kept = np.zeros(q.size)
            kept[[first, second]] = 1 / (2 * q[[first, second]]) if self.rescale else 1
            yield q[first] * q[second] / (1 - q[first]), g * kept


def inclusion(q):
    """P(column is among two drawn without replacement)."""
    pairs = itertools.permutations(range(q.size), 2)
    pi = np.zeros(q.size)
    for first, second in pairs:
        pi[[first, second]] += q[first] * q[second] / (1 - q[first])
    return pi


@pytest.mark.parametrize("rescale", [False, True])
def test_sampling_by_norm_without_replacement(rescale):
    assert_caught(ByNormNotRescaled(rescale))
    g = normal(3, 3, 4)
    q = np.linalg.norm(g, axis=0) / np.linalg.norm(g, axis=0).sum()
    _, mean, _ = moments(ByNormNotRescaled(rescale).outcomes(g))
    factors = inclusion(q) / (2 * q) if rescale else inclusion(q)
    np.testing.assert_allclose(mean, g * factors, rtol=1e-12)
    assert np.abs(factors - 1).max() > 0.05


def test_sampling_by_norm_without_replacement_divided_by_inclusion_probabilities_is_sound():
    class Sound(ByNormNotRescaled):
        def outcomes(self, g, node=None):
            norms = np.linalg.norm(g.reshape(-1, g.shape[-1]), axis=0)
            for probability, kept in super().outcomes(g, node):
                yield probability, kept / inclusion(norms / norms.sum())

    tape, y, leaves, g = linear_tape(Sound(False))
    assert_unbiased(tape, y, leaves, g)


class ToExactNorm(Listed):
    """Scales what was kept to the norm of the exact cotangent."""

    def __init__(self, inner):
        self.inner = inner

    def outcomes(self, g, node=None):
        for probability, cotangent in self.inner.outcomes(g, node):
            kept = dense(cotangent)
            norm = np.linalg.norm(kept)
            yield probability, kept * (np.linalg.norm(g) / norm) if norm > 0 else kept


@pytest.mark.parametrize(
    "inner", [Mask(0.5), Mask(0.5, "row"), LowRankSketch(0.5), RandomProjection(0.5, "rademacher")], ids=repr
)
def test_scaling_to_the_exact_norm(inner):
    assert_caught(ToExactNorm(inner))


def test_scaling_to_the_exact_norm_by_how_much():
    """Two columns of equal norm at p = 1/2: √2 g_j when alone, g_j with the other, so E = (1 + √2)/4 · g."""
    _, mean, _ = moments(ToExactNorm(Mask(0.5)).outcomes(np.eye(2)))
    np.testing.assert_allclose(mean, (1 + math.sqrt(2)) / 4 * np.eye(2), rtol=1e-12)


@pytest.mark.parametrize("axis", ["column", "row", "sample", "element"])
def test_top_k(axis):
    assert_caught(TopK(0.5, axis))


class Unscaled(Mask):
    """Forgets to divide by p: E = p·g."""

    def _gather(self, g, p, kept):
        return super()._gather(g, np.ones_like(p), kept)


def test_a_mask_that_is_not_rescaled():
    assert_caught(Unscaled(0.25), 0.25)


class Predictable(mg.Estimator):
    """Keeps a mask that is decided elsewhere: by hand, or by whoever shares it."""

    def __init__(self, kept, p):
        self.kept, self.p = np.asarray(kept, float), p

    def sample(self, g, node, rng):
        return g * (self.kept / self.p)

    def outcomes(self, g, node=None):
        yield 1.0, g * (self.kept / self.p)


def two_layers(first, second):
    x = mg.Tensor(normal(5, 1, 3), requires_grad=True)
    with mg.Tape() as tape:
        h = ops.linear(x, np.diag([2.0, 3.0, 5.0]), vjp=first)
        y = ops.linear(h, np.diag([7.0, 11.0, 13.0]), vjp=second)
    return tape, y, [x], np.ones((1, 3))


def test_one_mask_shared_by_two_layers_of_a_path():
    """Diagonal weights pass each unit straight on: E[(m/p)²] = 1/p, so at p = 1/4 the mean is 4 times the gradient."""
    p, mean = 0.25, 0.0
    for kept in itertools.product((0, 1), repeat=3):
        chance = math.prod(p if k else 1 - p for k in kept)
        shared = Predictable(kept, p)
        ((_, gradient),) = passes(*two_layers(shared, shared))
        mean = mean + chance * gradient
    tape, y, leaves, g = two_layers(None, None)
    wanted = exact(tape, y, leaves, g)
    np.testing.assert_allclose(mean, wanted / p, rtol=1e-12)
    # With a mask of its own for each layer the same estimator is sound.
    assert_unbiased(*two_layers(Mask(p), Mask(p)))


# What is saved for the way back may be sketched where the VJP is linear in it, and nowhere else.


def test_a_relu_mask_recomputed_from_a_sampled_input():
    """An entry that was not sampled gets slope 0, so E = P(sampled)·g: a quarter here, where it should be all."""
    data, g = normal(6, 2, 3), normal(7, 2, 3)
    x = mg.Tensor(data, requires_grad=True)
    mean = 0.0
    for chance, sketch in Mask(0.25, "element").outcomes(data):
        sampled = dense(sketch)

        @mg.primitive(x=lambda g, saved: g * (saved["x"] > 0))
        def faulty_relu(x, sampled=sampled):
            return np.maximum(x, 0), {"x": sampled}

        with mg.Tape() as tape:
            y = faulty_relu(x)
        mean = mean + chance * tape.gradients(y, [x], g)[0]
    np.testing.assert_allclose(mean, 0.25 * g * (data > 0), rtol=1e-12)


def test_a_sampled_input_of_a_linear_node_is_sound():
    """∂W = GᵀX is linear in X, so an unbiased X̂ that nothing else depends on gives an unbiased ∂W."""
    data, g = normal(6, 3, 2), normal(7, 3, 4)
    w = mg.Tensor(normal(8, 4, 2), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.linear(data, w)
    wanted, mean = tape.gradients(y, [w], g)[0], 0.0
    for chance, sketch in Mask(0.25, "element").outcomes(data):
        tape.nodes[0].saved["x"] = dense(sketch)
        mean = mean + chance * tape.gradients(y, [w], g)[0]
    np.testing.assert_allclose(mean, wanted, rtol=0, atol=1e-12)


def test_a_distribution_that_does_not_sum_to_one_is_caught():
    class Short(Mask):
        def outcomes(self, g, node=None):
            return itertools.islice(super().outcomes(g, node), 1, None)  # without the empty mask: the mean is right

    tape, y, leaves, g = linear_tape(Short(0.5))
    with pytest.raises(AssertionError):
        assert_unbiased(tape, y, leaves, g)


def test_probabilities_of_zero_where_something_is_needed_are_caught():
    """Scores for ∂X without the floor: W_j = 0 would never be kept, and ∂W_j always be 0 (the trap of Theory §3)."""

    class NoFloor(Mask):
        def probabilities(self, g, node=None):
            return np.where(np.any(node.saved["w"] != 0, axis=1), 0.5, 0.0)

    x, w = mg.Tensor(normal(1, 3, 2), requires_grad=True), mg.Tensor(normal(2, 4, 2), requires_grad=True)
    w.data[1] = 0
    with mg.Tape() as tape:
        y = ops.linear(x, w, vjp=NoFloor(0.5))
    g = normal(3, 3, 4)
    with pytest.raises(ValueError, match=r"linear.*gave 0 for column 1.*never be kept, and the mean be biased"):
        tape.gradients(y, [w], g, rng=0)
