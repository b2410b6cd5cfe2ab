"""Rows that arrive at a sketched node are drawn among themselves: unbiased, and what is zero costs nothing."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import exact, moments, normal, passes

import minigrad as mg
from minigrad import inspect, nn, ops
from minigrad.engine.drawing import arriving
from minigrad.estimators import DiagonalSketch, Mask, Priced, TopK
from minigrad.streams import Domain, generator
from minigrad.structure import Rows, dense, share

SHAPE = (4, 3, 2)
ROWS = Rows(normal(0, 4, 2) * np.array([[3.0], [1.0], [0.2], [0.5]]), np.array([1, 4, 7, 11]), SHAPE)
SAMPLES = Rows(normal(1, 2, 3, 2) * np.array([[[2.0]], [[0.3]]]), np.array([0, 3]), SHAPE)


def estimators(axis):
    return [
        Mask(0.4, axis),
        Mask(0.4, axis, "systematic"),
        DiagonalSketch(0.2, axis),
        DiagonalSketch(0.2, axis, "both"),
        DiagonalSketch(0.2, axis, "weight", "systematic"),
        DiagonalSketch(axis=axis, distortion=0.5),
        Priced(2.0, axis=axis),
        Priced(2.0, axis=axis, target="weight"),
        Priced(2.0, axis=axis, target="both", design="systematic"),
        Priced(1e9, axis=axis, least=0.3),
    ]


CASES = [(ROWS, e) for e in estimators("row")] + [(SAMPLES, e) for a in ("row", "sample") for e in estimators(a)]
CASES += [(ROWS, e) for e in estimators("sample")]  # made dense: they are no samples


def node(vjp=None, shape=SHAPE):
    leaves = [mg.Tensor(normal(2, *shape[:-1], 3), requires_grad=True), mg.Tensor(normal(3, 2, 3), requires_grad=True)]
    with mg.Tape() as tape:
        y = ops.linear(*leaves, vjp=vjp)
    return tape, y, leaves


@pytest.mark.parametrize(("g", "estimator"), CASES, ids=repr)
def test_enumerated(g, estimator):
    """The mean is what arrived, the distortion the closed one, and rows that did not arrive are never there."""
    at = node()[0].nodes[0]
    total, mean, variance = moments(estimator.outcomes(g, at))
    assert total == pytest.approx(1) and variance == pytest.approx(estimator.distortion(g, at), rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(mean, g.dense(), atol=1e-12)
    for _, kept in estimator.outcomes(g, at):
        assert not dense(kept)[g.dense() == 0].any()


@pytest.mark.parametrize(("g", "estimator"), CASES, ids=repr)
def test_draws_are_the_outcomes(g, estimator):
    at = node()[0].nodes[0]
    known = [(p, dense(kept)) for p, kept in estimator.outcomes(g, at)]
    counts = np.zeros(len(known))
    for seed in range(400):
        drawn = estimator.sample(g, at, generator(Domain.SAMPLE, seed))
        assert drawn.dtype == g.dtype
        near = [np.allclose(dense(drawn), outcome, rtol=1e-6) for _, outcome in known]
        counts[near.index(True)] += 1
    p = np.array([p for p, _ in known])
    # Each count within 4.5 standard errors: a false alarm in 1e5; a probability that is off by 0.15 is found.
    assert (np.abs(counts - 400 * p) <= 4.5 * np.sqrt(400 * p * (1 - p)) + 1e-6).all()


@pytest.mark.parametrize(("g", "axis"), [(ROWS, "row"), (SAMPLES, "row"), (SAMPLES, "sample")])
def test_the_same_law_as_for_the_dense_cotangent(g, axis):
    at = node()[0].nodes[0]
    for estimator in estimators(axis):
        if not isinstance(estimator, Mask):  # whose zero rows are drawn, too
            assert estimator.distortion(g, at) == pytest.approx(estimator.distortion(g.dense(), at), rel=1e-9)


def test_they_stay_rows_and_the_share_is_that_of_all():
    for g, axis in ((ROWS, "row"), (SAMPLES, "sample"), (SAMPLES, "row")):
        for estimator in estimators(axis):
            kept = estimator.sample(g, None, 0)
            assert isinstance(kept, Rows) and set(kept.unfolded.indices) <= set(g.unfolded.indices)
            assert share(kept) == kept.values.size / np.prod(SHAPE) <= share(g)


def test_what_is_not_finite_or_exact_goes_on_as_it_came():
    bad = Rows(np.where(np.arange(8).reshape(4, 2) == 3, np.nan, ROWS.values), ROWS.indices, SHAPE)
    for estimator in (DiagonalSketch(0.2, "row"), Priced(2.0)):
        assert np.array_equal(dense(estimator.sample(bad, None, 0)), bad.dense(), equal_nan=True)
    assert Priced(0.0).sample(ROWS, None, 0).dense().tolist() == ROWS.dense().tolist()
    none = Rows(np.zeros((0, 2)), np.zeros(0, np.intp), SHAPE)
    assert not dense(Priced(1.0).sample(none, None, 0)).any()


def test_who_takes_rows():
    """Estimators of the library by rows; those of a user only if the class says so itself."""

    class Own(Mask):
        pass

    class Willing(mg.Estimator):
        takes_rows = True

        def sample(self, g, node, rng):
            assert isinstance(g, Rows) and not g.values.flags.writeable
            return g

    for vjp, stays in [
        (Priced(1.0), True), ({"x": Mask(0.5, "row")}, True), ({"x": Mask(0.5, "row"), "w": TopK(0.5)}, False),
        (Own(0.5, "row"), False), (Willing(), True),
    ]:  # fmt: skip
        assert isinstance(arriving(node(vjp)[0].nodes[0], ROWS), Rows) == stays
    leaves = node()[2]
    with mg.Tape() as tape:
        y = ops.tanh(ops.linear(*leaves, vjp=Willing()), vjp=Mask(0.5, "row"))
        loss = (y * y).sum()
    tape.gradients(loss, leaves, rng=0)


def chain(price):
    """Two layers by rows: what the second keeps arrives at the first."""
    w, v = (mg.Tensor(normal(k, 2, 2), requires_grad=True, name=f"w{k}") for k in (5, 6))
    with mg.Tape() as tape:
        h = ops.tanh(ops.linear(normal(4, 3, 2), w, vjp=price(0)))
        loss = ops.square(ops.linear(h, v, vjp=price(1))).sum()
    return tape, loss, [w, v]


@pytest.mark.parametrize(
    "price",
    [
        lambda k: Priced(4.0, gain=0.5, target="both", cost=2.0),
        lambda k: {"x": Priced(3.0), "w": Priced(4.0, target="weight")},
        lambda k: DiagonalSketch(0.5, "row"),
    ],
)
def test_through_two_sketched_layers(price):
    tape, loss, leaves = chain(price)
    found = inspect.exact_moments(tape, loss)
    assert found.bias < 1e-12 * found.norm and found.total_variance > 0
    measured = inspect.variance(tape, loss, draws=2000, rng=0)
    # Within 5 standard errors: a false alarm in 1e6.
    assert abs(measured.total - found.total_variance) < 5 * measured.standard_error
    along = inspect.variance(tape, loss, draws=500, rng=0, directions=64)
    assert along.total == pytest.approx(found.total_variance, rel=0.25)
    assert inspect.unbiasedness(tape, loss, draws=300, rng=0).passed


def test_shares_of_a_chain_count_all_rows():
    tape, loss, leaves = chain(lambda k: Priced(6.0, least=0.3))
    for seed in range(20):
        tape.gradients(loss, leaves, rng=seed)
        below, above = (tape.shares[tape.nodes[k].index, 0] for k in (0, 2))
        assert below <= above


def test_second_derivatives_with_rows_in_between():
    x = mg.Tensor(normal(7, 3, 2), requires_grad=True)
    with mg.Tape() as outer:
        with mg.Tape() as inner:
            h = ops.tanh(ops.linear(x, normal(8, 2, 2), vjp=Priced(1.0)))
            loss = ops.square(ops.linear(h, normal(9, 2, 2), vjp=Priced(1.0))).sum()
        (g,) = inner.gradients(loss, [x], rng=0)
        total = (g * g).sum()
    (second,) = outer.gradients(total, [x], rng=1)
    assert np.isfinite(second).all() and second.any()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("wanted_x", [False, True])
@pytest.mark.parametrize("tau", [0.5, 4.0])
def test_one_draw_for_all_edges(tau, wanted_x, bias):
    """By enumeration: one draw, both gradients unbiased, the variance of each edge that of the theory."""
    both = Priced(tau, gain=2.0, target="both", cost=3.0)
    leaves = [mg.Tensor(normal(k, *shape), requires_grad=True) for k, shape in enumerate([(4, 2), (3, 2), (3,)])]
    leaves[0].requires_grad = wanted_x
    leaves = leaves if bias else leaves[:2]
    with mg.Tape() as tape:
        y = ops.linear(*leaves, vjp=both)
    g = normal(3, 4, 3) * np.array([4.0, 1.0, 0.3, 0.0])[:, None]
    x, w = leaves[0].data, leaves[1].data
    leaves = leaves if wanted_x else leaves[1:]
    squares, operand = np.square(g).sum(1), np.square(x).sum(1)
    v = squares * (2.0 * wanted_x + operand + bias)
    p = both.probabilities(g, tape.nodes[0])
    wanted = np.minimum(1, np.sqrt(v / 3.0) / tau)
    np.testing.assert_allclose(p, np.where(v > 0, np.maximum(wanted, 0.1 * wanted.mean()), 0), rtol=1e-12)
    total, mean, _ = moments(passes(tape, y, leaves, g))
    np.testing.assert_allclose(mean, exact(tape, y, leaves, g), atol=1e-11)
    odds = np.where(p > 0, 1 / np.where(p > 0, p, 1) - 1, 0)
    edges = [np.square(g @ w).sum(1)] * wanted_x + [squares * operand, squares]
    for leaf, terms in zip(leaves, edges, strict=False):
        _, _, variance = moments(passes(tape, y, [leaf], g))
        assert variance == pytest.approx(odds @ terms)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_float32_is_unbiased_to_its_last_bit(scale):
    """Probabilities are multiples of 2⁻²⁴, as the uniform numbers they are compared with; draws and list agree."""
    g = (normal(4, 6, 3) * scale).astype(np.float32)
    sketch = Priced(4.0 * scale)
    p = sketch.probabilities(g)
    assert p.dtype == np.float32 and np.array_equal(p.astype(float) * 2**24, np.rint(p.astype(float) * 2**24))
    np.testing.assert_allclose(p, Priced(4.0).probabilities(normal(4, 6, 3)), rtol=1e-5)
    listed = [(q, dense(kept).astype(float)) for q, kept in sketch.outcomes(g)]
    _, mean, variance = moments(listed)
    np.testing.assert_allclose(mean, g, rtol=1e-6)
    assert variance == pytest.approx(sketch.distortion(g), rel=1e-5)


def test_a_network_by_one_draw_a_layer():
    model = nn.mlp((6, 8, 3), rng=0)
    nn.set_vjp(model, Priced(1.0, target="both", cost=2.0))
    with mg.Tape() as tape:
        loss = model(normal(0, 20, 6).astype(np.float32)).square().sum()
    assert inspect.unbiasedness(tape, loss, draws=300, rng=0).passed
