"""Gradient clipping."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim, training
from minigrad.estimators import Mask
from minigrad.structure import Columns, Entries, Factors, Rows, dense

RNG = np.random.default_rng(0)


def mixture():
    return [
        RNG.normal(size=(3, 4)),
        Rows(RNG.normal(size=(2, 4)), np.array([0, 3]), (5, 4)),
        Columns(RNG.normal(size=(5, 1)), np.array([2]), (5, 4)),
        Entries(RNG.normal(size=3), np.array([0, 5, 7]), (5, 4)),
        Factors(RNG.normal(size=(5, 2)), RNG.normal(size=(2, 4)), (5, 4)),
        np.asarray(1.5),
    ]


def test_the_joint_norm_is_returned_and_clipped():
    gradients = mixture()
    before = [dense(g).copy() for g in gradients]
    expected = math.sqrt(sum(np.square(g).sum() for g in before))
    assert math.isclose(optim.clip_grad_norm(gradients, 2.0), expected, rel_tol=1e-12)
    for g, old in zip(gradients, before, strict=True):
        np.testing.assert_allclose(dense(g), old * 2.0 / expected, rtol=1e-12)
    assert math.isclose(optim.clip_grad_norm(gradients, 99.0), 2.0, rel_tol=1e-12)


def test_a_small_gradient_is_not_touched():
    gradients = mixture()
    before = [dense(g).tobytes() for g in gradients]
    optim.clip_grad_norm(tuple(gradients), 1e6)
    assert [dense(g).tobytes() for g in gradients] == before
    assert optim.clip_grad_norm([], 1.0) == 0.0
    assert optim.clip_grad_norm([np.zeros(3), np.zeros((0, 2))], 1.0) == 0.0


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1.0, 1e12, 1e30])
def test_float32_neither_overflows_nor_underflows(scale):
    g = (np.array([3.0, 4.0]) * scale).astype(np.float32)
    assert math.isclose(optim.clip_grad_norm([g], scale), 5 * scale, rel_tol=1e-6)
    np.testing.assert_allclose(g, np.array([0.6, 0.8]) * scale, rtol=1e-6)
    assert g.dtype == np.float32
    optim.clip_grad_norm([g], 1e-20)
    np.testing.assert_allclose(g, np.array([0.6, 0.8]) * min(scale, 1e-20), rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_not_hidden(bad):
    gradients = [np.array([bad, 1.0]), np.array([100.0])]
    assert not math.isfinite(optim.clip_grad_norm(gradients, 1.0))
    assert gradients[0][1] == 1.0 and gradients[1][0] == 100.0


def test_of_parameters_it_scales_grad():
    model = nn.Linear(2, 1, rng=0)
    with mg.Tape():
        loss = model(np.full((1, 2), 3, np.float32)).sum() * 2.0
    loss.backward()
    assert math.isclose(optim.clip_grad_norm(model, 1.0), math.sqrt(36 + 36 + 4), rel_tol=1e-6)
    assert math.isclose(optim.clip_grad_norm(model.parameters(), 10.0), 1.0, rel_tol=1e-6)
    optim.clip_grad_value(model, 0.5)
    assert np.abs(model.weight.grad).max() <= 0.5
    model.zero_grad()
    with pytest.raises(ValueError, match=r"clip_grad_norm: no gradient for weight: \.grad is None"):
        optim.clip_grad_norm(model, 1.0)


def test_a_shared_array_is_scaled_once():
    g = np.array([3.0, 4.0])
    total = optim.clip_grad_norm([g, g], 1.0)
    assert math.isclose(total, math.sqrt(50))
    np.testing.assert_allclose(g, np.array([3.0, 4.0]) / total)


def test_clip_by_value():
    gradients = [np.array([-3.0, 0.2, np.nan]), Rows(np.array([[9.0]]), np.array([1]), (3, 1))]
    optim.clip_grad_value(gradients, 1.0)
    np.testing.assert_array_equal(gradients[0], [-1.0, 0.2, np.nan])
    assert gradients[1].dense().tolist() == [[0], [1], [0]]
    with pytest.raises(TypeError, match="stored as Factors has no single entries"):
        optim.clip_grad_value([Factors(np.ones((2, 1)), np.ones((1, 2)), (2, 2))], 1.0)


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), float("inf")])
def test_limits(limit):
    with pytest.raises(ValueError, match="clip_grad_norm: max_norm="):
        optim.clip_grad_norm([np.ones(2)], limit)
    with pytest.raises(ValueError, match="clip_grad_value: max_value="):
        optim.clip_grad_value([np.ones(2)], limit)


def test_what_is_no_gradient():
    with pytest.raises(TypeError, match="number 1 is a NoneType"):
        optim.clip_grad_norm([np.ones(2), None], 1.0)


# What clipping does to an unbiased gradient, over all of its draws


def clipped_mean(draws, limit, clip=optim.clip_grad_norm):
    """Σ probability · draw, clipped."""
    total = 0.0
    for probability, g in draws:
        g = g.copy()
        clip([g], limit)
        total += probability * g
    return total


def masked(g, p):
    """(probability, Ĝ) for every outcome of a mask."""
    return [(chance, dense(drawn)) for chance, drawn in Mask(p).outcomes(g)]


@pytest.mark.parametrize(("n", "p"), [(4, 0.25), (8, 0.1), (10, 0.1)])
def test_a_clipped_mask_keeps_between_p_and_the_root_of_p_of_the_gradient(n, p):
    """The docstring's E√(k/n) g, with k binomial; budget 1 is left alone."""
    g = np.ones((1, n))
    k = np.arange(n + 1)
    binomial = np.array([math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in k])
    norms = np.where(k, np.sqrt(k / n) / p, 0)
    expected = float(binomial @ (k / n / p / np.maximum(norms, 1)))  # clipped only where it is longer than ‖g‖
    mean = clipped_mean(masked(g, p), math.sqrt(n))
    np.testing.assert_allclose(mean, expected, rtol=1e-12)
    if p <= 1 / math.sqrt(n):
        assert expected == pytest.approx(float(binomial @ np.sqrt(k / n)), rel=1e-12)
    assert p < expected < math.sqrt(p)
    np.testing.assert_allclose(clipped_mean(masked(g, p), 1e9), g, rtol=1e-12)
    np.testing.assert_allclose(clipped_mean(masked(g, 1.0), math.sqrt(n)), g, rtol=1e-12)


