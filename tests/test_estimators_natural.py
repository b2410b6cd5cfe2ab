"""Natural compression: powers of two, unbiased by enumeration, exact where it can be, and odd inputs."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import moments, normal

import minigrad as mg
from minigrad import inspect, ops
from minigrad.estimators import NaturalCompression, StochasticRounding, parse
from minigrad.inspect import TooManyOutcomes
from minigrad.structure import PowersOfTwo, dense

NATURAL = NaturalCompression()


@pytest.mark.parametrize("shape", [(3, 4), (2, 2, 3), (6,), (1, 1), ()], ids=str)
def test_unbiased_and_its_distortion_by_enumeration(shape):
    g = normal(0, *shape)
    total, mean, variance = moments(NATURAL.outcomes(g))
    assert abs(total - 1) < 1e-12
    np.testing.assert_allclose(mean, g, rtol=1e-14)
    assert NATURAL.distortion(g) == pytest.approx(variance, rel=1e-12)
    assert variance <= np.square(g).sum() / 8
    drawn = NATURAL.sample(g, None, 0)
    assert isinstance(drawn, PowersOfTwo) and drawn.shape == g.shape
    assert any(np.array_equal(dense(drawn), dense(out)) for _, out in NATURAL.outcomes(g))


def test_the_chance_of_the_upper_power_by_draws():
    """40,000 entries of 1.25: 1 with chance 3/4, within 5.5 standard errors (a false alarm in 3e7 seeds)."""
    g = np.full((200, 200), -1.25, np.float32)
    drawn = dense(NATURAL.sample(g, None, 1))
    assert set(np.unique(drawn)) == {-1.0, -2.0}
    assert abs(np.mean(drawn == -2) - 0.25) < 5.5 * np.sqrt(0.25 * 0.75 / g.size)


def test_powers_of_two_and_zeros_are_exact():
    g = np.array([[0.0, -0.0, 1.0, -4.0, 2.0**-20, 2.0**100]], np.float32)
    drawn = dense(NATURAL.sample(g, None, 0))
    np.testing.assert_array_equal(drawn, g)
    assert NATURAL.distortion(g) == 0 and drawn.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-45, 7e-45, 1e-38, 1.0, 1e37])
def test_denormals_and_giants(dtype, scale):
    with np.errstate(under="ignore"):
        g = (np.array([[0.0, 1.0, -3.3], [0.6, 2.0, 5.0]]) * scale).astype(dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        mean = sum(p * dense(out).astype(np.longdouble) for p, out in NATURAL.outcomes(g))
        drawn = dense(NATURAL.sample(g, None, 0))
    np.testing.assert_allclose(mean.astype(float), g.astype(float), rtol=1e-6)
    assert (np.abs(drawn) <= 2 * np.abs(g)).all() and (2 * np.abs(drawn) >= np.abs(g)).all()


def test_what_is_far_below_the_largest_goes_to_0_or_to_the_least_power():
    g = np.array([[2.0**200, 2.0**-60]])
    outcomes = [(p, dense(out)[0, 1]) for p, out in NATURAL.outcomes(g)]
    assert [p for p, _ in outcomes] == [1 - 2.0**-7, 2.0**-7] and [v for _, v in outcomes] == [0, 2.0**-53]
    assert NATURAL.distortion(g) == pytest.approx(moments(NATURAL.outcomes(g))[2])


@pytest.mark.parametrize("odd", [np.nan, np.inf, 3e38])
def test_what_cannot_be_doubled_is_handed_on(odd):
    g = np.array([[1.0, odd]], np.float32)
    assert NATURAL.sample(g, None, 0) is g and NATURAL.distortion(g) == 0
    assert [p for p, _ in NATURAL.outcomes(g)] == [1.0]


@pytest.mark.parametrize("shape", [(0,), (3, 0), (2, 3)])
def test_empty_arrays_and_zeros_are_handed_on(shape):
    g = np.zeros(shape, np.float32)
    assert NATURAL.sample(g, None, 0) is g


@pytest.mark.parametrize("columns", [1, 7, 8, 9, 300])
def test_bytes_are_those_that_are_stored(columns):
    w = mg.Tensor(normal(0, columns, 4, dtype=np.float32), requires_grad=True)
    with mg.Tape(rng=0) as tape:
        y = ops.linear(normal(1, 6, 4, dtype=np.float32), w, vjp=NATURAL)
    (node,) = inspect.cost(tape).nodes
    drawn = NATURAL.sample(normal(2, *y.shape, dtype=np.float32), None, 0)
    assert drawn.nbytes == node.wire_bytes == 6 * (columns + -(-columns // 8))
    np.testing.assert_array_equal(dense(drawn.take_rows(np.array([1, 4]))), drawn.dense()[[1, 4]])


def test_for_contrast():
    """Rounding to eight bits takes fewer bytes, and has far less distortion."""
    g = normal(0, 64, 256, dtype=np.float32)
    eight = StochasticRounding(8)
    assert eight.sample(g, None, 0).nbytes < NATURAL.sample(g, None, 0).nbytes
    assert eight.distortion(g) < NATURAL.distortion(g) / 300


def test_text_and_too_many_outcomes():
    assert parse("natural") == NATURAL and repr(NATURAL) == "NaturalCompression()" and NATURAL.unbiased
    with pytest.raises(TooManyOutcomes, match="no powers of two have 2\\^64 outcomes"):
        NATURAL.outcomes(normal(0, 8, 8))


def test_rare_outcomes_are_named():
    """Just above a power the upper one is seldom seen: it holds what is missing of the mean."""
    g = np.array([[1.001, -1.001, 1.5, -1.999]])
    np.testing.assert_allclose(NATURAL.rare(g, 0.01), [[0.001, -0.001, 0, 0.001]], rtol=1e-9, atol=0)
