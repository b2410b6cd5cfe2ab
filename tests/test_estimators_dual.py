"""A distortion in place of a budget: the distortion that was asked for, with no more units than are needed."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from estimator_cases import AXES, DUAL, TARGETS, exact, moments, normal, passes
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn, ops, theory
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, StratifiedMask, parse, with_budget
from minigrad.estimators.axes import AXES as UNITS
from minigrad.fingerprint import describe

OMEGAS = (0.01, 0.1, 0.5, 1.0, 4.0)
G = normal(3, 6, 5) * np.exp(normal(4, 6, 1)) * np.exp(normal(5, 5))


@pytest.mark.parametrize("omega", OMEGAS)
@pytest.mark.parametrize("axis", AXES)
def test_the_distortion_is_the_one_asked_for(axis, omega):
    square = float(np.square(G).sum())
    for estimator in (Mask(distortion=omega, axis=axis), DiagonalSketch(distortion=omega, axis=axis)):
        assert estimator.distortion(G) == pytest.approx(omega * square, rel=1e-12)
        single = estimator.distortion(G.astype(np.float32))
        assert single == pytest.approx(omega * square, rel=1e-6)
    assert LowRankSketch(distortion=omega).distortion(G) == pytest.approx(omega * square, rel=1e-12)
    assert StratifiedMask(distortion=omega, axis=axis).distortion(G) <= omega * square * (1 + 1e-12)


@pytest.mark.parametrize("omega", OMEGAS)
@pytest.mark.parametrize("axis", ["column", "row", "sample"])
def test_enumerated(axis, omega):
    for estimator in (Mask(distortion=omega, axis=axis), DiagonalSketch(distortion=omega, axis=axis),
                      StratifiedMask(distortion=omega, axis=axis), LowRankSketch(distortion=omega)):  # fmt: skip
        total, mean, variance = moments(estimator.outcomes(G))
        assert total == pytest.approx(1)
        np.testing.assert_allclose(mean, G, atol=1e-12 * np.abs(G).max())
        assert variance <= omega * np.square(G).sum() * (1 + 1e-10)
        assert variance == pytest.approx(estimator.distortion(G), rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("omega", OMEGAS)
def test_no_sketch_of_the_family_keeps_fewer(axis, omega):
    """Spending what the dual spends on the smallest distortion gives that distortion back, but for the floors."""
    p = DiagonalSketch(distortion=omega, axis=axis).probabilities(G)
    squares = UNITS[axis].squares(G, None, None)
    free = theory.minimal_cost(squares, omega)
    assert free * (1 - 1e-12) <= p.sum() <= 1.1 * free
    assert p.sum() <= p.size / (1 + omega) * (1 + 1e-12) and p.min() >= 0.1 * free / p.size * (1 - 1e-12)
    rank = LowRankSketch(distortion=omega).probabilities(G).sum()
    assert rank == pytest.approx(theory.minimal_cost(np.linalg.svd(G, compute_uv=False) ** 2, omega), rel=1e-9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 30), st.floats(1e-3, 30), st.floats(0, 3))
def test_the_fewest_strata(seed, units, omega, spread):
    g = np.exp(spread * normal(seed, 1, units)) * normal(seed + 1, 1, units)
    allowed = omega * float(np.square(g).sum())
    found = len(StratifiedMask(distortion=omega).strata(g)[1])
    costs = [StratifiedMask((k - 0.001) / units).distortion(g) if k < units else 0.0 for k in range(1, units + 1)]
    fewest = 1 + next(k for k, cost in enumerate(costs) if cost <= allowed * (1 + 1e-9))
    assert found == fewest
    assert StratifiedMask(distortion=omega).kept(g.shape).fraction >= found / units


def test_what_is_kept_follows_the_cotangent():
    flat, steep = np.ones((50, 4)), np.ones((50, 4)) * np.where(np.arange(50) < 2, 100.0, 1.0)[:, None]
    sketch = DiagonalSketch(distortion=0.25, axis="sample")
    assert sketch.probabilities(flat).sum() == pytest.approx(40)
    assert sketch.probabilities(steep).sum() < 3
    assert sketch.adapts and sketch.kept((50, 4)).fraction == 0.8
    assert (
        not Mask(distortion=0.25).adapts and not DiagonalSketch(0.5).adapts and not DiagonalSketch(distortion=0).adapts
    )


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("axis", ["column", "row"])
def test_with_a_target_the_scores_are_held(axis, target):
    x, w = mg.Tensor(normal(1, 6, 3), requires_grad=True), mg.Tensor(normal(2, 5, 3), requires_grad=True)
    sketch = DiagonalSketch(distortion=0.5, axis=axis, target=target)
    with mg.Tape() as tape:
        y = ops.linear(x, w, vjp=sketch)
    p, scores = sketch.probabilities(G, tape.nodes[0]), sketch.scores(G, tape.nodes[0])
    assert np.sum((1 / p - 1) * scores) == pytest.approx(0.5 * scores.sum())
    total, mean, _ = moments(passes(tape, y, [x, w], G))
    np.testing.assert_allclose(mean, exact(tape, y, [x, w], G), atol=1e-11 * np.abs(mean).max())


def test_units_that_are_hidden_from_the_scores_are_still_seen():
    x, w = mg.Tensor(normal(1, 6, 3)), mg.Tensor(np.diag([1.0, 1, 1, 1, 0])[:, :3], requires_grad=True)
    sketch = DiagonalSketch(distortion=0.5, target="input")
    with mg.Tape() as tape:
        ops.linear(mg.Tensor(x.data, requires_grad=True), w, vjp=sketch)
    p = sketch.probabilities(G, tape.nodes[0])
    assert p.min() > 0.01


@pytest.mark.parametrize("cls", DUAL)
def test_distortion_zero_is_exact_to_the_bit(cls):
    assert cls(distortion=0).budget == cls(distortion=-0.0).budget == 1
    for g in (G, G.astype(np.float32)):
        assert cls(distortion=0).sample(g, None, np.random.default_rng(0)) is g
    leaves = [mg.Tensor(normal(1, 6, 3), requires_grad=True), mg.Tensor(normal(2, 5, 3), requires_grad=True)]
    with mg.Tape() as tape:
        y = ops.linear(*leaves, vjp=cls(distortion=0.0))
    with mg.Tape() as plain:
        z = ops.linear(*leaves)
    for a, b in zip(tape.gradients(y, leaves, G, rng=0), plain.gradients(z, leaves, G), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("cls", DUAL)
def test_text_copies_and_changes(cls):
    one = cls(distortion=0.1)
    assert parse(repr(one)) == one and parse(f"{cls.__name__}(distortion=0.1)", budget=0.5) == one
    assert repr(one) == f"{cls.__name__}(distortion=0.1)"
    for other in (copy.deepcopy(one), pickle.loads(pickle.dumps(one)), dataclasses.replace(one)):
        assert other == one and hash(other) == hash(one)
        assert (other.budget, other.budget.distortion, other.adapts) == (one.budget, 0.1, one.adapts)
    assert one != cls(one.budget + 0.0) and one != cls(distortion=0.2)
    assert with_budget(one, 0.5) == cls(0.5) and not with_budget(one, 0.5).adapts
    assert describe(one, "") != describe(cls(distortion=0.2), "") and describe(one, "") == describe(
        cls(distortion=0.1), ""
    )
    second = next(field.name for field in dataclasses.fields(cls) if field.init and field.name != "budget")
    assert "relative_distortion" not in second
    assert dataclasses.replace(cls(0.5), budget=0.25) == cls(0.25)


def test_options_are_kept_when_something_else_is_replaced():
    one = DiagonalSketch(distortion=0.1, axis="row", target="weight")
    assert repr(one) == "DiagonalSketch(distortion=0.1, axis='row', target='weight')"
    assert dataclasses.replace(one, axis="sample") == DiagonalSketch(distortion=0.1, axis="sample", target="weight")
    assert parse("diagonal(distortion=0.1, axis=row, target=weight)") == one


@pytest.mark.parametrize("cls", DUAL)
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, TypeError, r"got None; or say which distortion .*\(distortion=0.1\)"),
        ({"budget": 0.5, "distortion": 0.1}, TypeError, "two answers to one question"),
        ({"distortion": -0.1}, ValueError, "must be ≥ 0 and finite.*0 is exact"),
        ({"distortion": np.inf}, ValueError, "must be ≥ 0 and finite"),
        ({"distortion": np.nan}, ValueError, "must be ≥ 0 and finite"),
        ({"distortion": 10**400}, ValueError, "must be ≥ 0 and finite"),
        ({"distortion": True}, TypeError, "the distortion must be a number ≥ 0, got True"),
        ({"distortion": "0.1"}, TypeError, "the distortion must be a number ≥ 0"),
    ],
)
def test_what_is_refused(cls, arguments, error, words):
    with pytest.raises(error, match=f"{cls.__name__}: .*{words}"):
        cls(**arguments)


def test_text_that_is_refused():
    for text, words in {
        "diagonal": r"say which budget, as in diagonal\(0.1\), or which distortion, as in diagonal\(distortion=0.1\)",
        "diagonal(0.1, distortion=0.1)": "two answers",
        "diagonal(distortion=-1)": "must be ≥ 0",
        "diagonal(distortoin=1)": "did you mean 'distortion'",
        "topk(distortion=0.1)": "argument of topk",
        "mask(0.1, row, poisson, 4)": "takes at most 3 arguments",
    }.items():
        with pytest.raises(ValueError, match=words):
            parse(text)


def test_a_subclass_of_ones_own():
    @dataclasses.dataclass(frozen=True, repr=False)
    class Half(DiagonalSketch):
        extra: int = 3

    class Plain(DiagonalSketch):
        pass

    assert repr(Half(0.5)) == "Half(0.5)" and not Half(0.5).adapts
    assert repr(Plain(distortion=0.5)) == "Plain(distortion=0.5)" and Plain(distortion=0.5).adapts


def test_layers_and_models_take_it():
    model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Linear(4, 2, rng=1))
    nn.set_vjp(model, DiagonalSketch(distortion=0.1))
    assert "distortion=0.1" in repr(model)
    nn.set_budgets(model, {"0": 0.5, "1": 0.25})
    assert model[0].vjp == DiagonalSketch(0.5) and model[1].vjp == DiagonalSketch(0.25)
