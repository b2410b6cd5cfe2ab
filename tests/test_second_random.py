"""Second derivatives through random VJPs: the factor of each draw is a constant, and the products are unbiased."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

import minigrad as mg
from minigrad import estimators, ops
from minigrad.estimators import DiagonalSketch, Exact, LowRankSketch, Mask, RandomProjection, Selection, TopK

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 2))
W, V = RNG.standard_normal((4, 2)), RNG.standard_normal((3, 4))
T = (RNG.standard_normal(W.shape), RNG.standard_normal(V.shape))


def loss(first, second):
    return lambda w, v: ops.linear(ops.linear(X, w, vjp=first).tanh(), v, vjp=second).square().sum()


@dataclass(frozen=True, repr=False)
class Scripted(Selection):
    """A mask with a given outcome."""

    kept: tuple[int, ...] = ()
    axis: str = "column"

    def probabilities(self, g, node):
        p = np.full(g.shape[-1] if self.axis == "column" else len(g), self.budget)
        p[0] = 1.0
        return p

    def draw(self, g, p, rng):
        return np.array(self.kept)


def outcomes(units, p, axis):
    """Every scripted mask whose first unit is certain, with its probability."""
    for rest in itertools.product([False, True], repeat=units - 1):
        kept = (0, *[k + 1 for k, here in enumerate(rest) if here])
        chance = np.prod([p if here else 1 - p for here in rest])
        yield chance, Scripted(p, kept=kept, axis=axis)


@pytest.mark.parametrize("axes", [("column", "column"), ("row", "column"), ("sample", "row")])
def test_the_mean_of_all_hessian_products_is_the_exact_one(axes):
    """By enumeration of the draws of two nodes, one above the other: no test by chance."""
    exact = mg.hvp(loss(None, None), (W, V), T)
    mean = [np.zeros_like(w) for w in (W, V)]
    for p1, first in outcomes(4 if axes[0] == "column" else 3, 0.4, axes[0]):
        for p2, second in outcomes(3, 0.5, axes[1]):
            for total, product in zip(mean, mg.hvp(loss(first, second), (W, V), T, rng=0), strict=True):
                total += p1 * p2 * product
    for got, expected in zip(mean, exact, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    "estimator",
    [
        Mask(0.5), Mask(0.5, axis="element"), Mask(0.6, design="systematic"), DiagonalSketch(0.5),
        DiagonalSketch(0.5, axis="sample"), DiagonalSketch(0.5, target="both"), estimators.StratifiedMask(0.7),
        TopK(0.5), TopK(0.5, axis="row"), Exact(), Mask(1.0),
    ],
    ids=repr,
)  # fmt: skip
def test_the_factor_is_that_of_the_draw(estimator):
    """The first-order gradient is the same with and without a tape around, and factor · g the draw, to rounding."""
    g = RNG.standard_normal((5, 6))
    g[:, 2] = 0.0
    drawn = estimator.sample(g, None, np.random.default_rng(3))
    factor = estimator.factor(g, None, np.random.default_rng(3))
    np.testing.assert_allclose(np.broadcast_to(factor, g.shape) * g, mg.structure.dense(drawn), rtol=1e-15)
    fn = loss(estimator, estimator)
    alone = mg.grad(fn, (0, 1))(W, V, rng=5)
    with mg.Tape():
        w, v = mg.Tensor(W, requires_grad=True), mg.Tensor(V, requires_grad=True)
        within = mg.grad(fn, (0, 1))(w, v, rng=5)
    for a, b in zip(alone, within, strict=True):
        assert isinstance(b, mg.Tensor)
        np.testing.assert_allclose(a, b.data, rtol=1e-12, atol=1e-13)


def test_a_unit_whose_cotangent_is_zero_keeps_its_derivative():
    """A diagonal sketch never draws it; its derivative is not zero, and a factor of 0 there would be a bias."""
    fn = lambda x: (ops.multiply(x, 1.0, vjp=DiagonalSketch(0.5)) * np.array([1.0, 0.0]) * x).sum()  # noqa: E731
    means = np.mean([mg.hvp(fn, (np.ones(2),), (np.ones(2),), rng=seed) for seed in range(2)], axis=0)
    assert means.tolist() == [2.0, 0.0]
    c = mg.Tensor(np.array([[1.0, 0.0]]), requires_grad=True)
    w = mg.Tensor(np.ones((1, 2)), requires_grad=True)
    for seed in range(5):
        with mg.Tape() as outer:
            with mg.Tape() as inner:
                y = ops.multiply(w, 2.0, vjp=DiagonalSketch(0.9))
            (g,) = inner.gradients(y, [w], cotangent=c, rng=seed)
        assert outer.gradients(g, [c], cotangent=np.ones((1, 2)))[0][0, 1] == 2.0


@pytest.mark.parametrize("estimator", [LowRankSketch(0.5), RandomProjection(0.5), estimators.WithReplacement(0.5)])
def test_what_is_no_factor_is_refused(estimator):
    with pytest.raises(mg.TapeError, match=r"linear: the derivative of a gradient drawn by .* is not known.*exact"):
        mg.hvp(loss(None, estimator), (W, V), T, rng=0)
    first = mg.grad(loss(None, estimator), (0, 1))(W, V, rng=0)  # without a tape around it stays as it is
    assert isinstance(first[0], np.ndarray)
    mg.jvp(loss(None, estimator), (W, V), T)  # nor is it asked on the way forward


def test_per_input_choices_and_residual_sketches_are_refused():
    a, b = RNG.standard_normal((2, 3)), RNG.standard_normal((3, 2))
    by_edge = lambda a, b: ops.matmul(a, b, vjp={"a": Mask(0.5)}).square().sum()  # noqa: E731
    with pytest.raises(mg.TapeError, match=r"matmul: its estimator differs by input \(a\)"):
        mg.hvp(by_edge, (a, b), (a, b), rng=0)
    saved = lambda w: ops.linear(X, w, save=Mask(0.5, axis="row")).square().sum()  # noqa: E731
    for derive in (mg.jvp, mg.hvp):
        with pytest.raises(mg.TapeError, match=r"linear: it saved a sketch of x \(save=\).*minigrad.saving\(False\)"):
            derive(saved, (W,), (W,))
    with mg.saving(False):
        mg.hvp(saved, (W,), (W,))


def twin(vjp, seed):
    """The outer tape records the operation of the inner one, too, and both draw at it."""
    slope = lambda w: mg.grad(lambda w: loss(vjp, None)(w, V))(w, rng=seed)  # noqa: E731
    return mg.grad(lambda w: (slope(w) * T[0]).sum())(W, rng=seed)


def other_node(vjp, seed):
    """Another node of the outer tape has the index that the node of the inner one has there."""

    def fn(w):
        scaled = ops.linear(X, w, vjp=vjp)
        inner = mg.grad(lambda v: ops.linear(X, v, vjp=vjp).tanh().sum())(W, rng=seed)
        return (scaled @ inner @ T[0].T).sum()

    return mg.grad(fn)(W, rng=seed)


def three(vjp, seed):
    inner = lambda w: mg.grad(lambda w: loss(vjp, None)(w, V))(w, rng=seed)  # noqa: E731
    second = lambda w: mg.grad(lambda w: (inner(w) * T[0]).sum())(w, rng=seed)  # noqa: E731
    return mg.grad(lambda w: (second(w) * T[0]).sum())(W, rng=seed)


@pytest.mark.parametrize("nested", [twin, other_node, three])
def test_one_seed_for_all_levels_does_not_bias(nested):
    """Draws of levels are independent. A false alarm has a probability of 6e-6 (8 entries, 5 standard errors).

    With one draw for both levels the mean of `twin` was twice the exact one, 20 standard errors off.
    """
    exact = nested(None, 0)
    draws = np.array([nested(Mask(0.5), seed) for seed in range(1500)])
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    assert np.all(np.abs(draws.mean(axis=0) - exact) < 5 * error)
