"""Gradient clipping."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.cotangents import Columns, Entries, Factors, Rows, dense

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