def test_masks_in_two_layers_leave_a_twentieth_of_the_length():
    """Mask(0.1) at two linear nodes, max_norm = ‖g‖: the mean points the right way, and is far below p = 0.1 too."""
    w = np.eye(8)
    draws = [
        (chance * another, h)
        for chance, g in masked(np.ones((1, 8)), 0.1)
        for another, h in masked(g @ w, 0.1)
    ]  # fmt: skip
    assert sum(chance for chance, _ in draws) == pytest.approx(1, rel=1e-10)
    np.testing.assert_allclose(sum(chance * g for chance, g in draws), np.ones((1, 8)), rtol=1e-10)
    mean = clipped_mean(draws, math.sqrt(8))
    np.testing.assert_allclose(mean, mean[0, 0], rtol=1e-10)
    # 1 − 0.99⁸ is the probability that anything is kept; then the norm is ‖g‖ in nearly all draws.
    assert 0.01 < mean[0, 0] < 0.055


def test_clipping_by_value_biases_as_well():
    g = np.array([[3.0, -1.0]])
    mean = clipped_mean(masked(g, 0.5), 3.0, optim.clip_grad_value)
    np.testing.assert_allclose(mean, [[1.5, -1.0]], rtol=1e-12)  # 3/0.5 is cut to 3; 1/0.5 fits


@pytest.mark.parametrize(
    "subject", [optim.clip_grad_norm, optim.clip_grad_value, training.fit], ids=lambda f: f.__name__
)
def test_whoever_clips_says_that_it_biases(subject):
    assert "bias" in subject.__doc__


@pytest.mark.parametrize(
    ("vjp", "norm", "says"),
    [(None, None, "or clip the gradient with max_norm="), (None, 1.0, "lower it$"),
     (Mask(0.5), None, "biases a sketched gradient"), (Mask(0.5), 1.0, "biases a sketched gradient")],
)  # fmt: skip
def test_a_diverging_run_is_told_what_clipping_does(vjp, norm, says):
    x, y = np.full((8, 4), np.inf, np.float32), np.zeros(8, int)
    model = nn.mlp((4, 2), vjp=vjp, rng=0)
    options = {"optimizer": optim.SGD(model, lr=0.1), "epochs": 1, "batch_size": 8, "rng": 0, "max_norm": norm}
    with np.errstate(invalid="ignore"), pytest.raises(training.DivergenceError, match=says) as caught:
        training.fit(model, (x, y), **options)
    assert ("raise the budget" in str(caught.value)) == (vjp is not None)
