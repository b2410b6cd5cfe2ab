"""Every unbiased estimator of finite support, through the nodes that know structures: the mean is exact, to 1e-12.

No draws here: each backward pass that can happen is made, with its probability.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from estimator_cases import (
    AXES,
    CLASSES,
    LINEAR,
    MATMUL,
    OPTIONS,
    assert_unbiased,
    bilinear,
    every,
    finite,
    moments,
    network,
    normal,
    passes,
)

import minigrad as mg
from minigrad import ops
from minigrad.estimators import (
    DiagonalSketch,
    Exact,
    LowRankSketch,
    Mask,
    RandomProjection,
    TopK,
    WinnerTakeAll,
    WithReplacement,
)
from minigrad.estimators.axes import AXES as UNITS

ESTIMATORS = finite(0.4)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_one_estimator_for_all_inputs_of_a_node(estimator):
    for name in (*LINEAR, *MATMUL):
        tape, y, leaves, g = bilinear(name, estimator)
        try:
            assert_unbiased(tape, y, leaves, g)
        except Exception as error:
            raise AssertionError(f"{estimator!r} through {name}: {error}") from error


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_one_estimator_for_each_input_of_a_node(estimator):
    other = Mask(0.5, axis="column", design="systematic")  # two outcomes
    for name in (*LINEAR, *MATMUL):
        first, second = ("x", "w") if name in LINEAR else ("a", "b")
        for vjp in ({first: estimator, second: other}, {second: estimator}):
            tape, y, leaves, g = bilinear(name, vjp)
            try:
                assert_unbiased(tape, y, leaves, g)
            except Exception as error:
                raise AssertionError(f"{vjp!r} through {name}: {error}") from error


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_a_network_of_three_layers(estimator):
    assert_unbiased(*network(estimator))


def test_a_network_with_another_estimator_on_each_layer():
    tape, loss, leaves = network(None, rows=3, widths=(2, 3, 3, 2))
    layers = [node for node in tape.nodes if node.name == "linear"]
    layers[0].vjp = {"w": DiagonalSketch(0.5, target="weight"), "b": Mask(0.3, axis="row")}
    layers[1].vjp = LowRankSketch(0.5)
    layers[2].vjp = {"x": RandomProjection(0.5, kind="rademacher"), "w": Exact()}
    assert_unbiased(tape, loss, leaves)


def test_a_tensor_that_several_nodes_read():
    """Fan-out, a residual path, and one tensor in both inputs of one node."""
    x = mg.Tensor(normal(1, 2, 2), requires_grad=True)
    w = mg.Tensor(normal(2, 2, 2), requires_grad=True)
    sketch, mask = DiagonalSketch(0.5, axis="row", target="both"), Mask(0.5)
    with mg.Tape() as tape:
        h = ops.linear(x, w, vjp=mask)
        y = h + ops.linear(ops.tanh(h), w, vjp=sketch)
        z = ops.matmul(y, y, vjp={"a": mask, "b": sketch})
        loss = (z * h).sum()
    assert_unbiased(tape, loss, [x, w, h, y])


@pytest.mark.parametrize("axis", AXES)
def test_nodes_without_structured_rules(axis):
    x = mg.Tensor(normal(1, 2, 3), requires_grad=True)
    for operation in (ops.exp, ops.softmax, lambda t, vjp: ops.multiply(t, t, vjp=vjp)):
        with mg.Tape() as tape:
            y = operation(x, vjp=DiagonalSketch(0.4, axis=axis, target="input"))
        assert_unbiased(tape, y, [x], normal(3, 2, 3))


@pytest.mark.parametrize("shape", [(), (1,), (4,), (1, 4), (4, 1), (1, 1), (2, 1, 2), (1, 2, 1)], ids=str)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_cotangents_of_few_axes_or_one_row_or_one_column(estimator, shape):
    g = normal(5, *shape)
    outcomes = list(estimator.outcomes(g))
    total, mean, variance = moments(outcomes)
    assert abs(total - 1) < 1e-12
    np.testing.assert_allclose(mean, g, rtol=0, atol=1e-12)
    assert estimator.distortion(g) == pytest.approx(variance, rel=1e-12, abs=1e-12)
    assert all(cotangent.shape == shape for _, cotangent in outcomes)
    assert estimator.sample(g, None, np.random.default_rng(0)).shape == shape


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)], ids=str)
@pytest.mark.parametrize("estimator", every(0.4), ids=repr)
def test_empty_cotangents(estimator, shape):
    g = np.ones(shape, np.float32)
    out = estimator.sample(g, None, np.random.default_rng(0))
    assert out.shape == shape
    assert out.dtype == np.float32
    assert estimator.distortion(g) == 0.0
    assert np.isfinite(estimator.kept(shape).fraction)
    assert np.isfinite(estimator.overhead(shape))
    if estimator in ESTIMATORS:
        ((probability, only),) = estimator.outcomes(g)
        assert probability == 1.0
        assert only.shape == shape


def test_the_tests_above_can_fail():
    """A biased estimator is caught through each kind of node, whichever input it serves."""
    biased = TopK(0.5, axis="element")
    for name in (*LINEAR, *MATMUL):
        first, second = ("x", "w") if name in LINEAR else ("a", "b")
        for vjp in (biased, {first: biased}, {second: biased}):
            tape, y, leaves, g = bilinear(name, vjp)
            with pytest.raises(AssertionError):
                assert_unbiased(tape, y, leaves, g)
    with pytest.raises(AssertionError):
        assert_unbiased(*network(biased))


def test_draws_with_one_seed_are_among_the_passes_enumerated():
    """The enumeration speaks of what the tape does: each gradient that is drawn is one that was listed."""
    for vjp in (DiagonalSketch(0.4), Mask(0.5, axis="row"), LowRankSketch(0.4)):
        tape, loss, leaves = network(vjp)
        listed = np.array([gradient for _, gradient in passes(tape, loss, leaves)])
        for seed in range(20):
            drawn = np.concatenate([g.ravel() for g in tape.gradients(loss, leaves, rng=seed)])
            assert np.abs(listed - drawn).max(axis=1).min() < 1e-12


def test_too_many_outcomes_are_refused_with_a_remedy():
    g = np.ones((2, 21))
    sketches = (Mask(0.5), DiagonalSketch(0.5), RandomProjection(0.5, kind="rademacher"), WithReplacement(0.5))
    for estimator in (*sketches, WinnerTakeAll(0.5)):
        with pytest.raises(ValueError, match=r"too many to list; use .*draws"):
            list(estimator.outcomes(g))
    assert len(list(Mask(0.5, design="systematic").outcomes(g))) <= 22
    for kind in ("gaussian", "orthogonal"):
        with pytest.raises((NotImplementedError, ValueError)):
            list(RandomProjection(0.5, kind=kind).outcomes(np.ones((1, 2))))


def test_every_option_of_every_estimator_is_covered():
    assert len(ESTIMATORS) == len(set(ESTIMATORS))
    for cls in CLASSES:
        options = [field.name for field in dataclasses.fields(cls) if isinstance(field.default, str)]
        assert set(options) <= set(OPTIONS), f"name the choices of {cls.__name__} in OPTIONS"
        for name in options:
            # Heads and tokens need arrays of four axes: they are enumerated in tests/test_estimators_heads.py.
            known = list(UNITS) if name == "axis" else OPTIONS[name]
            assert set(known) - set(OPTIONS[name]) <= {"head", "token"}
            with pytest.raises(ValueError, match=f"Known: {', '.join(known)}$"):
                cls(0.5, **{name: "nonsense"})
