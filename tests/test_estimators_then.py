"""Two estimators in a row: the tower rule by enumeration, distortions that add up, bytes, text, and networks."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import assert_unbiased, bilinear, moments, network, normal

import minigrad as mg
from minigrad import inspect, nn, ops
from minigrad.estimators import (
    DiagonalSketch,
    Exact,
    LowRankSketch,
    Mask,
    RandomProjection,
    StochasticRounding,
    Then,
    TopK,
    parse,
)
from minigrad.structure import Coded, Columns, Factors, Quantised, Rows, dense, share

TWO = StochasticRounding(2)
PAIRS = [
    *[Then(Mask(0.5, axis=axis), StochasticRounding(1)) for axis in ("column", "row", "sample", "element")],
    Then(DiagonalSketch(0.5, axis="row"), TWO),
    Then(Mask(0.5), StochasticRounding(1, "column")),
    Then(LowRankSketch(0.5), StochasticRounding(1)),
    Then(TWO, Mask(0.5, axis="row")),
    Then(Exact(), TWO),
    Then(Mask(0.5, axis="row"), Exact()),
    Then(Mask(0.5, axis="row"), Mask(0.5)),
    Then(Then(Mask(0.5, axis="row"), Mask(0.5)), StochasticRounding(1)),
]


@pytest.mark.parametrize("estimator", PAIRS, ids=repr)
def test_the_tower_rule_by_enumeration(estimator):
    g = normal(0, 2, 3)
    total, mean, variance = moments(estimator.outcomes(g))
    assert abs(total - 1) < 1e-12
    np.testing.assert_allclose(mean, g, rtol=0, atol=1e-12)
    assert estimator.distortion(g) == pytest.approx(variance, rel=1e-9)
    assert estimator.distortion(g) >= estimator.first.distortion(g)


@pytest.mark.parametrize("estimator", PAIRS, ids=repr)
def test_a_draw_is_one_of_the_outcomes(estimator):
    g = normal(0, 2, 3)
    known = [dense(out) for _, out in estimator.outcomes(g)]
    for seed in range(6):
        drawn = dense(estimator.sample(g, None, seed))
        assert drawn.dtype == g.dtype and min(np.abs(drawn - out).max() for out in known) < 1e-12


def test_gradients_of_a_node_and_of_a_network_are_unbiased():
    for name in ("linear", "matmul, batched"):
        assert_unbiased(*bilinear(name, Then(Mask(0.5, axis="row"), StochasticRounding(1))))
    assert_unbiased(*network(Then(Mask(0.5, axis="row"), StochasticRounding(1)), widths=(2, 2, 1)))


def test_a_biased_part_makes_a_biased_whole_and_says_so():
    biased = Then(TopK(0.5, axis="row"), TWO)
    _, mean, _ = moments(biased.outcomes(normal(0, 4, 3)))
    assert not biased.unbiased and np.abs(mean - normal(0, 4, 3)).max() > 0.1
    assert Then(Mask(0.5), TWO).unbiased and not Then(Mask(0.5), StochasticRounding(16)).unbiased


def test_what_is_stored():
    g = normal(0, 64, 32, dtype=np.float32)
    rows = Then(Mask(0.25, axis="row"), StochasticRounding(4)).sample(g, None, 0)
    assert isinstance(rows, Coded) and isinstance(rows.held["values"], Quantised) and isinstance(rows.uncoded(), Rows)
    kept = len(rows.uncoded().indices)
    assert rows.nbytes == kept * (16 + 8 + 8) and share(rows) == kept / 64
    factors = Then(LowRankSketch(0.25), StochasticRounding(8)).sample(g, None, 0)
    assert isinstance(factors.uncoded(), Factors) and set(factors.held) == {"left", "right"}
    assert factors.nbytes < LowRankSketch(0.25).sample(g, None, 0).nbytes / 2
    np.testing.assert_array_equal(factors.dense(), factors.uncoded().dense())
    assert isinstance(Then(Mask(0.5), Exact()).sample(g, None, 0), Columns)  # nothing to unpack


@pytest.mark.parametrize(
    "estimator",
    [Then(Mask(0.25, axis="row"), StochasticRounding(4)), Then(Mask(0.25), StochasticRounding(8)),
     Then(Mask(0.5, axis="element"), StochasticRounding(8)), Then(RandomProjection(0.25), StochasticRounding(8)),
     Then(Exact(), StochasticRounding(4))],
    ids=repr,
)  # fmt: skip
def test_expected_bytes_are_the_mean_of_those_that_are_stored(estimator):
    """A mean over 60 draws, within a tenth; the numbers of kept units deviate by less than 0.02 of their mean."""
    g = normal(0, 256, 512, dtype=np.float32)
    w = mg.Tensor(normal(1, 512, 3, dtype=np.float32), requires_grad=True)
    with mg.Tape() as tape:
        ops.linear(normal(2, 256, 3, dtype=np.float32), w, vjp=estimator)
    counted = inspect.cost(tape).nodes[0].wire_bytes
    assert np.mean([estimator.sample(g, None, k).nbytes for k in range(60)]) == pytest.approx(counted, rel=0.1)


def test_kept_rows_spare_as_much_as_without_rounding():
    """Elementwise rules and products see kept rows, not a dense matrix, and the cost model counts them so."""
    leaf = mg.Tensor(normal(0, 8, 3), requires_grad=True)
    seen = []

    class Watching(mg.Estimator):
        takes_rows = True

        def sample(self, g, node, rng):
            seen.append(type(g))
            return g

    with mg.Tape() as tape:
        y = ops.tanh(ops.tanh(leaf, vjp=Watching()), vjp=Then(Mask(0.5, axis="row"), TWO))
    tape.gradients(y, [leaf], normal(1, 8, 3), rng=0)
    assert seen == [Rows]
    w = mg.Tensor(normal(1, 6, 3), requires_grad=True)
    flops = []
    for vjp in (Mask(0.25, axis="row"), Then(Mask(0.25, axis="row"), TWO)):
        with mg.Tape() as tape:
            ops.linear(leaf, w, vjp=vjp)
        flops.append(inspect.cost(tape).backward - vjp.overhead((8, 6)))
    assert flops[0] == flops[1]


@pytest.mark.parametrize("estimator", PAIRS, ids=repr)
def test_text(estimator):
    assert parse(repr(estimator)) == estimator


@pytest.mark.parametrize(
    "text, words",
    [
        ("then(mask(0.5))", "missing"),
        ("then(mask(0.5), 4)", "no estimator"),
        ("then(mask, rounding(4))", "no estimator"),
        ("then(mask(2), rounding(4))", r"budget=2 is outside \(0, 1\]"),
        ("then(maks(0.5), rounding(4))", "did you mean 'mask'"),
        ("then(mask(0.5), rounding(12))", "bits=12"),
    ],
)
def test_text_that_is_wrong(text, words):
    with pytest.raises(ValueError, match=words):
        parse(text)


def test_wrong_parts_teach():
    with pytest.raises(TypeError, match="the second of the two is 4 and no estimator"):
        Then(Mask(0.5), 4)


@pytest.mark.parametrize("g", [np.zeros((0, 3)), np.full((2, 3), np.nan), np.zeros((2, 3)), np.array(2.0)], ids=str)
def test_odd_cotangents(g):
    for estimator in PAIRS:
        drawn = dense(estimator.sample(g, None, 0))
        assert drawn.shape == g.shape


def test_in_training_and_as_save():
    model = nn.mlp((6, 8, 3), rng=0)
    nn.set_save(model, Then(Mask(0.5, axis="row"), StochasticRounding(4)))
    x = normal(0, 32, 6, dtype=np.float32)
    with mg.Tape(rng=0) as tape:
        loss = ops.cross_entropy(model(x), np.arange(32) % 3)
    assert isinstance(tape.nodes[0].saved["x"], Coded)
    assert all(np.isfinite(g).all() for g in tape.gradients(loss, model.parameters()))
    with mg.Tape() as tape:
        y = ops.linear(mg.Tensor(normal(1, 4, 3), requires_grad=True), normal(2, 2, 3), vjp=PAIRS[1]).sum()
    assert inspect.unbiasedness(tape, y, rng=0).passed
    assert inspect.sparsity(tape, y, rng=0).nodes[0].unit == "rows"


def test_a_distortion_that_cannot_be_listed_says_so():
    with pytest.raises(NotImplementedError, match="mean over the outcomes of the first"):
        Then(Mask(0.5, axis="element"), TWO).distortion(normal(0, 30, 30))
